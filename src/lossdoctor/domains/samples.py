"""Which sample of the batch each row of a tensor belongs to.

`y_true[1:]` holds sample 1 in its first row, `tf.reverse(y, axis=[0])` the last one. Two tensors whose rows belong to
different samples should not meet row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from lossdoctor.domains.interpret import Reading, interpret
from lossdoctor.graph.dims import UNKNOWN, of_batch
from lossdoctor.graph.ir import Graph, LossGraph, Node
from lossdoctor.ops import TABLE


@dataclass(frozen=True, slots=True)
class Rows:
    """Row i of the first axis belongs to sample `start` + i, counted from the end where `reversed`."""

    start: int = 0
    reversed: bool = False

    def __str__(self) -> str:
        if self.reversed:
            return "the samples in reverse order"
        return f"the samples from number {self.start} on" if self.start else "the samples in their order"


@dataclass(frozen=True, slots=True)
class Samples:
    """`rows` is None where the tensor has no row for each sample, or it cannot be told which."""

    rows: Rows | None = None


_MOVES = frozenset({"reshape", "expand_dims", "squeeze", "ensure_shape"})
_SAME = frozenset({"astype", "identity", "stop_gradient", "check_numerics", "item", "pad"})
_PAIRED = frozenset({"sparse_softmax_cross_entropy", "softmax_cross_entropy"})


class SamplesDomain:
    """`interpret`'s domain of samples."""

    name = "samples"

    def top(self, node: Node) -> Samples:
        return Samples()

    def transfer(self, node: Node, args: Sequence[Samples], graph: Graph) -> Samples:
        if not args:
            return Samples()
        if node.op not in _PAIRED and not _leads(node) and node.dtype != "tuple":
            return Samples()
        return Samples(_rows(node, args, graph))


def samples(loss: LossGraph) -> Reading[Samples]:
    """The samples of the rows of every node."""
    inputs = {place: Samples(Rows() if _leads(loss[place]) else None) for place in (*loss.y_true, *loss.y_pred)}
    return interpret(loss.graph, SamplesDomain(), inputs)


def pairs_rows(node: Node) -> bool:
    """Whether an operation takes the rows of its arguments together, one by one."""
    row = TABLE.by_name.get(node.op)
    return len(node.args) > 1 and (node.op in _PAIRED or (row is not None and row.kind == "elementwise"))


def _leads(node: Node) -> bool:
    """Whether the first axis has the batch in it, as far as its size tells."""
    return bool(node.shape) and (node.shape[0] == UNKNOWN or of_batch(node.shape[0]))


def _rows(node: Node, args: Sequence[Samples], graph: Graph) -> Rows | None:
    first = args[0].rows
    row = TABLE.by_name.get(node.op)
    kind = "" if row is None else row.kind
    if pairs_rows(node) or kind == "elementwise":
        known = {arg.rows for arg in args if arg.rows is not None}
        return next(iter(known)) if len(known) == 1 else None
    if node.op == "strided_slice":
        return _sliced(node, first)
    if node.op == "flip":
        return _flipped(node, first)
    if node.op in _SAME or node.op in _MOVES:
        return first
    axes = node.attrs.get("axis")
    if kind in ("reduce", "scan"):
        along = axes if isinstance(axes, tuple) else (axes,)
        rank = len(graph[node.args[0]].shape or ())
        return None if None in along or any(isinstance(axis, int) and axis in (0, -rank) for axis in along) else first
    if node.op == "permute_dims":
        order = node.attrs.get("axes")
        return first if isinstance(order, tuple) and order[:1] == (0,) else None
    return None


def _sliced(node: Node, source: Rows | None) -> Rows | None:
    names = ("begin", "ellipsis", "new_axis", "shrink_axis")
    masks = {name: cast("int", node.attrs.get(f"{name}_mask", 0)) & 1 for name in names}
    if source is None or masks["new_axis"]:
        return None
    begin, strides = node.attrs.get("begin"), node.attrs.get("strides")
    if masks["ellipsis"]:
        return source
    if not isinstance(begin, tuple) or not isinstance(strides, tuple) or masks["shrink_axis"]:
        return None
    start = 0 if masks["begin"] else begin[0]
    if strides[:1] == (-1,) and masks["begin"] and not source.start:
        return Rows(reversed=not source.reversed)
    if strides[:1] != (1,) or not isinstance(start, int) or start < 0:
        return None
    return source if not start else Rows(source.start + start, source.reversed)


def _flipped(node: Node, source: Rows | None) -> Rows | None:
    axes = node.attrs.get("axis")
    along = axes if isinstance(axes, tuple) else (axes,)
    if source is None or None in along:
        return None
    if not any(isinstance(axis, int) and axis in (0, -len(node.shape or ())) for axis in along):
        return source
    return None if source.start else Rows(reversed=not source.reversed)
