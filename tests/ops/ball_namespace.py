"""`RealNamespace` in ball arithmetic: every result is an enclosure of the true value."""

from __future__ import annotations

from typing import Any

import flint
from flint import arb


def ball(x: Any) -> arb:
    return x if isinstance(x, arb) else arb(x)


class Balls:
    pi = arb.pi()
    inf = arb("inf")

    def __getattr__(self, name: str) -> Any:
        """The functions that python-flint has under the same name."""
        renamed = {"abs": "__abs__", "sign": "sgn"}.get(name, name)
        method = getattr(arb, renamed)
        return lambda x, *more: method(ball(x), *map(ball, more))

    def number(self, x: float | str) -> arb:
        return arb(x)

    def pow(self, x: Any, y: Any) -> arb:
        return ball(x) ** ball(y)

    def atan2(self, y: Any, x: Any) -> arb:
        return arb.atan2(ball(y), ball(x))

    def maximum(self, x: Any, y: Any) -> arb:
        return arb.max(ball(x), ball(y))

    def minimum(self, x: Any, y: Any) -> arb:
        return arb.min(ball(x), ball(y))

    def less(self, x: Any, y: Any) -> bool:
        return bool(ball(x) < ball(y))

    def less_equal(self, x: Any, y: Any) -> bool:
        return bool(ball(x) <= ball(y))

    def equal(self, x: Any, y: Any) -> bool:
        return bool(ball(x) == ball(y))

    def where(self, condition: bool, x: Any, y: Any) -> arb:
        return ball(x) if condition else ball(y)

    def erfinv(self, x: Any) -> arb:
        return ball(x).erfinv()

    def polygamma(self, n: Any, x: Any) -> arb:
        whole = ball(n).unique_fmpz()
        assert whole is not None
        order = int(whole)
        if order == 0:
            return ball(x).digamma()
        sign = -1 if order % 2 == 0 else 1
        return sign * arb(order + 1).gamma() * self.zeta(arb(order + 1), x)

    def zeta(self, s: Any, q: Any) -> arb:
        return ball(s).zeta(ball(q))

    def igamma(self, a: Any, x: Any) -> arb:
        return ball(x).gamma_lower(ball(a), 1)

    def igammac(self, a: Any, x: Any) -> arb:
        return ball(x).gamma_upper(ball(a), 1)

    def betainc(self, a: Any, b: Any, x: Any) -> arb:
        return ball(x).beta_lower(ball(a), ball(b), 1)

    def bessel_i(self, order: int, x: Any) -> arb:
        return ball(x).bessel_i(arb(order))


def precise(real: Any, *args: float, bits: int = 400, **attrs: Any) -> arb:
    """The value at points that floats hold exactly, to far more bits than any float."""
    with flint.ctx.workprec(bits):
        return real(Balls(), *(arb(float(x)) for x in args), **attrs)
