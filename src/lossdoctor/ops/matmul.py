"""Products of matrices and tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lossdoctor.ops.arrays import Array, in_single
from lossdoctor.ops.table import TABLE, op


def _matmul(a: Array, b: Array, *, transpose_a: bool = False, transpose_b: bool = False) -> Array:
    if "c" in (a.dtype.kind, b.dtype.kind) and (transpose_a or transpose_b):
        raise ValueError("the batched kernel conjugates where the plain one transposes")
    return np.matmul(np.swapaxes(a, -1, -2) if transpose_a else a, np.swapaxes(b, -1, -2) if transpose_b else b)


def _einsum(*operands: Array, equation: str) -> Array:
    return np.einsum(equation.replace(" ", ""), *operands)


def _bias_add(x: Array, bias: Array, *, data_format: str = "NHWC") -> Array:
    if data_format.startswith("NC"):
        bias = bias.reshape((-1,) + (1,) * (x.ndim - 2))
    return x + bias


def _fused(product: Callable[..., Array]) -> Callable[..., Array]:
    """A product with what the graph optimiser fused behind it: a bias, then an activation."""

    def value(
        a: Array, b: Array, *extra: Array, fused: tuple[str, ...] = (), alpha: float = 0.2, **attrs: Any
    ) -> Array:
        result = product(a, b, **attrs)
        for step in fused:
            if step == "BiasAdd":
                result = _bias_add(result, extra[0])
                continue
            row = TABLE.by_tf.get(step)
            if row is None or row.kind != "elementwise" or row.value is None:
                raise ValueError(f"no rule for the fused {step}")
            result = row.value(result, alpha=alpha) if step == "LeakyRelu" else row.value(result)
        return result

    return value


PLAIN = {"transpose_a": "transpose_a", "transpose_b": "transpose_b"}
TRANSPOSES = {**PLAIN, "adj_x": "transpose_a", "adj_y": "transpose_b"}

op("matmul", "matmul", tf=("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"), attrs=TRANSPOSES,
   value=in_single(_matmul), trend=(0, 0), ulps=1.0)  # fmt: skip
op("einsum", "matmul", tf=("Einsum",), attrs={"equation": "equation"}, value=in_single(_einsum), trend=(0,), ulps=1.0)
op("cross", "matmul", tf=("Cross",), value=in_single(np.cross), trend=(0, 0), ulps=2.0)
op("bias_add", "matmul", tf=("BiasAdd", "BiasAddV1"), attrs={"data_format": "data_format"}, value=in_single(_bias_add),
   trend=(1, 1), ulps=0.5)  # fmt: skip
op("fused_matmul", "matmul", tf=("_FusedMatMul",), value=in_single(_fused(_matmul)),
   attrs={**PLAIN, "fused_ops": "fused", "leakyrelu_alpha": "alpha"}, trend=(0,), ulps=4.0)  # fmt: skip
