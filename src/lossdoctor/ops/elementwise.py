"""Arithmetic and elementary functions, element by element."""

from __future__ import annotations

import math
from functools import reduce as fold
from typing import Any

import numpy as np

from lossdoctor.ops.arrays import Array, dtype_named, in_single, like
from lossdoctor.ops.namespace import RealNamespace
from lossdoctor.ops.table import op

INF = math.inf


def _integral(x: Array) -> bool:
    return x.dtype.kind in "iu"


def _divide(x: Array, y: Array) -> Array:
    if _integral(x):
        return _truncate_divide(x, y)
    return np.divide(x, y)


def _truncate_divide(x: Array, y: Array) -> Array:
    if not _integral(x):
        return np.trunc(np.divide(x, y))
    if np.any(y == 0):
        raise ZeroDivisionError("integer division by zero")  # TensorFlow raises as well
    quotient = np.floor_divide(np.abs(x), np.abs(y))
    return (quotient * np.sign(x) * np.sign(y)).astype(x.dtype)


def _floor_divide(x: Array, y: Array) -> Array:
    if not _integral(x):
        return np.floor(np.divide(x, y))  # inf // 1 is inf; NumPy's own gives nan
    if np.any(y == 0):
        raise ZeroDivisionError("integer division by zero")
    return np.floor_divide(x, y)


def _remainder(x: Array, y: Array) -> Array:
    if _integral(x) and np.any(y == 0):
        raise ZeroDivisionError("integer remainder by zero")
    return np.mod(x, y)


def _fmod(x: Array, y: Array) -> Array:
    if _integral(x) and np.any(y == 0):
        raise ZeroDivisionError("integer remainder by zero")
    return np.fmod(x, y)


def _pow(x: Array, y: Array) -> Array:
    if _integral(x) and np.any(y < 0):
        raise ValueError("integers to negative integer powers")
    return np.power(x, y)


def _divide_no_nan(x: Array, y: Array) -> Array:
    return np.where(y == 0, like(x, 0), np.divide(x, y))


def _multiply_no_nan(x: Array, y: Array) -> Array:
    return np.where(y == 0, like(x, 0), np.multiply(x, y))


def _xlogy(x: Array, y: Array) -> Array:
    return np.where(x == 0, like(x, 0), x * np.log(y))


def _xlog1py(x: Array, y: Array) -> Array:
    return np.where(x == 0, like(x, 0), x * np.log1p(y))


def _xdivy(x: Array, y: Array) -> Array:
    return np.where(x == 0, like(x, 0), np.divide(x, y))


def _squared_difference(x: Array, y: Array) -> Array:
    difference = x - y
    return difference * np.conj(difference) if difference.dtype.kind == "c" else difference * difference


def _astype(x: Array, *, dtype: str) -> Array:
    target = dtype_named(dtype)
    if target.kind != "c" and x.dtype.kind == "c":
        x = np.real(x)
    return x.astype(target)


def _add_n(*terms: Any) -> Any:
    if isinstance(terms[0], tuple):  # tensor lists: element by element, None for zeros
        return tuple(_add_known(items) for items in zip(*terms, strict=True))
    return fold(np.add, terms)


def _add_known(items: tuple[Array | None, ...]) -> Array | None:
    known = [item for item in items if item is not None]
    return fold(np.add, known) if known else None


def _exact_sum(_: RealNamespace, *terms: Any) -> Any:
    return sum(terms[1:], terms[0])


def _rsqrt(x: Array) -> Array:
    return like(x, 1) / np.sqrt(x)


def _reciprocal(x: Array) -> Array:
    return like(x, 1) / x


# Two arguments.
op("add", "elementwise", tf=("Add", "AddV2"), value=np.add, real=lambda m, x, y: x + y, trend=(1, 1), ulps=0.5,
   cases=(("[0, 1]", "[-2, 3]", "[-2, 4]"),))  # fmt: skip
op("add_n", "elementwise", tf=("AddN", "AccumulateNV2"), value=_add_n, real=_exact_sum,
   trend=(1,), ulps=1.0, cases=(("[0, 1]", "[-2, 3]", "[1, 1]", "[-1, 5]"),))  # fmt: skip
op("subtract", "elementwise", tf=("Sub",), value=np.subtract, real=lambda m, x, y: x - y, trend=(1, -1), ulps=0.5,
   cases=(("[0, 1]", "[-2, 3]", "[-3, 3]"),))  # fmt: skip
op("multiply", "elementwise", tf=("Mul",), value=np.multiply, real=lambda m, x, y: x * y, trend=(0, 0), ulps=0.5,
   cases=(("[-1, 2]", "[-3, 5]", "[-6, 10]"), ("[0, 1]", "[0, inf]", "[0, inf]")))  # fmt: skip
