"""Linear algebra on the last two axes, and Fourier transforms.

`ulps` has no use here: errors grow with the condition of the matrix, hence infinity.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lossdoctor.ops.arrays import Array
from lossdoctor.ops.table import op


def _det(x: Array) -> Array:
    return np.linalg.det(x).astype(x.dtype)


def _slogdet(x: Array) -> tuple[Array, Array]:
    sign, logarithm = np.linalg.slogdet(x)
    return sign.astype(x.dtype), logarithm.astype(x.dtype)


def _adjoint(x: Array) -> Array:
    return np.conj(np.swapaxes(x, -1, -2))


def _inverse(x: Array, *, adjoint: bool = False) -> Array:
    return np.linalg.inv(_adjoint(x) if adjoint else x)


def _solve(a: Array, b: Array, *, adjoint: bool = False) -> Array:
    return np.linalg.solve(_adjoint(a) if adjoint else a, b)


def _triangular_solve(a: Array, b: Array, *, lower: bool = True, adjoint: bool = False) -> Array:
    triangle = np.tril(a) if lower else np.triu(a)
    return np.linalg.solve(_adjoint(triangle) if adjoint else triangle, b)


def _cholesky(x: Array) -> Array:
    # TensorFlow reads the lower triangle only, and gives NaN where the matrix is not positive definite.
    lower = np.tril(x)
    full = lower + _adjoint(np.tril(x, -1))
    try:
        return np.linalg.cholesky(full)
    except np.linalg.LinAlgError:
        parts = [_cholesky_or_nan(matrix) for matrix in full.reshape((-1, *full.shape[-2:]))]
        return np.stack(parts).reshape(x.shape)


def _cholesky_or_nan(x: Array) -> Array:
    try:
        return np.linalg.cholesky(x)
    except np.linalg.LinAlgError:
        return np.tril(np.full_like(x, np.nan))


def _svd(x: Array, *, compute_uv: bool = True, full_matrices: bool = False) -> tuple[Array, ...]:
    """Singular values only; the vectors are unique up to a sign that no contract fixes."""
    if compute_uv:
        raise ValueError("singular vectors are not unique")
    values = np.linalg.svd(x, compute_uv=False)
    return values, np.zeros(0, x.dtype), np.zeros(0, x.dtype)


def _eigh(x: Array, *, compute_v: bool = True) -> tuple[Array, ...]:
    if compute_v:
        raise ValueError("eigenvectors are not unique")
    return np.linalg.eigvalsh(x), np.zeros(0, x.dtype)


def _same(transform: Callable[..., Any], axes: tuple[int, ...] | None = None) -> Callable[..., Array]:
    """A transform whose result has the dtype of its argument."""

    def value(x: Array) -> Array:
        return (transform(x) if axes is None else transform(x, axes=axes)).astype(x.dtype)

    return value


def _rfft(x: Array, *, length: tuple[int, ...]) -> Array:
    return np.fft.rfft(x, length[0]).astype(np.complex64 if x.dtype == np.float32 else np.complex128)


def _irfft(x: Array, *, length: tuple[int, ...]) -> Array:
    return np.fft.irfft(x, length[0]).astype(np.float32 if x.dtype == np.complex64 else np.float64)


def _row(name: str, tf: tuple[str, ...], value: Any = None, **facts: Any) -> None:
    op(name, "linalg", tf=tf, value=value, trend=(0,), ulps=math.inf, **facts)


_row("linalg.det", ("MatrixDeterminant",), _det)
_row("linalg.slogdet", ("LogMatrixDeterminant",), _slogdet, outputs=2)
_row("linalg.inv", ("MatrixInverse",), _inverse, attrs={"adjoint": "adjoint"})
_row("linalg.solve", ("MatrixSolve",), _solve, attrs={"adjoint": "adjoint"})
_row("linalg.triangular_solve", ("MatrixTriangularSolve",), _triangular_solve,
     attrs={"lower": "lower", "adjoint": "adjoint"})  # fmt: skip
_row("linalg.cholesky", ("Cholesky",), _cholesky)
_row("linalg.cholesky_grad", ("CholeskyGrad",), flow=("none",))
_row("linalg.svd", ("Svd",), _svd, attrs={"compute_uv": "compute_uv", "full_matrices": "full_matrices"}, outputs=3)
_row("linalg.eigh", ("SelfAdjointEigV2",), _eigh, attrs={"compute_v": "compute_v"}, outputs=2)
_row("linalg.qr", ("Qr",), attrs={"full_matrices": "full_matrices"}, outputs=2)
_row("linalg.lu", ("Lu",), outputs=2, flow=("none",))
_row("linalg.sqrtm", ("MatrixSquareRoot",))
_row("linalg.logm", ("MatrixLogarithm",), flow=("none",))
_row("linalg.lstsq", ("MatrixSolveLs",), attrs={"fast": "fast"})
_row("fft.fft", ("FFT",), _same(np.fft.fft))
_row("fft.ifft", ("IFFT",), _same(np.fft.ifft))
_row("fft.fft2", ("FFT2D",), _same(np.fft.fft2))
_row("fft.ifft2", ("IFFT2D",), _same(np.fft.ifft2))
_row("fft.fft3", ("FFT3D",), _same(np.fft.fftn, (-3, -2, -1)))
_row("fft.ifft3", ("IFFT3D",), _same(np.fft.ifftn, (-3, -2, -1)))
_row("fft.rfft", ("RFFT",), _rfft, params={1: "length"})
_row("fft.irfft", ("IRFFT",), _irfft, params={1: "length"})
_row("fft.rfft2", ("RFFT2D",), params={1: "length"})
_row("fft.irfft2", ("IRFFT2D",), params={1: "length"})
