"""Which branches of a loss the tried inputs visited, and which they did not.

A branch is a side that an element can take: the two values of a `where`, the larger argument of a `maximum`, the
sign under an `abs`, the two bodies of a `cond`. A loss is examined only as far as its branches were visited.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossdoctor.domains.dependence import Dependence, dependence
from lossdoctor.domains.interpret import Reading, interpret
from lossdoctor.domains.intervals import Interval, Ranges
from lossdoctor.domains.machine import UNKNOWN, Machine, sizes_of
from lossdoctor.graph.ir import Graph, LossGraph, Node
from lossdoctor.search.leaves import pair_arrays
from lossdoctor.session import Pair
from lossdoctor.spec import Contract

Array = NDArray[Any]
# What every node held at one input, by node id; nodes that are unknown are left out, or None.
Held = Mapping[int, Any]

_BY_SIGN = frozenset({"abs", "relu", "leaky_relu", "elu", "selu", "sign", "softsign"})
_AT_ONCE = 32  # pairs that are run before the search narrows to the branches still missed


@dataclass(frozen=True, slots=True)
class Branch:
    """One side of one branching node, in the words of `side`: "true", "false", "first larger", "positive" …"""

    node: int
    side: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """The branches of a loss; `unknown` are those at whose node no input showed a value."""

    visited: tuple[Branch, ...]
    missed: tuple[Branch, ...]
    unknown: tuple[Branch, ...]

    @property
    def complete(self) -> bool:
        return not self.missed and not self.unknown

    def describe(self, loss: LossGraph) -> tuple[str, ...]:
        """One line for each branch that was not visited, in the user's words."""
        return tuple(f"`{loss[branch.node].call}`: {branch.side}" for branch in (*self.missed, *self.unknown))


def branches(loss: LossGraph, reading: Reading[Dependence] | None = None) -> tuple[Branch, ...]:
    """Every side of every branching forward node whose choice depends on the inputs and that reaches the value."""
    values = reading or dependence(loss)
    reached = loss.graph.ancestors(loss.value)
    found: list[Branch] = []
    for node in loss.where(role="forward"):
        chosen_by = _chosen_by(node)
        if node.id in reached and any(values[arg].on_data for arg in chosen_by):
            found.extend(Branch(node.id, side) for side in _sides(node))
    return tuple(found)


def coverage(loss: LossGraph, inputs: Iterable[Held], wanted: Sequence[Branch] | None = None) -> Coverage:
    """Which branches (of `wanted`; by default all) the inputs visited. `inputs` is read once, and no further than
    needed."""
    wanted = branches(loss) if wanted is None else wanted
    nodes = {branch.node: loss[branch.node] for branch in wanted}
    branches_of = {place: {branch for branch in wanted if branch.node == place} for place in nodes}
    visited: set[Branch] = set()
    seen: set[int] = set()
    for held in inputs:
        if len(visited) == len(wanted):
            break
        for place, node in nodes.items():
            arrays = [held.get(arg) for arg in _chosen_by(node)]
            known = [array for array in arrays if array is not None]
            if len(known) == len(arrays):
                seen.add(place)
                visited.update(branches_of[place] & {Branch(place, side) for side in _taken(node, known)})
    return Coverage(
        visited=tuple(branch for branch in wanted if branch in visited),
        missed=tuple(branch for branch in wanted if branch not in visited and branch.node in seen),
        unknown=tuple(branch for branch in wanted if branch.node not in seen),
    )


def missed(loss: LossGraph, contract: Contract, pairs: Sequence[Pair], ranges: Ranges | None) -> tuple[Branch, ...]:
    """The branches that some input could take (as far as `ranges` tell) and that none of the pairs takes."""
    left = tuple(branch for branch in branches(loss) if ranges is None or possible(loss, branch, ranges))
    for part in (pairs[:_AT_ONCE], pairs[_AT_ONCE:]):  # the first pairs visit nearly all
        if not left or not part:
            break
        left = coverage(loss, held(loss, contract, part, [branch.node for branch in left]), left).missed
    return left