op("divide", "elementwise", tf=("RealDiv", "Div"), value=_divide, real=lambda m, x, y: x / y, trend=(0, 0), ulps=0.5,
   cases=(("[1, 2]", "[4, 8]", "[0.125, 0.5]"), ("[-1, 1]", "[2, 4]", "[-0.5, 0.5]")))  # fmt: skip
op("divide_no_nan", "elementwise", tf=("DivNoNan",), value=_divide_no_nan, trend=(0, 0), ulps=0.5,
   real=lambda m, x, y: m.where(m.equal(y, 0), m.number(0), x / y),
   cases=(("[1, 2]", "[4, 8]", "[0.125, 0.5]"), ("[1, 2]", "[0, 0]", "[0, 0]")))  # fmt: skip
op("multiply_no_nan", "elementwise", tf=("MulNoNan",), value=_multiply_no_nan, trend=(0, 0), ulps=0.5,
   real=lambda m, x, y: m.where(m.equal(y, 0), m.number(0), x * y),
   cases=(("[-1, 2]", "[-3, 5]", "[-6, 10]"),))  # fmt: skip
op("xlogy", "elementwise", tf=("Xlogy",), value=in_single(_xlogy), trend=(0, 0), ulps=5.0,
   real=lambda m, x, y: m.where(m.equal(x, 0), m.number(0), x * m.log(y)),
   cases=(("[1, 2]", "[1, 1]", "[0, 0]"), ("[0, 0]", "[0, 1]", "[0, 0]")))  # fmt: skip
op("xlog1py", "elementwise", tf=("Xlog1py",), value=in_single(_xlog1py), trend=(0, 0), ulps=6.0,
   real=lambda m, x, y: m.where(m.equal(x, 0), m.number(0), x * m.log1p(y)),
   cases=(("[1, 2]", "[0, 0]", "[0, 0]"), ("[0, 0]", "[-1, 1]", "[0, 0]")))  # fmt: skip
op("xdivy", "elementwise", tf=("Xdivy",), value=_xdivy, trend=(0, 0), ulps=0.5,
   real=lambda m, x, y: m.where(m.equal(x, 0), m.number(0), x / y),
   cases=(("[1, 2]", "[4, 8]", "[0.125, 0.5]"), ("[0, 0]", "[0, 1]", "[0, 0]")))  # fmt: skip
op("squared_difference", "elementwise", tf=("SquaredDifference",), value=_squared_difference, trend=(0, 0), ulps=3.0,
   real=lambda m, x, y: (x - y) * (x - y), cases=(("[0, 1]", "[-2, 3]", "[0, 9]"),))  # fmt: skip
op("maximum", "elementwise", tf=("Maximum",), value=np.maximum, real=lambda m, x, y: m.maximum(x, y), trend=(1, 1),
   flow=("kink",), ulps=0.0, cases=(("[0, 1]", "[-2, 0.5]", "[0, 1]"),))  # fmt: skip
op("minimum", "elementwise", tf=("Minimum",), value=np.minimum, real=lambda m, x, y: m.minimum(x, y), trend=(1, 1),
   flow=("kink",), ulps=0.0, cases=(("[0, 1]", "[-2, 0.5]", "[-2, 0.5]"),))  # fmt: skip
op("pow", "elementwise", tf=("Pow",), value=_pow, real=lambda m, x, y: m.pow(x, y), trend=(0, 0), ulps=2.0,
   cases=(("[2, 3]", "[2, 2]", "[4, 9]"), ("[-2, 1]", "[2, 2]", "[0, 4]"),
          ("[4, 9]", "[0.5, 0.5]", "[2, 3]")))  # fmt: skip
op("atan2", "elementwise", tf=("Atan2",), value=np.arctan2, real=lambda m, y, x: m.atan2(y, x), trend=(0, 0), ulps=6.0,
   cases=(("[0, 0]", "[1, 2]", "[0, 0]"),))  # fmt: skip
op("floor_divide", "elementwise", tf=("FloorDiv",), value=_floor_divide, real=lambda m, x, y: m.floor(x / y),
   trend=(0, 0), flow=("none",), ulps=0.5, cases=(("[4, 9]", "[2, 2]", "[2, 4]"),))  # fmt: skip
op("remainder", "elementwise", tf=("FloorMod",), value=_remainder, real=lambda m, x, y: x - y * m.floor(x / y),
   trend=(0, 0), flow=("kink",), ulps=0.5)  # fmt: skip
op("truncate_divide", "elementwise", tf=("TruncateDiv",), value=_truncate_divide, trend=(0, 0), flow=("none",),
   ulps=0.0, real=lambda m, x, y: m.sign(x / y) * m.floor(m.abs(x / y)))  # fmt: skip
