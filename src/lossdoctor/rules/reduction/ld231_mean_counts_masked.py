"""LD231: entries are masked out, and the mean counts them all the same."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.ir import Dim, LossGraph, Node
from lossdoctor.probes.batches import Batches
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.tracing import input_behind
from lossdoctor.spec import Contract, Spec

RULE = Rule(code="LD231", name="mean-counts-masked", family="reduction", severity="warning")

# What a mask passes through on its way from the comparison, and the product of it on its way to the mean.
_SHAPES = frozenset(
    {"astype", "reshape", "expand_dims", "squeeze", "identity", "stop_gradient", "broadcast_to", "any", "all"}
)
_KEEPS_ZERO = frozenset({"negative", "abs", "square", "identity", "astype", "reshape", "expand_dims", "squeeze", "sum"})
_ELEMENTWISE = (_KEEPS_ZERO - {"sum"}) | {"subtract", "add", "maximum", "minimum", "sqrt"}
_SIZES = frozenset({"shape", "size"})
_SEGMENTS = frozenset({"unsorted_segment_sum", "segment_sum"})
_DEEP = 12  # operations between the mask and the mean


@dataclass(frozen=True, slots=True)
class Mask:
    """A comparison of y_true with the one value that stands for an entry that does not count."""

    comparison: int
    value: float
    factor: int  # the node by whose shape it enters the product


@RULE.check
def mean_counts_masked(graph: LossGraph, dependence: Reading[Dependence], contract: Contract) -> Iterator[Suspicion]:
    """All that depends on y_pred is masked, then averaged over an axis along which the mask varies, and what the mask
    leaves is never counted. A mask of one class among others (`y_true == 3`) is a choice, not a padding."""
    labels, predictions = contract.y_true, contract.y_pred
    if graph.stage != "traced" or not isinstance(labels, Spec) or not isinstance(predictions, Spec):
        return
    for node in graph.where("mean", role="forward"):
        if not dependence[node].connected:
            continue
        mask = _mask(graph, node.args[0], labels, _DEEP)
        if mask is None or not _alone(graph, node, mask):
            continue
        along = _along(graph, node, mask)
        if along is None:
            continue
        places = [spec.dims.index(along) for spec in (labels, predictions) if along in spec.dims]
        what = "NaN" if math.isnan(mask.value) else f"{mask.value:g}"
        yield RULE.at(
            node,
            f"`{node.call}` divides by all entries, also by those that are masked because y_true is {what}: the more "
            "of them a sample has, the less it counts; divide the sum by the sum of the mask",
            evidence="proved",
            # That a real number stands for a gap is the author's word: what entries of such a target weigh is a choice.
            severity=None if labels.kind == "label" or labels.missing else "info",
            symptom="padding-counts" if len(places) == 2 else None,
            arguments={"value": mask.value, "axes": tuple(places)},
            replay="welcome",
        )
        return


@RULE.check
def mean_counts_padding(
    graph: LossGraph, dependence: Reading[Dependence], batches: Batches, contract: Contract
) -> Iterator[Suspicion]:
    """Ragged rows are padded with zeros to the length of the longest of the batch, and all of them are averaged: the
    loss of a row is another one beside a longer row."""
    if graph.stage != "traced" or contract.ragged is None or batches.relation != "coupled" or batches.evidence is None:
        return
    for node in graph.where("mean", "divide", role="forward"):
        if dependence[node].connected and (padded := _padded(graph, node)) is not None:
            yield RULE.at(
                node,
                f"`{' '.join(node.call.split())}` divides by the length of the longest row of the batch, also for "
                f"rows that `{' '.join(padded.call.split())}` has padded with zeros: the loss of a row depends on the "
                "rows beside it; divide the sum by row_lengths()",
                evidence="proved",
                symptom="batch-mismatch",
                pair=batches.evidence,
            )
            return


def _padded(graph: LossGraph, node: Node) -> Node | None:
    """The padded rows that a mean runs over, or whose sum is divided by a number of their shape alone."""
    place = node.args[0]
    if node.op == "divide":
        below = graph.graph.ancestors(node.args[1]) | {node.args[1]}
        if not any(graph[each].op in _SIZES for each in below) or any(graph[each].op in _SEGMENTS for each in below):
            return None
        while graph[place].op in _KEEPS_ZERO - {"sum"}:
            place = graph[place].args[0]
        if graph[place].op != "sum":
            return None
        node, place = graph[place], graph[place].args[0]
    axes = node.attrs.get("axis")
    if not (axes is None or 1 in (axes if isinstance(axes, tuple) else (axes,)) or -1 in (axes,)):
        return None
    while graph[place].op in _ELEMENTWISE and graph[place].args:
        place = graph[place].args[0]
    return graph[place] if graph[place].op == "ragged_to_dense" else None


def _mask(graph: LossGraph, place: int, labels: Spec, depth: int) -> Mask | None:
    """The mask by which a value is zero where an entry does not count; None without one."""
    node = graph[place]
    if depth == 0 or not node.args:
        return None
    if node.op == "multiply":
        found = [_comparison(graph, arg, labels, True, arg, depth) for arg in node.args]
        found += [_mask(graph, arg, labels, depth - 1) for arg in node.args]
        return next((each for each in found if each is not None), None)
    if node.op == "divide" or node.op in _KEEPS_ZERO:
        return _mask(graph, node.args[0], labels, depth - 1)
    if node.op in ("add", "subtract"):  # t·m − p·m
        one, other = (_mask(graph, arg, labels, depth - 1) for arg in node.args[:2])
        return one if one is not None and other is not None and one.comparison == other.comparison else None
    if node.op == "where":
        for branch, counts in ((2, True), (1, False)):
            if _zero(graph[node.args[branch]]):
                return _comparison(graph, node.args[0], labels, counts, node.args[0], depth)
    return None


def _comparison(graph: LossGraph, place: int, labels: Spec, counts: bool, factor: int, depth: int) -> Mask | None:
    """A mask that is true, or not with `counts` False, for entries that count."""
    node = graph[place]
    while depth and (node.op in _SHAPES or node.op == "logical_not" or _complement(graph, node)):
        if node.op == "logical_not" or node.op == "subtract":
            counts = not counts
        node, depth = graph[node.args[-1] if node.op == "subtract" else node.args[0]], depth - 1
    if node.op in ("isnan", "isfinite"):
        known = labels.missing and counts is (node.op == "isfinite") and input_behind(graph, node.args[0]) is not None
        return Mask(node.id, math.nan, factor) if known else None
    if node.op not in ("equal", "not_equal", "greater") or len(node.args) != 2:
        return None
    left, right = node.args
    if node.op != "greater" and graph[left].constant is not None:
        left, right = right, left
    value, source = graph[right].constant, input_behind(graph, left)
    if value is None or value.size != 1 or source not in graph.y_true or counts is (node.op == "equal"):
        return None
    number = float(value.ravel()[0])
    if labels.kind == "label":
        able = number in range(labels.classes or 0) and (node.op != "greater" or number == 0)
    elif labels.kind == "positive":
        able = number == 0
    else:
        able = labels.kind == "real" and node.op != "greater"
    return Mask(node.id, number, factor) if able else None


def _complement(graph: LossGraph, node: Node) -> bool:
    """`1 - mask`"""
    if node.op != "subtract":
        return False
    one = graph[node.args[0]].constant
    return one is not None and one.size == 1 and float(one.ravel()[0]) == 1.0


def _zero(node: Node) -> bool:
    return node.op == "zeros_like" or (node.constant is not None and node.constant.size > 0 and not node.constant.any())


def _along(graph: LossGraph, mean: Node, mask: Mask) -> Dim | None:
    """An axis beside the batch over which the mean runs and along which the mask is not one number."""
    source, factor = graph[mean.args[0]].shape, graph[mask.factor].shape
    axes = mean.attrs.get("axis")
    if not source or not factor:
        return None
    places = range(len(source)) if axes is None else axes if isinstance(axes, tuple) else (axes,)
    averaged = [source[axis] for axis in places if isinstance(axis, int)]
    return next((dim for dim in averaged if dim not in ("B", 1) and dim in factor), None)


def _alone(graph: LossGraph, mean: Node, mask: Mask) -> bool:
    """Whether y_pred reaches the loss through this mean only, and nothing after it knows the mask."""
    graph_, users = graph.graph, graph.graph.users()
    needed = graph_.ancestors(graph.value) | {graph.value}
    after, stack = {mean.id}, [mean.id]
    while stack:
        new = {user for user in users[stack.pop()] if user in needed} - after
        after |= new
        stack += new
    beside = {arg for place in after - {mean.id} for arg in graph[place].args} - after
    known = graph_.ancestors(*beside) if beside else frozenset[int]()
    return mask.comparison not in known and not any(place in known for place in graph.y_pred)
