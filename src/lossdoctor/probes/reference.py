"""Another implementation of the same loss: a function of NumPy or TensorFlow, or a loss of Keras.

It is loaded beside the loss under examination and computed in float64, so that it can serve as its meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from lossdoctor.findings import UsageError
from lossdoctor.graph.spans import raised
from lossdoctor.probes.calls import Subject
from lossdoctor.probes.draws import pair as draw_pair
from lossdoctor.probes.draws import sizes
from lossdoctor.probes.ragged import of_rows
from lossdoctor.readings import ReferenceInfo
from lossdoctor.search.evaluate import Evaluator, leaves, rebuilt
from lossdoctor.session import Array, Evaluation, Pair
from lossdoctor.spec import Contract, Spec, is_float, map_structure

# Sixth-order central differences: weights of f(x + kh) - f(x - kh) for k = 1, 2, 3, over h
# (Fornberg, Generation of finite difference formulas on arbitrarily spaced grids, 1988, table 1).
STENCIL = (45 / 60, -9 / 60, 1 / 60)
STEP = 1e-3


@dataclass
class _Reference:
    """A loaded reference; `numpy` says that it takes and returns NumPy arrays."""

    subject: Any
    contract: Contract  # with float64 where that is accepted
    numpy: bool
    evaluator: Evaluator

    def at(self, pairs: Sequence[Pair], execution: Any = "graph") -> list[Evaluation]:
        cast = [Pair(_cast(p.y_true, self.contract.y_true), _cast(p.y_pred, self.contract.y_pred)) for p in pairs]
        if not self.numpy:
            return self.evaluator(cast, execution)
        return [self._in_numpy(pair) for pair in cast]

    def _in_numpy(self, pair: Pair) -> Evaluation:
        try:
            with np.errstate(all="ignore"):
                value = np.asarray(self.subject.call(pair.y_true, pair.y_pred))
            return Evaluation(value, (None,))
        except Exception as problem:  # the reference is the user's: anything may be raised
            return Evaluation(None, (None,), raised(problem, self.subject.is_user))

    def slopes(self, pair: Pair, along: Array) -> Array:
        """Derivatives of the sum of a NumPy function's value along directions of y_pred, of shape (k,)."""
        scale = STEP / np.maximum(1.0, np.abs(along).reshape(len(along), -1).max(axis=1))
        found = np.zeros(len(along))
        base = np.asarray(pair.y_pred, np.float64)
        for place, (direction, step) in enumerate(zip(along, scale, strict=True)):
            for k, weight in enumerate(STENCIL, 1):
                ends = self.at([Pair(pair.y_true, base + way * k * step * direction) for way in (1, -1)])
                totals = [np.nan if end.value is None else float(np.sum(end.value)) for end in ends]
                found[place] += weight * (totals[0] - totals[1]) / step
        return found


_LOADED: WeakKeyDictionary[Any, dict[tuple[str | int, str], _Reference]] = WeakKeyDictionary()


def probe(
    subject: Subject,
    contract: Contract,
    *,
    target: Any,
    pairs: Sequence[Pair] | None = None,
    along: Array | None = None,
    eager: bool = False,
) -> Any:
    """What the reference computes.

    Args:
        target: the reference, with an absolute path; in the caller's own process also a live object.
        pairs: inputs at which to compute it; without them, what it is.
        along: directions of y_pred of the only pair, of shape (k, *y_pred.shape): its derivatives there.
        eager: without compiling, which pays for a few inputs.

    Returns:
        A `ReferenceInfo`, a list of `Evaluation`, or an array of shape (k,).

    Raises:
        UsageError: there is no such loss, or it does not accept the specs.
    """
    known = _LOADED.setdefault(subject, {})
    key = (target if isinstance(target, str) else id(target), repr(contract))
    if key not in known:
        known[key] = _load(contract, target)
    reference = known[key]
    if pairs is None:
        return ReferenceInfo(reference.numpy, None if reference.numpy else _graph(reference))
    if along is not None:
        return reference.slopes(pairs[0], along)
    return reference.at(pairs, "eager" if eager else "graph")


def _load(contract: Contract, target: Any) -> _Reference:
    from lossdoctor.subject import load, subject_of

    subject = of_rows(load(target) if isinstance(target, str) else subject_of(target), contract.ragged)
    double = replace(
        contract, y_true=map_structure(_double, contract.y_true), y_pred=map_structure(_double, contract.y_pred)
    )
    problem = None
    for accepted in (double, contract):
        example = draw_pair(accepted, np.random.default_rng(0), sizes(accepted, 3, 3))
        if _is_numpy(subject, example):
            return _Reference(subject, accepted, True, Evaluator(subject.call, subject.is_user, accepted))
        reference = _Reference(subject, accepted, False, Evaluator(subject.call, subject.is_user, accepted))
        result = reference.at([example], "eager")[0]
        if result.raised is None:
            return reference
        problem = result.raised
    assert problem is not None
    raise UsageError(
        "Invalid value for `reference`. Expected a loss that accepts the specs. "
        f"Received: {subject.loaded.target}, which raises {problem.type}: {problem.message[:200]}"
    )


def _is_numpy(subject: Any, example: Pair) -> bool:
    try:
        with np.errstate(all="ignore"):
            value = subject.call(example.y_true, example.y_pred)
    except Exception:  # a function of tensors may refuse arrays
        return False
    return isinstance(value, np.ndarray | np.generic | float)


def _graph(reference: _Reference) -> Any:
    from lossdoctor.graph.frontend_tf import trace

    try:
        return trace(reference.subject.call, reference.contract, is_user=reference.subject.is_user).traced
    except (Exception, SystemExit):  # without it only the line that differs is harder to tell
        return None


def _double(spec: Spec) -> Spec:
    return replace(spec, dtype="float64") if is_float(spec) else spec


def _cast(value: Any, structure: Any) -> Any:
    arrays = [
        np.asarray(array).astype(spec.dtype) if spec.dtype in ("float32", "float64") else np.asarray(array)
        for array, spec in zip(leaves(value), leaves(structure), strict=True)
    ]
    return rebuilt(value, arrays)
