"""LD618: the constant that keeps a ratio finite is so large that the ratio is nearly one for every input."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.domains.intervals import Ranges
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD618", name="swallowed-ratio", family="wrong-math", severity="warning")

_LARGE = 5.0
_SHARE = 0.05  # of the constant: what is added to it is never more
_MOVES = frozenset({"identity", "reshape", "expand_dims", "squeeze", "astype"})


@RULE.check
def swallowed_ratio(graph: LossGraph, ranges: Ranges, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    """(a + c) / (b + c) with the same c, and bounds of a and b that are a small share of it."""
    if graph.stage != "traced":
        return
    for node in graph.where("divide", role="forward"):
        if not node.calls or dependence[node].link != "live":
            continue
        above, below = (_with_constant(graph, ranges, place) for place in node.args[:2])
        if above is None or below is None or abs(above[1] - below[1]) > 0.01 * below[1]:
            continue
        constant, largest = below[1], max(above[0], below[0])
        if largest <= _SHARE * constant and not _enlarged(graph, ranges, node):
            low, high = (constant - largest) / (constant + largest), (constant + largest) / (constant - largest)
            yield RULE.at(
                node,
                f"`{node.call}` adds {constant:.4g} above and below a ratio of numbers that are at most {largest:.3g} "
                f"by the spec: it is between {low:.3g} and {high:.3g} whatever y_pred is, and hardly trains",
                evidence="proved",
            )
            return


def _enlarged(graph: LossGraph, ranges: Ranges, ratio: Node) -> bool:
    """Whether what is made of a ratio is multiplied with a number that gives it its scale back."""
    behind = {ratio.id}
    for node in graph.graph.nodes[ratio.id + 1 :]:
        if node.role != "forward" or not behind.intersection(node.args):
            continue
        behind.add(node.id)
        for arg in node.args if node.op in ("multiply", "divide") else ():
            factor = ranges[arg] if arg not in behind else None
            if factor is None or graph[arg].shape:
                continue
            if factor.low >= _LARGE if node.op == "multiply" else 0.0 < factor.high <= 1.0 / _LARGE:
                return True
    return False


def _with_constant(graph: LossGraph, ranges: Ranges, place: int) -> tuple[float, float] | None:
    """The bound of what a positive constant is added to, and the constant; None where there is no such sum."""
    node = graph[place]
    while node.op in _MOVES and node.args:
        node = graph[node.args[0]]
    if node.op != "add":
        return None
    for varies, fixed in (node.args[:2], node.args[1::-1]):
        one, other = ranges[fixed], ranges[varies]
        sure = one.low > 0.0 and one.high - one.low <= 1e-3 * one.low
        if sure and graph[varies].constant is None:
            return max(abs(other.low), abs(other.high)), float(one.low)
    return None
