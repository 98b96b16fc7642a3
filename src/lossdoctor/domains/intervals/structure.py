"""Transfer functions of softmax and its losses, of sources, and of operations that gather or arrange elements."""

from __future__ import annotations

import math

import numpy as np

from lossdoctor.domains.intervals import arithmetic as arith
from lossdoctor.domains.intervals import sizes
from lossdoctor.domains.intervals.enclosure import (
    INF,
    Enclosure,
    SliceFact,
    anything,
    constant,
    integer_range,
    is_float,
    made,
    union,
    unit_roundoff,
)
from lossdoctor.domains.intervals.reductions import Args, rule, summed
from lossdoctor.graph.ir import Attr, Dim, Graph, Node

VARIABLES = "variables hold finite values of magnitude up to 1e4"
LABELS = "integer labels are less than the number of classes"
_VARIABLE_LIMIT = 1e4
_DEVIATIONS = 40.0  # TensorFlow's normal numbers come from Box-Muller on 32 or 64 bits: below 9 deviations


def _classes(node: Node, graph: Graph) -> sizes.Size:
    shape = graph[node.args[0]].shape
    return sizes.size(shape[-1]) if shape else sizes.count(None)


def _spread(x: Enclosure, count: sizes.Size) -> float:
    """Upper bound of logsumexp(x) - x with a percent for rounding."""
    return (float(x.high[0]) - float(x.low[0]) + math.log(max(count[1], 1.0))) * 1.01 + 0.01


