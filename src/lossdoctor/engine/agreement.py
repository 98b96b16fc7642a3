"""Whether a mended loss still computes what the old one did, where that was healthy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossdoctor.engine.readings import Readings
from lossdoctor.engine.witnesses import Witnesses
from lossdoctor.probes.batches import Batches
from lossdoctor.probes.draws import pair, sizes
from lossdoctor.rewrite import Proposal
from lossdoctor.session import Evaluation, Pair, Session, SessionError, Traced
from lossdoctor.spec import Contract, Spec, is_float, map_structure

_ORDINARY = 8  # realistic inputs, of two batch sizes
_TRIED = 64  # inputs of the search that are compared
_CHANGED = 1e-3  # by how much an ordinary value may differ if a mend says that it changes values
# Rounding of a handful of operations in the order of an ulp each, relative to the values they work on.
_ROUNDING = {"float16": 1e-2, "bfloat16": 6e-2, "float32": 2e-5, "float64": 1e-9}


@dataclass
class Baseline:
    """What the old loss gave, at ordinary inputs and at those of the search, in its own dtypes and in float64.

    All of it is computed when the baseline is made, as the session forgets the old loss when it loads the mended one.
    """

    contract: Contract
    ordinary: list[Pair] = field(default_factory=list[Pair])
    tried: list[Pair] = field(default_factory=list[Pair])
    single: list[Evaluation] = field(default_factory=list[Evaluation])
    double: list[Evaluation] | None = None

    @property
    def pairs(self) -> list[Pair]:
        return [*self.ordinary, *self.tried]

    def agrees(self, session: Session, traced: Traced, proposal: Proposal, *, changed: bool) -> bool:
        """Compare with the loss that the session has loaded and traced under the contract; `traced` is that trace.

        Afterwards the session may have traced it under another contract.
        """
        if proposal.agreement == "none" or not self.pairs:
            return True
        new = session.evaluate(self.pairs, _execution(traced))
        limit = len(self.ordinary) if changed or proposal.agreement != "same" else len(self.pairs)
        compared, open_ends = 0, list[int]()
        for index in range(limit):
            old = self.single[index]
            if old.raised is not None or not old.finite_value or not old.finite_gradient:
                continue
            if proposal.agreement == "one" and _batch(self.contract, self.pairs[index]) != 1:
                continue
            if new[index].raised is not None or not new[index].finite_value or not new[index].finite_gradient:
                return False
            compared += 1
            if not _close(old, new[index], proposal, changed=changed):
                open_ends.append(index)
        if not open_ends:
            return compared > 0 or not any(result.finite_value for result in self.single[: len(self.ordinary)])
        return proposal.agreement == "same" and not changed and self._agrees_exactly(session, open_ends, proposal)

    def _agrees_exactly(self, session: Session, indices: Sequence[int], proposal: Proposal) -> bool:
        """Where the old loss was only imprecise, both agree in float64."""
        if self.double is None:
            return False
        pairs = [self.pairs[index] for index in indices]
        new = _in_double(session, self.contract, pairs)
        return new is not None and all(
            result.raised is None and _close(self.double[index], result, proposal, changed=False)
            for index, result in zip(indices, new, strict=True)
        )


def baseline(readings: Readings, witnesses: Witnesses) -> Baseline:
    """The baseline of the loss that is loaded."""
    contract, session = readings.contract, readings.session
    rng = np.random.default_rng(readings.settings.seed)
    batches = readings.available(Batches)
    works = [size for size in batches.works if size] if batches is not None else []
    chosen = sorted(works)[:2] or [1, 3]
    if len(chosen) == 2 and max(works, default=0) > 2:
        chosen[1] = min(size for size in works if size > 2)
    ordinary = [pair(contract, rng, sizes(contract, chosen[i % len(chosen)], 3)) for i in range(_ORDINARY)]
    tried = list(witnesses.pairs)
    tried = tried[:: max(1, len(tried) // _TRIED)][:_TRIED]
    found = Baseline(contract, ordinary, tried)
    found.single = session.evaluate(found.pairs, _execution(readings.traced))
    found.double = _in_double(session, contract, found.pairs)
    return found


def _execution(traced: Traced) -> Any:
    return "unoptimised" if traced.traced is not None else "eager"


def _in_double(session: Session, contract: Contract, pairs: Sequence[Pair]) -> list[Evaluation] | None:
    """The loss in float64; None where it does not accept that."""

    def widened(spec: Spec) -> Spec:
        return replace(spec, dtype="float64") if is_float(spec) else spec

    wide = replace(
        contract, y_true=map_structure(widened, contract.y_true), y_pred=map_structure(widened, contract.y_pred)
    )
    try:
        traced = session.trace(wide)
        if traced.traced is None:
            return None
        return session.evaluate([Pair(_widened(p.y_true), _widened(p.y_pred)) for p in pairs], "unoptimised")
    except SessionError as problem:
        if problem.died is not None:
            raise
        return None


def _widened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _widened(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return tuple(_widened(part) for part in value)
    array = np.asarray(value)
    # NumPy counts bfloat16 among the void types.
    return array.astype(np.float64) if array.dtype.kind == "f" or array.dtype.name == "bfloat16" else array


def _batch(contract: Contract, given: Pair) -> int | None:
    spec = contract.y_pred
    return np.shape(given.y_pred)[0] if isinstance(spec, Spec) and np.ndim(given.y_pred) else None


def _close(old: Evaluation, new: Evaluation, proposal: Proposal, *, changed: bool) -> bool:
    assert old.value is not None
    assert new.value is not None
    before, after = _plain(old.value), _plain(new.value)
    dtypes = (str(old.value.dtype), str(new.value.dtype), proposal.rounding)
    tolerance = max(_ROUNDING.get(dtype, 0.0) for dtype in dtypes) or 2e-5
    if changed:
        tolerance = max(_CHANGED, tolerance)
    gradients = list(zip(old.gradients, new.gradients, strict=True))
    if proposal.agreement == "mean":
        before, after = np.mean(before), np.mean(after)
        return _near(before, after, tolerance)
    if proposal.agreement == "sum":
        before, after = np.sum(before), np.sum(after)
    if np.shape(before) != np.shape(after):
        return False
    # A derivative is as precise as the terms it is made of, which may be larger than it is.
    return _near(before, after, tolerance) and all(
        g is None or (h is not None and _near(_plain(g), _plain(h), 50 * tolerance))  # one that was missing may appear
        for g, h in gradients
    )


def _plain(array: Any) -> NDArray[np.float64]:
    return np.asarray(array).astype(np.float64)


def _near(before: Any, after: Any, tolerance: float) -> bool:
    """Elementwise, relative to the element and to the largest element, whichever is larger, and at least to 1."""
    if np.shape(before) != np.shape(after):
        return False
    scale = np.maximum(np.abs(before), 1.0)
    return bool(np.all(np.abs(before - after) <= tolerance * scale))
