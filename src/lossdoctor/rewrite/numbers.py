"""Small numbers that a dtype can hold."""

from __future__ import annotations

# IEEE 754 half precision: the smallest normal number is 6.1e-5 and the largest 65504, so that neither 1e-4 nor its
# reciprocal is lost. bfloat16 has the exponents of float32 and 8 bits of precision.
_BELOW: dict[str, str] = {"float16": "1e-4"}
_SQUARED: dict[str, str] = {"float16": "1e-4"}
# 1 - x must differ from 1: half an ulp of the numbers below 1 is 3e-8 in float32, 2.4e-4 in float16, 2e-3 in bfloat16.
_INSIDE: dict[str, str] = {"float16": "1e-3", "bfloat16": "1e-2"}
# exp of it leaves room for sums and products: float32 ends at exp(88.7), float16 at exp(11.09).
_EXPONENTS: dict[str, tuple[str, ...]] = {"float16": ("8.0", "4.0"), "float64": ("600.0", "300.0")}


def smallest(dtype: str) -> str:
    """A positive number that stands for zero in a logarithm or denominator."""
    return _BELOW.get(dtype, "1e-7")


def smallest_square(dtype: str) -> str:
    """The same below a square root."""
    return _SQUARED.get(dtype, "1e-12")


def inside(dtype: str) -> str:
    """How far from 1 an argument has to stay, so that 1 - x*x is not zero."""
    return _INSIDE.get(dtype, "1e-7")


def exponents(dtype: str) -> tuple[str, ...]:
    """Largest arguments of exp, the least invasive first."""
    return _EXPONENTS.get(dtype, ("80.0", "40.0"))
