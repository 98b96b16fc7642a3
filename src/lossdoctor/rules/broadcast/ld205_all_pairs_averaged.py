"""LD205: every target is taken with every prediction of the batch, and all pairs count alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lossdoctor.domains.axes import Broadcast
from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.dims import of_batch
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.ops import TABLE
from lossdoctor.probes.batches import Batches
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD205", name="all-pairs-averaged", family="broadcast", severity="error")

_PASSES = frozenset({"reshape", "permute_dims", "astype", "identity", "expand_dims", "squeeze", "stop_gradient"})


@RULE.check
def all_pairs_averaged(
    graph: LossGraph, batches: Batches, dependence: Reading[Dependence], broadcasts: tuple[Broadcast, ...]
) -> Iterator[Suspicion]:
    """The only pairs are of targets with predictions, and nothing tells a sample's own target from the others."""
    if graph.stage != "traced" or batches.evidence is None or any(found.accidental for found in broadcasts):
        return
    before = graph.graph.ancestors(graph.value)
    made = [node for node in graph.where(role="forward") if node.id in before and _makes_pairs(graph, node, dependence)]
    if len(made) != 1 or not _of_both(made[0], dependence):
        return  # pairs of predictions or of targets as well: a distance between two sets
    node = made[0]
    mean = _averaged(graph, graph.graph.users(), node, before)
    if mean is None:
        return
    yield RULE.at(
        node,
        f"`{' '.join(node.call.split())}` takes every target of the batch with every prediction, shape "
        f"({', '.join(map(str, node.shape or ()))}), and `{' '.join(mean.call.split())}` counts them all alike: "
        "the loss does not know which target belongs to which prediction",
        evidence="proved",
        symptom="batch-mismatch",
        pair=batches.evidence,
    )


def _makes_pairs(graph: LossGraph, node: Node, dependence: Reading[Dependence]) -> bool:
    """The first node with two axes of the batch, of arguments that have one each."""
    row = TABLE.by_name.get(node.op)
    if row is None or row.kind not in ("elementwise", "matmul"):
        return False  # a gather, of which LD206 knows more
    arguments = [arg for arg in node.args if dependence[arg].on_data]
    return _axes(node) > 1 and len(arguments) > 1 and all(_axes(graph[arg]) < 2 for arg in arguments)


def _of_both(node: Node, dependence: Reading[Dependence]) -> bool:
    sources = [dependence[arg] for arg in node.args if dependence[arg].on_data]
    targets = [found for found in sources if found.y_true and not found.y_pred]
    return len(targets) == 1 and any(found.connected and not found.y_true for found in sources)


def _averaged(
    graph: LossGraph, users: Mapping[int, tuple[int, ...]], node: Node, before: frozenset[int]
) -> Node | None:
    """The mean or sum over the pairs that every way from them leads to, with nothing between that tells them apart."""
    found: Node | None = None
    stack, seen = [node.id], {node.id}
    while stack:
        for user in users[stack.pop()]:
            reader = graph[user]
            if reader.role != "forward" or user not in before or user in seen:
                continue
            seen.add(user)
            if reader.op in ("sum", "mean") and _axes(reader) < _axes(graph[reader.args[0]]):
                found = found or reader
            elif _alike(graph, reader, seen):
                stack.append(user)
            else:
                return None
    return found


def _alike(graph: LossGraph, reader: Node, pairs: set[int]) -> bool:
    """Whether an operation does the same to every pair."""
    if reader.op in _PASSES or (reader.op in ("sum", "mean") and _axes(reader) > 1):
        return True
    row = TABLE.by_name.get(reader.op)
    others = [graph[arg] for arg in reader.args if arg not in pairs]
    return row is not None and row.kind == "elementwise" and not any(map(_axes, others))


def _axes(node: Node) -> int:
    """How many axes of the batch a node has."""
    return sum(map(of_batch, node.shape or ()))
