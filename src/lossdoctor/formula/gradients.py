"""The gradient that training uses against the derivative of the formula or reference, where the values agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lossdoctor.formula.meaning import Meaning
from lossdoctor.formula.reading import GradientDifference
from lossdoctor.session import Array, Evaluation, Pair

_DIRECTIONS = 64  # all axes of y_pred up to so many elements, beyond them random directions
_RANDOM = 8
# One per cent of the derivative or of a twentieth of the longest: kinks and rounding of float32 stay below, a
# missing factor does not.
_RELATIVE = 0.01
_STEP = 1e-3

Evaluate = Callable[[Sequence[Pair]], list[Evaluation]]


def gradient_difference(
    meaning: Meaning, pair: Pair, evaluation: Evaluation, *, simplex: bool, seed: int = 0
) -> tuple[int, GradientDifference | None]:
    """How many derivatives were compared at an input (0 at a kink), and the worst that differs.

    Args:
        simplex: the last axis of y_pred sums to 1, so that only directions that keep the sum mean anything: a loss
            may normalise where the formula does not.
    """
    used_all = evaluation.gradients
    if len(used_all) != 1 or used_all[0] is None or not isinstance(pair.y_pred, np.ndarray):
        return 0, None
    if evaluation.value is None or not evaluation.finite_value or not evaluation.finite_gradient:
        return 0, None
    used = np.asarray(used_all[0], np.float64)
    along = _directions(pair.y_pred.shape, seed)
    if simplex:
        along = along - along.mean(axis=-1, keepdims=True)
    expected = _slopes(meaning, pair, along, evaluation.value)
    if expected is None or not np.all(np.isfinite(expected)):
        return 0, None
    ours = np.array([float(np.sum(used * one)) for one in along])
    reach = float(np.max(np.abs(expected), initial=0.0))
    tolerance = _RELATIVE * np.maximum(np.abs(expected), max(0.05 * reach, 1e-9))
    smooth = _smooth(meaning, pair, along, evaluation.value, expected, tolerance)
    excess = np.where(smooth, np.abs(ours - expected) / tolerance, 0.0)
    worst = int(np.argmax(excess))
    if excess[worst] <= 1.0:
        return int(smooth.sum()), None
    return int(smooth.sum()), GradientDifference(pair, along[worst], float(ours[worst]), float(expected[worst]))


def _directions(shape: tuple[int, ...], seed: int) -> Array:
    size = int(np.prod(shape))
    if size <= _DIRECTIONS:
        return np.eye(size).reshape(size, *shape)
    return np.random.default_rng(seed).normal(size=(_RANDOM, *shape))


def _slopes(meaning: Meaning, pair: Pair, along: Array, value: Array) -> Array | None:
    """Derivatives of the sum of the loss, as its shape makes that of the formula: one for each direction."""
    found, total = meaning.slopes(Pair(pair.y_true, pair.y_pred.astype(np.float64)), along)
    # Loss and formula may be reduced differently; both then are means of the same.
    return total * (value.size / max(1, found.size))


def _smooth(meaning: Meaning, pair: Pair, along: Array, value: Array, centre: Array, tolerance: Array) -> Array:
    """Whether the derivative along each direction is nearly the same a little to either side."""
    step = _STEP
    smooth = np.ones(len(along), bool)
    y_pred = pair.y_pred.astype(np.float64)
    for place, one in enumerate(along):
        scale = step / max(1.0, float(np.max(np.abs(one), initial=0.0)))
        for way in (-1.0, 1.0):
            moved = Pair(pair.y_true, y_pred + way * scale * one)
            slope = _slopes(meaning, moved, along[place : place + 1], value)
            # A kink changes it by its whole size; curvature by a thousandth or so.
            if slope is None or not np.isfinite(slope[0]) or abs(slope[0] - centre[place]) > 20 * tolerance[place]:
                smooth[place] = False
    return smooth
