"""Elementwise operations of the graph in the words of formulas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from lossdoctor.formula.expression import Expression, Number
from lossdoctor.formula.parse import UNARY
from lossdoctor.symbols.algebra import Algebra
from lossdoctor.symbols.identities import COMPARISONS

Build = Callable[[Algebra, Sequence[Expression], Mapping[str, Any]], Expression | None]

# Operations that have a name in formulas, or one that `lower` replaces.
SAME = {
    **{name: name for name in UNARY if name not in ("arccos",)},
    **{name: name for name in ("add", "subtract", "multiply", "divide", "negative", "maximum", "minimum")},
    **{name: name for name in COMPARISONS},
    "pow": "power",
    "acos": "arccos",
    "logical_and": "and",
    "logical_or": "or",
    "logical_not": "not",
}


_PI = Number(Fraction(0), "pi")


def _guarded(build: Callable[[Algebra, Expression, Expression], Expression], watched: int) -> Build:
    """An operation that is 0 where one of its arguments is."""

    def made(a: Algebra, args: Sequence[Expression], _: Mapping[str, Any]) -> Expression:
        x, y = args
        zero = a.elementwise("equal", args[watched], a.number(0))
        return a.elementwise("where", zero, a.number(0), build(a, x, y))

    return made


def _multiply(a: Algebra, x: Expression, y: Expression) -> Expression:
    return a.elementwise("multiply", x, y)


def _log(a: Algebra, x: Expression) -> Expression:
    return a.elementwise("log", x)


def _reciprocal(a: Algebra, x: Expression) -> Expression:
    return a.elementwise("divide", a.number(1), x)


def _total(a: Algebra, args: Sequence[Expression], _: Mapping[str, Any]) -> Expression:
    made = args[0]
    for arg in args[1:]:
        made = a.elementwise("add", made, arg)
    return made


def _difference(a: Algebra, args: Sequence[Expression], _: Mapping[str, Any]) -> Expression:
    return a.elementwise("square", a.elementwise("subtract", *args))


def _hyperbolic(sign: str) -> Build:
    def made(a: Algebra, args: Sequence[Expression], _: Mapping[str, Any]) -> Expression:
        x = args[0]
        both = a.elementwise(sign, a.elementwise("exp", x), a.elementwise("exp", a.elementwise("negative", x)))
        return a.elementwise("divide", both, a.number(2))

    return made


def _sine(a: Algebra, args: Sequence[Expression], _: Mapping[str, Any]) -> Expression:
    quarter = a.elementwise("divide", a.raw("number", number=_PI), a.number(2))
    return a.elementwise("cos", a.elementwise("subtract", args[0], quarter))


def _leaky(a: Algebra, args: Sequence[Expression], attrs: Mapping[str, Any]) -> Expression | None:
    alpha = attrs.get("alpha", 0.2)
    if not isinstance(alpha, float | int):
        return None
    x = args[0]
    above = a.elementwise("greater", x, a.number(0))
    return a.elementwise("where", above, x, a.elementwise("multiply", a.number(alpha), x))


def _elu(a: Algebra, args: Sequence[Expression], _: Mapping[str, Any]) -> Expression:
    x = args[0]
    return a.elementwise("where", a.elementwise("greater", x, a.number(0)), x, a.elementwise("expm1", x))


def _softsign(a: Algebra, args: Sequence[Expression], _: Mapping[str, Any]) -> Expression:
    x = args[0]
    return a.elementwise("divide", x, a.elementwise("add", a.number(1), a.elementwise("abs", x)))


def _inverse_root(a: Algebra, args: Sequence[Expression], _: Mapping[str, Any]) -> Expression:
    return _reciprocal(a, a.elementwise("sqrt", args[0]))


def _infinite(a: Algebra, args: Sequence[Expression], _: Mapping[str, Any]) -> Expression | None:
    return a.number(0) if args[0].op == "number" and not a.is_infinite(args[0]) else None


COMPOSED: Mapping[str, Build] = {
    "add_n": _total,
    "squared_difference": _difference,
    "reciprocal": lambda a, args, _: _reciprocal(a, args[0]),
    "rsqrt": _inverse_root,
    "relu": lambda a, args, _: a.elementwise("maximum", args[0], a.number(0)),
    "relu6": lambda a, args, _: a.raw("clip", (args[0], a.number(0), a.number(6))),
    "clip": lambda a, args, _: a.raw("clip", args),
    "leaky_relu": _leaky,
    "elu": _elu,
    "softsign": _softsign,
    "sin": _sine,
    "sinh": _hyperbolic("subtract"),
    "cosh": _hyperbolic("add"),
    "erfc": lambda a, args, _: a.elementwise("subtract", a.number(1), a.elementwise("erf", args[0])),
    "divide_no_nan": _guarded(lambda a, x, y: a.elementwise("divide", x, y), 1),
    "multiply_no_nan": _guarded(_multiply, 1),
    "xlogy": _guarded(lambda a, x, y: _multiply(a, x, _log(a, y)), 0),
    "xlog1py": _guarded(lambda a, x, y: _multiply(a, x, a.elementwise("log1p", y)), 0),
    "xdivy": _guarded(lambda a, x, y: a.elementwise("divide", x, y), 0),
    "isnan": lambda a, args, _: a.elementwise("not_equal", args[0], args[0]),
    "isinf": _infinite,
}
