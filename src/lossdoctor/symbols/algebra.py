"""Expressions that are built once each, with their shapes, and simplified as they are built.

An expression is that of `formula.expression`, interned: two that are equal are the same object, so that a part that
occurs twice is seen to. Beside the operations of formulas there are some that only the renderers know: "not", "and",
"or", "any", "all", "matmul", "transpose", "reshape", "diagonal", "size", and "call" for a function outside the grammar.

What they become is in `identities`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from lossdoctor.formula.expression import Expression, IndexPart, Number
from lossdoctor.graph.ir import Dim
from lossdoctor.symbols.identities import COMPARISONS, IDENTITIES

Shape = tuple[Dim, ...]
_TRUTHS = frozenset({*COMPARISONS, "not", "and", "or", "any", "all", "diagonal"})


def broadcast(*shapes: Shape) -> Shape:
    """The shape of arrays together; a dimension of which nothing is known wins over 1."""
    rank = max((len(shape) for shape in shapes), default=0)
    result: list[Dim] = []
    for place in range(-rank, 0):
        sizes = {shape[place] for shape in shapes if len(shape) >= -place} - {1}
        result.append(1 if not sizes else sizes.pop() if len(sizes) == 1 else "?")
    return tuple(result)


class Algebra:
    """Builds expressions. `shapes` has the shape of each as NumPy would compute it from the formula."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Expression] = {}
        self.shapes: dict[Expression, Shape] = {}

    # ---- atoms -----------------------------------------------------------------------------------------------

    def raw(
        self,
        op: str,
        args: Sequence[Expression] = (),
        shape: Shape | None = None,
        *,
        number: Number | None = None,
        role: str = "",
        index: tuple[IndexPart, ...] = (),
        axis: tuple[int, ...] | None = None,
        keepdims: bool = False,
        size: int = 0,
        text: str = "",
    ) -> Expression:
        """The one expression with these parts; nothing is simplified."""
        key = (op, tuple(map(id, args)), number, role, repr(index), axis, keepdims, size, text, shape)
        if key not in self._known:
            made = Expression(op, tuple(args), number, role, index, axis, keepdims, size, text)
            self._known[key] = made
            self.shapes[made] = broadcast(*(self.shapes[arg] for arg in args)) if shape is None else shape
        return self._known[key]

    def number(self, value: float | int | Fraction | np.generic) -> Expression:
        """A number, as the shortest decimal that is this float; an infinity is a number with a name."""
        if isinstance(value, np.bool_ | bool):
            value = int(value)
        if not isinstance(value, Fraction):
            if not math.isfinite(float(value)):
                return self.raw("number", number=Number(Fraction(0), str(float(value))))
            text = str(value) if isinstance(value, np.generic | int) else repr(value)
            value = Fraction(text)
        return self.raw("number", number=Number(value))

    def value(self, x: Expression) -> Fraction | None:
        """The number that an expression is; None for anything else."""
        return x.number.value if x.op == "number" and x.number is not None and not x.number.name else None

    def is_infinite(self, x: Expression) -> bool:
        return x.op == "number" and x.number is not None and x.number.name.endswith("inf")

    def is_truth(self, x: Expression) -> bool:
        """Whether it is a condition, which counts as 0 and 1."""
        return x.op in _TRUTHS or (x.op in ("index", "reshape", "transpose") and self.is_truth(x.args[0]))

    # ---- elementwise -----------------------------------------------------------------------------------------

    def elementwise(self, op: str, *args: Expression) -> Expression:
        """An operation on each element; a common reshape of the arguments goes outside."""
        moved = [arg for arg in args if arg.op == "reshape"]
        rest = [arg for arg in args if arg.op != "reshape"]
        if moved and all(not self.shapes[arg] for arg in rest):
            first = moved[0]
            source = self.shapes[first.args[0]]
            if all(self.shapes[a] == self.shapes[first] and self.shapes[a.args[0]] == source for a in moved):
                inner = [arg.args[0] if arg.op == "reshape" else arg for arg in args]
                return self.raw("reshape", (self.elementwise(op, *inner),), self.shapes[first])
        rule = IDENTITIES.get(op)
        made = rule(self, *args) if rule is not None else None
        if made is not None and self.shapes[made] == broadcast(*(self.shapes[arg] for arg in args)):
            return made
        return self.raw(op, args)

    # ---- along axes ------------------------------------------------------------------------------------------

    def places(self, axis: tuple[int, ...] | None, rank: int) -> tuple[int, ...]:
        """Axes as positive numbers, in order."""
        return tuple(range(rank)) if axis is None else tuple(sorted(place % rank for place in axis))

    def fold(
        self, op: str, x: Expression, axis: tuple[int, ...] | None, keepdims: bool = False, shape: Shape | None = None
    ) -> Expression:
        """A reduction. `shape` is that of the argument in the graph, where the formula may have a smaller one."""
        own = self.shapes[x]
        whole = own if shape is None else shape
        places = self.places(axis, len(whole))
        if x.op == "reshape" and own == whole:
            lifted = self._through(op, x, places, keepdims)
            if lifted is not None:
                return lifted
        if own != whole:
            return self._narrow(op, x, places, keepdims, whole)
        result = tuple(1 if k in places else dim for k, dim in enumerate(own) if keepdims or k not in places)
        if not places or (keepdims and all(own[k] == 1 for k in places)):
            return x
        if op in ("sum", "mean") and x.op == "negative":
            return self.elementwise("negative", self.fold(op, x.args[0], axis, keepdims))
        if op == "logsumexp" and x.op == "log":
            return self.elementwise("log", self.fold("sum", x.args[0], axis, keepdims))
        if op == "logsumexp" and x.op == "where" and self.is_infinite(x.args[2]):
            return self.raw("log", (self.fold("sum", self.elementwise("exp", x), axis, keepdims),))
        named = None if len(places) == len(own) else (-1,) if places == (len(own) - 1,) else places
        if named is None and len(own) == 1:
            named = (-1,)
        return self.raw(op, (x,), result, axis=named, keepdims=keepdims)

    def _narrow(self, op: str, x: Expression, places: tuple[int, ...], keepdims: bool, whole: Shape) -> Expression:
        """A reduction of what is the same along some of its axes."""
        own = (1,) * (len(whole) - len(self.shapes[x])) + self.shapes[x]
        lead = len(whole) - len(self.shapes[x])
        missing = [k for k in places if own[k] == 1 and whole[k] != 1]
        inner = tuple(k - lead for k in places if k >= lead)
        made = self.fold(op, x, inner, keepdims) if inner else x
        if op in ("sum", "logsumexp"):
            for k in missing:
                size = whole[k]
                count = self.number(size) if isinstance(size, int) else self.raw("size", (), (), text=str(size))
                made = self.elementwise("multiply", count, made) if op == "sum" else (
                    self.elementwise("add", made, self.elementwise("log", count))
                )  # fmt: skip
        return made

    def _through(self, op: str, x: Expression, places: tuple[int, ...], keepdims: bool) -> Expression | None:
        """A reduction of a reshape that merges neighbouring axes is one over all of these."""
        source, target = self.shapes[x.args[0]], self.shapes[x]
        front = 0
        while front < len(target) - 1 and front < len(source) and source[front] == target[front]:
            front += 1
        back = 0
        while (
            back < len(target) - 1 - front
            and back < len(source) - 1 - front
            and source[len(source) - 1 - back] == target[len(target) - 1 - back]
        ):
            back += 1
        if len(target) - front - back != 1 or len(source) - front - back < 1:
            return None
        shift = len(source) - len(target)
        groups = [
            (k,) if k < front else tuple(range(front, len(source) - back)) if k == front else (k + shift,)
            for k in range(len(target))
        ]
        axes = tuple(axis for k in places for axis in groups[k])
        if keepdims:
            return None
        made = self.fold(op, x.args[0], axes)
        if front in places:
            return made
        return self.raw("reshape", (made,), tuple(dim for k, dim in enumerate(target) if k not in places))

    def index(self, x: Expression, index: tuple[IndexPart, ...], shape: Shape) -> Expression:
        """Basic indexing with its result's shape."""
        if all(part == slice(None) for part in index) and shape == self.shapes[x]:
            return x
        return self.raw("index", (x,), shape, index=index)
