"""LD204: a vector is transposed, or put on the same axis twice, to make pairs of it, and none are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.dims import of_batch
from lossdoctor.graph.identical import identical
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.ops import TABLE
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD204", name="pairs-not-made", family="broadcast", severity="warning")

_SAME = frozenset({"astype", "identity", "stop_gradient"})
_COMPARES = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "subtract", "squared_difference")
_PLACES = frozenset({"expand_dims", "reshape", "strided_slice", "permute_dims"})


@RULE.check
def transposed_vector(graph: LossGraph, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    """A transposition of a tensor of rank 1 that meets another tensor of rank 1."""
    if graph.stage != "traced":
        return
    users = graph.graph.users()
    for node in graph.where("permute_dims", role="forward"):
        if node.shape is None or len(node.shape) != 1 or not of_batch(node.shape[0]) or not dependence[node].on_data:
            continue
        meeting = _meeting(graph, users, node, _plain(graph, node.args[0]))
        if meeting is not None:
            yield RULE.at(
                node,
                f"`{node.call}` transposes a vector, shape ({node.shape[0]},), which changes nothing: "
                f"`{meeting.call}` takes each sample with itself only, and no pairs are made; "
                "`x[:, None]` and `x[None, :]` make pairs",
                evidence="proved",
                symptom="targets-exchanged" if not dependence[node].y_pred else "operation-on-shapes",
                arguments=_taken(graph, node),
                replay="welcome",
            )
            return


@RULE.check
def same_axis_twice(graph: LossGraph, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    """`x[:, None] == x[:, None]`: a comparison of a column of samples with itself."""
    if graph.stage != "traced":
        return
    for node in graph.where(*_COMPARES, role="forward"):
        left, right = (graph[arg] for arg in node.args[:2])
        shape = left.shape or ()
        if len(shape) < 2 or sum(map(of_batch, shape)) != 1 or not dependence[node].on_data:
            continue
        if 1 in shape and _placed(left) and left.id != right.id and identical(graph.graph, left.id, right.id):
            yield RULE.at(
                node,
                f"`{node.call}` takes ({', '.join(map(str, shape))}) with itself: each sample meets itself only, and "
                "no pairs are made; one side needs its new axis in the other place",
                evidence="proved",
                symptom="targets-exchanged" if not dependence[node].y_pred else "operation-on-shapes",
                arguments=_taken(graph, node),
                replay="welcome",
            )
            return


def _taken(graph: LossGraph, node: Node) -> dict[str, object]:
    """The operation, as a script finds it in the graph."""
    return {"types": TABLE.by_name[node.op].tf, "shapes": tuple(graph[arg].shape or () for arg in node.args)}


def _placed(node: Node) -> bool:
    """Whether the node gives what it gets another axis."""
    return node.op in _PLACES and (node.op != "strided_slice" or bool(node.attrs.get("new_axis_mask")))


def _meeting(graph: LossGraph, users: Mapping[int, tuple[int, ...]], node: Node, source: int) -> Node | None:
    """The elementwise operation in which the vector meets itself, not transposed."""
    for user in users[node.id]:
        reader = graph[user]
        row = TABLE.by_name.get(reader.op)
        if reader.role != "forward":
            continue
        if reader.op in _SAME:
            found = _meeting(graph, users, reader, source)
            if found is not None:
                return found
        elif row is not None and row.kind == "elementwise" and reader.shape == node.shape:
            if all(arg == node.id or _plain(graph, arg) != source for arg in reader.args):
                continue
            return reader
    return None


def _plain(graph: LossGraph, place: int) -> int:
    """The node of which another is a cast or a copy."""
    node = graph[place]
    while node.op in _SAME:
        node = graph[node.args[0]]
    return node.id
