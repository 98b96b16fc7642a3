"""Finds the tensors that depend on the inputs only through their shapes, and solves what they are.

TensorFlow's gradients are half shape arithmetic (Shape, BroadcastGradientArgs, Prod, FloorDiv, ...). All of it is a
number or a polynomial in the names of the spec, and becomes an attribute or one `dims` node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from lossdoctor.graph import dims
from lossdoctor.graph.ir import Attr, Dim
from lossdoctor.graph.reference_tf import Run
from lossdoctor.graph.run_tf import array
from lossdoctor.graph.untyped_tf import tf
from lossdoctor.ops.table import TABLE

_SHAPES = ("Shape", "ShapeN", "Size", "Rank")
# The size of the result is a matter of values, not of sizes.
_VALUE_SHAPED = frozenset(
    "Where Unique UniqueV2 UniqueWithCounts UniqueWithCountsV2 DynamicPartition ListDiff NonMaxSuppression "
    "NonMaxSuppressionV2 NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5 SetSize DenseToDenseSetOperation "
    "StringSplitV2 SparseReshape PyFunc PyFuncStateless EagerPyFunc".split()
)
_SHAPED_BY = {"Reshape": 1, "BroadcastTo": 1, "Fill": 0}  # which input is the shape of the result
_SIZE_PARAMETERS = frozenset(
    "shape dims repeats multiples size sizes begin end start stop limit step delta paddings depth num "
    "k length block output_shape".split()
)
# Polynomial where their arguments are, at every size: solved from the runs.
_POLYNOMIAL = frozenset(
    "Identity StopGradient Shape ShapeN Size Rank Const Pack Unpack Concat ConcatV2 Split SplitV Add AddV2 Sub Mul Neg "
    "Square Prod Sum Reshape ExpandDims Squeeze BroadcastGradientArgs BroadcastArgs DynamicStitch Range Fill Reverse "
    "ReverseV2 InvertPermutation ListDiff ConcatOffset OnesLike ZerosLike Tile BroadcastTo Transpose AddN Cumsum Cast "
    "StridedSlice Slice Gather GatherV2 GatherNd".split()
)
_SELECTING = ("StridedSlice", "Slice", "Gather", "GatherV2", "GatherNd")
_DIVISIONS = ("FloorDiv", "RealDiv", "TruncateDiv", "Div")
_LARGEST = 4096  # elements of an attribute


@dataclass(frozen=True, slots=True)
class Fact:
    """What is known of one tensor apart from the reading of values."""

    structural: bool = False  # a function of the shapes of the inputs alone
    sized: bool = False  # ... and not a constant
    honest: bool = True  # solving it from two sizes is sound
    value_shaped: bool = False  # its shape depends on values
    solved: Attr = None  # number, dimension or nested tuple of them; None if there is none
    array: np.ndarray[Any, Any] | None = None  # the value if it is a constant

    @property
    def known(self) -> bool:
        return self.solved is not None


NOTHING = Fact()


def analyse(order: Sequence[Any], runs: Sequence[Run]) -> dict[str, Fact]:
    """The fact of every tensor of `order`, by tensor name. Without runs, constants only are solved."""
    facts: dict[str, Fact] = {}
    for op in order:
        inputs = [facts.get(t.name, NOTHING) for t in op.inputs]
        for tensor in op.outputs:
            facts[tensor.name] = _fact(op, tensor, inputs, runs)
    return facts


def _fact(op: Any, tensor: Any, inputs: Sequence[Fact], runs: Sequence[Run]) -> Fact:
    if op.type in _SHAPES:
        position = tensor.value_index if op.type == "ShapeN" else 0
        static = op.inputs[position].shape
        sized = static.rank is None if op.type == "Rank" else not static.is_fully_defined()
        if sized and inputs[position].value_shaped:
            return NOTHING
        return _solved(op, tensor, Fact(structural=True, sized=sized), inputs, runs)
    if op.type in ("Const", "VariableShape"):
        return _solved(op, tensor, Fact(structural=True), inputs, runs)
    if op.type == "BroadcastGradientArgs":  # which axes were broadcast: the same at every size, whatever gave the size
        return _solved(op, tensor, Fact(structural=True, sized=True), inputs, runs)
    value_shaped = not tensor.shape.is_fully_defined() and (
        op.type in _VALUE_SHAPED or any(f.value_shaped for f in inputs) or _sized_by_values(op, inputs)
    )
    if op.type in _SHAPED_BY and _gives_shape(inputs[_SHAPED_BY[op.type]]):
        value_shaped = False
    structural = bool(inputs) and all(f.structural for f in inputs) and not op._is_stateful and not _has_body(op)
    if not structural:
        return Fact(value_shaped=value_shaped)
    sized = any(f.sized for f in inputs)
    honest = not sized or (all(f.honest for f in inputs) and _is_polynomial(op, inputs))
    return _solved(op, tensor, Fact(True, sized, honest, value_shaped), inputs, runs)


def _gives_shape(parameter: Fact) -> bool:
    """Whether a shape parameter says the whole shape: known, and without a -1 to be filled in."""
    solved = parameter.solved
    return isinstance(solved, tuple) and -1 not in solved


def _has_body(op: Any) -> bool:
    return any(value.HasField("func") or value.list.func for value in op.node_def.attr.values())


def _sized_by_values(op: Any, inputs: Sequence[Fact]) -> bool:
    row = TABLE.by_tf.get(op.type)
    if row is None:
        return False
    return any(
        name in _SIZE_PARAMETERS and not inputs[position % len(inputs)].structural
        for position, name in row.params.items()
        if -len(inputs) <= position < len(inputs)
    )


def _is_polynomial(op: Any, inputs: Sequence[Fact]) -> bool:
    """Whether what the two runs show of this operation holds at every size."""
    if op.type in _SELECTING:
        return not any(f.sized for f in inputs[1:])
    if op.type == "Cast":  # truncation is no polynomial
        return op.inputs[0].dtype.is_integer or inputs[0].known
    if op.type in _POLYNOMIAL:
        return True
    if op.type not in (*_DIVISIONS, "Maximum") or not all(f.known for f in inputs):
        return False
    pairs = _pairs(inputs[0].solved, inputs[1].solved)
    check = _max_is_monomial if op.type == "Maximum" else _divides
    return bool(pairs) and all(check(a, b) for a, b in pairs)


def _pairs(left: Attr, right: Attr) -> list[tuple[Dim, Dim]]:
    a = left if isinstance(left, tuple) else (left,)
    b = right if isinstance(right, tuple) else (right,)
    length = max(len(a), len(b))
    if {len(a), len(b)} - {1, length}:
        return []
    a, b = a * (length // len(a)), b * (length // len(b))
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if isinstance(x, int | str) and isinstance(y, int | str)]
    return pairs if len(pairs) == length else []


def _max_is_monomial(a: Dim, b: Dim) -> bool:
    """max(c * names, number) is c * names when c >= number, as names are at least one."""
    left, right = dims.monomial(a), dims.monomial(b)
    if left is None or right is None:
        return False
    (c, names), (d, others) = left, right
    return names == others or (not others and c >= d > 0) or (not names and d >= c > 0)


def _divides(a: Dim, b: Dim) -> bool:
    left, right = dims.monomial(a), dims.monomial(b)
    if left is None or right is None or not right[0] or left[0] % right[0]:
        return False
    rest = list(left[1])
    for name in right[1]:
        if name not in rest:
            return False
        rest.remove(name)
    return True


def _solved(op: Any, tensor: Any, fact: Fact, inputs: Sequence[Fact], runs: Sequence[Run]) -> Fact:
    """The fact with its solution, if there is one."""
    if not fact.honest or tensor.dtype in (tf.resource, tf.variant) or (op.type == "Range" and fact.sized):
        return fact
    values = [array(run.tensors[tensor.name]) for run in runs if tensor.name in run.tensors]
    if not fact.sized:
        value = values[0] if values else _static_value(tensor)
        return fact if value is None else Fact(True, False, True, fact.value_shaped, attribute(value), value)
    if len(values) < 2 or len(values) != len(runs):
        return fact
    solved = _solve(values, [run.sizes for run in runs])
    if solved is not None and not _has_name(solved):
        return Fact(True, False, True, fact.value_shaped, solved, values[0])
    return Fact(True, True, True, fact.value_shaped, solved)


def _static_value(tensor: Any) -> np.ndarray[Any, Any] | None:
    value = tf.get_static_value(tensor)
    return None if value is None else array(value)


def attribute(value: np.ndarray[Any, Any]) -> Attr:
    """A constant as an attribute: a number, or nested tuples; None if it is too large or no number."""
    if value.size > _LARGEST:
        return None
    if value.dtype.kind in "SUO":
        return _text(value.item()) if value.ndim == 0 else None
    return _tuples(value.tolist()) if value.dtype.kind in "fiub" else None


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, str) else None


def _tuples(value: Any) -> Attr:
    return tuple(_tuples(item) for item in cast("list[Any]", value)) if isinstance(value, list) else value


def _solve(values: Sequence[np.ndarray[Any, Any]], sizes: Sequence[Mapping[str, int]]) -> Attr:
    """Solve element by element; None unless every element is an integer at every size and has a solution."""
    first = values[0]
    if first.ndim > 2 or first.size > _LARGEST or any(v.shape != first.shape for v in values):
        return None
    if first.dtype.kind == "b":
        return _tuples(first.tolist()) if all(np.array_equal(first, v) for v in values) else None
    if first.dtype.kind not in "iuf" or any(not np.array_equal(v, np.round(v)) for v in values):
        return None
    if not all(np.all(np.isfinite(v)) for v in values):
        return None
    flat = [dims.solve([int(v.ravel()[i]) for v in values], sizes) for i in range(first.size)]
    if dims.UNKNOWN in flat:
        return None
    return _shaped(flat, first.shape)


def _has_name(solved: Attr) -> bool:
    return any(map(_has_name, solved)) if isinstance(solved, tuple) else isinstance(solved, str)


def _shaped(flat: list[Dim], shape: tuple[int, ...]) -> Attr:
    if not shape:
        return flat[0]
    step = len(flat) // shape[0] if shape[0] else 0
    return tuple(_shaped(flat[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0]))