op("fmod", "elementwise", tf=("Mod", "TruncateMod"), value=_fmod, trend=(0, 0), flow=("none",), ulps=0.5,
   real=lambda m, x, y: x - y * m.sign(x / y) * m.floor(m.abs(x / y)))  # fmt: skip
op("nextafter", "elementwise", tf=("NextAfter",), value=np.nextafter, trend=(0, 0), flow=("smooth", "zero"), ulps=0.0)

# One argument, algebraic.
op("negative", "elementwise", tf=("Neg",), value=np.negative, real=lambda m, x: -x, trend=(-1,), ulps=0.0,
   cases=(("[-1, 2]", "[-2, 1]"),))  # fmt: skip
op("abs", "elementwise", tf=("Abs", "ComplexAbs"), attrs={"Tout": "dtype"}, value=np.abs, real=lambda m, x: m.abs(x),
   trend=(0,), flow=("kink",), ulps=0.0, cases=(("[-1, 2]", "[0, 2]"), ("[-3, -1]", "[1, 3]")))  # fmt: skip
op("square", "elementwise", tf=("Square",), value=np.square, real=lambda m, x: x * x, trend=(0,), ulps=0.5,
   cases=(("[-1, 2]", "[0, 4]"), ("[-3, -1]", "[1, 9]")))  # fmt: skip
op("sqrt", "elementwise", tf=("Sqrt",), value=np.sqrt, real=lambda m, x: m.sqrt(x), defined=(0.0, INF), trend=(1,),
   ulps=1.0, cases=(("[4, 9]", "[2, 3]"), ("[0, inf]", "[0, inf]")))  # fmt: skip
op("rsqrt", "elementwise", tf=("Rsqrt",), value=in_single(_rsqrt),
   real=lambda m, x: 1 / m.sqrt(x), defined=(0.0, INF), trend=(-1,), ulps=4.0,
   cases=(("[4, 16]", "[0.25, 0.5]"), ("[0.0625, 1]", "[1, 4]")))  # fmt: skip
op("reciprocal", "elementwise", tf=("Reciprocal", "Inv"), value=_reciprocal, real=lambda m, x: 1 / x,
   trend=(0,), ulps=4.0, cases=(("[2, 4]", "[0.25, 0.5]"), ("[-4, -2]", "[-0.5, -0.25]")))  # fmt: skip
op("sign", "elementwise", tf=("Sign",), value=np.sign, real=lambda m, x: m.sign(x), trend=(1,), flow=("zero",),
   ulps=0.0, cases=(("[-3, 0]", "[-1, 0]"), ("[2, 5]", "[1, 1]")))  # fmt: skip
# To even, as NumPy and IEEE do.
op("round", "elementwise", tf=("Round", "Rint"), value=np.rint, trend=(1,), flow=("none",), ulps=0.0,
   cases=(("[-0.5, 1.6]", "[0, 2]"), ("[0.5, 2.5]", "[0, 2]")))  # fmt: skip
op("floor", "elementwise", tf=("Floor",), value=np.floor, real=lambda m, x: m.floor(x), trend=(1,), flow=("none",),
   ulps=0.0, cases=(("[-0.5, 1.6]", "[-1, 1]"),))  # fmt: skip
op("ceil", "elementwise", tf=("Ceil",), value=np.ceil, real=lambda m, x: m.ceil(x), trend=(1,), flow=("none",),
   ulps=0.0, cases=(("[-0.5, 1.6]", "[0, 2]"),))  # fmt: skip
# The gradient is None wherever either dtype is not floating.
op("astype", "elementwise", tf=("Cast",), attrs={"DstT": "dtype"}, value=_astype, trend=(1,), ulps=0.5)

# Exponentials and logarithms.
op("exp", "elementwise", tf=("Exp",), value=in_single(np.exp), real=lambda m, x: m.exp(x), trend=(1,), ulps=2.0,
   cases=(("[0, 0]", "[1, 1]"), ("[-inf, 0]", "[0, 1]")))  # fmt: skip
op("expm1", "elementwise", tf=("Expm1",), value=in_single(np.expm1), real=lambda m, x: m.expm1(x), trend=(1,),
   ulps=5.0, cases=(("[-inf, 0]", "[-1, 0]"),))  # fmt: skip
op("log", "elementwise", tf=("Log",), value=in_single(np.log), real=lambda m, x: m.log(x), defined=(0.0, INF),
   trend=(1,), ulps=4.0, cases=(("[0, 1]", "[-inf, 0]"),))  # fmt: skip
