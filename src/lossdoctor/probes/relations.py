"""How the loss of a batch follows from the losses of its samples: rows, mean, sum, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lossdoctor.session import Array

Relation = Literal[
    "per-sample",  # a batch axis, each row the loss of its sample
    "flattened",  # the leading axis is the batch and another axis in one
    "mean",  # one value, the mean of the losses of the samples
    "sum",  # one value, their sum: it grows with the batch
    "coupled",  # a sample's loss depends on the others of the batch, or rows are not the samples'
    "unknown",  # could not be told: random, or not defined for one sample
]
_PLAIN = 1e-2  # of the largest loss of a sample: a difference that any reader sees
_ORDER: tuple[Relation, ...] = ("per-sample", "flattened", "mean", "sum")  # the first that holds is taken


@dataclass(frozen=True, slots=True)
class Draw:
    """The losses of one random draw: of its first rows as a batch, by batch size, and of each row alone."""

    batches: Mapping[int, Array]
    alone: Sequence[Array]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Batch sizes above one, rising: a batch of one is its sample."""
        return tuple(sorted(size for size in self.batches if size > 1))


def decide(draws: Sequence[Draw], tolerance: float) -> tuple[Relation, int]:
    """The relation that holds at every size of every draw, and the batch axis of the loss.

    Args:
        tolerance: of each element, relative to the largest loss of a sample.
    """
    axis = _batch_axis(draws)
    if not draws:
        return "unknown", axis
    possible: list[Relation] = [
        relation
        for relation in _ORDER
        if all(_holds(relation, draw, size, tolerance, axis) for draw in draws for size in draw.sizes)
    ]
    if not possible:
        return "coupled", axis
    zero = not any(bool(np.any(one)) for draw in draws for one in draw.alone)
    if zero and len(possible) > 1 and possible[0] == "mean":
        return "unknown", axis  # the mean and the sum of nothing
    return possible[0], axis


def shown(relation: Relation, draws: Sequence[Draw], tolerance: float, axis: int) -> tuple[int, int] | None:
    """The smallest batch that shows a relation to be no other than "sum" or "coupled", as (draw, size); one that shows
    it plainly, beyond doubt of rounding, if there is any."""
    rivals: tuple[Relation, ...] = _ORDER if relation == "coupled" else ("mean",)
    for clear in (max(_PLAIN, tolerance), tolerance):
        for size in draws[0].sizes if draws else ():
            for index, draw in enumerate(draws):
                if not any(_holds(rival, draw, size, clear, axis) for rival in rivals):
                    return index, size
    return None


def wanted(draw: Draw, size: int, axis: int) -> Array:
    """What the samples alone let expect: their losses as rows, or their mean where the loss has no batch axis."""
    batch, ones = draw.batches[size], draw.alone[:size]
    for relation in ("per-sample", "mean"):
        found = _expected(relation, batch, ones, axis)
        if found is not None:
            return found
    return np.concatenate([one.reshape(-1) for one in ones])


def _batch_axis(draws: Sequence[Draw]) -> int:
    """The first axis of the loss that is as long as the batch, at every size; 0 if there is none."""
    shapes = [(size, draw.batches[size].shape) for draw in draws for size in draw.sizes]
    for axis in range(min((len(shape) for _, shape in shapes), default=0)):
        if all(shape[axis] == size for size, shape in shapes):
            return axis
    return 0


def _holds(relation: Relation, draw: Draw, size: int, tolerance: float, axis: int) -> bool:
    batch, ones = draw.batches[size], draw.alone[:size]
    expected = _expected(relation, batch, ones, axis)
    if expected is None:
        return False
    scale = max(float(np.max(np.abs(one), initial=0.0)) for one in ones)
    return bool(np.all(np.abs(batch - expected) <= tolerance * max(scale, 1e-30)))


def _expected(relation: Relation, batch: Array, ones: Sequence[Array], axis: int) -> Array | None:
    """The loss of the batch under a relation, from the losses of its samples; None where the shape rules it out."""
    size = len(ones)
    shapes = {one.shape for one in ones}
    if relation in ("mean", "sum"):
        if shapes != {batch.shape}:
            return None
        stacked = np.stack(ones)
        return np.asarray(stacked.mean(axis=0) if relation == "mean" else stacked.sum(axis=0))
    # A sample alone may have lost its axis (a squeeze): the row is what counts.
    per_row = ones[0].size
    if batch.ndim <= axis or batch.size != size * per_row:
        return None
    if relation == "per-sample":
        if batch.shape[axis] != size:
            return None
        row = batch.shape[:axis] + batch.shape[axis + 1 :]
        return np.stack([one.reshape(row) for one in ones], axis=axis)
    if per_row == 1 or batch.shape[0] % size or len(shapes) > 1:
        return None
    return np.concatenate([one.reshape(-1) for one in ones]).reshape(batch.shape)
