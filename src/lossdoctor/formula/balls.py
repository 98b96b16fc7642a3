"""Numbers as balls of python-flint: a midpoint with an error bound that is never too small.

The precision is a global of python-flint; `working` sets it and keeps other threads out meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from fractions import Fraction
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_LOCK = threading.RLock()


@contextmanager
def working(bits: int) -> Generator[Balls]:
    """Balls of so many bits."""
    ctx: Any = import_module("flint").ctx  # it has no types

    with _LOCK:
        before = ctx.prec
        ctx.prec = bits
        try:
            yield Balls()
        finally:
            ctx.prec = before


_MULTIPLIED = 16  # the largest integer power that is made by multiplying


class Balls:
    """Elementwise functions of object arrays of `arb`; conditions are boolean arrays.

    `undecided` becomes true when a comparison depends on digits that the precision does not have; the two sides
    then count as equal.
    """

    dtype: ClassVar[Any] = object

    def __init__(self) -> None:
        flint: Any = import_module("flint")  # it has no types
        self._arb = flint.arb
        self._fmpq = flint.fmpq
        self.undecided = False

    def number(self, value: Fraction, name: str = "") -> Array:
        if name:
            made = self._arb.pi() if name == "pi" else self._arb.const_e()
        else:
            made = self._arb(self._fmpq(value.numerator, value.denominator))
        return _boxed(made)

    def array(self, value: Array) -> Array:
        """Exactly the numbers of a float, integer or boolean array."""
        flat = [self._arb(item) for item in value.reshape(-1).tolist()]
        made = np.empty(len(flat), dtype=object)
        made[:] = flat
        return made.reshape(value.shape)

    def less(self, a: Array, b: Array) -> Array:
        return self._compare(a, b, lambda x, y: x < y, lambda x, y: x >= y, lambda x, y: False)

    def less_equal(self, a: Array, b: Array) -> Array:
        return self._compare(a, b, lambda x, y: x <= y, lambda x, y: x > y, lambda x, y: True)

    def equal(self, a: Array, b: Array) -> Array:
        return self._compare(a, b, lambda x, y: x == y, lambda x, y: x != y, lambda x, y: True)

    def _compare(
        self,
        a: Array,
        b: Array,
        holds: Callable[[Any, Any], bool],
        fails: Callable[[Any, Any], bool],
        unknown: Callable[[Any, Any], bool],
    ) -> Array:
        def one(x: Any, y: Any) -> bool:
            if holds(x, y):
                return True
            if fails(x, y):
                return False
            if x.is_finite() and y.is_finite():
                self.undecided = True
                return unknown(x, y)
            return False  # a comparison with what is no number is false

        return np.asarray(np.frompyfunc(one, 2, 1)(a, b)).astype(bool)

    def maximum(self, a: Array, b: Array) -> Array:
        return _two(lambda x, y: x.max(y), a, b)

    def minimum(self, a: Array, b: Array) -> Array:
        return _two(lambda x, y: x.min(y), a, b)

    def power(self, a: Array, b: Array) -> Array:
        def one(x: Any, y: Any) -> Any:
            if x.is_zero() and y > 0:
                return self._arb(0)
            if x.contains(0) and y.is_integer() and 0 < y <= _MULTIPLIED:
                made = x  # by logarithms, as the library does it, nothing is known of a ball around zero
                for _ in range(int(float(y)) - 1):
                    made = made * x
                return made.nonnegative_part() if int(float(y)) % 2 == 0 else made
            return x**y

        return _two(one, a, b)

    def sign(self, x: Array) -> Array:
        def one(item: Any) -> Any:
            if item.is_finite() and not (item > 0 or item < 0 or item.is_zero()):
                self.undecided = True
                return self._arb(0)
            return item.sgn()

        return _one(one, x)

    def abs(self, x: Array) -> Array:
        return _one(abs, x)

    def exp(self, x: Array) -> Array:
        return _one(lambda item: item.exp(), x)

    def expm1(self, x: Array) -> Array:
        return _one(lambda item: item.expm1(), x)

    def log(self, x: Array) -> Array:
        return _one(lambda item: item.log(), x)

    def log1p(self, x: Array) -> Array:
        return _one(lambda item: item.log1p(), x)

    def sqrt(self, x: Array) -> Array:
        return _one(lambda item: item.sqrt(), x)

    def tanh(self, x: Array) -> Array:
        return _one(lambda item: item.tanh(), x)

    def sin(self, x: Array) -> Array:
        return _one(lambda item: item.sin(), x)

    def cos(self, x: Array) -> Array:
        return _one(lambda item: item.cos(), x)

    def arccos(self, x: Array) -> Array:
        return _one(lambda item: item.acos(), x)

    def erf(self, x: Array) -> Array:
        return _one(lambda item: item.erf(), x)

    def lgamma(self, x: Array) -> Array:
        # Below zero the logarithm is that of the gamma function's size.
        return _one(lambda item: item.lgamma() if item > 0 else abs(item.gamma()).log(), x)

    def digamma(self, x: Array) -> Array:
        return _one(lambda item: item.digamma(), x)

    def sigmoid(self, x: Array) -> Array:
        return _one(lambda item: 1 / (1 + (-item).exp()), x)

    def softplus(self, x: Array) -> Array:
        return _one(lambda item: item.exp().log1p() if item < 0 else item + (-item).exp().log1p(), x)

    def logsumexp(self, x: Array, axes: tuple[int, ...], among: Array | None = None) -> Array:
        """With the folded axes kept; only of the elements `among`, if that is given."""
        powers = self.exp(x)
        if among is not None:
            powers = np.where(among, powers, self._arb(0))
        return self.log(np.asarray(np.sum(powers, axis=axes, keepdims=True)))


def rounded(value: Array, *, last: bool) -> tuple[Array, bool]:
    """Balls as float64, and whether all are known to 60 bits; what is still unknown at `last` becomes NaN."""
    settled = True
    flat = np.empty(value.size)
    for place, ball in enumerate(value.reshape(-1)):
        if not ball.is_finite():
            settled = settled and last
            flat[place] = np.nan
            continue
        known = ball.is_exact() or ball.rel_accuracy_bits() >= 60 or float(ball.rad()) < 1e-300
        if not known:
            settled = settled and last
            known = float(ball.rad()) < 1e-30  # zero, as far as anybody can tell
        try:
            flat[place] = float(ball.mid()) if known else np.nan
        except OverflowError:
            flat[place] = np.inf if ball > 0 else -np.inf
    return flat.reshape(value.shape), settled


def _boxed(item: Any) -> Array:
    made = np.empty((), dtype=object)
    made[()] = item
    return made


def _one(function: Callable[[Any], Any], x: Array) -> Array:
    return _as_array(np.frompyfunc(function, 1, 1)(x))


def _two(function: Callable[[Any, Any], Any], a: Array, b: Array) -> Array:
    return _as_array(np.frompyfunc(function, 2, 1)(a, b))


def _as_array(result: Any) -> Array:
    # Of arrays without axes NumPy returns the bare object.
    return result if isinstance(result, np.ndarray) else _boxed(result)
