"""The exact domain: what a graph means in real numbers at one input, in ball arithmetic.

The inputs, the constants and the variables are taken as exactly the numbers they are; nothing is rounded behind
them, so that an epsilon or a clip counts as written. Every result is an enclosure. A comparison that the balls
cannot decide is tried again with more bits; what stays undecided, and every operation without an exact rule, is
unknown. Meant for tensors of a few elements.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from lossdoctor.domains.interpret import Reading, interpret
from lossdoctor.domains.machine import UNKNOWN, Machine, Value, sizes_of
from lossdoctor.graph.ir import Graph, LossGraph, Node
from lossdoctor.ops import TABLE
from lossdoctor.ops.arrays import Array, is_array

BITS = (128, 512, 2048)
_FLOATS = ("float16", "bfloat16", "float32", "float64")
_KINDS = ("shape", "control", "matmul")  # move, add and multiply: NumPy does that with any objects
_SEGMENTS = ("segment_sum", "segment_mean", "segment_prod", "unsorted_segment_sum", "unsorted_segment_prod")
_WINDOWS = (  # of the image operations, those that do nothing else either
    "extract_patches",
    "space_to_depth",
    "depth_to_space",
    "space_to_batch",
    "batch_to_space",
    "avg_pool",
    "avg_pool_grad",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_filter_grad",
    "depthwise_conv2d",
    "depthwise_conv2d_input_grad",
    "depthwise_conv2d_filter_grad",
)
_MOVES = ("where", "cumulative_sum", "cumulative_prod", "bias_add_grad", *_SEGMENTS, *_WINDOWS)
# These order or tell apart what they move, which NumPy would do without asking whether the balls can decide it.
_ORDERS = (
    "scatter_max",
    "scatter_min",
    "unique",
    "unique_counts",
    "arange",
    "linspace",
    "bitcast",
    "dynamic_partition",
)
_OF_SHAPES = ("shape", "shape_n", "size", "ndim")
_LOCK = threading.Lock()  # flint's precision is one for the whole process


def exact(
    graph: Graph | LossGraph,
    inputs: Mapping[int, Array],
    outputs: Sequence[int],
    sizes: Mapping[str, int] | None = None,
    bits: Sequence[int] = BITS,
) -> Reading[Value] | None:
    """Read the graph exactly, with as many bits as the outputs need.

    Args:
        graph: the graph to read.
        inputs: an array for each input node.
        outputs: nodes whose every element has to be known to 40 bits.
        sizes: a size for each name among the dimensions; inferred from the inputs where missing.
        bits: the precisions to try, in order.

    Returns:
        For every node an array of balls (`exact_arrays.doubles` makes numbers of them), or of integers or booleans;
        `UNKNOWN` where there is no rule. None if a comparison stays undecided or an output is not known.
    """
    import flint

    from lossdoctor.domains.exact_arrays import balls, doubles
    from lossdoctor.domains.exact_namespace import Undecided

    inner = graph.graph if isinstance(graph, LossGraph) else graph
    known = {**sizes_of(inner, inputs), **(sizes or {})}
    for precision in bits:
        with _LOCK, cast(Any, flint).ctx.workprec(precision):
            try:
                reading = interpret(inner, Exact(known), {place: balls(array) for place, array in inputs.items()})
            except Undecided:
                continue
            results = [reading[output] for output in outputs]
            if any(result is UNKNOWN for result in results):
                return None
            if not any(np.isnan(doubles(result)).any() for result in results):
                return reading
    return None


class Exact(Machine):
    """The domain of exact values; control flow is that of the machine."""

    name = "exact"

    def transfer(self, node: Node, args: Sequence[Value], graph: Graph) -> Value | None:
        from lossdoctor.domains.exact_arrays import balls

        if node.op in ("constant", "variable"):
            return None if node.constant is None else balls(node.constant)
        return super().transfer(node, args, graph)

    def _by_row(self, node: Node, args: Sequence[Value]) -> Value | None:
        from lossdoctor.domains import exact_arrays as arrays

        row = TABLE.by_name.get(node.op)
        if row is None or row.kind in ("random", "opaque"):
            return None
        if node.op == "astype":
            return _cast(node, args[0])
        if not any(arrays.is_balls(arg) or isinstance(arg, tuple) for arg in args):
            return arrays.balls(super()._by_row(node, args))  # integers, booleans and shapes
        attrs: dict[str, Any] = {
            name: attr if isinstance(attr, str) and name not in row.params.values() else self._concrete(attr)
            for name, attr in node.attrs.items()
        }
        special = _special(node.op, args, attrs)
        if special is not None:
            return special
        if node.op in _OF_SHAPES:
            return super()._by_row(node, args)
        if node.op in _MOVES or (row.kind in _KINDS and node.op not in _ORDERS and _is_real(node)):
            return arrays.balls(super()._by_row(node, args))
        if row.real is None or row.kind != "elementwise":
            return None
        real_attrs = {name: attr for name, attr in attrs.items() if name in ("alpha",)}
        result = arrays.real_row(row.real, args, real_attrs)
        return result.astype(bool) if node.dtype == "bool" else result

    def _fits(self, node: Node, result: Value) -> bool:
        from lossdoctor.domains.exact_arrays import is_balls

        if not is_balls(result):
            return super()._fits(node, result)
        return node.dtype in _FLOATS and self._has_shape(node, result)


def _is_real(node: Node) -> bool:
    return node.dtype in (*_FLOATS, "tuple", "variant")


def _cast(node: Node, x: Value) -> Value | None:
    from lossdoctor.domains.exact_arrays import balls, is_balls, mapped
    from lossdoctor.domains.exact_namespace import Ball, Undecided, equal, less

    if node.dtype in _FLOATS:
        # Rounding to another float is an error like any other: exact arithmetic has none.
        return x if is_balls(x) else balls(np.asarray(x, np.float64))
    if not is_balls(x):
        return np.asarray(x).astype(node.dtype)
    if node.dtype == "bool":
        return mapped(lambda e: not equal(e, 0), x).astype(bool)

    def truncated(e: Any) -> int:
        whole = (e.ceil() if less(e, Ball(0)) else e.floor()).unique_fmpz()
        if whole is None:
            raise Undecided
        return int(whole)

    return mapped(truncated, x).astype(node.dtype) if np.dtype(node.dtype).kind in "iu" else None


def _special(op: str, args: Sequence[Value], attrs: Mapping[str, Any]) -> Value | None:
    """Operations on rows of balls, and tests that NumPy cannot ask a ball; None for all others."""
    from lossdoctor.domains import exact_arrays as arrays
    from lossdoctor.domains.exact_namespace import equal

    if op in arrays.REDUCTIONS:
        kept = {name: attrs[name] for name in ("axis", "keepdims") if name in attrs}
        return arrays.REDUCTIONS[op](args[0], **kept)
    if op in arrays.ROWS:
        return arrays.ROWS[op](*args)
    match op:
        case "argmax" | "argmin":
            best = arrays.arg_best(args[0], axis=attrs.get("axis", 0), highest=op == "argmax")
            return best.astype(attrs.get("dtype", "int64"))
        case "top_k":
            values, places = arrays.top_k(args[0], k=attrs["k"])
            return values, places.astype(attrs.get("dtype", "int32"))
        case "not_equal":
            return arrays.mapped(lambda x, y: not equal(x, y), *args).astype(bool)
        case "isnan":
            return arrays.mapped(lambda x: bool(x.is_nan()), args[0]).astype(bool)
        case "isfinite":
            return arrays.mapped(lambda x: bool(x.is_finite()), args[0]).astype(bool)
        case "check_numerics":
            return args[0]
        case _:
            return None


def as_array(value: Value) -> Array | None:
    """Float64 numbers of a node's value, NaN where they are not known; None for what is no tensor of numbers."""
    from lossdoctor.domains.exact_arrays import doubles

    return doubles(value) if is_array(value) and value.dtype.kind in "Obiuf" else None
