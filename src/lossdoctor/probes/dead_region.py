"""The region of a dead gradient in words, found along one coordinate, and the plainest input in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lossdoctor.probes.dead_runs import Runs, above
from lossdoctor.probes.targets import as_prediction
from lossdoctor.session import Array, Pair
from lossdoctor.spec import BATCH, Contract, Spec, numpy_dtype, shape_of

Interval = tuple[float, float]
Target = Callable[[Array], Array]

ROW_KINDS = frozenset({"onehot", "label", "probability"})
# Below this share of the largest one a slope is what rounding leaves of zero, as of (t - p) / (|t| + |p|)
# for opposite signs: it is exactly zero at some points and 1e-9 at others.
_FAINT = 1e-5
_LISTED = 3  # ranges that are told one by one
_END = 20.0  # of what is walked
_REFINED = 33  # points between two of the grid, twice: the edge to three digits
# Values of y_true at which regions are compared.
_TRUE: Mapping[str, tuple[float, ...]] = {
    "real": (0.0, 1.0, -0.7),
    "positive": (1.0, 0.5, 2.0),
    "unit": (0.0, 0.4, 1.0),
    "binary": (0.0, 1.0),
    "onehot": (0.0, 1.0),
    "sign": (-1.0, 1.0),
}
_PLAIN = (2.0, 3.0, -2.0, -1.0, 0.0, 0.5, 1.5, 5.0, -5.0, 10.0, -10.0, 0.9, 0.99, 0.98, 0.97, 0.1, 0.01, 0.02, 0.03)


@dataclass(frozen=True)
class Region:
    """Where the gradient of one entry (or row of classes) is zero while its loss is above that at the target."""

    words: str  # "|y_true - y_pred| > 1"
    pair: Pair
    target: Array  # the prediction at which the loss is lower
    entries: tuple[int, ...] | None  # flat indices of y_pred whose gradient is zero; None: all of them


def is_row(contract: Contract) -> bool:
    """Whether the last axis of y_pred is one thing: probabilities or logits of classes."""
    true, pred = contract.y_true, contract.y_pred
    assert isinstance(true, Spec)
    assert isinstance(pred, Spec)
    return pred.kind == "probability" or (pred.kind == "logit" and true.kind in ROW_KINDS)


def region(runs: Runs, contract: Contract, target: Target) -> Region | None:
    """The region along one coordinate; None where none is seen there."""
    true, pred = contract.y_true, contract.y_pred
    assert isinstance(true, Spec)
    assert isinstance(pred, Spec)
    if is_row(contract):
        if true.kind == "probability":
            return None
        rows = (_RowLine, _OpposedLine) if pred.kind == "logit" else (_RowLine,)
        found = (_along(row(runs, true, pred, target), true, (1.0,)) for row in rows)
        return next((one for one in found if one is not None), None)
    return _along(_Line(runs, true, pred, target), true, _TRUE.get(true.kind, ()))


def _along(line: _Line, true: Spec, steps: Sequence[float]) -> Region | None:
    """The region along one line, for these values of y_true."""
    slopes = {step: line.slope(step, line.grid) for step in steps}
    faint = _FAINT * max((float(s[np.isfinite(s)].max(initial=0.0)) for s in slopes.values()), default=0.0)
    flat = {step: line.intervals(step, slopes[step], faint) for step in steps}
    wrong = {step: [one for one in flat[step] if line.wrong_at(step, one) is not None] for step in steps}
    shown = next(((step, one) for step in steps for one in wrong[step]), None)
    if shown is None:
        return None
    point = line.wrong_at(*shown)
    assert point is not None
    words = _words(true.kind, line.name, flat, wrong)
    return line.shown(words, shown[0], point)


class _Line:
    """Predictions that are right but for one entry, which walks along a grid."""

    name = "y_pred"

    def __init__(self, runs: Runs, true: Spec, pred: Spec, target: Target) -> None:
        self.runs, self.true, self.pred, self.target = runs, true, pred, target
        self.grid = _grid(pred.kind)

    def y_true(self, step: float, count: int) -> Array:
        shape = shape_of(self.true, {**self.runs.call.sizes, BATCH: count})
        values = np.full(shape, step)
        if self.true.kind == "onehot":  # the first class is the true one
            values = np.zeros(shape)
            values[..., 0] = 1.0
        return values.astype(numpy_dtype(self.true.dtype))

    def entry(self, step: float) -> slice:
        """The flat positions in a sample of y_pred that walk."""
        place = int(self.true.kind == "onehot" and step == 0.0)
        return slice(place, place + 1)

    def put(self, points: Array) -> Array:
        """The walking entry at these points, shape (points, 1)."""
        return points[:, None]

    def everywhere(self, y_true: Array, base: Array, point: float) -> Array:
        """All entries at one point, where y_true is the same for all of them."""
        return np.full(base.shape, point)

    def pair(self, step: float, points: Array) -> tuple[Pair, Array]:
        """Predictions with the walking entry at these points, and the right ones."""
        y_true = self.y_true(step, len(points))
        base = np.asarray(self.target(y_true), dtype=np.float64)
        moved = base.reshape(len(points), -1).copy()
        moved[:, self.entry(step)] = self.put(points)
        return (
            Pair(y_true, as_prediction(moved.reshape(base.shape), self.pred)),
            as_prediction(base, self.pred),
        )

    def slope(self, step: float, points: Array) -> Array:
        """The size of the gradient of the walking entry, at each point."""
        pair, _ = self.pair(step, points)
        gradient = self.runs.evaluate(pair)[1][0]
        assert gradient is not None
        return np.abs(gradient.reshape(len(points), -1)[:, self.entry(step)].astype(np.float64)).max(axis=1)

    def intervals(self, step: float, slope: Array, faint: float) -> list[Interval]:
        """Where the gradient is zero; an end that the grid does not show is infinite.

        Args:
            step: the value of y_true.
            slope: on the grid.
            faint: a slope that rounding may leave of zero.
        """
        found: list[Interval] = []
        edges = np.flatnonzero(np.diff(np.concatenate(([0], (slope <= faint).astype(int), [0]))))
        for first, last in zip(edges[::2], edges[1::2] - 1, strict=True):
            zero = first + np.flatnonzero(slope[first : last + 1] == 0)
            if len(zero) < 2:
                continue  # a stationary point, or a slope that fades away
            start, stop = int(zero[0]), int(zero[-1])
            low, high = -np.inf, np.inf
            if start > 0:
                low = self._edge(step, float(self.grid[start]), float(self.grid[start - 1]))
            if stop < len(self.grid) - 1:
                high = self._edge(step, float(self.grid[stop]), float(self.grid[stop + 1]))
            found.append((low, high))
        return found

    def _edge(self, step: float, inside: float, outside: float) -> float:
        for _ in range(2):  # to a thousandth of a step
            points = np.linspace(inside, outside, _REFINED)
            count = int(np.argmax(self.slope(step, points) > 0))  # the first that is not zero
            if count == 0:
                break
            inside, outside = float(points[count - 1]), float(points[count])
        digits = max(int(-np.log10(abs(inside - outside))), 0)
        return float(f"{round(0.5 * (inside + outside), digits):.3g}")

    def wrong_at(self, step: float, interval: Interval) -> float | None:
        """The plainest point of the interval at which the loss is clearly above that at the target."""
        low, high = max(interval[0], float(self.grid[0])), min(interval[1], float(self.grid[-1]))
        inner = [low + share * (high - low) for share in (0.5, 0.1, 0.9)]
        margin = 0.02 * (high - low)
        plain = [value for value in _PLAIN if low + margin < value < high - margin]
        points = np.array([*plain, *(float(f"{value:.3g}") for value in inner)])
        pair, base = self.pair(step, points)
        at_base = self.runs.values(Pair(pair.y_true, base))
        value = self.runs.values(pair)
        usable = above(value, at_base, 0.0) & (self.slope(step, points) == 0)
        return float(points[int(np.argmax(usable))]) if np.any(usable) else None

    def shown(self, words: str, step: float, point: float) -> Region:
        """One sample: with all entries in the region if that is dead as a whole, else with one."""
        pair, base = self.pair(step, np.array([point]))
        if self.true.kind != "onehot" or self.name != "y_pred":
            whole = Pair(pair.y_true, as_prediction(self.everywhere(pair.y_true, base, point), self.pred))
            gradient = self.runs.evaluate(whole)[1][0]
            value, best = self.runs.values(whole), self.runs.values(Pair(pair.y_true, base))
            if gradient is not None and not np.any(gradient) and bool(above(value, best, 0.0)[0]):
                return Region(words, whole, base, None)
        places = range(base.size)[self.entry(step)]
        return Region(words, pair, base, None if len(places) == base.size else tuple(places))


class _RowLine(_Line):
    """The same for a row of classes: the true one walks, the others share the rest (or stay at logit 0)."""

    def __init__(self, runs: Runs, true: Spec, pred: Spec, target: Target) -> None:
        super().__init__(runs, true, pred, target)
        self.classes = shape_of(pred, runs.call.sizes)[-1]
        self.name = "the probability of the true class" if pred.kind != "logit" else "the logit of the true class"

    def y_true(self, step: float, count: int) -> Array:
        shape = shape_of(self.true, {**self.runs.call.sizes, BATCH: count})
        values = np.zeros(shape)
        if self.true.kind != "label":
            values[..., 0] = 1.0
        return values.astype(numpy_dtype(self.true.dtype))

    def entry(self, step: float) -> slice:
        return slice(0, self.classes)

    def put(self, points: Array) -> Array:
        rest = np.zeros_like(points) if self.pred.kind == "logit" else (1.0 - points) / max(self.classes - 1, 1)
        return np.concatenate([points[:, None], np.repeat(rest[:, None], self.classes - 1, axis=1)], axis=1)

    def everywhere(self, y_true: Array, base: Array, point: float) -> Array:
        return np.broadcast_to(self.put(np.array([point]))[0], base.shape)


class _OpposedLine(_RowLine):
    """The same where the other logits are opposite to that of the true class, so that none stays in the middle."""

    def __init__(self, runs: Runs, true: Spec, pred: Spec, target: Target) -> None:
        super().__init__(runs, true, pred, target)
        self.name = "the logit of the true class (those of the others opposite)"

    def put(self, points: Array) -> Array:
        return np.concatenate([points[:, None], np.repeat(-points[:, None], self.classes - 1, axis=1)], axis=1)


def _grid(kind: str) -> Array:
    """Points that hit no round number."""
    if kind in ("unit", "probability"):
        return np.linspace(0.00113, 0.99917, 400)
    if kind == "positive":
        return np.geomspace(0.0101, 99.3, 400)
    return np.linspace(-20.03, 20.07, 803)


def _words(
    kind: str, name: str, flat: Mapping[float, Sequence[Interval]], wrong: Mapping[float, Sequence[Interval]]
) -> str:
    steps = list(flat)
    if len(steps) == 1:
        return _listed(name, wrong[steps[0]])
    if kind in ("real", "positive"):
        # Independent of y_true, of the error, or of neither.
        if all(_same(flat[steps[0]], flat[step]) for step in steps[1:]):
            return _listed(name, flat[steps[0]])
        errors = [[(low - step, high - step) for low, high in flat[step]] for step in steps]
        if all(_same(errors[0], other) for other in errors[1:]):
            return _error(errors[0])
    if kind == "sign" and _same(flat[1.0], [(-high, -low) for low, high in reversed(flat[-1.0])]):
        return _listed("y_true * y_pred", wrong[1.0])
    told = [f"{_listed(name, wrong[step])} while y_true = {step:g}" for step in steps if wrong[step]]
    return ", and for ".join(told)


def _same(one: Sequence[Interval], other: Sequence[Interval]) -> bool:
    return len(one) == len(other) and all(
        a == b or abs(a - b) <= 0.01 * (1.0 + abs(a))
        for left, right in zip(one, other, strict=True)
        for a, b in zip(left, right, strict=True)
    )


def _error(intervals: Sequence[Interval]) -> str:
    """Intervals of y_pred - y_true; |y_true - y_pred| where they are symmetric."""
    if len(intervals) == 2 and _same(intervals[:1], [(-intervals[1][1], -intervals[1][0])]):
        low, high = intervals[1]
        size = "|y_true - y_pred|"
        return f"{size} > {low:.3g}" if np.isinf(high) else f"{low:.3g} < {size} < {high:.3g}"
    return _listed("y_pred - y_true", intervals)


def _listed(name: str, intervals: Sequence[Interval]) -> str:
    if len(intervals) <= _LISTED:
        return " or ".join(_one(name, *interval) for interval in intervals)
    # The slope is what rounding leaves of zero: here exactly zero, there 1e-9.
    covered = sum(min(high, _END) - max(low, -_END) for low, high in intervals)
    return f"{'most' if covered > _END else 'many'} values of {name}"


def _one(name: str, low: float, high: float) -> str:
    if np.isinf(low) and np.isinf(high):
        return f"every value of {name}" if name == "y_pred" else f"any {name}"
    if np.isinf(low):
        return f"{name} < {high:.3g}"
    return f"{name} > {low:.3g}" if np.isinf(high) else f"{low:.3g} < {name} < {high:.3g}"
