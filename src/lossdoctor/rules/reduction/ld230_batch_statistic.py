"""LD230: the loss of a sample is made with a number of the whole batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lossdoctor.domains.axes import Broadcast
from lossdoctor.domains.coupling import relation_of_samples
from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.dims import monomial, of_batch
from lossdoctor.graph.ir import Dim, LossGraph, Node
from lossdoctor.ops import TABLE
from lossdoctor.probes.batches import Batches
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD230", name="batch-statistic", family="reduction", severity="warning")


@RULE.check
def batch_statistic(
    graph: LossGraph, dependence: Reading[Dependence], batches: Batches, broadcasts: tuple[Broadcast, ...]
) -> Iterator[Suspicion]:
    """A loss with a value for each sample, of which a reduction over all axes is a part: its axis was forgotten.

    A mean over the samples alone, feature by feature, is written on purpose, and so is a comparison of samples, or one
    score against the mean of the batch, unless it weighs the losses; what no gradient comes back from, and counts
    of labels, are weights; the largest error is a threshold.
    """
    shape = graph[graph.value].shape
    if graph.stage != "traced" or batches.relation != "coupled" or batches.evidence is None:
        return
    if not shape or not of_batch(shape[0]) or relation_of_samples(graph, broadcasts) is not None:
        return
    before, users = graph.graph.ancestors(graph.value), graph.graph.users()
    for node in graph.where(role="forward"):
        if node.id not in before or not (_global(graph, node) or _weighs(graph, dependence, users, node)):
            continue
        known = dependence[node]
        if not known.y_pred or known.link != "live" or (known.y_true and node.op in ("max", "min")):
            continue
        yield RULE.at(
            node,
            f"`{node.call}` is one number for the whole batch, so that the loss of a sample depends on the samples "
            "beside it: sample_weight, the last batch and replicas of tf.distribute change what it means",
            evidence="proved",
            symptom="batch-mismatch",
            pair=batches.evidence,
        )
        return


def _global(graph: LossGraph, node: Node) -> bool:
    """A reduction of the batch axis and of every other axis that is left beside it."""
    row = TABLE.by_name.get(node.op)
    if row is None or row.kind != "reduce" or not node.args or node.shape is None:
        return False
    source = graph[node.args[0]].shape
    axes = node.attrs.get("axis")
    if not source:
        return False
    if len(source) == 1:  # one number a sample, with no other axis that could have been meant, or all axes in one
        return _flattened(source[0]) and all(dim == 1 for dim in node.shape)
    if len(axes if isinstance(axes, tuple) else (axes,)) == 1 and axes is not None:
        return False  # over the samples alone, and somebody wrote so
    return any(map(of_batch, source)) and all(dim == 1 for dim in node.shape)


def _flattened(dim: Dim) -> bool:
    """Whether an axis is that of the batch with others merged into it."""
    found = monomial(dim)
    return found is not None and found[1].count("B") == 1 and found != (1, ("B",))


def _weighs(
    graph: LossGraph, dependence: Reading[Dependence], users: Mapping[int, tuple[int, ...]], node: Node
) -> bool:
    """Whether one mean of a number for each sample is a factor of numbers for each sample that depend on y_pred."""
    if node.op != "mean" or node.shape != () or len(graph[node.args[0]].shape or ()) != 1:
        return False
    stack, seen = [node.id], set[int]()
    while stack:
        place = stack.pop()
        for user in (graph[each] for each in users[place]):
            if user.id in seen or user.role != "forward":
                continue
            seen.add(user.id)
            if user.shape == ():
                stack.append(user.id)
            elif user.op in ("multiply", "divide") and user.shape is not None and any(map(of_batch, user.shape)):
                others = [graph[arg] for arg in user.args if arg != place]
                if any(dependence[other].connected and other.shape == user.shape for other in others):
                    return True
    return False
