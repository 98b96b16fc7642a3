"""LD504: targets with a fraction are cast to integers."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.tracing import input_behind
from lossdoctor.spec import Contract, Spec

_STEPS = 8  # operations between the labels and the cast

RULE = Rule(code="LD504", name="fraction-lost", family="dtype", severity="warning")


@RULE.check
def fraction_lost(graph: LossGraph, contract: Contract) -> Iterator[Suspicion]:
    """All of y_true, of a kind between 0 and 1, is truncated. A part of it may hold class numbers."""
    labels = contract.y_true
    if graph.stage != "traced" or not isinstance(labels, Spec) or labels.kind not in ("unit", "probability"):
        return
    for node in graph.where("astype", role="forward"):
        source = graph[node.args[0]]
        if not node.dtype.startswith(("int", "uint")) or not source.dtype.startswith(("float", "bfloat")):
            continue
        if input_behind(graph, source.id) in graph.y_true and source.shape == graph[graph.y_true[0]].shape:
            yield RULE.at(
                node,
                f"`{node.call}` casts y_true to {node.dtype}: everything below 1 becomes 0",
                evidence="proved",
                symptom="fractions-alike",
                replay="welcome",
            )
            return


@RULE.check
def smoothed_numbers(graph: LossGraph, contract: Contract) -> Iterator[Suspicion]:
    """Label smoothing of the numbers of classes instead of their one-hot rows, cut to integers again.

    A slope of half or less makes groups of classes, as one may want.
    """
    labels = contract.y_true
    if graph.stage != "traced" or not isinstance(labels, Spec) or labels.kind != "label" or not labels.classes:
        return
    for node in graph.where("astype", role="forward"):
        if not node.dtype.startswith(("int", "uint")):
            continue
        slope, offset = _line(graph, node.args[0], _STEPS) or (1.0, 0.0)
        moved = [label for label in range(labels.classes) if int(slope * label + offset) != label]
        if 0.5 < slope < 1.0 and offset >= 0.0 and moved:
            first, becomes = moved[0], int(slope * moved[0] + offset)
            yield RULE.at(
                node,
                f"`{' '.join(node.call.split())}` cuts {slope:g} times the number of a class, plus {offset:g}, to an "
                f"integer: class {first} becomes class {becomes}; label smoothing is for one-hot rows",
                evidence="proved",
                symptom="classes-alike" if first > 0 else None,
                arguments={"first": becomes, "second": first},
                replay="welcome",
            )
            return


def _line(graph: LossGraph, place: int, steps: int) -> tuple[float, float] | None:
    """Slope and offset by which a node is computed from y_true; None for anything else."""
    if input_behind(graph, place) in graph.y_true:
        return 1.0, 0.0
    node = graph[place]
    if node.op in ("astype", "identity") and steps:
        return _line(graph, node.args[0], steps - 1)
    if node.op not in ("add", "subtract", "multiply", "divide") or not steps:
        return None
    for moving, other in ((0, 1), (1, 0)):
        number = graph[node.args[other]].constant
        line = _line(graph, node.args[moving], steps - 1) if number is not None and number.size == 1 else None
        if line is None or number is None:
            continue
        slope, offset, value = *line, float(number.reshape(-1)[0])
        if node.op == "add":
            return slope, offset + value
        if node.op == "multiply":
            return slope * value, offset * value
        if moving == 1:
            return None  # a constant minus, or divided by, the label
        return (slope, offset - value) if node.op == "subtract" else (slope / value, offset / value)
    return None
