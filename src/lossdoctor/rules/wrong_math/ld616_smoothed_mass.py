"""LD616: label smoothing makes rows that do not sum to one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.domains.intervals import Ranges
from lossdoctor.graph.ir import Graph, LossGraph, Node
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.straight import line_of_labels
from lossdoctor.spec import Contract, Spec

RULE = Rule(code="LD616", name="smoothed-mass", family="wrong-math", severity="warning")

_OFF = 0.005  # a smoothing that guards a logarithm adds far less
_MOVES = frozenset({"identity", "astype", "negative", "stop_gradient", "reshape"})
_LOGARITHMS = frozenset({"log", "log_softmax", "log1p"})


@RULE.check
def smoothed_mass(
    graph: LossGraph, ranges: Ranges, contract: Contract, dependence: Reading[Dependence]
) -> Iterator[Suspicion]:
    """One-hot rows that are multiplied with less than one and added to, and weigh the logarithms of all classes: what
    is taken from the right class is to be what the classes get together."""
    labels = contract.y_true
    if graph.stage != "traced" or not isinstance(labels, Spec) or labels.kind != "onehot":
        return
    shape = graph[graph.y_true[0]].shape
    classes = shape[-1] if shape else None
    if not isinstance(classes, int):
        return
    users = graph.graph.users()
    for node in graph.where("add", role="forward"):
        slope, offset = line_of_labels(graph, node.id, ranges) or (1.0, 0.0)
        total = slope + classes * offset
        if not (0.0 < slope < 1.0 and 0.0 < offset < 1.0 and abs(total - 1.0) > _OFF):
            continue
        meets = list(_meets(graph.graph, users, node))
        if any(user.op == "subtract" and user.args[1] == place for place, user in meets):
            continue  # each class has a label of its own, as `1 - y` in a binary cross-entropy tells
        if any(_weighs(graph, user, place, dependence) for place, user in meets):
            yield RULE.at(
                node,
                f"`{node.call}` makes rows of {classes} classes that sum to {total:.4g}: the label of the right "
                f"class becomes {slope + offset:.4g}, and each other {offset:.4g} instead of "
                f"{(1.0 - slope) / classes:.4g}",
                evidence="proved",
            )
            return


@RULE.check
def one_class_counted(graph: LossGraph, ranges: Ranges, contract: Contract) -> Iterator[Suspicion]:
    """Labels of 0 and 1 on a last axis of one, whose size is taken for the number of classes: the zeros move alone."""
    labels = contract.y_true
    if graph.stage != "traced" or not isinstance(labels, Spec) or labels.kind != "binary" or labels.dims[-1:] != (1,):
        return
    for node in graph.where("add", role="forward"):
        slope, offset = line_of_labels(graph, node.id, ranges) or (1.0, 0.0)
        if not (0.0 < slope < 1.0 - _OFF and abs(slope + offset - 1.0) < 1e-4):
            continue
        if any(_by_one(graph, before) for before in graph.graph.ancestors(node.id)):
            yield RULE.at(
                node,
                f"`{node.call}` takes the size of the last axis, which is 1, for the number of classes: 0 becomes "
                f"{offset:.4g} and 1 stays 1, where each of the two is to move by {offset / 2.0:.4g}",
                evidence="proved",
            )
            return


def _by_one(graph: LossGraph, place: int) -> bool:
    """Whether a number is divided by 1: what is always 1 in a quotient is the size of something."""
    node = graph[place]
    number = graph[node.args[1]].constant if node.op == "divide" and not node.shape else None
    return number is not None and number.size == 1 and float(number.reshape(-1)[0]) == 1.0


def _meets(graph: Graph, users: Mapping[int, tuple[int, ...]], node: Node) -> Iterator[tuple[int, Node]]:
    """What uses a node, moved or negated or not."""
    for user in users[node.id]:
        if graph[user].op in _MOVES:
            yield from _meets(graph, users, graph[user])
        else:
            yield node.id, graph[user]


def _weighs(graph: LossGraph, user: Node, place: int, dependence: Reading[Dependence]) -> bool:
    """Whether it is multiplied with a logarithm of y_pred, or given to a cross entropy."""
    if user.op == "softmax_cross_entropy":
        return True
    if user.op != "multiply":
        return False
    other = graph[user.args[0] if user.args[1] == place else user.args[1]]
    while other.op in _MOVES and other.args:
        other = graph[other.args[0]]
    return other.op in _LOGARITHMS and bool(dependence[other].y_pred)
