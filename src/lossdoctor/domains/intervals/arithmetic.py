"""Interval arithmetic on enclosures: what IEEE 754 arithmetic can give, infinities and NaN included.

+ - * / and sqrt are correctly rounded, so their endpoints need no slack: computing in float64 and rounding once more is
the same (Figueroa 1995, "When is double rounding innocuous?": 53 >= 2*24 + 2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from lossdoctor.domains.intervals.enclosure import INF, Bools, Enclosure, Floats, made, tiniest

Function = Callable[..., Floats]


def holds(value: Enclosure, number: float) -> Bools:
    """Where the interval contains the number."""
    return (value.low <= number) & (number <= value.high)


def infinite(value: Enclosure) -> Bools:
    """Where the interval contains an infinity."""
    return holds(value, INF) | holds(value, -INF)


def corners(function: Function, args: Sequence[Enclosure]) -> tuple[Floats, Floats, Bools]:
    """Extremes of a function that is monotone in each argument (in a direction that may depend on the others), and
    where an end gives NaN. Empty (low > high) where every end does."""
    low, high, bad = np.array([INF]), np.array([-INF]), np.array([False])
    with np.errstate(all="ignore"):
        for ends in product(*((arg.low, arg.high) for arg in args)):
            result = np.asarray(function(*ends), dtype=np.float64)
            low, high = np.fmin(low, result), np.fmax(high, result)
            bad = bad | np.isnan(result)
    return low, high, bad


def add(a: Enclosure, b: Enclosure, dtype: str) -> Enclosure:
    low, high, bad = corners(np.add, (a, b))
    return made(low, high, bad, dtype, (a, b), whole=a.whole and b.whole)


def negate(a: Enclosure) -> Enclosure:
    return replace(a.plain(), low=-a.high, high=-a.low)


def subtract(a: Enclosure, b: Enclosure, dtype: str) -> Enclosure:
    low, high, bad = corners(np.subtract, (a, b))
    return made(low, high, bad, dtype, (a, b), whole=a.whole and b.whole)


def multiply(a: Enclosure, b: Enclosure, dtype: str) -> Enclosure:
    # 0 * inf is NaN only if the infinity is reached; 0 * finite is 0, so that corner counts as 0.
    bad = (holds(a, 0.0) & infinite(b)) | (holds(b, 0.0) & infinite(a))
    low, high, _ = corners(_product, (a, b))
    return made(low, high, bad, dtype, (a, b), whole=a.whole and b.whole)


def _product(x: Floats, y: Floats) -> Floats:
    result = x * y
    return np.where(np.isnan(result), 0.0, result)


def square(a: Enclosure, dtype: str) -> Enclosure:
    size = magnitude(a)
    with np.errstate(over="ignore"):
        return made(size.low**2, size.high**2, a.nan, dtype, (a,), whole=a.whole)


def magnitude(a: Enclosure) -> Enclosure:
    """Absolute value."""
    inside = (a.low <= 0.0) & (a.high >= 0.0)
    low = np.where(inside, 0.0, np.minimum(np.abs(a.low), np.abs(a.high)))
    return replace(a.plain(), low=low, high=np.maximum(np.abs(a.low), np.abs(a.high)))


def divide(a: Enclosure, b: Enclosure, dtype: str) -> Enclosure:
    # A zero may be -0.0, so a quotient by zero has either sign. 0/0 and inf/inf are NaN.
    by_zero = holds(b, 0.0)
    bad = (holds(a, 0.0) & by_zero) | (infinite(a) & infinite(b))
    low, high, _ = corners(np.divide, (a, b))
    # inf/inf at an end: finite/inf goes to 0 beside it.
    loose = infinite(a) & infinite(b)
    low, high = np.where(loose, np.minimum(low, 0.0), low), np.where(loose, np.maximum(high, 0.0), high)
    only_zero = (a.low == 0.0) & (a.high == 0.0)
    low = np.where(by_zero, np.where(only_zero, 0.0, -INF), low)
    high = np.where(by_zero, np.where(only_zero, 0.0, INF), high)
    return made(low, high, bad, dtype, (a, b))


def reciprocal(b: Enclosure, dtype: str) -> Enclosure:
    """1 / b by Eigen's packet kernel.

    With AVX-512 it refines an estimate of 14 bits by Newton steps, which reach 3 ulp, and are lost where the result is
    near the denormals (measured on TensorFlow 2.21: 2**-12.7 off at 3e37).
    """
    one = np.array([1.0])
    result = divide(Enclosure(one, one, np.array([False])), b, dtype)
    small = tiniest(dtype) * 2.0**40
    with np.errstate(invalid="ignore"):
        low = np.where(np.abs(result.low) < small, result.low - np.abs(result.low) * 2.0**-11, result.low)
        high = np.where(np.abs(result.high) < small, result.high + np.abs(result.high) * 2.0**-11, result.high)
    return made(low, high, result.nan, dtype, (result,), ulps=4.0)


def without_zero(b: Enclosure, least: float) -> Enclosure:
    """The numbers of b that are not 0, whose magnitude is at least `least` (1 for whole numbers); empty if there are
    none."""
    least = max(least, 1.0) if b.whole else least
    low = np.where((b.low >= 0.0) & (b.low < least), least, b.low)
    high = np.where((b.high <= 0.0) & (b.high > -least), -least, b.high)
    return replace(b, low=low, high=high)


def monotone(function: Function, args: Sequence[Enclosure], dtype: str, ulps: float, whole: bool = False) -> Enclosure:
    """A function that is monotone in each argument, by its kernel of error `ulps`."""
    low, high, bad = corners(function, args)
    return made(low, high, bad, dtype, args, ulps=ulps, whole=whole)


def scaled(a: Enclosure, factor: float, dtype: str) -> Enclosure:
    number = np.array([factor])
    return multiply(a, Enclosure(number, number, np.array([False])), dtype)


def power(x: Enclosure, y: Enclosure, dtype: str, ulps: float) -> Enclosure:
    """x**y. On x >= 0 it is monotone in x for each y and in y for each x, so its extremes are at corners."""
    size = magnitude(x)
    low, high, bad = corners(np.power, (size, y))
    negative = x.low < 0.0
    if negative.any():
        exponent = float(y.low[0]) if y.low.size == 1 and y.low[0] == y.high[0] else None
        if exponent is None or not float(exponent).is_integer():
            # Not whole: NaN below zero; an exponent that is whole at times gives either sign.
            low, bad = np.where(negative, -high, low), bad | negative
        elif exponent % 2 == 1:
            with np.errstate(all="ignore"):
                ends = np.power(x.low, exponent), np.power(x.high, exponent)
            pole = holds(x, 0.0) & (exponent < 0)
            low = np.where(pole, -INF, np.minimum(*ends))
            high = np.where(pole, INF, np.maximum(*ends))
    # An odd negative power of -0.0 is -inf.
    low = np.where(holds(x, 0.0) & (y.low < 0.0), -INF, low)
    return made(low, high, bad, dtype, (x, y), ulps=ulps)
