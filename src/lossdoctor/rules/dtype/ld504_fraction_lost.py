"""LD504: targets with a fraction are cast to integers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.straight import line_of_labels
from lossdoctor.rules.tracing import MOVES, input_behind
from lossdoctor.spec import Contract, Spec

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
        slope, offset = line_of_labels(graph, node.args[0]) or (1.0, 0.0)
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


@RULE.check
def rounded_targets(graph: LossGraph, contract: Contract, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    """Numbers of y_true that are cut to whole ones, and then compared with predictions that are not.

    A cell, a bin or a class is such a number too: it is used as an index, or beside the fraction that was cut off.
    """
    labels = contract.y_true
    if graph.stage != "traced" or not isinstance(labels, Spec) or labels.kind not in ("real", "positive", "unit"):
        return
    users = graph.graph.users()
    for node in graph.where("floor", "ceil", role="forward"):
        found = dependence[node]
        alone = len(users[node.args[0]]) == 1 and users[node.id]
        if not node.calls or not found.y_true or found.y_pred or found.random or not alone:
            continue
        if all(_compared(graph, users, node, user, dependence) for user in users[node.id]):
            yield RULE.at(
                node,
                f"`{node.call}` cuts the fraction off what is made of y_true, and y_pred is compared with the rest",
                evidence="proved",
            )
            return


def _compared(
    graph: LossGraph, users: Mapping[int, tuple[int, ...]], node: Node, place: int, dependence: Reading[Dependence]
) -> bool:
    """Whether a use of a node is a difference to something that y_pred moves."""
    user = graph[place]
    if user.op in MOVES or user.op == "astype":
        return bool(users[place]) and all(_compared(graph, users, user, each, dependence) for each in users[place])
    if user.op not in ("subtract", "squared_difference"):
        return False
    other = user.args[0] if user.args[1] == node.id else user.args[1]
    return dependence[other].link == "live"
