"""Convolutions of one to three spatial axes, and their two gradients.

All are sums over the offsets of the kernel of a strided view times one slice of the filter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossdoctor.ops.arrays import Array, in_single
from lossdoctor.ops.table import op

Ints = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Windows:
    """Where the windows of a convolution or pooling lie along the spatial axes (channels last)."""

    sizes: Ints
    kernel: Ints
    strides: Ints
    dilations: Ints
    before: Ints
    after: Ints
    output: Ints

    @property
    def padded(self) -> Ints:
        return tuple(b + n + a for b, n, a in zip(self.before, self.sizes, self.after, strict=True))

    @property
    def padding(self) -> list[tuple[int, int]]:
        """For `np.pad` of an array with batch and channel axes."""
        return [(0, 0), *zip(self.before, self.after, strict=True), (0, 0)]

    def views(self) -> Iterator[tuple[Ints, tuple[slice, ...]]]:
        """Each offset within the kernel, with the index of the padded input that the windows meet it at."""
        for offset in np.ndindex(*self.kernel):
            index = tuple(
                slice(o * d, o * d + (n - 1) * s + 1, s)
                for o, d, n, s in zip(offset, self.dilations, self.output, self.strides, strict=True)
            )
            yield offset, (slice(None), *index, slice(None))

    def crop(self, padded: Array) -> Array:
        index = tuple(slice(b, b + n) for b, n in zip(self.before, self.sizes, strict=True))
        return padded[(slice(None), *index, slice(None))]


def windows(sizes: Ints, kernel: Ints, strides: Ints, dilations: Ints, padding: str, explicit: Ints = ()) -> Windows:
    """Positions as TensorFlow computes them (GetWindowedOutputSizeVerbose); everything is spatial axes only."""
    before: list[int] = []
    after: list[int] = []
    output: list[int] = []
    for axis, (n, k, s, d) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        reach = (k - 1) * d + 1
        if padding == "SAME":
            out = -(-n // s)
            total = max((out - 1) * s + reach - n, 0)
            low, high = total // 2, total - total // 2
        else:
            low, high = (explicit[2 * axis], explicit[2 * axis + 1]) if padding == "EXPLICIT" else (0, 0)
            out = max((n + low + high - reach) // s + 1, 0)
        before.append(low)
        after.append(max(high, 0))
        output.append(out)
    return Windows(sizes, kernel, strides, dilations, tuple(before), tuple(after), tuple(output))


def spatial(entries: Ints, data_format: str) -> Ints:
    """The spatial entries of a list in the order of the data format."""
    return tuple(entries[2:]) if data_format.startswith("NC") else tuple(entries[1:-1])


def channels_last(x: Array, data_format: str) -> Array:
    return np.moveaxis(x, 1, -1) if data_format.startswith("NC") else x


def restored(x: Array, data_format: str) -> Array:
    return np.moveaxis(x, -1, 1) if data_format.startswith("NC") else x


def _layout(shape: Ints, kernel: Ints, attrs: dict[str, Any]) -> Windows:
    """`shape` with channels last."""
    form = str(attrs.get("data_format", "NHWC"))
    rank = len(kernel)
    explicit = tuple(attrs.get("explicit_paddings") or ())
    low, high = spatial(explicit[::2], form), spatial(explicit[1::2], form)
    flat = tuple(edge for pair in zip(low, high, strict=True) for edge in pair)
    dilations = tuple(attrs.get("dilations") or (1,) * (rank + 2))
    return windows(
        shape[1:-1], kernel, spatial(tuple(attrs["strides"]), form), spatial(dilations, form), attrs["padding"], flat
    )


def _grouped(x: Array, w: Array) -> Array:
    """Channels of `x` times one slice `w` of the filter, group by group (inputs of a group: `len(w)`)."""
    groups = x.shape[-1] // w.shape[0]
    if groups == 1:
        return x @ w
    parts = x.reshape((*x.shape[:-1], groups, w.shape[0]))
    columns = w.reshape((w.shape[0], groups, -1))
    return np.einsum("...gi,igo->...go", parts, columns).reshape((*x.shape[:-1], w.shape[1]))


def _convolution(x: Array, w: Array, **attrs: Any) -> Array:
    form = str(attrs.get("data_format", "NHWC"))
    x = channels_last(x, form)
    layout = _layout(x.shape, w.shape[:-2], attrs)
    padded = np.pad(x, layout.padding)
    result = np.zeros((len(x), *layout.output, w.shape[-1]), x.dtype)
    for offset, index in layout.views():
        result += _grouped(padded[index], w[offset])
    return restored(result, form)


def _input_gradient(w: Array, dy: Array, *, shape: Ints, **attrs: Any) -> Array:
    form = str(attrs.get("data_format", "NHWC"))
    dy = channels_last(dy, form)
    shape = (shape[0], *shape[2:], shape[1]) if form.startswith("NC") else shape
    if shape[-1] != w.shape[-2]:
        raise ValueError("gradient of a grouped convolution")
    layout = _layout(shape, w.shape[:-2], attrs)
    padded = np.zeros((len(dy), *layout.padded, shape[-1]), dy.dtype)
    for offset, index in layout.views():
        padded[index] += dy @ w[offset].T
    return restored(layout.crop(padded), form)


def _filter_gradient(x: Array, dy: Array, *, shape: Ints, **attrs: Any) -> Array:
    form = str(attrs.get("data_format", "NHWC"))
    x, dy = channels_last(x, form), channels_last(dy, form)
    if shape[-2] != x.shape[-1]:
        raise ValueError("gradient of a grouped convolution")
    layout = _layout(x.shape, shape[:-2], attrs)
    padded = np.pad(x, layout.padding)
    result = np.zeros(shape, x.dtype)
    for offset, index in layout.views():
        result[offset] = np.tensordot(padded[index], dy, axes=(range(dy.ndim - 1), range(dy.ndim - 1)))
    return result


def _depthwise(x: Array, w: Array, **attrs: Any) -> Array:
    form = str(attrs.get("data_format", "NHWC"))
    x = channels_last(x, form)
    layout = _layout(x.shape, w.shape[:-2], attrs)
    padded = np.pad(x, layout.padding)
    result = np.zeros((len(x), *layout.output, *w.shape[-2:]), x.dtype)
    for offset, index in layout.views():
        result += padded[index][..., None] * w[offset]
    return restored(result.reshape((*result.shape[:-2], -1)), form)


def _depthwise_input_gradient(w: Array, dy: Array, *, shape: Ints, **attrs: Any) -> Array:
    form = str(attrs.get("data_format", "NHWC"))
    dy = channels_last(dy, form)
    shape = (shape[0], *shape[2:], shape[1]) if form.startswith("NC") else shape
    layout = _layout(shape, w.shape[:-2], attrs)
    split = dy.reshape((*dy.shape[:-1], *w.shape[-2:]))
    padded = np.zeros((len(dy), *layout.padded, shape[-1]), dy.dtype)
    for offset, index in layout.views():
        padded[index] += np.sum(split * w[offset], axis=-1)
    return restored(layout.crop(padded), form)


def _depthwise_filter_gradient(x: Array, dy: Array, *, shape: Ints, **attrs: Any) -> Array:
    form = str(attrs.get("data_format", "NHWC"))
    x, dy = channels_last(x, form), channels_last(dy, form)
    layout = _layout(x.shape, shape[:-2], attrs)
    split = dy.reshape((*dy.shape[:-1], *shape[-2:]))
    padded = np.pad(x, layout.padding)
    result = np.zeros(shape, x.dtype)
    for offset, index in layout.views():
        result[offset] = np.sum(padded[index][..., None] * split, axis=tuple(range(dy.ndim - 1)))
    return result


FACTS = {name: name for name in ("strides", "padding", "explicit_paddings", "data_format", "dilations")}


def _row(name: str, tf: tuple[str, ...], value: Any, shape: int | None = None, **facts: Any) -> None:
    params = {} if shape is None else {shape: "shape"}
    op(name, "image", tf=tf, value=in_single(value), params=params, attrs=FACTS, trend=(0, 0), ulps=1.0, **facts)


_row("conv2d", ("Conv2D",), _convolution)
_row("conv2d_input_grad", ("Conv2DBackpropInput",), _input_gradient, shape=0)
_row("conv2d_filter_grad", ("Conv2DBackpropFilter",), _filter_gradient, shape=1)
_row("depthwise_conv2d", ("DepthwiseConv2dNative",), _depthwise)
_row("depthwise_conv2d_input_grad", ("DepthwiseConv2dNativeBackpropInput",), _depthwise_input_gradient, shape=0)
_row("depthwise_conv2d_filter_grad", ("DepthwiseConv2dNativeBackpropFilter",), _depthwise_filter_gradient, shape=1)
_row("conv3d", ("Conv3D",), _convolution)
_row("conv3d_input_grad", ("Conv3DBackpropInputV2",), _input_gradient, shape=0)
_row("conv3d_filter_grad", ("Conv3DBackpropFilterV2",), _filter_gradient, shape=1)
