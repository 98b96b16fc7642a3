"""The constants at which a loss changes its branch, carried back to the inputs.

A condition such as `abs(y_true - y_pred) <= 1` names a number. Where the compared quantity is an affine function of
the inputs under a few invertible operations, the input at which it meets that number follows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lossdoctor.graph.ir import LossGraph, Node

# Operations that choose between their arguments, or change their form, at a number.
COMPARING = frozenset({"less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "maximum", "minimum"})
_AT_ZERO = frozenset({"relu", "abs", "sign", "leaky_relu", "elu", "selu", "softsign"})
# Pass their first argument's elements on, one by one.
_PASS = frozenset(
    {"astype", "identity", "stop_gradient", "check_numerics", "reshape", "expand_dims", "squeeze", "item", "split",
     "permute_dims", "broadcast_to", "tile", "slice", "strided_slice", "take", "mean", "max", "min", "stack", "concat",
     "unstack", "split_sizes", "ensure_shape"}
)  # fmt: skip
_LINEAR = _PASS | {"negative", "add", "subtract", "multiply", "divide"}
_LIMIT = 64
_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Crossing:
    """An input of y_pred, as a constant array of `value`, meets a branch point (for a given constant y_true)."""

    place: int  # input node
    value: float


Affine = tuple[dict[int, float], float]  # slope of each input of y_pred, and offset


def crossings(loss: LossGraph, target: float) -> tuple[Crossing, ...]:
    """The branch points of the forward graph for y_true = `target` everywhere, without duplicates, in order."""
    return _Backwards(loss, target).crossings()


class _Backwards:
    def __init__(self, loss: LossGraph, target: float) -> None:
        self.loss = loss
        self.target = target
        self.known: dict[int, Affine | None] = {}

    def crossings(self) -> tuple[Crossing, ...]:
        found: dict[Crossing, None] = {}
        for node in self.loss.where(role="forward"):
            for operand, level in self._levels(node):
                for crossing in self._back(operand, level, _DEPTH):
                    found[crossing] = None
                    if len(found) >= _LIMIT:
                        return tuple(found)
        return tuple(found)

    def _levels(self, node: Node) -> Iterator[tuple[Affine | Node, float]]:
        """The operands of a branching node, each with the numbers that it is compared with."""
        args = [self.loss[arg] for arg in node.args]
        if node.op in _AT_ZERO and args:
            yield args[0], 0.0
        elif node.op == "relu6" and args:
            yield args[0], 0.0
            yield args[0], 6.0
        elif node.op == "clip" and len(args) == 3:
            for limit in args[1:]:
                yield from ((args[0], number) for number in _numbers(limit))
        elif node.op in COMPARING and len(args) == 2:
            for operand, other in (args, args[::-1]):
                yield from ((operand, number) for number in self._fixed(other))
            sides = [self._affine(arg) for arg in args]
            if sides[0] is not None and sides[1] is not None and sides[0][0] and sides[1][0]:
                yield _combined(sides[0], sides[1], -1.0), 0.0

    def _fixed(self, node: Node) -> list[float]:
        """The numbers of a side that does not depend on y_pred."""
        numbers = _numbers(node)
        affine = None if numbers else self._affine(node)
        return [affine[1]] if affine is not None and not affine[0] else numbers

    def _back(self, operand: Affine | Node, level: float, depth: int) -> Iterator[Crossing]:
        """Carry "this equals `level`" back through functions of one argument to an affine form."""
        affine = self._affine(operand) if isinstance(operand, Node) else operand
        if affine is not None:
            slopes = [(place, slope) for place, slope in affine[0].items() if slope]
            # The other inputs of a structured y_pred stay at 0.
            yield from (Crossing(place, (level - affine[1]) / slope) for place, slope in slopes)
        elif isinstance(operand, Node) and operand.args and depth:
            if operand.op == "squared_difference":
                sides = [self._affine(self.loss[arg]) for arg in operand.args]
                if sides[0] is None or sides[1] is None:
                    return
                inner: Affine | Node = _combined(sides[0], sides[1], -1.0)
            else:
                inner = self.loss[operand.args[0]]
            for inverse in _inverses(operand, level):
                yield from self._back(inner, inverse, depth - 1)

    def _affine(self, node: Node) -> Affine | None:
        """The node as sum(slope * input) + offset for inputs that are constant arrays; None if it is nothing such."""
        if node.id not in self.known:
            self.known[node.id] = None  # no node depends on itself; a deep chain stops here
            self.known[node.id] = self._find(node)
        return self.known[node.id]

    def _find(self, node: Node) -> Affine | None:
        if node.op == "input":
            return ({}, self.target) if node.id in self.loss.y_true else ({node.id: 1.0}, 0.0)
        numbers = _numbers(node)
        if len(numbers) == 1:
            return {}, numbers[0]
        if node.op not in _LINEAR or not node.args:
            return None
        first = self._affine(self.loss[node.args[0]])
        if first is None or node.op in _PASS:
            return first
        if node.op == "negative":
            return _combined(({}, 0.0), first, -1.0)
        second = self._affine(self.loss[node.args[1]]) if len(node.args) == 2 else None
        if second is None:
            return None
        if node.op in ("add", "subtract"):
            return _combined(first, second, 1.0 if node.op == "add" else -1.0)
        if node.op == "multiply" and not second[0]:
            return _combined(({}, 0.0), first, second[1])
        if node.op == "multiply" and not first[0]:
            return _combined(({}, 0.0), second, first[1])
        if node.op == "divide" and not second[0] and second[1]:
            return _combined(({}, 0.0), first, 1.0 / second[1])
        return None


def _numbers(node: Node) -> list[float]:
    """The finite numbers of a constant or variable (of many different ones, the smallest four)."""
    value = node.constant
    if node.op not in ("constant", "variable") or value is None or value.dtype.kind not in "fiu":
        return []
    return [float(number) for number in np.unique(value)[:4] if math.isfinite(float(number))]


def _combined(first: Affine, second: Affine, factor: float) -> Affine:
    slopes = dict(first[0])
    for place, slope in second[0].items():
        slopes[place] = slopes.get(place, 0.0) + factor * slope
    return slopes, first[1] + factor * second[1]


def _inverses(node: Node, level: float) -> tuple[float, ...]:
    """The arguments at which a function of one argument has the value `level`."""
    op = node.op
    if op in ("abs", "vector_norm"):
        return (level, -level) if level > 0 else ((0.0,) if level == 0 else ())
    if op in ("square", "squared_difference"):
        return (math.sqrt(level), -math.sqrt(level)) if level > 0 else ((0.0,) if level == 0 else ())
    if op == "exp":
        return (math.log(level),) if level > 0 else ()
    if op == "log":
        return (math.exp(level),) if level < 700 else ()
    if op == "sqrt":
        return (level * level,) if level >= 0 else ()
    if op == "sigmoid":
        return (math.log(level / (1.0 - level)),) if 0 < level < 1 else ()
    if op == "tanh":
        return (math.atanh(level),) if -1 < level < 1 else ()
    if op in ("relu", "maximum", "minimum", "clip", "sum", *_PASS):
        return (level,)
    return ()
