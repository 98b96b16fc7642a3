"""LD206: a gather takes, for every row, the entries of all samples instead of the row's own."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.dims import of_batch
from lossdoctor.graph.ir import LossGraph
from lossdoctor.probes.batches import Batches
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD206", name="gathered-for-all", family="shape", severity="warning")


@RULE.check
def gathered_for_all(graph: LossGraph, dependence: Reading[Dependence], batches: Batches) -> Iterator[Suspicion]:
    """Both operands have the batch axis, and no batch_dims says that the two are the same."""
    if graph.stage != "traced" or batches.evidence is None:
        return
    for node in graph.where("take", role="forward"):
        source, indices = graph[node.args[0]], graph[node.args[1]]
        axis = node.attrs.get("axis", 0)
        if node.attrs.get("batch_dims") or not isinstance(axis, int) or not source.shape or not indices.shape:
            continue
        rows = [place for place, dim in enumerate(source.shape) if of_batch(dim)]
        if not rows or axis % len(source.shape) in rows or not any(map(of_batch, indices.shape)):
            continue
        if dependence[indices].y_true and dependence[source].y_pred:
            shape = ", ".join(str(dim) for dim in node.shape or ())
            yield RULE.at(
                node,
                f"`{node.call}` takes the entries of all samples for each of them, and gives ({shape}): "
                "batch_dims=1 takes each row's own",
                evidence="proved",
                symptom="batch-mismatch",
                pair=batches.evidence,
            )
