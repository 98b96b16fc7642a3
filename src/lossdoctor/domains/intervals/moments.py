"""E[x^2] - E[x]^2 is not negative but for rounding: means, windows with weights that sum to 1, and sums of such terms.

For weights w >= 0 with sum s, (sum w x)^2 <= s sum w x^2 (Cauchy-Schwarz). Computed in precision u with n terms both
sides are off by at most about n u max x^2, so that the difference is at least -10 (n + 4) u max x^2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lossdoctor.domains.intervals import reductions, sizes
from lossdoctor.domains.intervals.enclosure import Enclosure, unit_roundoff
from lossdoctor.domains.intervals.windows import OUTPUTS, taps, weights
from lossdoctor.graph.ir import Graph, Node

At = Callable[[int], Enclosure]
_SAME = frozenset({"identity", "stop_gradient", "check_numerics"})
_ALIKE = frozenset({"reshape", "expand_dims", "squeeze"})  # the same elements in the same order
_TERMS = 8


@dataclass(frozen=True, slots=True)
class _Mean:
    """An average of node `of`: `how` says all that its weights depend on.

    `terms` are summed in one; the weights may exceed a sum of 1 so that E[x]^2 exceeds E[x^2] by `excess` x^2 at most.
    """

    how: tuple[object, ...]
    terms: float
    excess: float
    of: int

    def origin(self, base: int, graph: Graph) -> _Mean:
        return replace(self, of=_behind(base, graph, _SAME | _ALIKE).id)


def least(node: Node, graph: Graph, at: At) -> float | None:
    """A lower bound of `a - b`, where b is the square of means of which a is the mean of the squares, and of
    `a + (c - b)`, to which the graph optimiser turns `a - b + c`."""
    for left, right in (node.args, node.args[::-1]) if node.op == "add" else (node.args,):
        offset = 0.0
        if node.op == "add":
            inner = _behind(right, graph, _SAME)
            constant = at(inner.args[0]).joined() if inner.op == "subtract" else None
            if constant is None or not constant.bounded[0]:
                continue
            right, offset = inner.args[1], float(constant.low[0])
        if not all(sizes.same(graph[arg].shape, node.shape) for arg in (left, right)):
            continue
        bound = _lost(left, right, graph, at, unit_roundoff(node.dtype))
        if bound is not None and np.isfinite(bound):
            return offset - bound - 8.0 * unit_roundoff(node.dtype) * abs(offset)
    return None


def _lost(left: int, right: int, graph: Graph, at: At, unit: float) -> float | None:
    """How far below 0 the difference may be computed; None if it is no mean of squares and its square of means."""
    squares = _squares_of_means(right, graph)
    means = _means_of_squares(left, graph) if squares else None
    if means is None or sorted(means, key=repr) != sorted(squares, key=repr):
        return None
    bound = 0.0
    for mean in means:
        value = at(mean.of).joined()
        if not value.bounded[0]:
            return None
        largest = max(abs(float(value.low[0])), abs(float(value.high[0]))) ** 2
        bound += (10.0 * (mean.terms + 4.0) * unit + mean.excess) * largest
    return bound


def _behind(number: int, graph: Graph, through: frozenset[str]) -> Node:
    node = graph[number]
    while node.op in through:
        node = graph[node.args[0]]
    return node


def _mean(number: int, graph: Graph) -> _Mean | None:
    """How node `number` averages, if it does."""
    node = _behind(number, graph, _SAME | _ALIKE)
    shape = graph[node.args[0]].shape if node.args else None
    if shape is None:
        return None
    facts = tuple(sorted((key, repr(value)) for key, value in node.attrs.items() if key != "keepdims"))
    if node.op == "mean":
        axes = reductions.axes_of(node, len(shape))
        terms = sizes.count(shape, axes)[1]
        return None if axes is None else _Mean(("mean", axes, shape), terms, 0.0, node.args[0])
    if node.op == "avg_pool":
        return _Mean((node.op, facts, shape), taps(node), 0.0, node.args[0])
    kernel = weights(node.args[1], graph) if node.op in OUTPUTS else None
    if kernel is None or not kernel.size or kernel.min() < 0.0:
        return None
    total = float(kernel.sum(tuple(range(kernel.ndim - OUTPUTS[node.op]))).max())
    how = (node.op, kernel.tobytes(), kernel.shape, facts, shape)
    return _Mean(how, float(kernel.size), max(total - 1.0, 0.0) * total, node.args[0])


def _squares_of_means(number: int, graph: Graph) -> list[_Mean]:
    """The terms of a sum of squares of means; empty if it is anything else."""
    found: list[_Mean] = []
    for term in _added(number, graph):
        base = _squared(term, graph)
        mean = None if base is None else _mean(base, graph)
        if mean is None:
            return []
        found.append(mean.origin(mean.of, graph))
    return found


def _means_of_squares(number: int, graph: Graph) -> list[_Mean] | None:
    """The terms of a sum of means of sums of squares."""
    found: list[_Mean] = []
    for term in _added(number, graph):
        mean = _mean(term, graph)
        if mean is None:
            return None
        for part in _added(mean.of, graph):
            base = _squared(part, graph)
            if base is None:
                return None
            found.append(mean.origin(base, graph))
    return found


def _added(number: int, graph: Graph) -> list[int]:
    """The summands of nested additions of tensors of one shape."""
    result: list[int] = []
    stack = [number]
    while stack and len(result) + len(stack) <= _TERMS:
        node = _behind(stack.pop(), graph, _SAME | _ALIKE)
        if node.op in ("add", "add_n") and all(sizes.same(graph[arg].shape, node.shape) for arg in node.args):
            stack += node.args
        else:
            result.append(node.id)
    return [*result, *stack]


def _squared(number: int, graph: Graph) -> int | None:
    """What node `number` is the square of."""
    node = _behind(number, graph, _SAME | _ALIKE)
    if node.op == "square":
        return node.args[0]
    if node.op == "multiply":
        left, right = (_behind(arg, graph, _SAME).id for arg in node.args)
        return left if left == right else None
    if node.op == "pow":
        exponent = graph[node.args[1]].constant
        return node.args[0] if exponent is not None and np.all(exponent == 2.0) else None
    return None
