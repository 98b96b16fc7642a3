"""Where a loss and its formula are compared: ordinary inputs, edges, and both sides of every branch of either."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lossdoctor.domains.intervals import Ranges
from lossdoctor.formula.evaluate import parts_in_floats
from lossdoctor.formula.expression import Expression, Formula
from lossdoctor.formula.meaning import Meaning
from lossdoctor.graph.ir import LossGraph
from lossdoctor.search.candidates import candidates
from lossdoctor.search.leaves import pair_specs, repeated, valid
from lossdoctor.session import Pair, Settings
from lossdoctor.spec import Contract, Spec, Style, bounds, dim_names, discrete_values, numpy_dtype, sample, shape_of

_REALISTIC = 24
_SEARCHED = 150  # of the candidates that the search for witnesses makes
_SIDES = 60
_GRID = 97  # values of y_pred between which a branch may change
_TARGETS = 3


@dataclass(frozen=True, slots=True)
class Point:
    """`realistic`: such as networks and data give, where a constant of 1e-7 must not show."""

    pair: Pair
    realistic: bool


def points(
    contract: Contract,
    meaning: Meaning,
    graph: LossGraph,
    ranges: Ranges | None,
    settings: Settings,
    sizes: Mapping[str, int],
    batches: tuple[int, ...],
    *,
    many: int = 0,
) -> list[Point]:
    """The inputs at which to compare, ordinary ones first.

    Args:
        sizes: a size of each name of a dimension that the loss accepts.
        batches: batch sizes that it accepts; () means any.
        many: random inputs beside them, half of them realistic, the others with ends, ties and hard values.
    """
    rng = np.random.default_rng(settings.seed)
    found: list[Point] = []
    usual = [size for size in (2, 3, 5) if not batches or size in batches] or list(batches[:1]) or [2]
    for turn in range(_REALISTIC):
        drawn = {**sizes, "B": usual[turn % len(usual)]}
        y_true = sample(contract.y_true, rng, drawn, contract.magnitude, style="realistic")
        y_pred = sample(contract.y_pred, rng, drawn, contract.magnitude, style="realistic")
        found.append(Point(Pair(y_true, y_pred), True))
    one = 1 if not batches or 1 in batches else min(batches)
    edges: list[Pair] = []
    if meaning.formula is not None:
        edges += _both_sides(contract, meaning.formula, {**sizes, "B": one}, rng)
    edges += _spread(candidates(contract, graph, ranges, settings, rng), _SEARCHED if not many else _SEARCHED + many)
    if meaning.graph is not None:  # the branches of the reference too
        edges += _spread(candidates(contract, meaning.graph, None, settings, rng), _SEARCHED)
    names = dim_names(contract.y_true, contract.y_pred)
    if "B" in names and one != 1:
        edges = [repeated(pair, contract, one) for pair in edges]
    for turn in range(many):
        drawn = {**sizes, "B": usual[turn % len(usual)]}
        style: Style = "mixed" if turn % 2 else "realistic"
        y_true = sample(contract.y_true, rng, drawn, contract.magnitude, style=style)
        y_pred = sample(contract.y_pred, rng, drawn, contract.magnitude, style=style)
        found.append(Point(Pair(y_true, y_pred), style == "realistic"))
    return found + [Point(pair, False) for pair in edges]


def _spread(pairs: list[Pair], limit: int) -> list[Pair]:
    return pairs[:: max(1, -(-len(pairs) // limit))]


def _both_sides(
    contract: Contract, formula: Formula, sizes: Mapping[str, int], rng: np.random.Generator
) -> Iterator[Pair]:
    """Constant y_pred on both sides of where a condition, clip, maximum or abs of the formula changes."""
    if not isinstance(contract.y_true, Spec) or not isinstance(contract.y_pred, Spec):
        return
    true, pred = contract.y_true, contract.y_pred
    if pred.kind in ("onehot", "probability") or discrete_values(pred) is not None:
        return
    # A part that is written twice has its branches once.
    several = (margin for part in formula.parts for margin in margins_of(part))
    margins = list({(left.text, right.text if right else ""): (left, right) for left, right in several}.values())
    if not margins:
        return
    shape, dtype = shape_of(pred, sizes), numpy_dtype(pred.dtype)
    low, high = bounds(pred, contract.magnitude)
    reach = np.concatenate([np.linspace(-3, 3, 49), np.geomspace(3, 1e4, 24), -np.geomspace(3, 1e4, 24)])
    grid = np.unique(np.clip(reach if low < -1 or high > 1 else np.linspace(low, high, _GRID), low, high))
    count = 0
    for target in _constants(true, sizes, rng):

        def held(value: float, target: np.ndarray = target) -> list[float]:
            parts = parts_in_floats(formula, target, np.full(shape, value))
            ends = [(_first(parts.get(left)), _first(parts.get(right)) if right else 0.0) for left, right in margins]
            return [left - right for left, right in ends]

        table = np.array([held(float(value)) for value in grid])
        for column in range(len(margins)):
            signs = np.sign(table[:, column])
            for place in np.flatnonzero((signs[1:] != signs[:-1]) & np.isfinite(table[1:, column])):
                at = _meet(lambda value, c=column: held(value)[c], float(grid[place]), float(grid[place + 1]))
                for offset in (0.0, -1e-2, 1e-2, -0.5, 0.5):
                    value = np.full(shape, at + offset * max(1.0, abs(at)) if offset else at).astype(dtype)
                    pair = Pair(target, value)
                    if valid([target, value], pair_specs(contract)) and count < _SIDES:
                        count += 1
                        yield pair


def margins_of(part: Expression) -> Iterator[tuple[Expression, Expression | None]]:
    """What is compared with what: (left, right), or (left, None) for zero."""
    if part.op in ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "maximum", "minimum"):
        yield part.args[0], part.args[1]
    elif part.op == "clip":
        yield part.args[0], part.args[1]
        yield part.args[0], part.args[2]
    elif part.op in ("abs", "sign"):
        yield part.args[0], None


def _constants(spec: Spec, sizes: Mapping[str, int], rng: np.random.Generator) -> list[NDArray[np.generic]]:
    """A few y_true: constant ones where that is a valid value, else drawn ones."""
    shape, dtype = shape_of(spec, sizes), numpy_dtype(spec.dtype)
    found: list[NDArray[np.generic]] = []
    for value in (0.0, 1.0, -1.0):
        array = np.full(shape, value).astype(dtype)
        if valid([array], [spec]):
            found.append(array)
    while len(found) < 2:
        found.append(sample(spec, rng, sizes, 1.0, style="realistic"))
    return found[:_TARGETS]


def _first(value: NDArray[np.generic] | None) -> float:
    """One element stands for all: y_pred is constant."""
    return float("nan") if value is None or not value.size else float(np.asarray(value).reshape(-1)[0])


def _meet(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function changes its sign, by halving."""
    start = np.sign(function(low))
    for _ in range(40):
        middle = 0.5 * (low + high)
        if np.sign(function(middle)) == start:
            low = middle
        else:
            high = middle
    # The plainest number nearby: thresholds are written by people.
    for digits in range(7):
        rounded = round(high, digits)
        if abs(rounded - high) <= 1e-9 * max(1.0, abs(high)):
            return rounded
    return high
