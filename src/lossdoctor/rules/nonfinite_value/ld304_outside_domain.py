"""LD304: a function receives an argument at which it is not defined."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lossdoctor.domains.intervals import Interval, Ranges
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.ops import TABLE
from lossdoctor.rules.operands import named
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD304", name="outside-domain", family="nonfinite-value", severity="error")

# Functions that are finite at the ends of their domain too.
_CLOSED = frozenset({"sqrt", "acos", "asin", "acosh"})
_ROUNDED = "rounding alone lifts the cosine of two equal vectors above 1"


@RULE.check
def outside_domain(graph: LossGraph, ranges: Ranges) -> Iterator[Suspicion]:
    for node in graph.nodes:
        row = TABLE.by_name.get(node.op)
        if node.role == "gradient" or row is None or not node.args:
            continue
        argument = ranges[node.args[0]]
        if node.op == "pow":
            if argument.low <= 0.0:
                yield RULE.at(
                    node,
                    f"`{node.call}` raises {named(graph, node.args[0], node)}, {_of_power(node, argument, ranges)}",
                    stage=graph.stage,
                    symptom="nonfinite-value",
                )
        elif row.defined is not None and node.op != "log":
            low, high = row.defined
            if argument.low <= low > -math.inf or argument.high >= high < math.inf:
                inside = f"[{low:g}, {high:g}]" if node.op in _CLOSED else f"({low:g}, {high:g})"
                message = f"`{node.call}` receives {argument}; {node.op} is finite only inside {inside}"
                if node.op in ("acos", "asin"):
                    operand = named(graph, node.args[0], node)
                    message = f"`{node.call}` is nan outside [-1, 1], and {operand} can leave it: {_ROUNDED}"
                yield RULE.at(node, message, stage=graph.stage, symptom="nonfinite-value")


def _of_power(node: Node, base: Interval, ranges: Ranges) -> str:
    """What goes wrong at which bases, for the exponents that can occur."""
    exponent = ranges[node.args[1]]
    fixed = exponent.low == exponent.high
    number = f"{exponent.low:g}" if fixed else f"anything in {exponent}"
    faults: list[str] = []
    if base.low < 0.0 and not (fixed and float(exponent.low).is_integer()):
        faults.append(f"can be negative: a fractional power ({number}) of a negative number is nan")
    if exponent.low < 0.0 and base.low <= 0.0 <= base.high:
        faults.append(f"can be 0: a negative power ({number}) of 0 is inf")
    return "which " + ("; and it ".join(faults) or f"lies in {base}, to the power {number}, and that overflows")