op("log1p", "elementwise", tf=("Log1p",), value=in_single(np.log1p), real=lambda m, x: m.log1p(x),
   defined=(-1.0, INF), trend=(1,), ulps=5.0, cases=(("[-1, 0]", "[-inf, 0]"),))  # fmt: skip

# Trigonometry.
op("sin", "elementwise", tf=("Sin",), value=in_single(np.sin), real=lambda m, x: m.sin(x), trend=(0,), ulps=2.0,
   cases=(("[0, 3]", "[0, 1]"), ("[-100, 100]", "[-1, 1]")))  # fmt: skip
op("cos", "elementwise", tf=("Cos",), value=in_single(np.cos), real=lambda m, x: m.cos(x), trend=(0,), ulps=2.0,
   cases=(("[-1, 1]", "[0.5403023058681398, 1]"), ("[-100, 100]", "[-1, 1]")))  # fmt: skip
op("tan", "elementwise", tf=("Tan",), value=in_single(np.tan), real=lambda m, x: m.tan(x), trend=(0,), ulps=4.0,
   cases=(("[0, 0]", "[0, 0]"), ("[0, 2]", "[-inf, inf]")))  # fmt: skip
op("asin", "elementwise", tf=("Asin",), value=in_single(np.arcsin), real=lambda m, x: m.asin(x), defined=(-1.0, 1.0),
   trend=(1,), ulps=6.0, cases=(("[-1, 1]", "[-1.5707963267948966, 1.5707963267948966]"),))  # fmt: skip
op("acos", "elementwise", tf=("Acos",), value=in_single(np.arccos), real=lambda m, x: m.acos(x), defined=(-1.0, 1.0),
   trend=(-1,), ulps=6.0, cases=(("[-1, 1]", "[0, 3.141592653589793]"),))  # fmt: skip
op("atan", "elementwise", tf=("Atan",), value=in_single(np.arctan), real=lambda m, x: m.atan(x), trend=(1,), ulps=6.0,
   cases=(("[-inf, inf]", "[-1.5707963267948966, 1.5707963267948966]"),))  # fmt: skip
op("sinh", "elementwise", tf=("Sinh",), value=in_single(np.sinh), real=lambda m, x: m.sinh(x), trend=(1,), ulps=4.0,
   cases=(("[0, inf]", "[0, inf]"),))  # fmt: skip
op("cosh", "elementwise", tf=("Cosh",), value=in_single(np.cosh), real=lambda m, x: m.cosh(x), trend=(0,), ulps=4.0,
   cases=(("[-1, 0]", "[1, 1.5430806348152437]"),))  # fmt: skip
op("tanh", "elementwise", tf=("Tanh",), value=in_single(np.tanh), real=lambda m, x: m.tanh(x), trend=(1,), ulps=6.0,
   cases=(("[-inf, inf]", "[-1, 1]"), ("[0, 1]", "[0, 0.7615941559557649]")))  # fmt: skip
op("asinh", "elementwise", tf=("Asinh",), value=in_single(np.arcsinh), real=lambda m, x: m.asinh(x), trend=(1,),
   ulps=4.0, cases=(("[0, 0]", "[0, 0]"),))  # fmt: skip
op("acosh", "elementwise", tf=("Acosh",), value=in_single(np.arccosh), real=lambda m, x: m.acosh(x),
   defined=(1.0, INF), trend=(1,), ulps=4.0, cases=(("[1, inf]", "[0, inf]"),))  # fmt: skip
op("atanh", "elementwise", tf=("Atanh",), value=in_single(np.arctanh), real=lambda m, x: m.atanh(x),
   defined=(-1.0, 1.0), trend=(1,), ulps=4.0, cases=(("[-1, 1]", "[-inf, inf]"),))  # fmt: skip


def _angle(x: Array, **_: Any) -> Array:
    return np.angle(x)


# Complex numbers: domains of real numbers have no rule for these.
op("complex", "elementwise", tf=("Complex",), attrs={"Tout": "dtype"}, trend=(0, 0), ulps=0.0,
   value=lambda x, y: x + 1j * y if x.dtype == np.float64 else (x + np.complex64(1j) * y))  # fmt: skip
op("real", "elementwise", tf=("Real",), attrs={"Tout": "dtype"}, value=np.real, trend=(0,), ulps=0.0)
op("imag", "elementwise", tf=("Imag",), attrs={"Tout": "dtype"}, value=np.imag, trend=(0,), ulps=0.0)
op("conj", "elementwise", tf=("Conj",), value=np.conj, trend=(0,), ulps=0.0)
op("angle", "elementwise", tf=("Angle",), attrs={"Tout": "dtype"}, value=_angle, trend=(0,), ulps=4.0)
