"""The functions of `RealNamespace` in ball arithmetic: every result encloses the true value.

A comparison that the balls cannot decide raises `Undecided`; more precision may decide it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flint

Ball: Any = flint.arb  # python-flint has no types
_RENAMED = {"sign": "sgn"}


class Undecided(Exception):
    """Two balls overlap, so that neither answer to a comparison is certain."""


def ball(x: Any) -> Any:
    """A number as a ball of radius zero (a decimal string: around that decimal); a ball as it is."""
    return x if isinstance(x, Ball) else Ball(x)


def less(x: Any, y: Any) -> bool:
    x, y = ball(x), ball(y)
    if x < y:
        return True
    if x >= y or x is y or x.is_nan() or y.is_nan():
        return False
    raise Undecided


def equal(x: Any, y: Any) -> bool:
    x, y = ball(x), ball(y)
    if x is y:
        return not x.is_nan()
    if x.is_nan() or y.is_nan() or not x.overlaps(y):
        return False
    if x.is_exact() and y.is_exact():
        return bool(x == y)
    raise Undecided


def maximum(x: Any, y: Any) -> Any:
    """One of the two where that is certain, so that it still equals itself; else a ball around both."""
    x, y = ball(x), ball(y)
    if x is y or x >= y:
        return x
    return y if y >= x else Ball.max(x, y)


def minimum(x: Any, y: Any) -> Any:
    x, y = ball(x), ball(y)
    if x is y or x <= y:
        return x
    return y if y <= x else Ball.min(x, y)


class Balls:
    """The namespace; working precision is that of flint's context."""

    inf: Any = Ball("inf")

    @property
    def pi(self) -> Any:
        return Ball.pi()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The functions that python-flint has under the same name, or nearly."""
        method: Callable[..., Any] = getattr(Ball, _RENAMED.get(name, name))

        def function(x: Any, *more: Any) -> Any:
            return method(ball(x), *map(ball, more))

        return function

    def number(self, x: float | str) -> Any:
        return Ball(x)

    def abs(self, x: Any) -> Any:
        return abs(ball(x))

    def pow(self, x: Any, y: Any) -> Any:
        return ball(x) ** ball(y)

    def maximum(self, x: Any, y: Any) -> Any:
        return maximum(x, y)

    def minimum(self, x: Any, y: Any) -> Any:
        return minimum(x, y)

    def less(self, x: Any, y: Any) -> bool:
        return less(x, y)

    def less_equal(self, x: Any, y: Any) -> bool:
        x, y = ball(x), ball(y)
        return not less(y, x) and not (x.is_nan() or y.is_nan())

    def equal(self, x: Any, y: Any) -> bool:
        return equal(x, y)

    def where(self, condition: bool, x: Any, y: Any) -> Any:
        return ball(x) if condition else ball(y)

    def polygamma(self, n: Any, x: Any) -> Any:
        """DLMF 25.11.12."""
        whole = ball(n).unique_fmpz()
        if whole is None or int(whole) < 0:
            return Ball.nan()
        order = int(whole)
        if order == 0:
            return ball(x).digamma()
        sign = -1 if order % 2 == 0 else 1
        return sign * Ball(order + 1).gamma() * self.zeta(order + 1, x)

    def zeta(self, s: Any, q: Any) -> Any:
        return ball(s).zeta(ball(q))

    def igamma(self, a: Any, x: Any) -> Any:
        return ball(x).gamma_lower(ball(a), 1)

    def igammac(self, a: Any, x: Any) -> Any:
        return ball(x).gamma_upper(ball(a), 1)

    def betainc(self, a: Any, b: Any, x: Any) -> Any:
        return ball(x).beta_lower(ball(a), ball(b), 1)

    def bessel_i(self, order: int, x: Any) -> Any:
        return ball(x).bessel_i(Ball(order))


BALLS = Balls()