def held(
    loss: LossGraph, contract: Contract, pairs: Iterable[Pair], choosing: Sequence[int] | None = None
) -> Iterator[Held]:
    """What the machine domain computes for each pair, one pair after the other; with `choosing` only what decides
    the branches at these nodes."""
    places = (*loss.y_true, *loss.y_pred)
    needed = None if choosing is None else _deciding(loss, choosing)
    for pair in pairs:
        inputs = dict(zip(places, pair_arrays(contract, pair), strict=True))
        with np.errstate(all="ignore"):
            reading = interpret(loss.graph, _Partly(Machine(sizes_of(loss.graph, inputs)), needed), inputs)
        yield {
            node.id: np.asarray(value) if isinstance(value, np.ndarray | np.generic) else None
            for node, value in zip(loss.nodes, reading.values, strict=True)
        }


def _deciding(loss: LossGraph, choosing: Sequence[int]) -> frozenset[int]:
    return loss.graph.ancestors(*(arg for place in choosing for arg in _chosen_by(loss[place])))


@dataclass
class _Partly:
    """The machine for some of the nodes; the others stay unknown."""

    machine: Machine
    needed: frozenset[int] | None
    name: str = "machine"

    def top(self, node: Node) -> Any:
        return UNKNOWN

    def transfer(self, node: Node, args: Sequence[Any], graph: Graph) -> Any:
        if self.needed is not None and node.id not in self.needed:
            return UNKNOWN
        return self.machine.transfer(node, args, graph)


def possible(loss: LossGraph, branch: Branch, ranges: Ranges) -> bool:
    """False where the intervals prove that no input takes this side (`abs` of what is never negative, the upper end
    of a clip above what the prediction can be), and where only a NaN or an infinity takes it, as inside logsumexp:
    those are looked for anyway."""
    node = loss[branch.node]
    if node.op in ("where", "cond"):
        return branch.side != _side_of_nonfinite(loss, loss[node.args[0]])
    known = [ranges[arg] for arg in _chosen_by(node)]
    if node.op in _BY_SIGN or node.op in ("maximum", "minimum"):
        first, second = (*known, _ZERO)[:2]
        low, high = (first, second) if branch.side in ("second larger", "negative") else (second, first)
        return low.low < high.high
    if node.op in ("clip", "relu6"):
        value, least, most = known if len(known) == 3 else (known[0], _ZERO, Interval(6.0, 6.0))
        return {
            "below": value.low < least.high,
            "above": value.high > most.low,
            "inside": value.high > least.low and value.low < most.high,
        }[branch.side]
    return True


def _side_of_nonfinite(loss: LossGraph, condition: Node) -> str:
    """The side that a test for NaN or infinity sends these to; "" for any other condition."""
    if condition.op == "logical_not":
        return {"true": "false", "false": "true", "": ""}[_side_of_nonfinite(loss, loss[condition.args[0]])]
    return {"isfinite": "false", "isnan": "true", "isinf": "true"}.get(condition.op, "")


_ZERO = Interval(0.0, 0.0)


def _chosen_by(node: Node) -> tuple[int, ...]:
    """The arguments that decide which side is taken; () for a node that is no branch."""
    if node.op in ("where", "cond") and node.args:
        return node.args[:1]
    if node.op in ("maximum", "minimum") and len(node.args) == 2:
        return node.args
    if node.op == "clip" and len(node.args) == 3:
        return node.args
    if node.op in _BY_SIGN or node.op == "relu6":
        return node.args[:1]
    return ()


def _sides(node: Node) -> tuple[str, ...]:
    if node.op in ("where", "cond"):
        return ("true", "false")
    if node.op in ("maximum", "minimum"):
        return ("first larger", "second larger")
    if node.op in ("clip", "relu6"):
        return ("below", "inside", "above")
    return ("positive", "negative")


def _taken(node: Node, arrays: list[Array]) -> Iterator[str]:
    """The sides that the elements of these arrays take; NaN takes none."""
    if node.op in ("where", "cond"):
        tests = {"true": arrays[0].astype(bool), "false": ~arrays[0].astype(bool)}
    elif node.op in ("maximum", "minimum"):
        tests = {"first larger": arrays[0] > arrays[1], "second larger": arrays[0] < arrays[1]}
    elif node.op in ("clip", "relu6"):
        x, low, high = arrays if len(arrays) == 3 else (arrays[0], np.zeros(()), np.full((), 6.0))
        tests = {"below": x < low, "inside": (x > low) & (x < high), "above": x > high}
    else:
        tests = {"positive": arrays[0] > 0, "negative": arrays[0] < 0}
    yield from (side for side, test in tests.items() if bool(np.any(test)))
