"""What the value of a node depends on, and whether gradient flows to it from y_pred.

A value can depend on y_pred while no gradient connects them (argmax, round, a comparison). `dependence` says both
for every node; `cuts` lists the nodes at which the connection ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lossdoctor.domains.interpret import Reading, interpret
from lossdoctor.graph.ir import Attr, Graph, LossGraph, Node
from lossdoctor.ops import TABLE, Flow

# How y_pred reaches a node, from weakest to strongest:
#   ""         not at all
#   "stopped"  its value does, but every path was cut on purpose (stop_gradient)
#   "cut"      its value does, but the gradient is None
#   "dead"     connected, by a derivative that is identically zero (sign)
#   "live"     connected
Link = Literal["", "stopped", "cut", "dead", "live"]
_STRENGTH: dict[Link, int] = {"": 0, "stopped": 1, "cut": 2, "dead": 3, "live": 4}

# Results whose number of elements depends on the values of the argument.
COUNTING = frozenset({"nonzero", "unique", "unique_counts"})
_COUNTS = frozenset({"shape", "size"})
# These read the shape of an argument, never its values.
SHAPE_ONLY = frozenset({"dims", "shape", "size", "rank", "ndim", "zeros_like", "ones_like", "broadcast_gradient_args"})


@dataclass(frozen=True, slots=True)
class Dependence:
    """What one node's value is computed from. Keys are those of structured inputs, None for a plain one."""

    y_true: frozenset[Attr] = frozenset()
    y_pred: frozenset[Attr] = frozenset()
    variables: frozenset[str] = frozenset()
    random: bool = False
    link: Link = ""
    counted: frozenset[Attr] = frozenset()  # of y_pred: what decides how many elements the node has

    @property
    def connected(self) -> bool:
        """Gradient reaches this node from y_pred (it may be zero)."""
        return self.link in ("live", "dead")

    @property
    def dead(self) -> bool:
        return self.link == "dead"

    @property
    def on_data(self) -> bool:
        """The value depends on y_true or y_pred."""
        return bool(self.y_true or self.y_pred)

    @property
    def sources(self) -> frozenset[str]:
        """Some of "y_true", "y_pred", "variables", "random"."""
        names = {"y_true": self.y_true, "y_pred": self.y_pred, "variables": self.variables, "random": self.random}
        return frozenset(name for name, value in names.items() if value)


@dataclass(frozen=True, slots=True)
class Cut:
    """A node into which connected arguments go and nothing connected comes out."""

    node: int
    reason: Literal["none", "stop"]
    arguments: tuple[int, ...]  # the connected ones


def join(values: Sequence[Dependence]) -> Dependence:
    """The least that covers all of `values`."""
    return Dependence(
        y_true=frozenset[Attr]().union(*(value.y_true for value in values)),
        y_pred=frozenset[Attr]().union(*(value.y_pred for value in values)),
        variables=frozenset[str]().union(*(value.variables for value in values)),
        random=any(value.random for value in values),
        link=_strongest(value.link for value in values),
        counted=frozenset[Attr]().union(*(value.counted for value in values)),
    )


def _strongest(links: Iterable[Link]) -> Link:
    found: Link = ""
    for link in links:
        if _STRENGTH[link] > _STRENGTH[found]:
            found = link
    return found


def _through(link: Link, flow: Flow) -> Link:
    """The link of a result that has one argument of this link."""
    if link == "" or link == "stopped":
        return link
    if flow == "stop":
        return "stopped"
    if flow == "none":
        return "cut"
    if flow == "zero" and link == "live":
        return "dead"
    return link


def _differentiable(dtype: str) -> bool:
    """Whether gradient can pass through a tensor of this dtype; a tuple's parts decide for themselves."""
    return dtype.startswith(("float", "bfloat", "complex", "tuple", "variant", "resource"))


class DependenceDomain:
    """`interpret`'s domain of dependence; it knows every operation.

    Args:
        replaces: custom gradients connect what they replace (a straight-through estimator of `round`).
    """

    name = "dependence"

    def __init__(self, *, replaces: bool = True) -> None:
        self.replaces = replaces

    def top(self, node: Node) -> Dependence:
        """Never asked for: `transfer` always answers."""
        return Dependence()

    def transfer(self, node: Node, args: Sequence[Dependence], graph: Graph) -> Dependence:
        if node.op == "variable":
            return Dependence(variables=frozenset({node.name or str(node.id)}))
        if node.op in SHAPE_ONLY:
            counted = join(args).counted if node.op in _COUNTS else frozenset[Attr]()
            return Dependence(y_pred=counted, link="cut" if counted else "")
        row = TABLE.by_name.get(node.op)
        if node.bodies:
            value = _nested(node, args)
        else:
            # An operation without a row may or may not have a gradient; "connected" alarms nobody.
            links: list[Link] = [_through(arg.link, row.flows(i) if row else "smooth") for i, arg in enumerate(args)]
            value = replace(join(args), link=_strongest(links))
        if row is not None and row.kind == "random":
            value = replace(value, random=True)
        if self.replaces and node.attrs.get("custom") and value.link in ("cut", "dead"):
            value = replace(value, link="live")
        if value.connected and (node.attrs.get("unregistered") or not _differentiable(node.dtype)):
            value = replace(value, link="cut")
        if node.op in COUNTING:
            return replace(value, counted=value.y_pred | value.counted)
        open_shape = node.shape is None or "?" in node.shape
        return value if open_shape or not value.counted else replace(value, counted=frozenset[Attr]())


def _nested(node: Node, args: Sequence[Dependence]) -> Dependence:
    """Control flow: everything that enters or is made inside reaches every result.

    The link is the best that the bodies' outputs can have when each of their inputs has the best link of the
    arguments, so that a cut is claimed only where every path through every body is one.
    """
    entering = join(args)
    leaving: list[Dependence] = []
    for body in node.bodies:
        inputs = dict.fromkeys(body.inputs, entering)
        reading = interpret(body, DependenceDomain(), inputs)
        leaving.extend(reading[output] for output in body.outputs)
    inside = join(leaving)
    return replace(join([entering, inside]), link=inside.link)


def dependence(loss: LossGraph) -> Reading[Dependence]:
    """The dependence of every node of `loss`, gradient nodes included."""
    inputs: dict[int, Dependence] = {}
    for place in loss.y_true:
        inputs[place] = Dependence(y_true=frozenset({loss[place].attrs.get("key")}))
    for place in loss.y_pred:
        link: Link = "live" if _differentiable(loss[place].dtype) else "cut"
        inputs[place] = Dependence(y_pred=frozenset({loss[place].attrs.get("key")}), link=link)
    connected = any(gradient is not None for gradient in loss.gradients)
    return interpret(loss.graph, DependenceDomain(replaces=connected), inputs)


def cuts(loss: LossGraph, reading: Reading[Dependence] | None = None) -> tuple[Cut, ...]:
    """The forward nodes at which the connection from y_pred ends, in order (nearest to y_pred first).

    A mask (`y_pred > 0.5`) is a cut too; whether it hurts is a question about terms (`domains.terms`).
    """
    values = reading or dependence(loss)
    found: list[Cut] = []
    for node in loss.where(role="forward"):
        entering = tuple(arg for arg in dict.fromkeys(node.args) if values[arg].connected)
        if entering and not values[node].connected and node.op not in SHAPE_ONLY:
            found.append(Cut(node.id, "stop" if values[node].link == "stopped" else "none", entering))
    return tuple(found)
