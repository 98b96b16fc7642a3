"""LD212: the softmax runs along another axis than the classes."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.tracing import input_behind, source_of
from lossdoctor.spec import Contract, Spec

RULE = Rule(code="LD212", name="wrong-class-axis", family="shape", severity="warning")

_SCALES = frozenset({"astype", "multiply", "divide", "subtract", "add", "minimum", "maximum", "clip", "exp"})

_GUARDS = frozenset({"astype", "maximum", "add"})  # of a sum, against zero


@RULE.check
def wrong_class_axis(graph: LossGraph, contract: Contract) -> Iterator[Suspicion]:
    """The classes are on the last axis, and a softmax of y_pred, or a division by their sum, runs over another."""
    labels, scores = contract.y_true, contract.y_pred
    if graph.stage != "traced" or not isinstance(labels, Spec) or not isinstance(scores, Spec):
        return
    if scores.kind not in ("logit", "probability") or not _classes_last(labels, scores):
        return
    for node in graph.where("softmax", "log_softmax", "divide", role="forward"):
        axis = _summed_axis(graph, node) if node.op == "divide" else _moved_axis(graph, node)
        if axis is None or axis == len(scores.dims) - 1 or (axis == 0 and scores.kind == "probability"):
            continue  # shares of the batch are no mistake of axes
        if source_of(graph, node.args[0], _SCALES) in graph.y_pred and graph[graph.y_pred[0]].shape is not None:
            yield RULE.at(
                node,
                f"`{node.call}` normalises along axis {axis}, of size {scores.dims[axis]}, while the "
                f"{scores.dims[-1]} classes of y_true are on the last axis",
                evidence="proved",
                symptom="not-shift-invariant" if scores.kind == "logit" else "places-coupled",
                arguments={"axis": axis},
                replay="welcome",
            )


def _classes_last(labels: Spec, scores: Spec) -> bool:
    """Whether y_true says that the last axis of y_pred has the classes."""
    if labels.kind == "label":
        numbered = labels.dims in (scores.dims[:-1], (*scores.dims[:-1], 1))
        return numbered and labels.classes == scores.dims[-1]
    return labels.kind in ("onehot", "probability") and labels.dims == scores.dims


def _summed_axis(graph: LossGraph, node: Node) -> int | None:
    """The axis of a softmax written as exp(x) / sum(exp(x)), or of probabilities that are divided by their sum."""
    powers, total = graph[node.args[0]], graph[source_of(graph, node.args[1], _GUARDS)]
    axis = total.attrs.get("axis")
    probable = input_behind(graph, powers.id) in graph.y_pred
    if not (powers.op == "exp" or probable) or total.op != "sum" or powers.shape is None:
        return None
    if total.args[0] != powers.id or (isinstance(axis, tuple) and len(axis) != 1):
        return None
    axis = axis[0] if isinstance(axis, tuple) else axis
    return axis % len(powers.shape) if isinstance(axis, int) else None


def _moved_axis(graph: LossGraph, node: Node) -> int | None:
    """The axis that a softmax along the last axis was asked for: TensorFlow brings it to the end and back."""
    moved = graph[node.args[0]]
    order = moved.attrs.get("axes")
    if moved.op != "permute_dims" or not isinstance(order, tuple):
        return None
    back = [
        user
        for user in graph.graph.users()[node.id]
        if graph[user].op == "permute_dims" and graph[user].calls == moved.calls
    ]
    last = order[-1]
    return last if back and isinstance(last, int) else None
