"""Inputs at which rounding shows: ordinary ones, saturated ones, nearly equal ones, and ones far from zero.

All are values that a network produces. A logit of 20 is a confident classifier, a target of 1000 a price or a
year, predictions within 1e-3 of the target a regression that has converged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossdoctor.search.leaves import make_pair, pair_arrays, pair_specs, specs, valid
from lossdoctor.session import Pair
from lossdoctor.spec import Contract, Spec, dim_names, discrete_values, numpy_dtype, sample

Array = NDArray[Any]
Parts = list[Array]

ORDINARY = 6  # the first of the points are realistic draws
# In float32 1 + exp(-x) is 1 from x = 25 log 2 = 17.33 on, and 1 - tanh(x)² is 0 from about half of that.
_LEVELS = (17.3, 12.0, 20.0, 8.0, 16.0, 4.0, 40.0)
_UNIT_LEVELS = (1e-3, 0.5, 0.999, 1 - 2.0**-20)
_POSITIVE_LEVELS = (1e-3, 1.0, 100.0, 1000.0)
_PEAKS = (8.0, 17.3, 30.0)
_OFFSETS = (100.0, 1000.0)
_NEAR = (1e-3, 1e-4)
_FAIRLY_NEAR = 1.5e-2
_FACTOR = 100.0  # metres instead of centimetres; a scale that a loss does not look at
_ALIKE = 1e-2  # samples of a batch; embeddings nearer to each other have collapsed
_SMALL = 1e-6
_DRAWS = 2  # of the points that are drawn around something
BATCH, _NAMED = 3, 3
_PEAKED = ("real", "logit", "probability")
_UNBOUNDED = ("real", "positive")
_FLOATING = ("real", "positive", "logit", "unit")


def points(contract: Contract, seed: int = 0, batch: int = BATCH) -> list[Pair]:
    """The pairs, valid for the contract and within its magnitude, the `ORDINARY` ones first."""
    rng = np.random.default_rng(seed)
    of = pair_specs(contract)
    found: list[Pair] = []
    for parts in _proposals(contract, of, rng, batch):
        arrays = [part.astype(numpy_dtype(spec.dtype)) for part, spec in zip(parts, of, strict=True)]
        within = all(np.nanmax(np.abs(part), initial=0.0) <= contract.magnitude for part in parts)
        if within and valid(arrays, of):
            found.append(make_pair(contract, arrays))
    return found


def _proposals(contract: Contract, of: list[Spec], rng: np.random.Generator, batch: int) -> Iterator[Parts]:
    sizes = {name: batch if name == "B" else _NAMED for name in dim_names(contract.y_true, contract.y_pred)}
    true = len(specs(contract.y_true))

    def drawn() -> Parts:
        pair = Pair(
            *(
                sample(part, rng, sizes, contract.magnitude, style="realistic")
                for part in (contract.y_true, contract.y_pred)
            )
        )
        return [array.astype(np.float64) for array in pair_arrays(contract, pair)]

    for _ in range(ORDINARY):
        yield drawn()
    if any(spec.kind in ("real", "logit") for spec in of[true:]):
        yield [
            _SMALL * part if spec.kind in ("real", "logit") else part for part, spec in zip(drawn(), of, strict=True)
        ]
    yield from _near(drawn(), of, true, _FAIRLY_NEAR, rng)
    for _ in range(_DRAWS):
        for near in _NEAR:
            yield from _near(drawn(), of, true, near, rng)
        for offset in _OFFSETS:
            if all(spec.kind in _UNBOUNDED for spec in of) and _comparable(drawn(), true):
                yield [part + offset for part in drawn()]
    if all(spec.kind in _UNBOUNDED for spec in of) and _comparable(drawn(), true):
        yield from _biased(drawn(), of, true, rng)
    for peak in _PEAKS:
        if any(spec.kind in _PEAKED for spec in of[true:]):
            parts = drawn()
            yield [
                *parts[:true],
                *(_peaked(part, spec, peak) for part, spec in zip(parts[true:], of[true:], strict=True)),
            ]
    for level in range(2 * len(_LEVELS)):
        for targets in _targets(drawn(), of, true):
            filled = [_filled(part, spec, level) for part, spec in zip(targets[true:], of[true:], strict=True)]
            if all(part is not None for part in filled):
                yield [*targets[:true], *(part for part in filled if part is not None)]


def _comparable(parts: Parts, true: int) -> bool:
    """Whether predictions stand against targets, one for one, as in a regression."""
    return [part.shape for part in parts[:true]] == [part.shape for part in parts[true:]]


def _biased(parts: Parts, of: list[Spec], true: int, rng: np.random.Generator) -> Iterator[Parts]:
    """Targets far from predictions that scatter around 0, as in the first epoch, and predictions off by a factor."""
    targets, predictions = parts[:true], parts[true:]
    yield [*(part + _OFFSETS[-1] for part in targets), *predictions]
    if all(spec.kind == "positive" for spec in of):
        scattered = [part * (1.0 + _NEAR[0] * rng.standard_normal(part.shape)) for part in targets]
        yield [*targets, *(_FACTOR * part for part in scattered)]


def _targets(parts: Parts, of: list[Spec], true: int) -> Iterator[Parts]:
    """The same draw with all targets at each of two discrete values; as it is for other kinds."""
    values = [discrete_values(spec) for spec in of[:true]]
    if all(value is not None and len(value) == 2 for value in values) and all(s.kind != "onehot" for s in of[:true]):
        for end in (0, 1):
            ends = [np.full_like(part, value[end]) for part, value in zip(parts, values, strict=False) if value]
            yield [*ends, *parts[true:]]
    else:
        yield parts


def _filled(part: Array, spec: Spec, level: int) -> Array | None:
    """A prediction that is the same number everywhere; None where there is no such level."""
    if spec.kind in ("real", "logit"):
        return np.full_like(part, _LEVELS[level // 2] * (1 if level % 2 == 0 else -1))
    table = {"unit": _UNIT_LEVELS, "positive": _POSITIVE_LEVELS}.get(spec.kind, ())
    return np.full_like(part, table[level]) if level < len(table) else None


def _peaked(part: Array, spec: Spec, peak: float) -> Array:
    """One class of each row far above the others: its logit, or what a softmax makes of it."""
    if spec.kind not in _PEAKED or not part.ndim or not part.shape[-1]:
        return part
    peaked = part.copy()
    if spec.kind == "probability":
        peaked *= np.exp(-peak)
        peaked[..., 0] += 1.0 - np.exp(-peak)
    else:
        peaked[..., 0] = peak
    return peaked


def _near(parts: Parts, of: list[Spec], true: int, near: float, rng: np.random.Generator) -> Iterator[Parts]:
    """Predictions close to the targets, and samples close to each other."""
    targets, predictions = parts[:true], parts[true:]

    def close(part: Array, spec: Spec, distance: float) -> Array:
        moved = part + distance * rng.standard_normal(part.shape)
        return np.clip(moved, 0.0, 1.0) if spec.kind == "unit" else moved

    if all(spec.kind in _FLOATING for spec in of) and _comparable(parts, true):
        yield [*targets, *(close(part, spec, near) for part, spec in zip(targets, of[true:], strict=True))]
    if (
        near == _NEAR[0]
        and all(spec.kind in _FLOATING for spec in of[true:])
        and all(part.ndim for part in predictions)
    ):
        alike = [np.broadcast_to(part[:1], part.shape) for part in predictions]
        gathered = [close(part, spec, _ALIKE) for part, spec in zip(alike, of[true:], strict=True)]
        yield from _targets([*targets, *gathered], of, true)
