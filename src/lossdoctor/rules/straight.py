"""What is computed from the labels by a multiplication and an addition: label smoothing, a rescaling, a shift."""

from __future__ import annotations

from lossdoctor.domains.intervals import Ranges
from lossdoctor.graph.ir import LossGraph
from lossdoctor.rules.tracing import input_behind

_STEPS = 8  # operations from the labels on


def line_of_labels(
    graph: LossGraph, place: int, ranges: Ranges | None = None, steps: int = _STEPS
) -> tuple[float, float] | None:
    """Slope and offset by which a node is computed from y_true, with numbers only; None for anything else.

    Args:
        ranges: where given, a number may be anything that has one value for all inputs, as a size has.
    """
    if input_behind(graph, place) in graph.y_true:
        return 1.0, 0.0
    node = graph[place]
    if node.op in ("astype", "identity") and steps:
        return line_of_labels(graph, node.args[0], ranges, steps - 1)
    if node.op not in ("add", "subtract", "multiply", "divide") or not steps:
        return None
    if node.op in ("add", "subtract"):
        both = [line_of_labels(graph, arg, ranges, steps - 1) for arg in node.args[:2]]
        if both[0] is not None and both[1] is not None:
            sign = 1.0 if node.op == "add" else -1.0
            return both[0][0] + sign * both[1][0], both[0][1] + sign * both[1][1]
    for moving, other in ((0, 1), (1, 0)):
        value = _number(graph, node.args[other], ranges)
        line = None if value is None else line_of_labels(graph, node.args[moving], ranges, steps - 1)
        if line is None or value is None or (node.op == "divide" and value == 0.0):
            continue
        slope, offset = line
        if node.op == "add":
            return slope, offset + value
        if node.op == "multiply":
            return slope * value, offset * value
        if moving == 1:
            # A constant minus, or divided by, the label.
            return (-slope, value - offset) if node.op == "subtract" and ranges is not None else None
        return (slope, offset - value) if node.op == "subtract" else (slope / value, offset / value)
    return None


def _number(graph: LossGraph, place: int, ranges: Ranges | None) -> float | None:
    number = graph[place].constant
    if number is not None:
        return float(number.reshape(-1)[0]) if number.size == 1 else None
    if ranges is None or graph[place].shape:
        return None
    interval = ranges[place]
    sure = interval.high - interval.low <= 1e-5 * abs(interval.low)  # bounds are rounded outwards
    return float(interval.low) if sure else None
