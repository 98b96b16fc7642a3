"""LD218: axis 0, the batch, is treated as time or as the order of classes."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.domains.samples import Rows, Samples, pairs_rows, samples
from lossdoctor.graph.dims import of_batch
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.probes.batches import Batches
from lossdoctor.rules.mixing import mixing
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD218", name="batch-as-sequence", family="shape", severity="warning")

_SORTS = ("sort", "argsort", "top_k")


@RULE.check
def wrong_samples_meet(graph: LossGraph, batches: Batches, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    """Targets meet the predictions of other samples, and never those of their own."""
    if graph.stage != "traced" or batches.relation not in ("coupled", "unknown"):
        return
    rows = samples(graph)
    before = graph.graph.ancestors(graph.value)
    met = [node for node in graph.where(role="forward") if node.id in before and pairs_rows(node)]
    meetings = [(node, pair) for node in met if (pair := _target_and_prediction(node, dependence)) is not None]
    apart = [(node, pair) for node, pair in meetings if _differ(rows, pair)]
    if not apart or any(_agree(rows, pair) for _, pair in meetings):
        return  # samples of the same meet as well: the others are negatives
    node, (target, prediction) = apart[0]
    if not _has_other_axes(graph, target) and not _has_other_axes(graph, prediction):
        return  # numbers, not vectors or sequences: a batch may be a series
    yield mixing(
        RULE,
        _moved(graph, rows, target) or _moved(graph, rows, prediction) or node,
        f"`{' '.join(node.call.split())}` takes {rows[target].rows} of y_true with {rows[prediction].rows} of y_pred: "
        "axis 0 is the batch, so that each prediction is compared with the target of another sample; time is on axis 1",
        batches,
    )


@RULE.check
def added_up_over_samples(graph: LossGraph, batches: Batches, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    """A cumulative sum, product or maximum along the batch, of vectors that nobody sorted."""
    if graph.stage != "traced" or batches.relation not in ("coupled", "unknown"):
        return
    if any(graph.where(*_SORTS, role="forward")):
        return  # risk sets: the samples were put in order first
    before = graph.graph.ancestors(graph.value)
    for node in graph.where(role="forward"):
        if node.id not in before or not node.op.startswith("cumulative_") or not dependence[node].connected:
            continue
        source = graph[node.args[0]].shape
        axis = node.attrs.get("axis", 0)
        if not source or axis not in (0, -len(source)) or not of_batch(source[0]):
            continue
        if all(dim == 1 for dim in source[1:]):
            continue
        shape = ", ".join(str(dim) for dim in source)
        yield mixing(
            RULE,
            node,
            f"`{node.call}` runs along axis 0 of ({shape}), which is the batch: the loss of a sample contains all "
            "samples before it; `axis=-1` runs along each sample's own numbers",
            batches,
        )
        return


def _target_and_prediction(node: Node, dependence: Reading[Dependence]) -> tuple[int, int] | None:
    """The arguments of a node that hold targets alone and predictions, if there is one of each."""
    targets = [arg for arg in node.args if dependence[arg].y_true and not dependence[arg].y_pred]
    predictions = [arg for arg in node.args if dependence[arg].y_pred and not dependence[arg].y_true]
    return (targets[0], predictions[0]) if targets and predictions else None


def _moved(graph: LossGraph, rows: Reading[Samples], place: int) -> Node | None:
    """The operation after which the rows of a tensor are no longer those of the input, if there is one."""
    node = graph[place]
    while rows[node].rows != Rows():
        before = next((arg for arg in node.args if rows[arg].rows is not None), None)
        if before is None or rows[before].rows == Rows():
            return node
        node = graph[before]
    return None


def _differ(rows: Reading[Samples], pair: tuple[int, int]) -> bool:
    one, other = (rows[place].rows for place in pair)
    return one is not None and other is not None and one != other


def _agree(rows: Reading[Samples], pair: tuple[int, int]) -> bool:
    one, other = (rows[place].rows for place in pair)
    return one is not None and one == other


def _has_other_axes(graph: LossGraph, place: int) -> bool:
    """Whether the input behind a node has an axis beside the batch that is longer than one."""
    inputs = [graph[number] for number in graph.graph.ancestors(place) if graph[number].op == "input"]
    return any(dim != 1 for node in inputs for dim in (node.shape or ())[1:])
