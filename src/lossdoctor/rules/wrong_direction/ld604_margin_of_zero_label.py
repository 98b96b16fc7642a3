"""LD604: a margin loss for labels -1 and 1 is given labels 0 and 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.tracing import input_behind
from lossdoctor.spec import Contract, Spec

RULE = Rule(code="LD604", name="margin-of-zero-label", family="wrong-direction", severity="warning")

# What makes a margin loss of `y_true * y_pred`.
_MARGINS = ("maximum", "relu", "softplus")
_LINEAR = frozenset({"identity", "astype", "negative", "subtract", "add"})


@RULE.check
def margin_of_zero_label(graph: LossGraph, contract: Contract) -> Iterator[Suspicion]:
    labels = contract.y_true
    if graph.stage != "traced" or not isinstance(labels, Spec) or labels.kind != "binary":
        return
    users = graph.graph.users()
    for product in graph.where("multiply", role="forward"):
        sources = {input_behind(graph, arg) for arg in product.args}
        if len(product.args) != 2 or sources != {*graph.y_true, *graph.y_pred} or len(sources) != 2:
            continue
        margin = _margin(graph, product, users)
        if margin is not None and _only_use(graph, product, users):
            yield RULE.at(
                margin,
                f"`{' '.join(margin.call.split())}` is a margin for labels -1 and 1; where y_true is 0 it does not "
                "depend on y_pred, so nothing is learned from those samples (2 * y_true - 1 has the labels it needs)",
                evidence="proved",
                symptom="label-without-gradient",
                arguments={"label": 0.0, "batch": 4},
                replay="welcome",
            )
            return


def _margin(graph: LossGraph, product: Node, users: Mapping[int, tuple[int, ...]]) -> Node | None:
    """The hinge or softplus that the product goes into, changed by constants only."""
    stack = [product.id]
    while stack:
        for user in users[stack.pop()]:
            node = graph[user]
            if node.role != "forward":
                continue
            if node.op in _MARGINS:
                return node
            others = [arg for arg in node.args if graph[arg].op != "constant"]
            if node.op in _LINEAR and len(others) == 1:
                stack.append(user)
    return None


def _only_use(graph: LossGraph, product: Node, users: Mapping[int, tuple[int, ...]]) -> bool:
    """Whether y_true reaches the loss through the product only, so that nothing else handles the label 0."""
    stack = list(graph.y_true)
    while stack:
        for user in users[stack.pop()]:
            node = graph[user]
            if node.role != "forward" or user == product.id or node.op in ("dims", "shape", "zeros_like", "ones_like"):
                continue
            if node.op not in ("identity", "astype", "reshape", "squeeze", "expand_dims"):
                return False
            stack.append(user)
    return True
