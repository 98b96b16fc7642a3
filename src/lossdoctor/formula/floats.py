"""Numbers as float64 arrays, with care: the forms that neither overflow nor cancel where others do."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lossdoctor.ops import TABLE
from lossdoctor.ops.special_values import digamma

Array = NDArray[Any]


class Floats:
    """Elementwise functions of float64 arrays; conditions are boolean arrays."""

    dtype: ClassVar[Any] = np.float64

    def number(self, value: Fraction, name: str = "") -> Array:
        if name:
            return np.asarray({"pi": np.pi, "e": np.e}[name])
        try:
            return np.asarray(float(value))
        except OverflowError:
            return np.asarray(np.inf if value > 0 else -np.inf)

    def array(self, value: Array) -> Array:
        return value.astype(np.float64)

    def less(self, a: Array, b: Array) -> Array:
        return np.asarray(a < b)

    def less_equal(self, a: Array, b: Array) -> Array:
        return np.asarray(a <= b)

    def equal(self, a: Array, b: Array) -> Array:
        return np.asarray(a == b)

    def maximum(self, a: Array, b: Array) -> Array:
        return np.maximum(a, b)

    def minimum(self, a: Array, b: Array) -> Array:
        return np.minimum(a, b)

    def power(self, a: Array, b: Array) -> Array:
        return np.power(a, b)

    def sign(self, x: Array) -> Array:
        return np.sign(x)

    def abs(self, x: Array) -> Array:
        return np.abs(x)

    def exp(self, x: Array) -> Array:
        return np.exp(x)

    def expm1(self, x: Array) -> Array:
        return np.expm1(x)

    def log(self, x: Array) -> Array:
        # log(0) has no real value.
        return np.log(np.where(x == 0, np.nan, x))

    def log1p(self, x: Array) -> Array:
        return np.log1p(np.where(x == -1, np.nan, x))

    def sqrt(self, x: Array) -> Array:
        return np.sqrt(x)

    def tanh(self, x: Array) -> Array:
        return np.tanh(x)

    def sin(self, x: Array) -> Array:
        return np.sin(x)

    def cos(self, x: Array) -> Array:
        return np.cos(x)

    def arccos(self, x: Array) -> Array:
        return np.arccos(x)

    def erf(self, x: Array) -> Array:
        return np.asarray(_function("erf")(x))

    def lgamma(self, x: Array) -> Array:
        return np.where(np.isfinite(x) & ((x > 0) | (x != np.floor(x))), np.asarray(_function("lgamma")(x)), np.nan)

    def digamma(self, x: Array) -> Array:
        return np.asarray(digamma(x))

    def sigmoid(self, x: Array) -> Array:
        small = np.exp(-np.abs(x))
        return np.where(x >= 0, 1.0, small) / (1.0 + small)

    def softplus(self, x: Array) -> Array:
        return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))

    def logsumexp(self, x: Array, axes: tuple[int, ...], among: Array | None = None) -> Array:
        """With the folded axes kept; only of the elements `among`, if that is given."""
        if among is not None:
            x = np.where(among, x, -np.inf)
        top = np.max(x, axis=axes, keepdims=True)
        top = np.where(np.isfinite(top), top, 0.0)
        return top + np.log(np.sum(np.exp(x - top), axis=axes, keepdims=True))


def _function(name: str) -> Any:
    return TABLE.by_name[name].value
