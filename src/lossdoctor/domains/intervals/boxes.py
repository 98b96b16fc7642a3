"""Boxes: regions of element values, cut finer only where something is undecided."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lossdoctor.domains.intervals.enclosure import INF, Bools, Enclosure, Floats, Leaf, round_to, step_down, tiniest
from lossdoctor.domains.intervals.enclosure import unit_roundoff as roundoff

_ENUMERATED = 32  # whole numbers listed one by one
_CUTS = (1e-20, 1e-7, 1e-3, 0.1, 10.0, 100.0, 1e4)

Cells = tuple[Floats, Floats, Bools]  # low, high, NaN; the NaN cell is empty (low > high)


def initial_cells(domain: Enclosure, dtype: str) -> Cells:
    """A first cover of the values in `domain` (its one entry): special points by themselves, coarse cells between.

    The outermost cells reach to the infinities, so that they cover whatever the domain turns out to be.
    """
    low, high = float(domain.low[0]), float(domain.high[0])
    pieces: list[tuple[float, float]] = []
    if low <= high:
        if domain.whole and high - low <= _ENUMERATED:
            pieces = [(float(n), float(n)) for n in range(math.ceil(low), math.floor(high) + 1)]
        elif domain.whole:
            points = sorted({p for p in (low, -1.0, 0.0, 1.0, high) if low <= p <= high and abs(p) < INF})
            pieces = _between(points, lambda p: p + 1.0, lambda p: p - 1.0)
        else:
            pieces = _real_cells(low, high, dtype)
        # A guard on either side: once clipped to the domain it repeats the end.
        pieces = [(-INF, pieces[0][0]), *pieces, (pieces[-1][1], INF)]
    nan = [False] * len(pieces)
    if domain.nan[0]:
        pieces.append((INF, -INF))
        nan.append(True)
    return np.array([p[0] for p in pieces]), np.array([p[1] for p in pieces]), np.array(nan)


def _real_cells(low: float, high: float, dtype: str) -> list[tuple[float, float]]:
    tiny, eps = tiniest(dtype), roundoff(dtype)
    points = {p for p in (-1.0, 0.0, 1.0) if low <= p <= high}
    points |= {end for end in (low, high) if abs(end) < INF}
    pieces = _between(sorted(points), lambda p: _next(p, dtype, 1), lambda p: _next(p, dtype, -1))
    if low == -INF:
        first = pieces[0][0] if pieces else 0.0
        pieces.insert(0, (-INF, _next(first, dtype, -1)))
    if high == INF:
        last = pieces[-1][1]
        pieces.append((_next(last, dtype, 1), INF))
    cut: list[tuple[float, float]] = []
    for a, b in pieces:
        marks = [tiny, 1.0 - 8 * eps, *_CUTS]
        marks = sorted({float(round_to(np.array([s * m]), dtype)[0]) for m in marks for s in (-1.0, 1.0)})
        for mark in marks:
            if a < mark < b:
                before = _next(mark, dtype, -1)
                if mark > 0.0:
                    cut.append((a, before))
                    a = mark
                else:
                    cut.append((a, mark))
                    a = _next(mark, dtype, 1)
        cut.append((a, b))
    if dtype == "float16":
        return cut  # computed in float32, where its denormals are normal
    # A denormal is flushed to the 0 that has a cell of its own.
    return [(a, b) for a, b in cut if a == b == 0.0 or max(abs(a), abs(b)) >= tiny]


def _between(
    points: list[float], after: Callable[[float], float], before: Callable[[float], float]
) -> list[tuple[float, float]]:
    """The points as cells of their own, and what lies between neighbours."""
    pieces: list[tuple[float, float]] = []
    for index, point in enumerate(points):
        pieces.append((point, point))
        if index + 1 < len(points):
            a, b = after(point), before(points[index + 1])
            if a <= b:
                pieces.append((a, b))
    return pieces


def _next(value: float, dtype: str, direction: int) -> float:
    """The neighbour of a number in its dtype (denormals included); the number itself in formats that NumPy lacks, so
    that neighbouring cells share an end there."""
    if dtype in ("float16", "float32", "float64"):
        kind = np.dtype(dtype).type
        return float(np.nextafter(kind(value), kind(direction * INF)))
    return value


@dataclass
class Boxes:
    """`low`, `high`, `nan` of each active leaf, one entry a box. Together the boxes cover every assignment of one
    value to each active leaf."""

    size: int = 1
    low: dict[Leaf, Floats] = field(default_factory=dict[Leaf, Floats])
    high: dict[Leaf, Floats] = field(default_factory=dict[Leaf, Floats])
    nan: dict[Leaf, Bools] = field(default_factory=dict[Leaf, Bools])
    dtypes: dict[Leaf, str] = field(default_factory=dict[Leaf, str])
    whole: dict[Leaf, bool] = field(default_factory=dict[Leaf, bool])
    cells: dict[Leaf, Cells] = field(default_factory=dict["Leaf", "Cells"])
    missing: set[Leaf] = field(default_factory=set["Leaf"])  # leaves with a cell for NaN

    def value(self, leaf: Leaf, hull: Enclosure) -> Enclosure:
        """The enclosure of an active leaf whose elements are known to lie in `hull` (which has one entry).

        A cell outside the hull is moved to its nearer end: that adds nothing to the set that is covered.
        """
        first, last, may_be_nan = hull.low[0], hull.high[0], bool(hull.nan[0])
        if first > last or (may_be_nan and leaf not in self.missing):
            return replace(hull.plain(), leaves=frozenset([leaf]))
        low, high, nan = self.low[leaf], self.high[leaf], self.nan[leaf]
        void = low > high
        return Enclosure(
            np.where(void, INF, np.clip(low, first, last)),
            np.where(void, -INF, np.clip(high, first, last)),
            nan & may_be_nan,
            frozenset([leaf]),
            hull.whole,
        )

    def activate(self, leaf: Leaf, domain: Enclosure, dtype: str) -> None:
        """Make a leaf one that can be cut; it is whole in every box so far."""
        self.cells[leaf] = initial_cells(domain, dtype)
        if domain.nan[0]:
            self.missing.add(leaf)
        self.dtypes[leaf], self.whole[leaf] = dtype, domain.whole
        self.low[leaf] = np.full(self.size, -INF)
        self.high[leaf] = np.full(self.size, INF)
        self.nan[leaf] = np.full(self.size, True)

    def copy(self) -> Boxes:
        return Boxes(
            self.size, dict(self.low), dict(self.high), dict(self.nan), dict(self.dtypes), dict(self.whole),
            dict(self.cells), set(self.missing),
        )  # fmt: skip

    def uncut(self, leaf: Leaf) -> Bools:
        """The boxes in which the leaf is still whole."""
        return np.isneginf(self.low[leaf]) & np.isposinf(self.high[leaf])

    def splittable(self, leaf: Leaf) -> Bools:
        return self.low[leaf] < self.high[leaf]

    def split(self, leaf: Leaf, marked: Bools, pieces: int, hull: Enclosure) -> NDArray[np.intp]:
        """Cut each marked box along the leaf: into the leaf's first cells where it is whole, else into `pieces`.

        Returns, for every box afterwards, the box before that it is part of.
        """
        uncut = marked & self.uncut(leaf)
        marked = marked & ~uncut
        order = np.arange(self.size)
        if marked.any():
            dtype, whole = self.dtypes[leaf], self.whole[leaf]
            low, high = self.low[leaf][marked], self.high[leaf][marked]
            inner = np.clip(low, hull.low[0], hull.high[0]), np.clip(high, hull.low[0], hull.high[0])
            bounds = [low] + [_cut(*inner, index / pieces, dtype, whole) for index in range(1, pieces)]
            lows = np.maximum.accumulate(np.stack(bounds, axis=1), axis=1)
            ends = lows[:, 1:] - 1.0 if whole else lows[:, 1:]
            if not whole and dtype in ("float16", "float32", "float64"):
                ends = step_down(ends, dtype, 1)
            highs = np.maximum(np.concatenate([ends, high[:, None]], axis=1), lows)
            order = self._replace(leaf, marked, lows, highs, None)
        uncut = uncut[order]
        if uncut.any():
            count = int(uncut.sum())
            low, high, nan = self.cells[leaf]
            shape = (count, len(low))
            order = order[self._replace(leaf, uncut, np.broadcast_to(low, shape), np.broadcast_to(high, shape), nan)]
        return order

    def _replace(self, leaf: Leaf, marked: Bools, lows: Floats, highs: Floats, nan: Bools | None) -> NDArray[np.intp]:
        """Put a row of cells in the place of each marked box."""
        count = lows.shape[1]
        kept, cut = np.flatnonzero(~marked), np.flatnonzero(marked)
        order = np.concatenate([kept, np.repeat(cut, count)])
        for key in self.low:
            self.low[key] = self.low[key][order]
            self.high[key] = self.high[key][order]
            self.nan[key] = self.nan[key][order]
        self.low[leaf][len(kept) :] = lows.ravel()
        self.high[leaf][len(kept) :] = highs.ravel()
        if nan is not None:
            self.nan[leaf][len(kept) :] = np.tile(nan, len(cut))
        self.size = len(order)
        return order


def _cut(low: Floats, high: Floats, share: float, dtype: str, whole: bool) -> Floats:
    """A number between the ends: at equal steps of the magnitude if that spans more than a factor of 16, else at
    equal steps."""
    tiny = tiniest(dtype)
    low, high = np.clip(low, -1e38, 1e38), np.clip(high, -1e38, 1e38)
    plain = low + (high - low) * share
    one_sided = (low >= 0.0) | (high <= 0.0)
    small = np.maximum(np.minimum(np.abs(low), np.abs(high)), tiny)
    large = np.maximum(np.maximum(np.abs(low), np.abs(high)), tiny)
    forward = np.where(low >= 0.0, share, 1.0 - share)
    geometric = np.sign(low + high) * small * (large / small) ** forward
    chosen = np.where(one_sided & (large > 16.0 * small), geometric, plain)
    return np.clip(np.ceil(chosen) if whole else round_to(chosen, dtype), low, high)
