"""LD106: the parts that y_true and y_pred are cut into leave one entry out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.ops import TABLE
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.session import Array

RULE = Rule(code="LD106", name="entry-left-out", family="no-gradient", severity="warning")

_CUTS = frozenset({"strided_slice", "split", "split_sizes", "unstack", "item"})
_LARGEST = 2**20  # numbers of a sample


@dataclass(frozen=True)
class _Parts:
    """The parts of an input that are computed with, each with the entries of the last axis that it holds."""

    nodes: tuple[tuple[Node, frozenset[int]], ...]
    size: int

    @property
    def left_out(self) -> frozenset[int]:
        return frozenset(range(self.size)).difference(*(entries for _, entries in self.nodes))


@RULE.check
def entry_left_out(graph: LossGraph) -> Iterator[Suspicion]:
    if graph.stage != "traced" or len(graph.y_true) != 1 or len(graph.y_pred) != 1:
        return
    true, pred = _parts(graph, graph.y_true[0]), _parts(graph, graph.y_pred[0])
    # Several entries that nothing reads are put there on purpose: padding, anchors, what another loss needs.
    if true is None or pred is None or true.left_out != pred.left_out or len(pred.left_out) != 1:
        return
    (entry,) = pred.left_out
    beside = [node for node, entries in pred.nodes if {entry - 1, entry + 1} & entries and len(entries) > 1]
    if len({entries for _, entries in pred.nodes}) < 2 or not beside:
        return
    parts = ", ".join(dict.fromkeys(f"`{node.call}`" for node, _ in pred.nodes))
    yield RULE.at(
        beside[-1],
        f"nothing reads y_pred[..., {entry}], nor y_true there: the parts {parts} leave it out, and it is never "
        "trained",
        evidence="proved",
    )


def _parts(graph: LossGraph, place: int) -> _Parts | None:
    """None for an input that is also read as a whole, or whose sizes are not known."""
    shape = graph[place].shape
    inner = [dim for dim in (shape or ()) if isinstance(dim, int)]
    if shape is None or not shape or not isinstance(shape[-1], int) or shape[-1] < 3:
        return None
    if int(np.prod(inner)) > _LARGEST:
        return None
    sizes = tuple(dim if isinstance(dim, int) else 2 for dim in shape)
    held: dict[int, Array | tuple[Array, ...]] = {place: np.broadcast_to(np.arange(shape[-1]), sizes)}
    read: dict[int, frozenset[int]] = {}
    for node in graph.where(role="forward"):
        given = [arg for arg in node.args if arg in held]
        if not given or node.op in ("dims", "shape", "zeros_like", "ones_like"):
            continue
        value = TABLE.by_name[node.op].value if node.op in _CUTS and len(node.args) == 1 else None
        if value is not None and _constant(node):
            held[node.id] = value(held[given[0]], **node.attrs)
            continue
        for arg in given:
            part = held[arg]
            if arg == place or isinstance(part, tuple):
                return None
            read[arg] = frozenset(int(entry) for entry in np.unique(part))
    return _Parts(tuple((graph[arg], entries) for arg, entries in read.items()), shape[-1]) if read else None


def _constant(node: Node) -> bool:
    """Whether where a part begins and ends is a number, and does not depend on the batch."""
    given = [each for value in node.attrs.values() for each in (value if isinstance(value, tuple) else (value,))]
    return not any(isinstance(each, str) for each in given)
