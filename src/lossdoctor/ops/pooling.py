"""Pooling over windows, with its gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from lossdoctor.ops.arrays import Array, in_single
from lossdoctor.ops.convolution import Ints, Windows, channels_last, restored, spatial, windows
from lossdoctor.ops.table import op


def _layout(shape: Ints, attrs: dict[str, Any]) -> Windows:
    form = str(attrs.get("data_format", "NHWC"))
    kernel, strides = spatial(tuple(attrs["ksize"]), form), spatial(tuple(attrs["strides"]), form)
    if attrs["padding"] not in ("SAME", "VALID"):
        raise ValueError("pooling with explicit padding")
    return windows(shape[1:-1], kernel, strides, (1,) * len(kernel), attrs["padding"])


def _padded(x: Array, layout: Windows) -> Array:
    return np.pad(x, layout.padding, constant_values=-np.inf)


def _max_pool(x: Array, **attrs: Any) -> Array:
    form = str(attrs.get("data_format", "NHWC"))
    x = channels_last(x, form)
    layout = _layout(x.shape, attrs)
    padded = _padded(x, layout)
    result = np.full((len(x), *layout.output, x.shape[-1]), -np.inf, x.dtype)
    for _, index in layout.views():
        result = np.maximum(result, padded[index])
    return restored(result, form)


def _max_pool_grad(x: Array, y: Array, dy: Array, **attrs: Any) -> Array:
    """The gradient goes to the first element of each window that equals its maximum."""
    form = str(attrs.get("data_format", "NHWC"))
    x, y, dy = (channels_last(part, form) for part in (x, y, dy))
    layout = _layout(x.shape, attrs)
    padded = _padded(x, layout)
    result = np.zeros_like(padded)
    free = np.ones(y.shape, bool)
    for _, index in layout.views():
        chosen = free & (padded[index] == y)
        result[index] += np.where(chosen, dy, np.zeros((), dy.dtype))
        free &= ~chosen
    return restored(layout.crop(result), form)


def _counts(shape: Ints, layout: Windows, dtype: np.dtype[Any]) -> Array:
    """How many elements that are no padding each window has."""
    inside = np.pad(np.ones((1, *layout.sizes, 1), dtype), layout.padding)
    result = np.zeros((1, *layout.output, 1), dtype)
    for _, index in layout.views():
        result += inside[index]
    return result


def _avg_pool(x: Array, **attrs: Any) -> Array:
    form = str(attrs.get("data_format", "NHWC"))
    x = channels_last(x, form)
    layout = _layout(x.shape, attrs)
    padded = np.pad(x, layout.padding)
    result = np.zeros((len(x), *layout.output, x.shape[-1]), x.dtype)
    for _, index in layout.views():
        result += padded[index]
    return restored(result / _counts(x.shape, layout, x.dtype), form)


def _avg_pool_grad(dy: Array, *, shape: Ints, **attrs: Any) -> Array:
    form = str(attrs.get("data_format", "NHWC"))
    dy = channels_last(dy, form)
    shape = (shape[0], *shape[2:], shape[1]) if form.startswith("NC") else shape
    layout = _layout(shape, attrs)
    share = dy / _counts(shape, layout, dy.dtype)
    result = np.zeros((shape[0], *layout.padded, shape[-1]), dy.dtype)
    for _, index in layout.views():
        result[index] += share
    return restored(layout.crop(result), form)


FACTS = {name: name for name in ("ksize", "strides", "padding", "explicit_paddings", "data_format")}


def _row(name: str, tf: tuple[str, ...], value: Any, **facts: Any) -> None:
    op(name, "image", tf=tf, value=in_single(value) if value else None, attrs=FACTS, **facts)


_row("max_pool", ("MaxPool", "MaxPool3D"), _max_pool, trend=(1,), flow=("kink",), ulps=0.0)
_row("max_pool_grad", ("MaxPoolGrad", "MaxPool3DGrad"), _max_pool_grad, trend=(0, 0, 1),
     flow=("zero", "zero", "smooth"), ulps=1.0)  # fmt: skip
_row("max_pool_grad_grad", ("MaxPoolGradGrad", "MaxPool3DGradGrad"), None, trend=(0,), flow=("zero", "zero", "smooth"))
_row("avg_pool", ("AvgPool", "AvgPool3D"), _avg_pool, trend=(1,), ulps=1.0)
_row("avg_pool_grad", ("AvgPoolGrad", "AvgPool3DGrad"), _avg_pool_grad, params={0: "shape"}, trend=(1,), ulps=1.0)
