"""LD301: the argument of a logarithm reaches zero or below."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.intervals import Ranges
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.nonfinite_value.ld305_singular_matrix import of_matrix
from lossdoctor.rules.operands import misplaced_epsilon, why_zero
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.tracing import source_of

RULE = Rule(code="LD301", name="log-of-zero", family="nonfinite-value", severity="error")

_UNIFORM = ("random_uniform", "stateless_random_uniform")
# Bits of the significand that are drawn.
_BITS = {"float16": 10, "bfloat16": 7, "float32": 23, "float64": 52}
_PLACES = frozenset({"identity", "reshape", "expand_dims", "squeeze", "broadcast_to"})


@RULE.check
def log_of_zero(graph: LossGraph, ranges: Ranges) -> Iterator[Suspicion]:
    for node in graph.where("log", "xlogy", role="forward"):
        place = node.args[-1]
        argument = ranges[place]
        if argument.low > 0.0 or of_matrix(graph, place):
            continue
        outcome = "log(0) is -inf" if argument.low == 0.0 else "log is -inf at 0 and nan below"
        if node.op == "xlogy":
            outcome += ", and only a factor of exactly 0 hides that"
        else:
            outcome += why_zero(graph, place) + misplaced_epsilon(graph, node)
        yield RULE.at(
            node,
            f"`{node.call}` receives {argument}; {outcome}",
            stage=graph.stage,
            symptom="nonfinite-value",
        )


@RULE.check
def log_of_a_draw(graph: LossGraph, ranges: Ranges) -> Iterator[Suspicion]:
    """A uniform number that may be 0. No input shows it, and a script would have to wait for it: a suspicion."""
    if graph.stage != "traced" or ranges.finite(graph.value):
        return
    for node in graph.where("log", role="forward"):
        drawn = _drawn(graph, node.args[0])
        if drawn.op in _UNIFORM and drawn.dtype in _BITS and ranges[node.args[0]].low == 0.0:
            yield RULE.at(
                node,
                f"`{node.call}` is -inf where the uniform number is exactly 0, which is one in 2^{_BITS[drawn.dtype]} "
                f"draws of {drawn.dtype}: give `minval` a small positive number",
                severity="warning",
            )


def _drawn(graph: LossGraph, place: int) -> Node:
    """What a tensor is but for shape, a factor and a summand: `tf.random.uniform` scales and moves what it draws."""
    while True:
        node = graph[source_of(graph, place, _PLACES)]
        rest = [arg for arg in node.args if graph[source_of(graph, arg, _PLACES)].op != "constant"]
        if node.op not in ("add", "multiply") or len(rest) != 1:
            return node
        place = rest[0]
