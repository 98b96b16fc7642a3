"""LD415: rows are scaled by a product with a diagonal matrix of batch size."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lossdoctor.graph.ir import Dim, LossGraph, Node
from lossdoctor.rules.efficiency.memory import said
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD415", name="diagonal-product", family="efficiency", severity="warning")


@RULE.check
def diagonal_product(graph: LossGraph) -> Iterator[Suspicion]:
    if graph.stage != "traced":
        return
    for node in graph.where("matmul", role="forward"):
        for arg in node.args:
            if _scales(graph, graph[arg]):
                yield RULE.at(
                    node,
                    f"`{' '.join(node.call.split())}` multiplies with a diagonal matrix, which has the square of the "
                    f"batch as entries ({said(graph[arg]) or 'B×B'}) and does what an elementwise product with its "
                    "diagonal does",
                    evidence="proved",
                    symptom="grows-squared",
                    replay="welcome",
                )
                break


def _scales(graph: LossGraph, node: Node) -> bool:
    """A diagonal matrix made of one number a sample."""
    while node.op in ("identity", "permute_dims", "astype"):
        node = graph[node.args[0]]
    return node.op == "matrix_diag" and node.shape is not None and len(node.shape) == 2 and _batch(node.shape[-1])


def _batch(dim: Dim) -> bool:
    return isinstance(dim, str) and re.search(r"\bB\b", dim) is not None
