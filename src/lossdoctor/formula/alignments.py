"""The `ctc` of formulas: minus the logarithm of the sum over all alignments of labels with the rows of a table.

The states of a sample are blank, label 1, blank, label 2, …, blank. An alignment names one state a row: it starts in
one of the first two, stays or advances by one, or by two from a label to a different one, and ends in one of the last
two. Its probability is the product over the rows of what the softmax of the scores gives to the label of its state.

The sum is made by the forward recursion of Graves et al., Connectionist Temporal Classification (2006), section 4.1,
in the logarithms of partial sums; unreachable states are left out instead of having the logarithm of zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossdoctor.formula.balls import Balls
from lossdoctor.formula.floats import Floats

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Sums:
    """Logarithms of sums of probabilities, of shape (B, S), where `known`; `slope` has a leading axis of directions."""

    value: Array
    slope: Array | None
    known: Array

    def moved(self, by: int) -> Sums:
        """The same, `by` states later."""
        if by == 0:
            return self
        known = np.zeros_like(self.known)
        known[:, by:] = self.known[:, :-by]
        return Sums(np.roll(self.value, by, -1), None if self.slope is None else np.roll(self.slope, by, -1), known)


def alignments(
    system: Floats | Balls, shares: Sums, labels: Array, lengths: Array, rows: Array, blank: int
) -> tuple[Array, Array | None]:
    """Minus the logarithm of the sum over all alignments, and its derivatives.

    Args:
        shares: logarithms of probabilities, of shape (B, T, C).
        labels: integers, of shape (B, L); the first `lengths` of each sample count.
        lengths: integers, of shape (B,).
        rows: how many of the T rows count, integers of shape (B,).

    Returns:
        Shape (B,), and (k, B) or None. NaN where there is no alignment, as for labels with a blank among them.

    Raises:
        ValueError: numbers of labels or rows that the arrays do not have, or labels that are none.
    """
    batch, count, classes = shares.value.shape
    _require(lengths, labels.shape[-1], "lengths")
    _require(rows, count, "numbers of rows")
    inside = np.arange(labels.shape[-1]) < lengths[:, None]
    _require(np.where(inside, labels, 0), classes - 1, "labels")
    _require(np.asarray(blank), classes - 1, "a blank")
    valid = ~np.any(inside & (labels == blank), axis=-1)
    states = np.full((batch, 2 * labels.shape[-1] + 1), blank)
    states[:, 1::2] = np.where(inside, labels, blank)
    place = np.arange(states.shape[-1])
    last = 2 * lengths[:, None]
    skips = np.zeros(states.shape, bool)
    skips[:, 3::2] = states[:, 3::2] != states[:, 1:-2:2]
    value = system.array(np.full(batch, np.nan))
    slope = None if shares.slope is None else system.array(np.full(shares.slope.shape[:2], np.nan))
    held = Sums(shares.value[:, 0], None, (place < 2) & (place <= last))
    for row in range(count):
        here = _emitted(shares, row, states)
        if row == 0:
            held = Sums(here.value, here.slope, held.known)
        else:
            later = held.moved(2)
            ways = (held, held.moved(1), Sums(later.value, later.slope, later.known & skips))
            held = _longer(_merged(system, ways), here, place <= last)
        ending = rows == row + 1
        if ending.any():
            ends = held.known & ((place == last) | (place == last - 1))
            every = [Sums(*_column(held, k), ends[:, k : k + 1]) for k in range(len(place))]
            total = _merged(system, every)
            chosen = ending & total.known[:, 0] & valid
            value = np.where(chosen, -total.value[:, 0], value)
            if slope is not None and total.slope is not None:
                slope = np.where(chosen, -total.slope[..., 0], slope)
    return value, slope


def _require(numbers: Array, most: int, what: str) -> None:
    if numbers.size and not (numbers.min() >= 0 and numbers.max() <= most):
        raise ValueError(f"{what} from 0 to {most} wanted, {numbers.min()} to {numbers.max()} given")


def _emitted(shares: Sums, row: int, states: Array) -> Sums:
    """What one row gives to the label of each state."""
    value = np.take_along_axis(shares.value[:, row], states, -1)
    slope = None
    if shares.slope is not None:
        everywhere = np.broadcast_to(states, (len(shares.slope), *states.shape))
        slope = np.take_along_axis(shares.slope[:, :, row], everywhere, -1)
    return Sums(value, slope, np.ones(states.shape, bool))


def _longer(sums: Sums, here: Sums, inside: Array) -> Sums:
    slope = None if sums.slope is None or here.slope is None else sums.slope + here.slope
    return Sums(np.asarray(sums.value + here.value), slope, sums.known & inside)


def _column(sums: Sums, place: int) -> tuple[Array, Array | None]:
    return sums.value[:, place : place + 1], None if sums.slope is None else sums.slope[..., place : place + 1]


def _merged(system: Floats | Balls, ways: list[Sums] | tuple[Sums, ...]) -> Sums:
    """The logarithm of the sum of what is known of several; 0, and not known, where nothing is."""
    values = np.stack([way.value for way in ways], axis=-1)
    known = np.stack([way.known for way in ways], axis=-1)
    reached = np.asarray(known.any(axis=-1))
    total = system.logsumexp(values, (values.ndim - 1,), known)
    total = np.where(reached[..., None], total, system.array(np.zeros(())))
    slope = None
    slopes = [way.slope for way in ways if way.slope is not None]
    if slopes:
        weights = np.where(known, system.exp(values - total), system.array(np.zeros(())))
        slope = np.sum(np.where(known, np.stack(slopes, axis=-1), system.array(np.zeros(()))) * weights, axis=-1)
    return Sums(total[..., 0], slope, reached)
