"""What the `value` functions of all rows share: the array type, and computing in a wider dtype."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray

from lossdoctor.ops.table import Value

Array = NDArray[Any]

# NumPy has no bfloat16 of its own; TensorFlow brings ml_dtypes, whose ufuncs follow NumPy's rules.
HALVES = ("float16", "bfloat16")


def is_array(value: object) -> TypeGuard[Array]:
    return isinstance(value, np.ndarray)


def in_double(function: Value) -> Callable[..., Array]:
    """Compute an elementwise function in float64 and round once to the dtype of the first argument."""

    @wraps(cast("Callable[..., Any]", function))
    def value(*args: Array, **attrs: Any) -> Array:
        dtype = np.asarray(args[0]).dtype
        with np.errstate(all="ignore"):  # the branches that are not chosen
            return np.asarray(function(*(np.asarray(arg, np.float64) for arg in args), **attrs)).astype(dtype)

    return value


def _is_half(arg: Any) -> bool:
    return getattr(getattr(arg, "dtype", None), "name", "") in HALVES


def in_single(function: Value) -> Callable[..., Any]:
    """Compute half-precision arguments in float32, as Eigen's kernels do, and round the results once."""

    def widened(arg: Any) -> Any:
        return arg.astype(np.float32) if _is_half(arg) else arg

    @wraps(cast("Callable[..., Any]", function))
    def value(*args: Any, **attrs: Any) -> Any:
        halves = [arg.dtype for arg in args if _is_half(arg)]
        if not halves:
            return function(*args, **attrs)

        def rounded(result: Any) -> Any:
            if isinstance(result, tuple):
                return tuple(rounded(part) for part in cast("tuple[Any, ...]", result))
            array: Array = np.asarray(result)
            return array.astype(halves[0]) if array.dtype == np.float32 else array

        return rounded(function(*(widened(arg) for arg in args), **attrs))

    return value


def like(x: Array, number: float) -> Any:
    """`number` in the dtype of `x`, so that arithmetic stays in that dtype."""
    return np.asarray(number).astype(x.dtype)


def dtype_named(name: str) -> Any:
    """NumPy's dtype, bfloat16 included."""
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)
