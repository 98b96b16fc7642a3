"""LD101: an operation without a gradient cuts the loss, or one of its terms, off from the prediction."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Cut
from lossdoctor.domains.terms import Term
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.tracing import input_behind
from lossdoctor.spec import Contract, Spec

RULE = Rule(code="LD101", name="non-differentiable", family="no-gradient", severity="error")


@RULE.check
def non_differentiable(graph: LossGraph, terms: tuple[Term, ...], contract: Contract) -> Iterator[Suspicion]:
    if graph.stage != "traced":
        return
    total = all(gradient is None for gradient in graph.gradients)
    for term in terms:
        cut = term.cut
        if not term.depends or term.connected or cut is None or cut.reason != "none":
            continue
        node = graph[cut.node]
        if node.attrs.get("unregistered"):
            continue  # TensorFlow raises there: LD104
        if not total and _always_zero(graph, node, contract):
            yield RULE.at(
                node,
                f"`{node.call}` casts a prediction in [0, 1] to {node.dtype}: it is 0 below 1, and the term "
                f"`{_term_name(graph, term)}` has no gradient with respect to y_pred",
                evidence="proved",
                severity="warning",  # a term that does not move shows in the graph only
                symptom="cast-to-integer",
                arguments={"count": sum(_cuts(graph, each) for each in graph.where("astype", role="forward"))},
                replay="welcome",
            )
            continue
        if not total and _of_one(graph, node):
            yield RULE.at(
                node,
                f"`{node.call}` is taken along an axis of length one, where it is 0 whatever y_pred is: the term "
                f"`{_term_name(graph, term)}` is a constant",
                evidence="proved",
                severity="warning",
                symptom="operations-left",
                arguments={"types": ("ArgMax", "ArgMin"), "count": sum(1 for _ in graph.where("argmax", "argmin"))},
                replay="welcome",
            )
            continue
        what = "the loss has no gradient" if total else f"the term `{_term_name(graph, term)}` has no gradient"
        yield RULE.at(
            node,
            f"`{node.call}` {_why(node, cut)}: {what} with respect to y_pred",
            evidence="proved",
            symptom="no-gradient" if total else "no-term-gradient",
        )


def _always_zero(graph: LossGraph, node: Node, contract: Contract) -> bool:
    """Whether probabilities themselves are truncated to integers."""
    if node.op != "astype" or "int" not in node.dtype or not isinstance(contract.y_pred, Spec):
        return False
    return contract.y_pred.kind in ("unit", "probability") and input_behind(graph, node.args[0]) in graph.y_pred


def _of_one(graph: LossGraph, node: Node) -> bool:
    """Whether the largest or smallest of one number is looked for."""
    shape, axis = graph[node.args[0]].shape if node.args else None, node.attrs.get("axis", 0)
    return node.op in ("argmax", "argmin") and bool(shape) and isinstance(axis, int) and shape[axis] == 1


def _cuts(graph: LossGraph, node: Node) -> bool:
    """Whether a cast makes integers of floats."""
    return "int" in node.dtype and graph[node.args[0]].dtype.startswith(("float", "bfloat"))


def _why(node: Node, cut: Cut) -> str:
    if node.op == "astype":
        return f"casts the prediction to {node.dtype}, which has no derivative"
    if node.op in ("py_function", "numpy_function"):
        return "leaves TensorFlow, which cannot differentiate through Python"
    if node.op == "assigned":
        return "puts the prediction into a variable, through which no gradient flows"
    return f"({node.op}) has no derivative"


def _term_name(graph: LossGraph, term: Term) -> str:
    return graph[term.node].call