@rule("softmax")
def _softmax(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    x = args[0]
    if _classes(node, graph) == (1, 1):  # exp(0) / exp(0)
        return Enclosure(np.ones(1), np.ones(1), x.nan | arith.infinite(x))
    gamma = 2.0 * _classes(node, graph)[1] * unit_roundoff(node.dtype)
    total = SliceFact((-1,), 1.0 - gamma, 1.0 + gamma) if gamma < 0.01 and not arith.infinite(x)[0] else None
    return Enclosure(np.zeros(1), np.ones(1), x.nan | arith.infinite(x), total=total)


@rule("log_softmax")
def _log_softmax(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    x = args[0]
    if _classes(node, graph) == (1, 1):
        return Enclosure(np.zeros(1), np.zeros(1), x.nan | arith.infinite(x))
    return made(np.array([-_spread(x, _classes(node, graph))]), np.zeros(1), x.nan | arith.infinite(x), node.dtype)


@rule("softmax_cross_entropy")
def _softmax_cross_entropy(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    logits, labels = args
    dtype = graph[node.args[0]].dtype
    count = _classes(node, graph)
    nan = logits.nan | labels.nan | arith.infinite(logits)
    terms = arith.multiply(labels.plain(), constant(0.0, _spread(logits, count)), dtype)
    loss = summed(terms, count, dtype)
    slope = arith.subtract(constant(0.0, 1.0), labels.plain(), dtype)
    return Enclosure(
        np.array([-INF]), np.array([INF]), nan | np.array([True]),
        parts=(_with_nan(loss, nan), _with_nan(slope, nan)),
    )  # fmt: skip


@rule("sparse_softmax_cross_entropy")
def _sparse_softmax_cross_entropy(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    logits, labels = args
    dtype = graph[node.args[0]].dtype
    count = _classes(node, graph)
    # A label outside the classes raises on CPUs and gives NaN on GPUs.
    outside = labels.low[0] < 0.0 or (count[0] == count[1] and labels.high[0] > count[1] - 1.0)
    nan = logits.nan | arith.infinite(logits) | np.array([outside])
    loss = made(np.zeros(1), np.array([_spread(logits, count)]), nan, dtype)
    slope = made(np.array([-1.0]), np.ones(1), nan, dtype)
    return Enclosure(np.array([-INF]), np.array([INF]), np.array([True]), parts=(loss, slope))


def _with_nan(value: Enclosure, nan: np.ndarray) -> Enclosure:
    return Enclosure(value.low, value.high, value.nan | nan)


@rule("item")
def _item(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    index, parts = node.attrs.get("index"), args[0].parts
    return parts[index] if isinstance(index, int) and index < len(parts) else None


@rule("constant")
def _constant(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return of_array(node.constant, node.dtype) if node.constant is not None else None


def of_array(array: np.ndarray, dtype: str) -> Enclosure | None:
    """The hull of the elements of an array."""
    if dtype not in ("bool",) and integer_range(dtype) is None and not is_float(dtype):
        return None
    values = np.asarray(array).astype(np.float64).ravel()
    if not values.size:
        return constant(0.0, 0.0, whole=True)
    nan = np.isnan(values)
    kept = values[~nan]
    if not kept.size:
        return Enclosure(np.array([INF]), np.array([-INF]), np.array([True]))
    whole = bool(np.all(kept == np.rint(kept)) and np.all(np.isfinite(kept)))
    return made(np.array([kept.min()]), np.array([kept.max()]), np.array([bool(nan.any())]), dtype, whole=whole)


@rule("variable")
def _variable(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    if not is_float(node.dtype):
        return None
    return constant(-_VARIABLE_LIMIT, _VARIABLE_LIMIT)


@rule("dims")
def _dims(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    ranges = [sizes.size(dim) for dim in _flat(node.attrs.get("value"))]
    if not ranges:
        return constant(0.0, 0.0, whole=True)
    low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
    return made(np.array([float(low)]), np.array([float(high)]), np.array([False]), node.dtype, whole=True)


def _flat(value: Attr) -> list[Dim]:
    if isinstance(value, tuple):
        return [dim for part in value for dim in _flat(part)]
    return [value] if isinstance(value, (int, str)) else []


@rule("arange")
def _arange(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    start, stop, step = (args[0], args[1], args[2]) if len(args) == 3 else (None, None, None)
    if start is None or stop is None or step is None or (step.low[0] <= 0.0 <= step.high[0]):
        return None
    low, high = min(start.low[0], stop.low[0]), max(start.high[0], stop.high[0])
    return made(np.array([low]), np.array([high]), np.array([False]), node.dtype, ulps=8.0,
                whole=start.whole and step.whole)  # fmt: skip


@rule("empty", "shape", "shape_n", "size", "ndim")
def _nonnegative(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return constant(0.0, 2.0**31 - 1, whole=True) if integer_range(node.dtype) is not None else None


@rule("full")
def _full(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return args[-1].plain() if args else None  # a shape that is data comes first


@rule("broadcast_axes")
def _broadcast_axes(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    axes = constant(0.0, 255.0, whole=True)  # TensorFlow's largest rank
    return Enclosure(axes.low, axes.high, axes.nan, whole=True, parts=(axes, axes))


@rule("concat", "stack")
def _concat(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return union(args[0], *args[1:])


@rule("split", "split_sizes", "unstack", "dynamic_partition")
def _split(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    part = args[0].plain()
    read = [item.attrs["index"] for item in graph.where("item") if item.args[0] == node.id]
    outputs = 1 + max((index for index in read if isinstance(index, int)), default=0)
    return Enclosure(part.low, part.high, part.nan, whole=part.whole, parts=(part,) * outputs)


@rule("top_k")
def _top_k(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    part = args[0].plain()
    return Enclosure(part.low, part.high, part.nan, parts=(part, constant(0.0, 2.0**31 - 1, whole=True)))


@rule("take", "gather_nd", "nth_element", "batch_to_space", "reverse_sequence", "matrix_diag_part")
def _take(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return union(args[0], *args[2:]) if node.op == "matrix_diag_part" else args[0].plain()


@rule("pad")
def _pad(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return union(args[0], args[1] if len(args) > 1 else constant(0.0, 0.0, whole=True))


@rule("matrix_diag", "band_part", "strided_slice_grad", "space_to_batch")
def _with_zeros(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return union(*args, constant(0.0, 0.0, whole=True)) if args else None


@rule("matrix_set_diag", "strided_slice_update", "dynamic_update_slice")
def _overwritten(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return union(args[0], args[1])


@rule("scatter_update", "scatter_max", "scatter_min")
def _scatter_update(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return union(args[0], args[2])


@rule("dynamic_stitch")
def _stitch(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    data = args[len(args) // 2 :]
    return union(data[0], *data[1:], constant(0.0, 0.0, whole=True)) if data else None


@rule("one_hot")
def _one_hot(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    indices, on, off = args
    axis, depth = node.attrs.get("axis", -1), node.attrs.get("depth")
    result = union(on, off)
    plain = on.low[0] == on.high[0] == 1.0 and off.low[0] == off.high[0] == 0.0
    total = None
    if plain and axis == -1 and isinstance(depth, int):
        inside = indices.low[0] >= 0.0 and indices.high[0] <= depth - 1
        total = SliceFact((-1,), 1.0 if inside else 0.0, 1.0)
    return Enclosure(result.low, result.high, result.nan, whole=result.whole, total=total)


@rule("bincount", "histogram", "searchsorted_left", "searchsorted_right", "bucketize", "nonzero")
def _counts(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    if integer_range(node.dtype) is None:
        return None
    return constant(0.0, 2.0**31 - 1, whole=True)


@rule("random_uniform", "stateless_random_uniform")
def _random_uniform(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    # Random bits for the significand of a number in [1, 2), less 1: 0 occurs, and 1 does not
    # (tensorflow/core/lib/random/random_distributions_utils.h, Uint32ToFloat).
    return constant(0.0, 1.0 - 2.0 * unit_roundoff(node.dtype)) if is_float(node.dtype) else anything(node.dtype)


@rule("random_normal", "random_truncated_normal", "stateless_random_normal", "stateless_random_truncated_normal")
def _random_normal(node: Node, args: Args, graph: Graph) -> Enclosure | None:
    return constant(-_DEVIATIONS, _DEVIATIONS)
