"""What a stop_gradient that removes a part of the derivative does to training.

A stopped weight or target shortens the gradient and is by design. Two things are not: a gradient that leads up the
loss, and one that does not vanish at the target although the loss is stationary there, so that training moves on.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager

import numpy as np

from lossdoctor.probes import targets
from lossdoctor.probes.draws import Sizes, draw
from lossdoctor.probes.weighted import Point, Weighted, moved, split
from lossdoctor.session import Array, Pair
from lossdoctor.spec import Contract, Spec

ALIGNED = 4  # points at which whole gradients are compared
ENTRIES = 64  # of y_pred, at most, for that
RESTS = 3  # targets at which the gradient should vanish
STATIONARY = 1e-3  # of the usual derivative: none


@contextmanager
def unstopped() -> Generator[None]:
    """Let stop_gradient do nothing, in TensorFlow and in Keras, which calls it."""
    from lossdoctor.graph.untyped_tf import tf

    original = tf.stop_gradient
    tf.stop_gradient = tf.identity
    try:
        yield
    finally:
        tf.stop_gradient = original


def opposed(weighted: Weighted, centres: Sequence[tuple[Pair, Point]]) -> float | None:
    """The share of entries whose gradient and derivative, by a central difference, have opposite signs; None where
    the value has no derivative to compare with (straight-through estimators)."""
    shares: list[float] = []
    for pair, centre in centres[:ALIGNED]:
        used = _flat(centre)
        true = _derivative(weighted, pair, centre)
        if true is None:
            return None
        sizes = float(np.abs(used).max()), float(np.abs(true).max())
        if not np.isfinite(sizes).all() or min(sizes) <= 1e-3 * max(sizes):
            continue
        known = (np.abs(used) > 1e-2 * sizes[0]) & (np.abs(true) > 1e-2 * sizes[1])
        if known.any():
            shares.append(float(np.mean(used[known] * true[known] < 0)))
    return float(np.mean(shares)) if len(shares) >= 2 else None


def unrest(
    weighted: Weighted,
    contract: Contract,
    sizes: Sizes,
    centres: Sequence[tuple[Pair, Point]],
    rng: np.random.Generator,
) -> float | None:
    """The gradient at targets where the derivative of the value vanishes, relative to that at ordinary points; the
    least of several, and None where no target is known or the derivative does not vanish there."""
    known = targets.meaning(contract, sizes)
    if isinstance(known, str) or not isinstance(contract.y_pred, Spec) or not centres:
        return None
    usual = [float(np.abs(_flat(centre)).max()) for _, centre in centres]
    pair, centre = centres[0]
    elsewhere = _derivative(weighted, pair, centre)
    if elsewhere is None or not np.isfinite(usual).all() or not np.median(usual) > 0.0:
        return None
    found: list[float] = []
    for _ in range(RESTS):
        y_true = draw(contract.y_true, rng, sizes)
        pair = Pair(y_true, targets.as_prediction(known.targets[0](y_true), contract.y_pred))
        try:
            centre = weighted.at(pair)
            true = _derivative(weighted, pair, centre)
        except Exception:  # an assertion of the user's
            return None
        if true is None or not np.all(np.isfinite(true)) or not np.all(np.isfinite(_flat(centre))):
            return None
        if np.abs(true).max() > STATIONARY * np.abs(elsewhere).max():
            return None
        found.append(float(np.abs(_flat(centre)).max() / np.median(usual)))
    return min(found)


def _flat(point: Point) -> Array:
    return np.concatenate([one.ravel() for one in point.gradients])


def _derivative(weighted: Weighted, pair: Pair, centre: Point) -> Array | None:
    """The derivative of the value by central differences, entry by entry; None where there are too many."""
    step = weighted.epsilon ** (1.0 / 3.0)
    count = _flat(centre).size
    if not 1 < count <= ENTRIES:
        return None
    true = np.zeros(count)
    for entry in range(count):
        unit = np.zeros(count)
        unit[entry] = 1.0
        along = split(unit, centre.gradients)
        ends = [moved(weighted, pair, along, sign * step).total for sign in (1.0, -1.0)]
        true[entry] = (ends[0] - ends[1]) / (2.0 * step)
    return true
