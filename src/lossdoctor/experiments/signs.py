"""Which term pulls the prediction away from its target, or falls without end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lossdoctor.experiments.measure import Meter
from lossdoctor.experiments.scripts import Way
from lossdoctor.probes.targets import meaning
from lossdoctor.search.leaves import arrays, make_pair, pair_arrays
from lossdoctor.session import Array, Pair
from lossdoctor.spec import Contract, Spec, leaves

_SURE = 0.9  # of the inputs
_ANGLE = 0.05  # least cosine
_FACTORS = (1.0, 3.0, 10.0, 30.0)


def backwards(meter: Meter, contract: Contract, pairs: Sequence[Pair]) -> int | None:
    """The number of the term whose step leads away from the known answer; None if there is none or no answer."""
    found = np.array([_cosines(meter, contract, pair) for pair in pairs])  # (inputs, terms)
    for number in np.argsort(np.nanmean(found, axis=0)) if found.size and not np.all(np.isnan(found)) else []:
        own = found[:, number]
        own = own[~np.isnan(own)]
        if len(own) >= max(1, len(pairs) // 2) and np.mean(own < -_ANGLE) >= _SURE:
            return int(number)
    return _falling(meter, contract, pairs)


def _cosines(meter: Meter, contract: Contract, pair: Pair) -> list[float]:
    """Cosine of the step of each term and the way to the answer; nan where one of them is nothing."""
    way = _way(contract, pair)
    slopes = meter.gradients(pair)
    if way is None or way.size != slopes.shape[1]:
        return [float("nan")] * meter.count
    known = way != 0
    found: list[float] = []
    for slope in slopes:
        size = float(np.linalg.norm(slope[known]) * np.linalg.norm(way))
        found.append(float(-slope @ way / size) if size > 0 and np.isfinite(size) else float("nan"))
    return found


def _way(contract: Contract, pair: Pair) -> Array | None:
    """From the prediction to the known answer; zeros for the parts whose answer is not known."""
    known = list(_targets(contract, pair))
    parts = [np.zeros(value.size) if target is None else (target - value).reshape(-1) for _, value, target in known]
    return np.concatenate(parts) if any(target is not None for _, _, target in known) else None


def way_of(contract: Contract, pair: Pair) -> Way:
    """Where the predictions of an input should go."""
    known = list(_targets(contract, pair))
    limits = {"unit": (0.0, 1.0), "binary": (0.0, 1.0), "onehot": (0.0, 1.0), "probability": (0.0, 1.0),
              "positive": (1e-6, float("inf"))}  # fmt: skip
    return Way(tuple(target for _, _, target in known), tuple(limits.get(spec.kind) for spec, _, _ in known))


def _targets(contract: Contract, pair: Pair) -> Iterator[tuple[Spec, Array, Array | None]]:
    """Each part of y_pred that has a gradient: its spec, its value, and the best prediction, None if not known."""
    trues = list(zip(leaves(contract.y_true), arrays(contract.y_true, pair.y_true), strict=True))
    for (key, spec), value in zip(leaves(contract.y_pred), arrays(contract.y_pred, pair.y_pred), strict=True):
        if not spec.dtype.startswith(("float", "bfloat")):
            continue
        matching = [item for item in trues if item[0][0] == key] if len(trues) > 1 else trues
        target = next((t for (_, true), v in matching if (t := _target(true, spec, v, value)) is not None), None)
        yield spec, value, target


def _target(true: Spec, pred: Spec, given: Array, value: Array) -> Array | None:
    known = {
        dim: size
        for spec, array in ((true, given), (pred, value))
        for dim, size in zip(spec.dims, array.shape, strict=True)
        if isinstance(dim, str)
    }
    found = meaning(Contract(true, pred), known)
    if isinstance(found, str):
        return None
    return np.asarray(found.targets[0](given), np.float64).reshape(value.shape)


def _falling(meter: Meter, contract: Contract, pairs: Sequence[Pair]) -> int | None:
    """A term that falls ever further as predictions grow, at every input: an error or a penalty with the wrong sign."""
    count = len(leaves(contract.y_true))
    specs = [spec for _, spec in leaves(contract.y_pred)]
    falls = np.ones((len(pairs), meter.count), bool)
    for row, pair in enumerate(pairs):
        sums: list[Array] = []
        for factor in _FACTORS:
            parts = pair_arrays(contract, pair)
            for place, spec in enumerate(specs):
                if spec.kind in ("real", "logit") and spec.dtype.startswith("float"):
                    parts[count + place] = (parts[count + place] * factor).astype(parts[count + place].dtype)
            sums.append(meter.run(make_pair(contract, parts)).sums)
        values = np.array(sums)
        with np.errstate(invalid="ignore"):
            steady = np.all(np.diff(values, axis=0) < 0, axis=0)
            far = values[-1] < -5 * np.abs(values[0])
        falls[row] = steady & (far | np.isneginf(values[-1]))
    for number in range(meter.count):
        if falls[:, number].all():
            return number
    return None
