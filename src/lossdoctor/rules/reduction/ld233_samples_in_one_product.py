"""LD233: the rows of all samples are laid end to end, and one matrix product sums over them."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.dims import of_batch
from lossdoctor.graph.ir import Dim, LossGraph, Node
from lossdoctor.probes.batches import Batches
from lossdoctor.rules.mixing import mixing
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.tracing import source_of

RULE = Rule(code="LD233", name="samples-in-one-product", family="reduction", severity="warning")

_REDUCES = frozenset({"mean", "sum", "var", "std"})


@RULE.check
def samples_in_one_product(graph: LossGraph, dependence: Reading[Dependence], batches: Batches) -> Iterator[Suspicion]:
    if graph.stage != "traced":
        return
    for node in graph.where("matmul", role="forward"):
        rows = _summed(graph, node)
        # With the batch alone it is a correlation over the samples, as redundancy reduction takes it, and with means
        # over the batch taken away a covariance.
        if not of_batch(rows) or rows == "B" or any(map(of_batch, node.shape or ())) or not dependence[node].y_pred:
            continue
        one, two = (source_of(graph, arg) for arg in node.args)
        if one == two and not _over_the_batch(graph, node):
            size = " x ".join(map(str, node.shape or ()))
            yield mixing(
                RULE,
                node,
                f"`{node.call}` sums over the {rows} rows of all samples at once: one matrix of {size} for the batch, "
                "in which the samples are mixed, where each has its own; keep the batch axis",
                batches,
            )
            return


def _summed(graph: LossGraph, node: Node) -> Dim:
    """The axis that a matrix product sums over."""
    shape = graph[node.args[0]].shape or ("?", "?")
    return shape[-2] if node.attrs.get("transpose_a") else shape[-1]


def _over_the_batch(graph: LossGraph, node: Node) -> bool:
    """Whether what goes into a product was compared with a number of the whole batch."""
    for place in graph.graph.ancestors(node.id):
        found = graph[place]
        if found.op in _REDUCES and found.args:
            given, left = graph[found.args[0]].shape or (), found.shape or ()
            if any(map(of_batch, given)) and not any(map(of_batch, left)):
                return True
    return False
