"""Whether two formulas are the same by algebra: polynomials with exact coefficients over parts that stay as they are.

Two formulas with the same canonical form are the same function of real numbers wherever both are defined. The reverse
does not hold: an identity that is not known here (log of a product, a sum of cosines) leaves the question open.
Nothing is cancelled that would widen a domain: x / x stays as it is written.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

from lossdoctor.formula.expression import Expression

Monomial = tuple[tuple[Hashable, int], ...]  # parts and their exponents, in a fixed order; () is 1
Polynomial = tuple[tuple[Monomial, Fraction], ...]  # without zeros, in a fixed order

_POWERS = 8  # largest exponent that is multiplied out
_TERMS = 200  # of a polynomial; above, it is given up
_EVEN = frozenset({"abs", "cos"})
_ODD = frozenset({"tanh", "sign", "erf"})
_FOLDS = frozenset({"sum", "mean"})
_ELEMENTWISE = frozenset(
    {"abs", "cos", "tanh", "sign", "erf", "exp", "log", "log1p", "expm1", "sqrt", "sigmoid", "softplus", "arccos",
     "lgamma", "maximum", "where", "power", "inverse", "less", "less_equal", "equal"}
)  # fmt: skip


class Undecided(Exception):
    """The form would be too large."""


@dataclass(frozen=True)
class Canonical:
    """Canonical forms of formulas over inputs of one rank.

    Args:
        rank: of y_true and y_pred where their axes are the same; None where they are not, and sums stay whole.
    """

    rank: int | None = None

    def same(self, one: Expression, other: Expression) -> bool:
        """Both have one form; False where that is not known."""
        try:
            return self.of(one) == self.of(other)
        except (Undecided, RecursionError):
            return False

    def of(self, x: Expression) -> Polynomial:
        """The canonical form.

        Raises:
            Undecided: it would be too large.
        """
        args = x.args
        match x.op:
            case "number":
                assert x.number is not None
                return _part(("constant", x.number.name)) if x.number.name else _constant(x.number.value)
            case "input":
                return _part(("input", x.role))
            case "add":
                return _add(self.of(args[0]), self.of(args[1]))
            case "subtract":
                return _add(self.of(args[0]), _scaled(self.of(args[1]), Fraction(-1)))
            case "negative":
                return _scaled(self.of(args[0]), Fraction(-1))
            case "multiply":
                return _times(self.of(args[0]), self.of(args[1]))
            case "divide":
                return _times(self.of(args[0]), _inverse(self.of(args[1])))
            case "square":
                return _power(self.of(args[0]), 2)
            case "power":
                return _raised(self.of(args[0]), self.of(args[1]))
            case "greater" | "greater_equal" | "less" | "less_equal" | "equal":
                return self._comparison(x)
            case "maximum" | "minimum":
                return self._extreme(x)
            case "abs" | "cos" | "tanh" | "sign" | "erf":
                return _symmetric(x.op, self.of(args[0]))
            case "clip":
                return self.of(Expression("minimum", (Expression("maximum", args[:2]), args[2])))
            case "sigmoid" | "softplus":
                return _logistic(x.op, self.of(args[0]))
            case "log" | "log1p":
                return _logarithm(_add(self.of(args[0]), _constant(Fraction(x.op == "log1p"))))
            case "expm1":
                return _add(self.of(Expression("exp", args)), _constant(Fraction(-1)))
            case "log_softmax":
                total = Expression("logsumexp", args, axis=x.axis, keepdims=True)
                return _add(self.of(args[0]), _scaled(self.of(total), Fraction(-1)))
            case "sum" | "mean":
                return self._fold(x)
            case _:
                inner = tuple(self.of(arg) for arg in args)
                return _part((x.op, inner, repr(x.index), self._axes(x, inner), x.keepdims, x.size))

    def _comparison(self, x: Expression) -> Polynomial:
        """a > b is b < a, and is decided by the sign of the difference."""
        left, right = (self.of(arg) for arg in x.args)
        if x.op in ("greater", "greater_equal"):
            left, right = right, left
        op = {"greater": "less", "greater_equal": "less_equal"}.get(x.op, x.op)
        difference = _add(left, _scaled(right, Fraction(-1)))
        if difference:
            lead = abs(difference[0][1])
            if op == "equal":
                lead = difference[0][1]
            difference = _scaled(difference, 1 / lead)
        return _part((op, difference))

    def _extreme(self, x: Expression) -> Polynomial:
        """min(a, b) is -max(-a, -b), and the order of the two does not matter."""
        sign = Fraction(1 if x.op == "maximum" else -1)
        inner = sorted((_scaled(self.of(arg), sign) for arg in x.args), key=repr)
        return _scaled(_part(("maximum", *inner)), sign)

    def _fold(self, x: Expression) -> Polynomial:
        """Sums and means term by term, where all terms have the shape of the inputs; else whole."""
        inner = self.of(x.args[0])
        axes = self._axes(x, (inner,))
        whole = [_full(monomial) for monomial, _ in inner if monomial]
        if self.rank is None or not whole or not all(whole):
            lead = inner[0][1] if inner else Fraction(1)  # a common factor may always go outside
            return _scaled(_part((x.op, _scaled(inner, 1 / lead), axes, x.keepdims)), lead)
        found: Polynomial = ()
        for monomial, number in inner:
            if not monomial and x.op == "mean":
                found = _add(found, _constant(number))
            else:
                found = _add(found, _scaled(_part((x.op, ((monomial, Fraction(1)),), axes, x.keepdims)), number))
        return found

    def _axes(self, x: Expression, inner: tuple[Polynomial, ...]) -> tuple[int, ...] | None:
        """The axes counted from the front, where the argument has the shape of the inputs."""
        if x.axis is None or self.rank is None or not inner:
            return x.axis
        known = all(_full(monomial) for monomial, _ in inner[0] if monomial) and any(m for m, _ in inner[0])
        if not known:
            return x.axis
        axes = tuple(sorted({axis % self.rank for axis in x.axis}))
        return None if len(axes) == self.rank and x.op in _FOLDS and not x.keepdims else axes


def _full(monomial: Monomial) -> bool:
    """Whether it has the shape of the inputs: elementwise operations, of at least one input."""
    return any(_holds_input(part) for part, _ in monomial) and all(_plain(part) for part, _ in monomial)


def _fields(part: Any) -> tuple[Any, ...]:
    """What a part, monomial or polynomial is made of; () for names and numbers."""
    return cast("tuple[Any, ...]", part) if isinstance(part, tuple) else ()


def _plain(part: Any) -> bool:
    fields = _fields(part)
    if not fields:
        return True
    if isinstance(fields[0], str):
        known = fields[0] in _ELEMENTWISE or fields[0] in ("input", "constant")
        return known and all(_plain(one) for one in fields[1:])
    return all(_plain(one) for one in fields)


def _holds_input(part: Any) -> bool:
    fields = _fields(part)
    return (len(fields) == 2 and fields[0] == "input") or any(_holds_input(one) for one in fields)


# ---- polynomials -------------------------------------------------------------------------------------------------


def _ordered(terms: Mapping[Monomial, Fraction]) -> Polynomial:
    kept = [(monomial, number) for monomial, number in terms.items() if number]
    if len(kept) > _TERMS:
        raise Undecided
    return tuple(sorted(kept, key=lambda term: repr(term[0])))


def _constant(number: Fraction) -> Polynomial:
    return (((), number),) if number else ()


def _part(part: Hashable) -> Polynomial:
    return ((((part, 1),), Fraction(1)),)


def _add(one: Polynomial, other: Polynomial) -> Polynomial:
    terms = dict(one)
    for monomial, number in other:
        terms[monomial] = terms.get(monomial, Fraction(0)) + number
    return _ordered(terms)


def _scaled(one: Polynomial, number: Fraction) -> Polynomial:
    return tuple((monomial, number * own) for monomial, own in one) if number else ()


def _times(one: Polynomial, other: Polynomial) -> Polynomial:
    if len(one) * len(other) > _TERMS * _TERMS:
        raise Undecided
    terms: dict[Monomial, Fraction] = {}
    rest: Polynomial = ()
    for left, a in one:
        for right, b in other:
            powers = dict(left)
            for part, exponent in right:
                powers[part] = powers.get(part, 0) + exponent
            absolute = [part for part, exponent in powers.items() if exponent >= 2 and _fields(part)[:1] == ("abs",)]
            if absolute:  # |x|² is x²
                powers[absolute[0]] -= 2
                inner: Polynomial = _fields(absolute[0])[1]
                rest = _add(rest, _times(_scaled(_monomial(powers), a * b), _power(inner, 2)))
                continue
            [(monomial, _)] = _monomial(powers)
            terms[monomial] = terms.get(monomial, Fraction(0)) + a * b
    return _add(_ordered(terms), rest)


def _monomial(powers: Mapping[Hashable, int]) -> Polynomial:
    kept = ((part, exponent) for part, exponent in powers.items() if exponent)
    return ((tuple(sorted(kept, key=repr)), Fraction(1)),)


def _power(one: Polynomial, exponent: int) -> Polynomial:
    found = _constant(Fraction(1))
    for _ in range(exponent):
        found = _times(found, one)
    return found


def _raised(base: Polynomial, exponent: Polynomial) -> Polynomial:
    number = _number(exponent)
    if number is not None and number.denominator == 1 and 0 <= number <= _POWERS:
        return _power(base, int(number))
    if number == Fraction(1, 2):
        return _single("sqrt", base)  # as the function is
    return _part(("power", base, exponent))


def _number(one: Polynomial) -> Fraction | None:
    """The number that a polynomial is."""
    if not one:
        return Fraction(0)
    return one[0][1] if len(one) == 1 and not one[0][0] else None


def _inverse(one: Polynomial) -> Polynomial:
    """A number is divided by; anything else is a part of its own, without its leading number."""
    if not one:
        raise Undecided
    number = _number(one)
    if number is not None:
        return _constant(1 / number)
    lead = one[0][1]
    return _scaled(_part(("inverse", _scaled(one, 1 / lead))), 1 / lead)


def _symmetric(op: str, inner: Polynomial) -> Polynomial:
    """abs(-x) is abs(x), and tanh(-x) is -tanh(x)."""
    sign = Fraction(-1 if inner and inner[0][1] < 0 else 1)
    found = _part((op, _scaled(inner, sign)))
    return found if op in _EVEN else _scaled(found, sign)


def _logistic(op: str, inner: Polynomial) -> Polynomial:
    """softplus(-x) is softplus(x) - x, and sigmoid(-x) is 1 - sigmoid(x)."""
    if not inner or inner[0][1] > 0:
        return _single(op, inner)
    turned = _single(op, _scaled(inner, Fraction(-1)))
    if op == "softplus":
        return _add(turned, inner)
    return _add(_constant(Fraction(1)), _scaled(turned, Fraction(-1)))


def _logarithm(inner: Polynomial) -> Polynomial:
    """log(1 + exp(x)) is softplus(x), and log(sigmoid(x)) is -softplus(-x)."""
    rest = _add(inner, _constant(Fraction(-1)))
    power = _argument(rest, "exp", Fraction(1))
    if power is not None:
        return _logistic("softplus", power)
    share = _argument(inner, "sigmoid", Fraction(1))
    if share is not None:
        return _scaled(_logistic("softplus", _scaled(share, Fraction(-1))), Fraction(-1))
    share = _argument(rest, "sigmoid", Fraction(-1))  # 1 - sigmoid(x)
    if share is not None:
        return _scaled(_logistic("softplus", share), Fraction(-1))
    return _single("log", inner)


def _single(op: str, inner: Polynomial) -> Polynomial:
    """A function of one argument, as a part of its own."""
    return _part((op, (inner,), "()", None, False, 0))


def _argument(one: Polynomial, op: str, number: Fraction) -> Polynomial | None:
    """x of `number` times op(x); None of anything else."""
    if len(one) != 1 or one[0][1] != number or len(one[0][0]) != 1 or one[0][0][0][1] != 1:
        return None
    fields = _fields(one[0][0][0][0])
    return fields[1][0] if fields[:1] == (op,) else None
