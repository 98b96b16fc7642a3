"""Transfer functions of convolutions, pooling and resizing: sums and extremes over windows of an image.

A window is a sum of n products with the weights of one output channel. For weights that are known the sum lies
between P low + N high and P high + N low, where P and N are the sums of the positive and of the negative weights, up
to a rounding error of n u sum|w| max|x| (Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.1).
Padding puts zeros into windows; in the gradient of a border pixel the terms of the missing windows are absent.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lossdoctor.domains.intervals import arithmetic as arith
from lossdoctor.domains.intervals import sizes
from lossdoctor.domains.intervals.enclosure import (
    INF,
    Enclosure,
    constant,
    largest,
    made,
    union,
    unit_roundoff,
)
from lossdoctor.domains.intervals.reductions import Args, rule, summed
from lossdoctor.graph.ir import Graph, Node

_ZERO = constant(0.0, 0.0)
OUTPUTS = {"conv2d": 1, "conv3d": 1, "depthwise_conv2d": 2}  # trailing axes of the kernel that number the outputs


def weights(number: int, graph: Graph) -> NDArray[np.float64] | None:
    """The kernel, if it is a constant."""
    node = graph[number]
    while node.op in ("identity", "stop_gradient"):
        node = graph[node.args[0]]
    return None if node.constant is None else np.asarray(node.constant).astype(np.float64)


@rule(*OUTPUTS)
def _convolution(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    x, w = args[0].plain(), args[1].plain()
    if node.attrs.get("padding") != "VALID":
        x = union(x, _ZERO)
    kernel, kept = weights(node.args[1], graph), OUTPUTS[node.op]
    if kernel is None:
        shape = graph[node.args[1]].shape
        return _general(x, w, sizes.count(shape[:-kept] if shape else None), node.dtype)
    return _weighted(x, kernel, tuple(range(kernel.ndim - kept)), node.dtype)


@rule("conv2d_input_grad", "conv3d_input_grad", "depthwise_conv2d_input_grad")
def _input_gradient(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    w, dy = args[0].plain(), union(args[1], _ZERO)
    kernel = weights(node.args[0], graph)
    if kernel is None:
        shape = graph[node.args[0]].shape
        taps = sizes.count((*shape[:-2], shape[-1]) if shape else None)
        return _general(dy, w, taps, node.dtype)
    return _weighted(dy, kernel, (*range(kernel.ndim - 2), kernel.ndim - 1), node.dtype)


@rule("conv2d_filter_grad", "conv3d_filter_grad", "depthwise_conv2d_filter_grad")
def _filter_gradient(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    shape = graph[node.args[1]].shape
    return _general(union(args[0], _ZERO), args[1].plain(), sizes.count(shape[:-1] if shape else None), node.dtype)


def _general(x: Enclosure, w: Enclosure, count: sizes.Size, dtype: str) -> Enclosure:
    return summed(arith.multiply(x, w, dtype), (0.0, max(count[1], 1.0)), dtype)


def _weighted(x: Enclosure, kernel: NDArray[np.float64], axes: tuple[int, ...], dtype: str) -> Enclosure:
    """Sums of x times the kernel over `axes` of the kernel, for the worst of its other entries."""
    if not kernel.size:
        return _ZERO
    low, high = float(x.low[0]), float(x.high[0])
    nan = x.nan | arith.infinite(x)  # an infinity times a weight of 0, or of either sign
    if nan[0] or not np.isfinite(kernel).all():
        return Enclosure(np.array([-INF]), np.array([INF]), np.array([True]))
    positive, negative = np.maximum(kernel, 0.0).sum(axes), np.minimum(kernel, 0.0).sum(axes)
    terms = math.prod(kernel.shape[axis] for axis in axes)
    gamma = 2.0 * terms * unit_roundoff(dtype)
    slack = gamma * (positive - negative) * max(abs(low), abs(high))
    lower, upper = positive * low + negative * high - slack, positive * high + negative * low + slack
    if low >= 0.0 and not negative.any():  # sums of numbers of one sign keep it
        lower = np.maximum(lower, 0.0)
    if high <= 0.0 and not negative.any():
        upper = np.minimum(upper, 0.0)
    reach = float((positive - negative).max()) * max(abs(low), abs(high)) * (1.0 + gamma)
    overflow = np.array([reach > largest(dtype)])  # partial sums may overflow to both sides
    return made(np.array([lower.min()]), np.array([upper.max()]), overflow, dtype)


@rule("max_pool")
def _max_pool(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    x = args[0]
    low = np.where(x.nan, np.minimum(x.low, -largest(node.dtype)), x.low)  # a maximum may pass over NaN
    return Enclosure(low, x.high, x.nan, whole=x.whole)


@rule("max_pool_grad")
def _max_pool_grad(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return summed(union(args[2], _ZERO), (0.0, _overlap(node)), node.dtype)


@rule("avg_pool")
def _avg_pool(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    x, count = args[0], taps(node)
    if np.isinf(summed(x, (1.0, count), node.dtype).high[0]) or arith.infinite(x)[0]:
        return None
    gamma = 2.0 * (count + 1.0) * unit_roundoff(node.dtype)
    low = x.low * np.where(x.low < 0.0, 1.0 + gamma, max(1.0 - gamma, 0.0))
    high = x.high * np.where(x.high > 0.0, 1.0 + gamma, max(1.0 - gamma, 0.0))
    return made(low, high, x.nan, node.dtype, ulps=1.0)


@rule("avg_pool_grad")
def _avg_pool_grad(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    count = taps(node)
    fewest = count if node.attrs.get("padding") == "VALID" else 1.0  # border windows are averages of fewer
    share = arith.divide(args[-1].plain(), constant(fewest, count), node.dtype)
    return summed(union(share, _ZERO), (0.0, _overlap(node)), node.dtype)


def _entries(node: Node, name: str) -> list[float]:
    value = node.attrs.get(name)
    numbers = value if isinstance(value, tuple) else ()
    return [float(number) for number in numbers if isinstance(number, (int, float))]


def taps(node: Node) -> float:
    """How many elements a window has."""
    return math.prod(_entries(node, "ksize")) or 1.0


def _overlap(node: Node) -> float:
    """In how many windows an element can be."""
    pairs = zip(_entries(node, "ksize"), _entries(node, "strides"), strict=False)
    return math.prod(math.ceil(size / step) for size, step in pairs if step) or 1.0


@rule("resize_nearest")
def _nearest(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return args[0].plain()


@rule("resize_bilinear", "resize_area")
def _mixture(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    """A weighted mean with weights that sum to 1 up to rounding."""
    x = args[0]
    slack = 32.0 * unit_roundoff(node.dtype) * np.maximum(np.abs(x.low), np.abs(x.high))
    reach = np.maximum(np.abs(x.low), np.abs(x.high)) * 4.0
    return made(x.low - slack, x.high + slack, x.nan | (reach > largest(node.dtype)), node.dtype)


@rule("resize_nearest_grad", "resize_bilinear_grad")
def _resize_gradient(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    shape = graph[node.args[0]].shape
    pixels = sizes.count(shape[1:3] if shape is not None and len(shape) == 4 else None)
    return summed(union(args[0], _ZERO), (0.0, max(pixels[1], 1.0)), node.dtype)


@rule("extract_patches")
def _patches(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return union(args[0], _ZERO)


@rule("mirror_pad_grad")
def _mirror_gradient(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    """An element and its mirror images: at most three along an axis."""
    return summed(union(args[0], _ZERO), (0.0, 3.0 ** len(node.shape or (1,) * 8)), node.dtype)
