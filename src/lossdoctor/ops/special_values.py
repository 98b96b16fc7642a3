"""Special functions in float64, vectorised, without SciPy.

Each states its method and accuracy; all are checked against ball arithmetic in the tests. NaN comes out where the
function has none, or where TensorFlow's kernel gives NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from lossdoctor.ops.arrays import Array

_NORMAL = NormalDist()
TINY = 1e-300


def _vectorised(function: Callable[[float], float]) -> Callable[[Array], Array]:
    every = np.frompyfunc(function, 1, 1)
    return lambda x: np.asarray(every(x), dtype=np.float64)


def _lgamma(x: float) -> float:
    if math.isnan(x):
        return math.nan
    if math.isinf(x) or (x <= 0.0 and x == math.floor(x)):
        return math.inf
    try:
        return math.lgamma(x)
    except OverflowError:
        return math.inf


# C library functions, below 1 ulp except lgamma, which CPython computes with a Lanczos sum to a few ulp
# (absolutely near its zeros 1 and 2).
erf = _vectorised(math.erf)
erfc = _vectorised(math.erfc)
lgamma = _vectorised(_lgamma)


def _ndtri(p: float) -> float:
    if not 0.0 <= p <= 1.0:
        return math.nan
    if p in (0.0, 1.0):
        return math.copysign(math.inf, p - 0.5)
    return _NORMAL.inv_cdf(p)


ndtri = _vectorised(_ndtri)  # Wichura's algorithm AS 241, about 1e-16


# Bernoulli numbers B2, B4, … over 2k: the asymptotic series of digamma (DLMF 5.11.2).
_DIGAMMA_SERIES = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)


def digamma(x: Array) -> Array:
    """Recurrence to x >= 10, then the asymptotic series; reflection below 0. Error about 1e-14, absolute at its
    zeros. NaN at the poles, as TensorFlow."""
    result = np.zeros_like(x)
    negative = x < 0
    # pi / tan(pi x): reduce to one period first, as pi * x loses digits.
    fraction = x - np.floor(x)
    result = np.where(negative, -np.pi / np.tan(np.pi * fraction), result)
    y = np.where(negative, 1.0 - x, x)
    for _ in range(10):
        small = y < 10
        result = np.where(small, result - 1.0 / y, result)
        y = np.where(small, y + 1.0, y)
    square = 1.0 / (y * y)
    series = np.zeros_like(y)
    for coefficient in reversed(_DIGAMMA_SERIES):
        series = (series + coefficient) * square
    result = result + np.where(np.isinf(y), y, np.log(y) - 0.5 / y - series)
    return np.where((x <= 0) & (x == np.floor(x)), np.nan, result)


# B2k / (2k)! of the Euler-Maclaurin formula (DLMF 25.11.28).
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)


def zeta(s: Array, q: Array) -> Array:
    """Hurwitz zeta for s > 1, q > 0: ten terms, then Euler-Maclaurin. Error about 1e-14 relative. As TensorFlow
    (Cephes): infinity at s = 1 and at integers q <= 0, NaN for s < 1 and for other q <= 0 unless s is an integer."""
    s, q = np.broadcast_arrays(s, q)
    head = np.zeros(s.shape)
    terms = 16
    for k in range(terms):
        head = head + (q + k) ** -s
    n = q + terms
    # The last of the terms counts half, the integral and the corrections stand for the rest.
    total = head + n ** (1.0 - s) / (s - 1.0) + 0.5 * n**-s
    factor = s * n ** (-s - 1.0)
    for k, bernoulli in enumerate(_BERNOULLI, start=1):
        total = total + bernoulli / math.factorial(2 * k) * factor
        factor = factor * (s + 2 * k - 1) * (s + 2 * k) / (n * n)
    pole = (q <= 0) & (q == np.floor(q))
    total = np.where(pole, np.inf, np.where((q <= 0) & (s != np.floor(s)), np.nan, total))
    return np.where(s < 1, np.nan, np.where(s == 1, np.inf, total))


def polygamma(n: Array, x: Array) -> Array:
    """(-1)^(n+1) n! zeta(n+1, x) for integers n >= 1 (DLMF 25.11.12), digamma for n = 0; NaN for other n."""
    n, x = np.broadcast_arrays(n, x)
    sign = np.where(np.mod(n, 2) == 0, -1.0, 1.0)
    positive = sign * np.exp(lgamma(n + 1.0)) * zeta(n + 1.0, x)
    result = np.where(n == 0, digamma(x), positive)
    return np.where((n < 0) | (n != np.floor(n)), np.nan, result)


def _igamma_series(a: Array, x: Array) -> Array:
    """P(a, x) by its power series (DLMF 8.7.1)."""
    term = 1.0 / a
    total = term.copy()
    step = a.copy()
    for _ in range(2000):
        step = step + 1.0
        term = term * x / step
        total = total + term
        if not np.any(np.abs(term) > 1e-17 * np.abs(total)):
            break
    return total * np.exp(a * np.log(x) - x - lgamma(a))


def _igammac_fraction(a: Array, x: Array) -> Array:
    """Q(a, x) by its continued fraction (DLMF 8.9.2), evaluated by Lentz's method."""
    b = x + 1.0 - a
    c = np.full_like(x, 1.0 / TINY)
    d = 1.0 / np.where(b == 0, TINY, b)
    value = d.copy()
    for i in range(1, 2000):
        numerator = -i * (i - a)
        b = b + 2.0
        d = numerator * d + b
        d = 1.0 / np.where(np.abs(d) < TINY, TINY, d)
        c = b + numerator / c
        c = np.where(np.abs(c) < TINY, TINY, c)
        change = c * d
        value = value * change
        if not np.any(np.abs(change - 1.0) > 1e-16):
            break
    return value * np.exp(a * np.log(x) - x - lgamma(a))


