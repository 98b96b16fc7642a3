"""What holds between two losses, from their values and gradients at the same inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lossdoctor.formula.compare import common
from lossdoctor.session import Array
from lossdoctor.standards.reading import Relation

# Relative to the value and to its usual size: rounding of float64 on one side at least, then stabilisers of 1e-7.
_STRICT, _LOOSE = 2e-6, 1e-3
_DIRECTION = 1e-5  # how far a cosine of equal directions may be from 1
_LEAST = 8  # inputs
_LARGEST = 1e100  # of a value or gradient; squares must not overflow


@dataclass(frozen=True, slots=True)
class Seen:
    """One loss at one input: its value, and the gradient of the sum of it (None where there is none)."""

    value: Array
    gradient: Array | None
    shape: tuple[int, ...]  # of y_pred

    @property
    def finite(self) -> bool:
        return bool(np.all(np.abs(self.value) < _LARGEST))  # False for NaN


@dataclass(frozen=True, slots=True)
class _Both:
    ours: Array
    theirs: Array
    shape: tuple[int, ...]


def relate(ours: Sequence[Seen], theirs: Sequence[Seen]) -> Relation:
    """How the first loss is made of the second; "different" where they are finite at too few inputs."""
    both: list[_Both] = []
    for one, other in zip(ours, theirs, strict=True):
        if not one.finite or not other.finite or not one.value.size:
            continue
        aligned = common(np.asarray(one.value, np.float64), np.asarray(other.value, np.float64))
        if aligned is not None:
            both.append(_Both(aligned[0].reshape(-1), aligned[1].reshape(-1), one.shape))
    cosines = list(_cosines(ours, theirs))
    cosine = float(np.mean(cosines)) if cosines else float("nan")
    if len(both) < _LEAST:
        return Relation("different", gradient_cosine=cosine, inputs=len(both))
    correlation = _correlation(both)
    for tolerance in (_STRICT, _LOOSE):
        fitted = _fitted(both, tolerance)
        if fitted is None:
            continue
        scale, offset, reduction = fitted
        same = scale == 1.0 and offset == 0.0 and not reduction
        return Relation(
            "same" if same else "scaled",
            scale,
            offset,
            reduction,
            cosine,
            correlation,
            gradients_agree=_gradients_agree(ours, theirs, scale if not reduction else None, cosines),
            approximate=tolerance > _STRICT,
            inputs=len(both),
        )
    way = 0.0
    if cosines and min(abs(one) for one in cosines) >= 1.0 - _DIRECTION:
        way = float(np.sign(cosines[0])) if len({one > 0 for one in cosines}) == 1 else 0.0
    kind = "same-direction" if way > 0 and len(cosines) >= _LEAST else "different"
    return Relation(kind, gradient_cosine=cosine, value_correlation=correlation, inputs=len(both))


def _fitted(both: Sequence[_Both], tolerance: float) -> tuple[float, float, str] | None:
    """Scale, offset and reduction under which the two agree; None where none do."""
    a = np.concatenate([one.ours for one in both])
    b = np.concatenate([one.theirs for one in both])
    spread = float(np.median(np.abs(b - np.median(b)))) or float(np.std(b))
    if not spread > 1e-9 * float(np.max(np.abs(b), initial=0.0)):
        return None  # nothing follows from a constant

    def agree(scale: Array | float, offset: float) -> bool:
        size = float(np.median(np.abs(a))) + 1e-12
        bound = tolerance * (np.abs(a) + np.abs(scale * b) + abs(offset) + 0.1 * size)
        return bool(np.all(np.abs(a - scale * b - offset) <= bound))

    # Ordinary values decide the fit; the largest would drown the offset.
    usual = np.abs(b - np.median(b)) <= 20 * spread
    scale, offset = _line(a[usual], b[usual])
    scale, offset = _plain(scale), _plain(offset)
    size = float(np.median(np.abs(a))) + 1e-12
    if abs(offset) <= 10 * tolerance * size:
        offset = 0.0
        scale = (
            _plain(float(np.median(a[usual & (b != 0)] / b[usual & (b != 0)]))) if np.any(usual & (b != 0)) else scale
        )
    if scale != 0.0 and agree(scale, offset):
        return scale, offset, "" if offset or scale == 1.0 else _of_size(scale, both)
    for name, count in _counts():
        sizes = np.concatenate([np.full(one.ours.size, count(one.shape)) for one in both])
        if np.ptp(sizes) == 0:
            continue
        if agree(sizes, 0.0):
            return 1.0, 0.0, f"a sum over {name} for its mean"
        if agree(1.0 / sizes, 0.0):
            return 1.0, 0.0, f"a mean over {name} for its sum"
    return None


def _line(a: Array, b: Array) -> tuple[float, float]:
    middle = float(np.mean(b))
    scale = float(np.dot(b - middle, a - np.mean(a)) / max(float(np.dot(b - middle, b - middle)), 1e-300))
    return scale, float(np.mean(a)) - scale * middle


def _plain(number: float) -> float:
    """The number, or a short one that lies as near as rounding allows."""
    if number == 0 or not np.isfinite(number):
        return 0.0
    for digits in (1, 2, 3, 4, 5):
        short = float(f"{number:.{digits - 1}e}")
        if abs(short - number) <= 2e-6 * abs(number):
            return short
    return number


def _of_size(scale: float, both: Sequence[_Both]) -> str:
    shape = both[0].shape
    for size in {int(np.prod(shape[start:])) for start in range(1, len(shape))} - {1}:
        if abs(scale - size) <= 1e-4 * size:
            return f"a sum of {size} elements for their mean"
        if abs(scale * size - 1.0) <= 1e-4:
            return f"a mean of {size} elements for their sum"
    return ""


def _counts() -> tuple[tuple[str, _Count], ...]:
    return (
        ("the batch", _Count(0, 1)),
        ("the elements of the batch", _Count(0, None)),
    )


@dataclass(frozen=True, slots=True)
class _Count:
    """The number of elements along some axes of y_pred."""

    start: int
    stop: int | None

    def __call__(self, shape: tuple[int, ...]) -> float:
        return float(np.prod(shape[self.start : self.stop]))


def _cosines(ours: Sequence[Seen], theirs: Sequence[Seen]) -> Iterator[float]:
    """Of the gradients: sample by sample where both losses have one number a sample, else of the whole batch.

    A sample with one entry of y_pred has no direction but up and down, so that there the batch says more.
    """
    for one, other in zip(ours, theirs, strict=True):
        if one.gradient is None or other.gradient is None:
            continue
        a, b = np.asarray(one.gradient, np.float64), np.asarray(other.gradient, np.float64)
        if a.shape != b.shape or not (np.all(np.abs(a) < _LARGEST) and np.all(np.abs(b) < _LARGEST)):
            continue
        rows = one.value.ndim > 0 and other.value.ndim > 0 and a.ndim > 1 and a.size > len(a)
        a, b = (x.reshape(len(x), -1) if rows else x.reshape(1, -1) for x in (a, b))
        for left, right in zip(a, b, strict=True):
            lengths = float(np.linalg.norm(left)), float(np.linalg.norm(right))
            if lengths[0] == 0 and lengths[1] == 0:
                continue
            # Where one of the two stands still they have nothing in common.
            yield float(np.dot(left, right) / (lengths[0] * lengths[1])) if min(lengths) > 0 else 0.0


def _gradients_agree(
    ours: Sequence[Seen], theirs: Sequence[Seen], scale: float | None, cosines: Sequence[float]
) -> bool:
    """Whether the gradients are related as the values are; a kink or two may lie on an input."""
    if not cosines:
        return True
    wanted = -1.0 if scale is not None and scale < 0 else 1.0
    if np.mean(np.abs(np.array(cosines) - wanted) <= 1e-3) < 0.9:
        return False
    if scale is None:
        return True
    ratios: list[float] = []
    for one, other in zip(ours, theirs, strict=True):
        if one.gradient is None or other.gradient is None or not other.value.size:
            continue
        if not np.all(np.abs(other.gradient) < _LARGEST) or not np.all(np.abs(one.gradient) < _LARGEST):
            continue
        length = float(np.linalg.norm(other.gradient))
        if length > 0:
            # The gradient is that of the sum: a mean has one, a value a sample has as many.
            ratios.append(float(np.linalg.norm(one.gradient)) / length * other.value.size / one.value.size)
    return not ratios or bool(np.mean(np.abs(np.array(ratios) - abs(scale)) <= 1e-2 * abs(scale)) >= 0.8)


def _correlation(both: Sequence[_Both]) -> float:
    a = np.concatenate([one.ours for one in both])
    b = np.concatenate([one.theirs for one in both])
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    # Of the ranks (Spearman): one huge value would decide that of the values.
    ranks = [np.argsort(np.argsort(side)).astype(np.float64) for side in (a, b)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
