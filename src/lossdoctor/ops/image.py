"""Resizing, blocks and patches, normalisation, colour."""

from __future__ import annotations

from typing import Any

import numpy as np

from lossdoctor.ops.arrays import Array, in_single
from lossdoctor.ops.convolution import channels_last, restored, windows
from lossdoctor.ops.table import op

Ints = tuple[int, ...]


def _scale(before: int, after: int, align_corners: bool) -> np.float32:
    if align_corners and after > 1:
        return np.float32(before - 1) / np.float32(after - 1)
    return np.float32(before) / np.float32(after)


def _linear(before: int, after: int, align_corners: bool, half_pixel_centers: bool) -> Array:
    """The matrix (after, before) of linear interpolation along one axis (resize_bilinear_op.cc)."""
    scale = _scale(before, after, align_corners)
    place = np.arange(after, dtype=np.float32)
    place = (place + np.float32(0.5)) * scale - np.float32(0.5) if half_pixel_centers else place * scale
    low = np.maximum(np.floor(place), 0).astype(int)
    high = np.minimum(np.ceil(place), before - 1).astype(int)
    part = place - np.floor(place)
    matrix = np.zeros((after, before), np.float32)
    row = np.arange(after)
    np.add.at(matrix, (row, low), 1 - part)
    np.add.at(matrix, (row, high), part)
    return matrix


def _nearest(before: int, after: int, align_corners: bool, half_pixel_centers: bool) -> Array:
    scale = _scale(before, after, align_corners)
    place = np.arange(after, dtype=np.float32)
    place = (place + np.float32(0.5)) * scale if half_pixel_centers else place * scale
    # Halves go away from zero, as C's roundf does.
    index = np.floor(place + np.float32(0.5)) if align_corners else np.floor(place)
    matrix = np.zeros((after, before), np.float32)
    matrix[np.arange(after), np.clip(index, 0, before - 1).astype(int)] = 1
    return matrix


def _resize(rule: Any, keep: bool) -> Any:
    def value(x: Array, *, size: Ints, align_corners: bool = False, half_pixel_centers: bool = False) -> Array:
        rows, columns = (rule(n, m, align_corners, half_pixel_centers) for n, m in zip(x.shape[1:3], size, strict=True))
        result = np.einsum("ij,bjkc,lk->bilc", rows, x.astype(np.float32), columns)
        return result.astype(x.dtype) if keep else result.astype(np.float32)

    return value


def _resize_grad(rule: Any, sized: bool) -> Any:
    """`sized`: the size of the image is a parameter; else it is that of the second argument."""

    def value(
        dy: Array,
        image: Array | None = None,
        *,
        size: Ints | None = None,
        align_corners: bool = False,
        half_pixel_centers: bool = False,
    ) -> Array:
        target = size if sized or image is None else image.shape[1:3]
        assert target is not None
        rows, columns = (
            rule(n, m, align_corners, half_pixel_centers) for n, m in zip(target, dy.shape[1:3], strict=True)
        )
        return np.einsum("ij,bilc,lk->bjkc", rows, dy, columns).astype(dy.dtype)

    return value


