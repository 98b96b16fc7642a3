"""Identities of real numbers, one function for each operation: what it becomes of these arguments, or None.

Every rule holds for all finite values of its parts. It says nothing of rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from lossdoctor.formula.expression import Expression

if TYPE_CHECKING:
    from lossdoctor.symbols.algebra import Algebra

COMPARISONS = {
    "less": "greater_equal",
    "less_equal": "greater",
    "greater": "less_equal",
    "greater_equal": "less",
    "equal": "not_equal",
    "not_equal": "equal",
}
_FOLDED: Mapping[str, Callable[[Fraction, Fraction], Fraction]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
}


def _numbers(algebra: Algebra, op: str, a: Expression, b: Expression) -> Expression | None:
    left, right = algebra.value(a), algebra.value(b)
    return None if left is None or right is None else algebra.number(_FOLDED[op](left, right))


def _add(algebra: Algebra, a: Expression, b: Expression) -> Expression | None:
    if (folded := _numbers(algebra, "add", a, b)) is not None:
        return folded
    if algebra.value(a) == 0:
        return b
    if algebra.value(b) == 0:
        return a
    if b.op == "negative":
        return algebra.elementwise("subtract", a, b.args[0])
    if a.op == "negative":
        return algebra.elementwise("subtract", b, a.args[0])
    return _stable(algebra, a, b) or _stable(algebra, b, a) or _unshifted(algebra, a, b) or _unshifted(algebra, b, a)


def _stable(algebra: Algebra, rest: Expression, small: Expression) -> Expression | None:
    """max(x, 0) + log(1 + exp(-|x|)) is softplus(x)."""
    if small.op != "softplus" or small.args[0].op != "negative" or small.args[0].args[0].op != "abs":
        return None
    x = small.args[0].args[0].args[0]
    return _replaced(algebra, rest, algebra.raw("maximum", (x, algebra.number(0))), algebra.raw("softplus", (x,)))


def _replaced(algebra: Algebra, whole: Expression, part: Expression, by: Expression) -> Expression | None:
    """A sum with one of its positive terms replaced; None if it is not there."""
    if whole is part:
        return by
    if whole.op in ("add", "subtract"):
        left = _replaced(algebra, whole.args[0], part, by)
        if left is not None:
            return algebra.elementwise(whole.op, left, whole.args[1])
    if whole.op == "add":
        right = _replaced(algebra, whole.args[1], part, by)
        if right is not None:
            return algebra.elementwise("add", whole.args[0], right)
    return None


def _unshifted(algebra: Algebra, logarithm: Expression, shift: Expression) -> Expression | None:
    """log(sum(exp(x - m))) + m is logsumexp(x)."""
    if logarithm.op != "logsumexp" or logarithm.args[0].op != "subtract":
        return None
    x, m = logarithm.args[0].args
    constant = _constant_along(algebra, m, logarithm)
    if not constant or not (m is shift or _stripped(m) is _stripped(shift)):
        return None
    return algebra.fold("logsumexp", x, logarithm.axis, logarithm.keepdims)


def _constant_along(algebra: Algebra, m: Expression, folding: Expression) -> bool:
    rank = len(algebra.shapes[folding.args[0]])
    shape = (1,) * (rank - len(algebra.shapes[m])) + algebra.shapes[m]
    return all(shape[axis] == 1 for axis in algebra.places(folding.axis, rank))


def _subtract(algebra: Algebra, a: Expression, b: Expression) -> Expression | None:
    if (folded := _numbers(algebra, "subtract", a, b)) is not None:
        return folded
    if algebra.value(b) == 0:
        return a
    if algebra.value(a) == 0:
        return algebra.elementwise("negative", b)
    if b.op == "negative":
        return algebra.elementwise("add", a, b.args[0])
    if b.op == "logsumexp" and b.args[0] is a and b.keepdims and b.axis is not None and len(b.axis) == 1:
        return algebra.raw("log_softmax", (a,), axis=b.axis)
    return None


def _negative(algebra: Algebra, a: Expression) -> Expression | None:
    if (value := algebra.value(a)) is not None:
        return algebra.number(-value)
    if a.op == "negative":
        return a.args[0]
    return algebra.elementwise("subtract", *a.args[::-1]) if a.op == "subtract" and _plain(algebra, a) else None


def _plain(algebra: Algebra, a: Expression) -> bool:
    """A difference that reads as well the other way round."""
    return all(arg.op in ("input", "number", "index") for arg in a.args)


def _multiply(algebra: Algebra, a: Expression, b: Expression) -> Expression | None:
    if (folded := _numbers(algebra, "multiply", a, b)) is not None:
        return folded
    for one, other in ((a, b), (b, a)):
        if algebra.value(one) == 1 and not algebra.is_truth(other):
            return other
        if algebra.value(one) == -1:
            return algebra.elementwise("negative", other)
        if one.op == "negative" and other.op != "number":
            return algebra.elementwise("negative", algebra.elementwise("multiply", *(
                (one.args[0], b) if one is a else (a, one.args[0])
            )))  # fmt: skip
        if one.op == "divide" and algebra.value(one.args[0]) == 1 and other.op != "number":
            return algebra.elementwise("divide", other, one.args[1])
    if a is b:
        return algebra.elementwise("power", a, algebra.number(2))
    if algebra.value(b) is not None:  # numbers first
        return algebra.elementwise("multiply", b, a)
    if algebra.value(a) is not None and b.op == "multiply" and algebra.value(b.args[0]) is not None:
        return algebra.elementwise("multiply", algebra.elementwise("multiply", a, b.args[0]), b.args[1])
    return None


def _divide(algebra: Algebra, a: Expression, b: Expression) -> Expression | None:
    if algebra.value(b) == 1:
        return a
    if algebra.value(b) == -1:
        return algebra.elementwise("negative", a)
    if a.op == "sum" and (count := algebra.value(b)) is not None:
        sizes = [algebra.shapes[a.args[0]][axis] for axis in algebra.places(a.axis, len(algebra.shapes[a.args[0]]))]
        if all(isinstance(size, int) for size in sizes) and count == math.prod(map(int, sizes)):
            return algebra.fold("mean", a.args[0], a.axis, a.keepdims)
    if a.op == "sum" and b.op == "size" and not a.keepdims:
        places = algebra.places(a.axis, len(algebra.shapes[a.args[0]]))
        if [algebra.shapes[a.args[0]][axis] for axis in places] == [b.text]:
            return algebra.fold("mean", a.args[0], a.axis)
    if b.op == "sum" and b.args[0] is a and b.keepdims and b.axis is not None and len(b.axis) == 1:
        if a.op == "softmax" and a.axis == b.axis:
            return a  # its sum is 1
        if a.op == "exp":
            x = a.args[0]
            if x.op == "subtract" and _constant_along(algebra, x.args[1], b):
                x = x.args[0]
            return algebra.raw("softmax", (x,), axis=b.axis)
    if algebra.value(a) == 1 and b.op == "add":
        one, power = sorted(b.args, key=lambda arg: arg.op == "exp")
        if algebra.value(one) == 1 and power.op == "exp":
            return algebra.raw("sigmoid", (algebra.elementwise("negative", power.args[0]),))
    return None


def _power(algebra: Algebra, a: Expression, b: Expression) -> Expression | None:
    base, exponent = algebra.value(a), algebra.value(b)
    if exponent == 1:
        return a
    if exponent == Fraction(1, 2):
        return algebra.elementwise("sqrt", a)
    if base is not None and exponent is not None and exponent.denominator == 1 and abs(exponent) < 20 and base:
        return algebra.number(base ** int(exponent))
    if exponent == 2 and a.op == "sqrt":
        return a.args[0]
    return None


def _square(algebra: Algebra, a: Expression) -> Expression | None:
    return algebra.elementwise("power", a, algebra.number(2))


def _exp(algebra: Algebra, a: Expression) -> Expression | None:
    if a.op == "log":
        return a.args[0]
    if a.op == "log_softmax":
        return algebra.raw("softmax", a.args, axis=a.axis)
    if a.op == "where" and algebra.is_infinite(a.args[2]):
        return algebra.elementwise("where", a.args[0], algebra.elementwise("exp", a.args[1]), algebra.number(0))
    return None


def _log(algebra: Algebra, a: Expression) -> Expression | None:
    if a.op == "exp":
        return a.args[0]
    if a.op == "softmax":
        return algebra.raw("log_softmax", a.args, axis=a.axis)
    if a.op == "sum" and a.args[0].op == "exp":
        return algebra.fold("logsumexp", a.args[0].args[0], a.axis, a.keepdims)
    if a.op == "add":
        one, power = sorted(a.args, key=lambda arg: arg.op == "exp")
        if algebra.value(one) == 1 and power.op == "exp":
            return algebra.elementwise("softplus", power.args[0])
    return None


def _softplus(algebra: Algebra, a: Expression) -> Expression | None:
    """softplus(log(x) + log(y)) is log(1 + x y), which has a value where x is 0."""
    if a.op == "log":
        product = a.args[0]
    elif a.op == "add" and all(arg.op == "log" for arg in a.args):
        product = algebra.elementwise("multiply", *(arg.args[0] for arg in a.args))
    else:
        return None
    return algebra.elementwise("log", algebra.elementwise("add", algebra.number(1), product))


def _log1p(algebra: Algebra, a: Expression) -> Expression | None:
    if algebra.value(a) == 0:
        return algebra.number(0)
    return algebra.elementwise("softplus", a.args[0]) if a.op == "exp" else None


def _sqrt(algebra: Algebra, a: Expression) -> Expression | None:
    if a.op == "power" and algebra.value(a.args[1]) == 2:
        return algebra.elementwise("abs", a.args[0])
    value = algebra.value(a)
    if value is not None and value >= 0:
        root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator) or 1)
        return algebra.number(root) if root * root == value else None
    return None


def _abs(algebra: Algebra, a: Expression) -> Expression | None:
    if (value := algebra.value(a)) is not None:
        return algebra.number(abs(value))
    return algebra.elementwise("abs", a.args[0]) if a.op in ("negative", "abs") else None


def _maximum(algebra: Algebra, a: Expression, b: Expression) -> Expression | None:
    if algebra.value(a) is not None and algebra.value(b) is None:
        return algebra.elementwise("maximum", b, a)
    return _clipped(algebra, a, b, "minimum")


def _minimum(algebra: Algebra, a: Expression, b: Expression) -> Expression | None:
    if algebra.value(a) is not None and algebra.value(b) is None:
        return algebra.elementwise("minimum", b, a)
    return _clipped(algebra, a, b, "maximum")


def _clipped(algebra: Algebra, a: Expression, b: Expression, inner: str) -> Expression | None:
    """A maximum of a minimum, or the reverse, with numbers in order, is a clip."""
    outer, nested = algebra.value(b), algebra.value(a.args[1]) if a.op == inner else None
    if outer is None or nested is None:
        return None
    low, high = (outer, nested) if inner == "minimum" else (nested, outer)
    if low > high:
        return None
    return algebra.raw("clip", (a.args[0], algebra.number(low), algebra.number(high)))


def _where(algebra: Algebra, c: Expression, a: Expression, b: Expression) -> Expression | None:
    if (truth := algebra.value(c)) is not None:
        return a if truth else b
    if a is b:
        return a
    if c.op == "not":
        return algebra.elementwise("where", c.args[0], b, a)
    if c.op in ("greater", "greater_equal") and algebra.value(c.args[1]) == 0:
        x = c.args[0]
        if a is x and algebra.value(b) == 0:
            return algebra.elementwise("maximum", x, algebra.number(0))
        if a is x and b.op == "negative" and b.args[0] is x:
            return algebra.elementwise("abs", x)
        if b is x and a.op == "negative" and a.args[0] is x:
            return algebra.elementwise("negative", algebra.elementwise("abs", x))
    return None


def _not_equal(algebra: Algebra, a: Expression, b: Expression) -> Expression | None:
    return a if algebra.is_truth(a) and algebra.value(b) == 0 else None


def _equal(algebra: Algebra, a: Expression, b: Expression) -> Expression | None:
    return algebra.elementwise("not", a) if algebra.is_truth(a) and algebra.value(b) == 0 else None


def _not(algebra: Algebra, a: Expression) -> Expression | None:
    if (truth := algebra.value(a)) is not None:
        return algebra.number(int(not truth))
    if a.op == "not":
        return a.args[0]
    return algebra.elementwise(COMPARISONS[a.op], *a.args) if a.op in COMPARISONS else None


def _and(algebra: Algebra, a: Expression, b: Expression) -> Expression | None:
    for one, other in ((a, b), (b, a)):
        if (truth := algebra.value(one)) is not None:
            return other if truth else algebra.number(0)
    return a if a is b else None


def _or(algebra: Algebra, a: Expression, b: Expression) -> Expression | None:
    for one, other in ((a, b), (b, a)):
        if (truth := algebra.value(one)) is not None:
            return algebra.number(1) if truth else other
    return a if a is b else None


def _stripped(x: Expression) -> Expression:
    """Without axes of size one added or taken away."""
    while x.op in ("index", "reshape") and all(part is None or part in (0, slice(None)) for part in x.index):
        x = x.args[0]
    return x


IDENTITIES: Mapping[str, Callable[..., Expression | None]] = {
    "add": _add,
    "subtract": _subtract,
    "negative": _negative,
    "multiply": _multiply,
    "divide": _divide,
    "power": _power,
    "square": _square,
    "exp": _exp,
    "log": _log,
    "softplus": _softplus,
    "log1p": _log1p,
    "sqrt": _sqrt,
    "abs": _abs,
    "maximum": _maximum,
    "minimum": _minimum,
    "where": _where,
    "not_equal": _not_equal,
    "equal": _equal,
    "not": _not,
    "and": _and,
    "or": _or,
}
