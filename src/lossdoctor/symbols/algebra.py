"""Expressions that are built once each, with their shapes, and simplified as they are built.

An expression is that of `formula.expression`, interned: two that are equal are the same object, so that a part that
occurs twice is seen to. Beside the operations of formulas there are some that only the renderers know: "not", "and",
"or", "any", "all", "matmul", "transpose", "reshape", "diagonal", "size", and "call" for a function outside the grammar.

Every rule is an identity of real numbers. It says nothing of rounding, and a part that is infinite is no number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from lossdoctor.formula.expression import Expression, IndexPart, Number
from lossdoctor.graph.ir import Dim

Shape = tuple[Dim, ...]
COMPARISONS = {
    "less": "greater_equal",
    "less_equal": "greater",
    "greater": "less_equal",
    "greater_equal": "less",
    "equal": "not_equal",
    "not_equal": "equal",
}
_TRUTHS = frozenset({*COMPARISONS, "not", "and", "or", "any", "all", "diagonal"})
_FOLDED = {"add": lambda a, b: a + b, "subtract": lambda a, b: a - b, "multiply": lambda a, b: a * b}


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
            text = str(value) if isinstance(value, np.generic | int | np.integer) else repr(value)
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

    # ---- arithmetic ------------------------------------------------------------------------------------------

    def elementwise(self, op: str, *args: Expression) -> Expression:
        """An operation on each element; a common reshape of the arguments goes outside."""
        moved = [arg for arg in args if arg.op == "reshape"]
        rest = [arg for arg in args if arg.op != "reshape"]
        if moved and all(not self.shapes[arg] for arg in rest):
            first = moved[0]
            source = self.shapes[first.args[0]]
            if all(
                self.shapes[a] == self.shapes[first] and self.shapes[a.args[0]] == source for a in moved
            ):
                inner = [arg.args[0] if arg.op == "reshape" else arg for arg in args]
                return self.raw("reshape", (self.elementwise(op, *inner),), self.shapes[first])
        rule = getattr(self, f"_{op}", None)
        made = rule(*args) if rule is not None else None
        if made is not None and self.shapes[made] == broadcast(*(self.shapes[arg] for arg in args)):
            return made
        return self.raw(op, args)

    def _numbers(self, op: str, a: Expression, b: Expression) -> Expression | None:
        left, right = self.value(a), self.value(b)
        return None if left is None or right is None else self.number(_FOLDED[op](left, right))

    def _add(self, a: Expression, b: Expression) -> Expression | None:
        if (folded := self._numbers("add", a, b)) is not None:
            return folded
        if self.value(a) == 0:
            return b
        if self.value(b) == 0:
            return a
        if b.op == "negative":
            return self.elementwise("subtract", a, b.args[0])
        if a.op == "negative":
            return self.elementwise("subtract", b, a.args[0])
        return self._stable(a, b) or self._stable(b, a) or self._unshifted(a, b) or self._unshifted(b, a)

    def _stable(self, rest: Expression, small: Expression) -> Expression | None:
        """max(x, 0) + log(1 + exp(-|x|)) is softplus(x)."""
        if small.op != "softplus" or small.args[0].op != "negative" or small.args[0].args[0].op != "abs":
            return None
        x = small.args[0].args[0].args[0]
        return self._replaced(rest, self.raw("maximum", (x, self.number(0))), self.raw("softplus", (x,)))

    def _replaced(self, whole: Expression, part: Expression, by: Expression) -> Expression | None:
        """A sum with one of its positive terms replaced; None if it is not there."""
        if whole is part:
            return by
        if whole.op in ("add", "subtract"):
            left = self._replaced(whole.args[0], part, by)
            if left is not None:
                return self.elementwise(whole.op, left, whole.args[1])
        if whole.op == "add":
            right = self._replaced(whole.args[1], part, by)
            if right is not None:
                return self.elementwise("add", whole.args[0], right)
        return None

    def _unshifted(self, logarithm: Expression, shift: Expression) -> Expression | None:
        """log(sum(exp(x - m))) + m is logsumexp(x)."""
        if logarithm.op != "logsumexp" or logarithm.args[0].op != "subtract":
            return None
        x, m = logarithm.args[0].args
        constant = self._constant_along(m, logarithm)
        if not constant or not (m is shift or _stripped(m) is _stripped(shift)):
            return None
        return self.fold("logsumexp", x, logarithm.axis, logarithm.keepdims)

    def _constant_along(self, m: Expression, folding: Expression) -> bool:
        rank = len(self.shapes[folding.args[0]])
        shape = (1,) * (rank - len(self.shapes[m])) + self.shapes[m]
        return all(shape[axis] == 1 for axis in self._places(folding.axis, rank))

    def _subtract(self, a: Expression, b: Expression) -> Expression | None:
        if (folded := self._numbers("subtract", a, b)) is not None:
            return folded
        if self.value(b) == 0:
            return a
        if self.value(a) == 0:
            return self.elementwise("negative", b)
        if b.op == "negative":
            return self.elementwise("add", a, b.args[0])
        if b.op == "logsumexp" and b.args[0] is a and b.keepdims and b.axis is not None and len(b.axis) == 1:
            return self.raw("log_softmax", (a,), axis=b.axis)
        return None

    def _negative(self, a: Expression) -> Expression | None:
        if (value := self.value(a)) is not None:
            return self.number(-value)
        if a.op == "negative":
            return a.args[0]
        return self.elementwise("subtract", *a.args[::-1]) if a.op == "subtract" and self._plain(a) else None

    def _plain(self, a: Expression) -> bool:
        """A difference that reads as well the other way round."""
        return all(arg.op in ("input", "number", "index") for arg in a.args)

    def _multiply(self, a: Expression, b: Expression) -> Expression | None:
        if (folded := self._numbers("multiply", a, b)) is not None:
            return folded
        for one, other in ((a, b), (b, a)):
            if self.value(one) == 1 and not self.is_truth(other):
                return other
            if self.value(one) == -1:
                return self.elementwise("negative", other)
            if one.op == "negative" and other.op != "number":
                return self.elementwise("negative", self.elementwise("multiply", *(
                    (one.args[0], b) if one is a else (a, one.args[0])
                )))  # fmt: skip
        if a is b:
            return self.elementwise("power", a, self.number(2))
        if self.value(b) is not None:  # numbers first
            return self.elementwise("multiply", b, a)
        if self.value(a) is not None and b.op == "multiply" and self.value(b.args[0]) is not None:
            return self.elementwise("multiply", self.elementwise("multiply", a, b.args[0]), b.args[1])
        return None

    def _divide(self, a: Expression, b: Expression) -> Expression | None:
        if self.value(b) == 1:
            return a
        if self.value(b) == -1:
            return self.elementwise("negative", a)
        if a.op == "sum" and (count := self.value(b)) is not None:
            sizes = [self.shapes[a.args[0]][axis] for axis in self._places(a.axis, len(self.shapes[a.args[0]]))]
            if all(isinstance(size, int) for size in sizes) and count == math.prod(map(int, sizes)):
                return self.fold("mean", a.args[0], a.axis, a.keepdims)
        if a.op == "sum" and b.op == "size" and not a.keepdims:
            places = self._places(a.axis, len(self.shapes[a.args[0]]))
            if [self.shapes[a.args[0]][axis] for axis in places] == [b.text]:
                return self.fold("mean", a.args[0], a.axis)
        if b.op == "sum" and b.args[0] is a and b.keepdims and b.axis is not None and len(b.axis) == 1:
            if a.op == "softmax" and a.axis == b.axis:
                return a  # its sum is 1
            if a.op == "exp":
                x = a.args[0]
                if x.op == "subtract" and self._constant_along(x.args[1], b):
                    x = x.args[0]
                return self.raw("softmax", (x,), axis=b.axis)
        if self.value(a) == 1 and b.op == "add":
            one, power = sorted(b.args, key=lambda arg: arg.op == "exp")
            if self.value(one) == 1 and power.op == "exp":
                return self.raw("sigmoid", (self.elementwise("negative", power.args[0]),))
        return None

    def _power(self, a: Expression, b: Expression) -> Expression | None:
        base, exponent = self.value(a), self.value(b)
        if exponent == 1:
            return a
        if exponent == Fraction(1, 2):
            return self.elementwise("sqrt", a)
        if base is not None and exponent is not None and exponent.denominator == 1 and abs(exponent) < 20 and base:
            return self.number(base ** int(exponent))
        if exponent == 2 and a.op == "sqrt":
            return a.args[0]
        return None

    def _square(self, a: Expression) -> Expression | None:
        return self.elementwise("power", a, self.number(2))

    def _exp(self, a: Expression) -> Expression | None:
        if a.op == "log":
            return a.args[0]
        if a.op == "log_softmax":
            return self.raw("softmax", a.args, axis=a.axis)
        if a.op == "where" and self.is_infinite(a.args[2]):
            return self.elementwise("where", a.args[0], self.elementwise("exp", a.args[1]), self.number(0))
        return None

    def _log(self, a: Expression) -> Expression | None:
        if a.op == "exp":
            return a.args[0]
        if a.op == "softmax":
            return self.raw("log_softmax", a.args, axis=a.axis)
        if a.op == "sum" and a.args[0].op == "exp":
            return self.fold("logsumexp", a.args[0].args[0], a.axis, a.keepdims)
        if a.op == "add":
            one, power = sorted(a.args, key=lambda arg: arg.op == "exp")
            if self.value(one) == 1 and power.op == "exp":
                return self.elementwise("softplus", power.args[0])
        return None

    def _log1p(self, a: Expression) -> Expression | None:
        if (value := self.value(a)) == 0 and value is not None:
            return self.number(0)
        return self.elementwise("softplus", a.args[0]) if a.op == "exp" else None

    def _sqrt(self, a: Expression) -> Expression | None:
        if a.op == "power" and self.value(a.args[1]) == 2:
            return self.elementwise("abs", a.args[0])
        value = self.value(a)
        if value is not None and value >= 0:
            root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator) or 1)
            return self.number(root) if root * root == value else None
        return None

    def _abs(self, a: Expression) -> Expression | None:
        if (value := self.value(a)) is not None:
            return self.number(abs(value))
        return self.elementwise("abs", a.args[0]) if a.op in ("negative", "abs") else None

    def _maximum(self, a: Expression, b: Expression) -> Expression | None:
        if self.value(a) is not None and self.value(b) is None:
            return self.elementwise("maximum", b, a)
        return self._clipped(a, b, "minimum")

    def _minimum(self, a: Expression, b: Expression) -> Expression | None:
        if self.value(a) is not None and self.value(b) is None:
            return self.elementwise("minimum", b, a)
        return self._clipped(a, b, "maximum")

    def _clipped(self, a: Expression, b: Expression, inner: str) -> Expression | None:
        """A maximum of a minimum, or the reverse, with numbers in order, is a clip."""
        outer, nested = self.value(b), self.value(a.args[1]) if a.op == inner else None
        if outer is None or nested is None:
            return None
        low, high = (outer, nested) if inner == "minimum" else (nested, outer)
        if low > high:
            return None
        return self.raw("clip", (a.args[0], self.number(low), self.number(high)))

    # ---- conditions ------------------------------------------------------------------------------------------

    def _where(self, c: Expression, a: Expression, b: Expression) -> Expression | None:
        if (truth := self.value(c)) is not None:
            return a if truth else b
        if a is b:
            return a
        if c.op == "not":
            return self.elementwise("where", c.args[0], b, a)
        if c.op in ("greater", "greater_equal") and self.value(c.args[1]) == 0:
            x = c.args[0]
            if a is x and self.value(b) == 0:
                return self.elementwise("maximum", x, self.number(0))
            if a is x and b.op == "negative" and b.args[0] is x:
                return self.elementwise("abs", x)
            if b is x and a.op == "negative" and a.args[0] is x:
                return self.elementwise("negative", self.elementwise("abs", x))
        return None

    def _not_equal(self, a: Expression, b: Expression) -> Expression | None:
        return a if self.is_truth(a) and self.value(b) == 0 else None

    def _equal(self, a: Expression, b: Expression) -> Expression | None:
        return self.elementwise("not", a) if self.is_truth(a) and self.value(b) == 0 else None

    def _not(self, a: Expression) -> Expression | None:
        if (truth := self.value(a)) is not None:
            return self.number(int(not truth))
        if a.op == "not":
            return a.args[0]
        return self.elementwise(COMPARISONS[a.op], *a.args) if a.op in COMPARISONS else None

    def _and(self, a: Expression, b: Expression) -> Expression | None:
        for one, other in ((a, b), (b, a)):
            if (truth := self.value(one)) is not None:
                return other if truth else self.number(0)
        return a if a is b else None

    def _or(self, a: Expression, b: Expression) -> Expression | None:
        for one, other in ((a, b), (b, a)):
            if (truth := self.value(one)) is not None:
                return self.number(1) if truth else other
        return a if a is b else None

    # ---- along axes ------------------------------------------------------------------------------------------

    def _places(self, axis: tuple[int, ...] | None, rank: int) -> tuple[int, ...]:
        """Axes as positive numbers, in order."""
        return tuple(range(rank)) if axis is None else tuple(sorted(place % rank for place in axis))

    def fold(
        self, op: str, x: Expression, axis: tuple[int, ...] | None, keepdims: bool = False, shape: Shape | None = None
    ) -> Expression:
        """A reduction. `shape` is that of the argument in the graph, where the formula may have a smaller one."""
        own = self.shapes[x]
        whole = own if shape is None else shape
        places = self._places(axis, len(whole))
        if x.op == "reshape" and own == whole:
            lifted = self._through(op, x, places, keepdims)
            if lifted is not None:
                return lifted
        if own != whole:
            return self._narrow(op, x, places, keepdims, whole)
        result = tuple(1 if k in places else dim for k, dim in enumerate(own) if keepdims or k not in places)
        if not places:
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


def _stripped(x: Expression) -> Expression:
    """Without axes of size one added or taken away."""
    while x.op in ("index", "reshape") and all(part is None or part in (0, slice(None)) for part in x.index):
        x = x.args[0]
    return x