def _space_to_depth(x: Array, *, block: int, data_format: str = "NHWC") -> Array:
    x = channels_last(x, data_format)
    n, h, w, c = x.shape
    x = x.reshape(n, h // block, block, w // block, block, c).transpose(0, 1, 3, 2, 4, 5)
    return restored(x.reshape(n, h // block, w // block, block * block * c), data_format)


def _depth_to_space(x: Array, *, block: int, data_format: str = "NHWC") -> Array:
    x = channels_last(x, data_format)
    n, h, w, c = x.shape
    inner = c // (block * block)
    x = x.reshape(n, h, w, block, block, inner).transpose(0, 1, 3, 2, 4, 5)
    return restored(x.reshape(n, h * block, w * block, inner), data_format)


def _space_to_batch(x: Array, *, block: Ints, paddings: tuple[Ints, ...]) -> Array:
    rest = x.ndim - 1 - len(block)
    x = np.pad(x, [(0, 0), *paddings, *[(0, 0)] * rest])
    split: list[int] = [x.shape[0]]
    for n, b in zip(x.shape[1:], block, strict=False):
        split += [n // b, b]
    x = x.reshape(*split, *x.shape[1 + len(block) :])
    blocks, places = [2 + 2 * i for i in range(len(block))], [1 + 2 * i for i in range(len(block))]
    last = list(range(1 + 2 * len(block), x.ndim))
    x = x.transpose(*blocks, 0, *places, *last)
    return x.reshape(-1, *x.shape[len(block) + 1 :])


def _batch_to_space(x: Array, *, block: Ints, crops: tuple[Ints, ...]) -> Array:
    count = len(block)
    x = x.reshape(*block, x.shape[0] // int(np.prod(block)), *x.shape[1:])
    order = [count]
    for i in range(count):
        order += [count + 1 + i, i]
    x = x.transpose(*order, *range(2 * count + 1, x.ndim))
    sizes = [x.shape[1 + 2 * i] * x.shape[2 + 2 * i] for i in range(count)]
    x = x.reshape(x.shape[0], *sizes, *x.shape[1 + 2 * count :])
    return x[(slice(None), *(slice(low, n - high) for (low, high), n in zip(crops, sizes, strict=True)))]


def _patches(x: Array, *, ksizes: Ints, strides: Ints, rates: Ints, padding: str) -> Array:
    layout = windows(x.shape[1:3], ksizes[1:3], strides[1:3], rates[1:3], padding)
    padded = np.pad(x, layout.padding)
    return np.concatenate([padded[index] for _, index in layout.views()], axis=-1)


def _batch_norm(
    x: Array, scale: Array, offset: Array, mean: Array, variance: Array, *,
    epsilon: float, training: bool, factor: float = 1.0, data_format: str = "NHWC",
) -> tuple[Array, ...]:  # fmt: skip
    """Output, mean, variance (unbiased), then what the gradient kernel is given."""
    x = channels_last(x, data_format)
    used_mean, used_variance = mean, variance
    if training:
        axes = tuple(range(x.ndim - 1))
        used_mean, used_variance = x.mean(axis=axes), x.var(axis=axes)
        count = x.size // x.shape[-1]
        mean, variance = used_mean, used_variance * np.float32(count / max(count - 1, 1))
        if factor != 1.0:
            raise ValueError("moving averages within the kernel")
    y = (x - used_mean) * (scale / np.sqrt(used_variance + np.float32(epsilon))) + offset
    return restored(y, data_format), mean, variance, used_mean, used_variance, np.zeros(0, np.float32)


CORNERS = {"align_corners": "align_corners", "half_pixel_centers": "half_pixel_centers"}


def _row(name: str, tf: tuple[str, ...], value: Any, **facts: Any) -> None:
    op(name, "image", tf=tf, value=in_single(value) if value else None, trend=facts.pop("trend", (0,)),
       ulps=facts.pop("ulps", 4.0), **facts)  # fmt: skip


_row(
    "resize_bilinear", ("ResizeBilinear",), _resize(_linear, keep=False), params={1: "size"}, attrs=CORNERS, trend=(1,)
)
_row("resize_bilinear_grad", ("ResizeBilinearGrad",), _resize_grad(_linear, sized=False), attrs=CORNERS,
     flow=("none",))  # fmt: skip
_row("resize_nearest", ("ResizeNearestNeighbor",), _resize(_nearest, keep=True), params={1: "size"}, attrs=CORNERS,
     trend=(1,), ulps=0.0)  # fmt: skip
_row("resize_nearest_grad", ("ResizeNearestNeighborGrad",), _resize_grad(_nearest, sized=True), params={1: "size"},
     attrs=CORNERS, flow=("none",), trend=(1,))  # fmt: skip
_row("resize_bicubic", ("ResizeBicubic",), None, params={1: "size"}, attrs=CORNERS)
_row("resize_bicubic_grad", ("ResizeBicubicGrad",), None, attrs=CORNERS, flow=("none",))
_row("resize_area", ("ResizeArea",), None, params={1: "size"}, attrs=CORNERS, trend=(1,), flow=("none",))
KERNEL = {"kernel_type": "kernel", "antialias": "antialias"}
_row("scale_and_translate", ("ScaleAndTranslate",), None, params={1: "size"}, attrs=KERNEL, flow=("smooth", "none"))
_row("scale_and_translate_grad", ("ScaleAndTranslateGrad",), None, attrs=KERNEL, flow=("none",))
BOXES = {"method": "method", "extrapolation_value": "outside"}
_row("crop_and_resize", ("CropAndResize",), None, params={3: "size"}, attrs=BOXES, flow=("smooth", "smooth", "none"))
_row("crop_and_resize_image_grad", ("CropAndResizeGradImage",), None, params={3: "shape"}, attrs=BOXES, flow=("none",))
_row("crop_and_resize_boxes_grad", ("CropAndResizeGradBoxes",), None, attrs=BOXES, flow=("none",))

BLOCK = {"block_size": "block", "data_format": "data_format"}
_row("space_to_depth", ("SpaceToDepth",), _space_to_depth, attrs=BLOCK, trend=(1,), ulps=0.0)
_row("depth_to_space", ("DepthToSpace",), _depth_to_space, attrs=BLOCK, trend=(1,), ulps=0.0)
_row("space_to_batch", ("SpaceToBatchND",), _space_to_batch, params={1: "block", 2: "paddings"}, trend=(1,), ulps=0.0)
_row("batch_to_space", ("BatchToSpaceND",), _batch_to_space, params={1: "block", 2: "crops"}, trend=(1,), ulps=0.0)
_row("extract_patches", ("ExtractImagePatches",), _patches, trend=(1,), ulps=0.0,
     attrs={name: name for name in ("ksizes", "strides", "rates", "padding")})  # fmt: skip
DILATION = {name: name for name in ("strides", "rates", "padding")}
_row("dilation2d", ("Dilation2D",), None, attrs=DILATION, flow=("kink",), trend=(1, 1))
_row("dilation2d_input_grad", ("Dilation2DBackpropInput",), None, attrs=DILATION, flow=("none",))
_row("dilation2d_filter_grad", ("Dilation2DBackpropFilter",), None, attrs=DILATION, flow=("none",))

NORMALISED = {"epsilon": "epsilon", "is_training": "training", "exponential_avg_factor": "factor",
              "data_format": "data_format"}  # fmt: skip
_row("batch_norm", ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), _batch_norm, attrs=NORMALISED, outputs=0,
     flow=("smooth", "smooth", "smooth", "none"))  # fmt: skip
_row("batch_norm_grad", ("FusedBatchNormGrad", "FusedBatchNormGradV2", "FusedBatchNormGradV3"), None, attrs=NORMALISED,
     outputs=0)  # fmt: skip
_row("fused_batch_norm", ("_FusedBatchNormEx",), None, outputs=0,
     attrs={**NORMALISED, "activation_mode": "activation"})  # fmt: skip
_row("fused_conv2d", ("_FusedConv2D",), None, flow=("none",))
RESPONSE = {name: name for name in ("depth_radius", "bias", "alpha", "beta")}
_row("local_response_norm", ("LRN",), None, attrs=RESPONSE)
_row("local_response_norm_grad", ("LRNGrad",), None, attrs=RESPONSE, flow=("none",))
_row("rgb_to_hsv", ("RGBToHSV",), None, flow=("kink",))
_row("hsv_to_rgb", ("HSVToRGB",), None, flow=("none",))
_row("adjust_contrast", ("AdjustContrastv2",), None, flow=("none",))