def igamma(a: Array, x: Array) -> Array:
    """Regularised lower incomplete gamma function; relative error about 1e-13 for a up to 1e3. NaN for x < 0,
    a <= 0."""
    return _igamma_pair(a, x)[0]


def igammac(a: Array, x: Array) -> Array:
    """Regularised upper incomplete gamma function; see `igamma`."""
    return _igamma_pair(a, x)[1]


def _igamma_pair(a: Array, x: Array) -> tuple[Array, Array]:
    a, x = np.broadcast_arrays(a, x)
    valid = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    a_ok, x_ok = np.where(valid, a, 1.0), np.where(valid, x, 1.0)
    series = x_ok < a_ok + 1.0
    low = _igamma_series(np.where(series, a_ok, 1.0), np.where(series, x_ok, 1.0))
    high = _igammac_fraction(np.where(series, 1.0, a_ok), np.where(series, 3.0, x_ok))
    lower = np.where(series, low, 1.0 - high)
    upper = np.where(series, 1.0 - low, high)
    zero, far = (a > 0) & (x == 0), (a > 0) & np.isposinf(x) & np.isfinite(a)
    lower = np.where(valid, lower, np.where(zero, 0.0, np.where(far, 1.0, np.nan)))
    upper = np.where(valid, upper, np.where(zero, 1.0, np.where(far, 0.0, np.nan)))
    return lower, upper


def _beta_fraction(a: Array, b: Array, x: Array) -> Array:
    """The continued fraction of the incomplete beta function (DLMF 8.17.22) by Lentz's method."""
    c = np.ones_like(x)
    d = 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / np.where(np.abs(d) < TINY, TINY, d)
    value = d.copy()
    for m in range(1, 2000):
        change = np.ones_like(x)
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 + numerator * d
            d = 1.0 / np.where(np.abs(d) < TINY, TINY, d)
            c = 1.0 + numerator / c
            c = np.where(np.abs(c) < TINY, TINY, c)
            change = c * d
            value = value * change
        if not np.any(np.abs(change - 1.0) > 1e-16):
            break
    return value


def betainc(a: Array, b: Array, x: Array) -> Array:
    """Regularised incomplete beta function; relative error about 1e-13. NaN unless a, b > 0 and 0 <= x <= 1."""
    a, b, x = np.broadcast_arrays(a, b, x)
    inside = (a > 0) & (b > 0) & (x > 0) & (x < 1) & np.isfinite(a) & np.isfinite(b)
    p, q, y = (np.where(inside, part, 0.5) for part in (a, b, x))
    swap = y > (p + 1.0) / (p + q + 2.0)
    p, q, y = np.where(swap, q, p), np.where(swap, p, q), np.where(swap, 1.0 - y, y)
    front = np.exp(p * np.log(y) + q * np.log1p(-y) - (lgamma(p) + lgamma(q) - lgamma(p + q)))
    part = front * _beta_fraction(p, q, y) / p
    value = np.where(swap, 1.0 - part, part)
    edge = np.where((a > 0) & (b > 0), np.where(x == 0, 0.0, np.where(x == 1, 1.0, np.nan)), np.nan)
    return np.where(inside, value, edge)


def bessel_ie(order: int, x: Array) -> Array:
    """exp(-|x|) I_order(x) for order 0 or 1: the power series (all terms of one sign, DLMF 10.25.2) up to
    |x| = 30, then the asymptotic expansion (DLMF 10.40.1). Error below 1e-14 relative."""
    size = np.abs(x)
    near = np.where(size <= 30, size, 0.0)
    term = (near / 2.0) ** order
    total = term.copy()
    for k in range(1, 120):
        term = term * (near / 2.0) ** 2 / (k * (k + order))
        total = total + term
    far = np.where(size > 30, size, 31.0)
    term = np.ones_like(far)
    tail = term.copy()
    for k in range(1, 25):
        term = term * ((2 * k - 1) ** 2 - 4 * order * order) / (8.0 * k * far)
        tail = tail + term
    value = np.where(size <= 30, total * np.exp(-near), tail / np.sqrt(2.0 * np.pi * far))
    return np.where(np.isnan(x), np.nan, value * (np.sign(x) if order % 2 else 1.0))
