"""LD228: a softmax of predictions runs over the samples of the batch."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.axes import Broadcast
from lossdoctor.domains.coupling import relation_of_samples
from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.dims import of_batch
from lossdoctor.graph.ir import Dim, LossGraph, Node
from lossdoctor.probes.batches import Batches
from lossdoctor.rules.mixing import mixing
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD228", name="softmax-over-batch", family="reduction", severity="warning")


@RULE.check
def softmax_over_batch(
    graph: LossGraph, broadcasts: tuple[Broadcast, ...], batches: Batches, dependence: Reading[Dependence]
) -> Iterator[Suspicion]:
    """Scores of several outputs are normalised over the samples, in a loss that compares no samples on purpose."""
    if graph.stage != "traced" or batches.relation != "coupled" or relation_of_samples(graph, broadcasts) is not None:
        return
    for node in graph.where("softmax", "log_softmax", "divide", role="forward"):
        shape = _scores(graph, node)
        if shape is None or not dependence[node].connected:
            continue
        rest = ", ".join(str(dim) for dim in shape)
        yield mixing(
            RULE,
            node,
            f"`{node.call}` normalises over the batch, axis 0 of ({rest}): the samples compete with each other, and a "
            "batch of one always gives 1; `axis=-1` normalises the outputs of a sample",
            batches,
        )
        return


def _scores(graph: LossGraph, node: Node) -> tuple[Dim, ...] | None:
    """The shape of what is normalised over its samples, where it has other axes to normalise over."""
    source = graph[node.args[0]]
    if source.shape is None or len(source.shape) < 2:
        return None
    if node.op == "divide":  # exp(x) / sum(exp(x), axis=0)
        total = graph[node.args[1]]
        if source.op != "exp" or total.op != "sum" or total.args[0] != source.id:
            return None
        axis = total.attrs.get("axis")
        axis = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
        if not isinstance(axis, int) or not of_batch(source.shape[axis]):
            return None
        shape = source.shape
    else:  # TensorFlow brings the axis to the end and back
        order = source.attrs.get("axes")
        if source.op != "permute_dims" or not isinstance(order, tuple) or not of_batch(source.shape[-1]):
            return None
        shape = graph[source.args[0]].shape
    others = [dim for dim in shape or () if not of_batch(dim)]
    return shape if shape and any(dim != 1 for dim in others) else None
