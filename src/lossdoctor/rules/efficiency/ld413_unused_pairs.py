"""LD413: all pairs of the batch are computed, and only each sample with itself is used."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.graph.dims import of_batch
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.ops import TABLE
from lossdoctor.rules.efficiency.memory import largest, said
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD413", name="unused-pairs", family="efficiency", severity="warning")

_MOVES = frozenset({"permute_dims", "reshape", "squeeze", "expand_dims", "identity", "stop_gradient"})
# An axis that is summed away: products of features, distances.
_SUMS = frozenset({"sum", "mean", "max", "min"})


@RULE.check
def unused_pairs(graph: LossGraph) -> Iterator[Suspicion]:
    if graph.stage != "traced":
        return
    users = graph.graph.users()
    for node in graph.where("matrix_diag_part", "multiply", role="forward"):
        pairs = _pairs(graph, node)
        if pairs is None:
            continue
        shape = pairs.shape
        if shape is None or len(shape) < 2 or shape[-1] != shape[-2] or not of_batch(shape[-1]):
            continue
        table = _table(graph, pairs)
        readers = {user for place in table for user in users[place] if _computes(graph[user])} - table - {node.id}
        if table and not readers:
            size = shape[-1]
            heaviest = largest(graph, {pairs.id, *graph.graph.ancestors(pairs.id)})
            memory = "" if heaviest is None else said(heaviest)
            yield RULE.at(
                pairs,
                f"`{pairs.call}` computes all {size}×{size} pairs, of which `{node.call}` uses the {size} on the "
                f"diagonal: memory and time grow with the square of the batch{memory and ': ' + memory}",
                evidence="proved",
                symptom="grows-squared",
                replay="welcome",
            )


def _pairs(graph: LossGraph, node: Node) -> Node | None:
    """The matrix of which only the diagonal goes on: read by `diag_part`, or multiplied with an identity matrix."""
    if node.op == "matrix_diag_part":
        return graph[node.args[0]]
    for matrix, other in (node.args, node.args[::-1]):
        if graph[other].op == "matrix_diag" and graph[graph[other].args[0]].op in ("full", "constant", "ones_like"):
            return graph[matrix]
    return None


def _table(graph: LossGraph, pairs: Node) -> set[int]:
    """The tables from which these pairs are computed, entry by entry; empty where an entry is made of several, as a
    softmax is."""
    found: set[int] = set()
    stack = [pairs.id]
    while stack:
        node = graph[stack.pop()]
        if node.id in found or sum(map(of_batch, node.shape or ())) < 2:
            continue
        row = TABLE.by_name.get(node.op)
        below = [arg for arg in node.args if sum(map(of_batch, graph[arg].shape or ())) >= 2]
        features = node.op in _SUMS and sum(map(of_batch, node.shape or ())) == 2  # both axes of the batch are left
        if below and node.op not in _MOVES and not features and (row is None or row.kind != "elementwise"):
            return set()
        found.add(node.id)
        stack += below
    return found


def _computes(node: Node) -> bool:
    return node.role == "forward" and node.op not in ("dims", "shape", "zeros_like", "ones_like")
