"""The tensors of a run of a loss, as readings: summaries, and what is remarkable of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from lossdoctor.graph.frontend_tf import Staged
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.graph.passes import Calls, passes
from lossdoctor.probes.inside import BRANCHES, LOOPS, Told
from lossdoctor.readings.lines import Array, Summary, Tensor

# What makes no tensor of the user's: constants, shapes, bundles.
_HIDDEN = frozenset({"constant", "dims", "variable", "shape"})
_DTYPES = ("tuple", "resource", "variant", "string")
# Bounds at which the derivative of a function is zero or rounds to zero.
_BOUNDS = {"sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0,), "erf": (-1.0, 1.0)}
_LIMITS = frozenset({"maximum", "minimum", "clip"})
_PASSING = frozenset({"item", "identity"})  # between a loop or branch and what the user sees of it
_MOST = 400  # tensors of one loss
_FIRST = 8  # passes over a loop that is too long to be shown whole


@dataclass
class Plan:
    """What is shown of a graph.

    Attributes:
        turns: for each node, in which pass over its expression it was made, and of how many.
        shown: the inputs, and the result of each of the user's expressions in each pass over it.
        holders: the loops and branchings, by node.
        telling: the loop or branching of which a node that is shown tells how it went.
    """

    staged: Staged
    turns: dict[int, tuple[int, int]]
    shown: list[int]
    holders: dict[int, Any]
    telling: dict[int, int]

    @property
    def graph(self) -> LossGraph:
        return self.staged.loss

    @property
    def controls(self) -> dict[int, Any]:
        """What says how each loop or branching went: the loop counter of tf.while_loop, the predicate."""
        return {node: op.outputs[0] if op.type in LOOPS else op.inputs[0] for node, op in self.holders.items()}


def plan(staged: Staged, *, partly: bool = False) -> Plan:
    """What is shown of a loss, or `partly` of what there is of it."""
    graph = staged.loss
    result = -1 if partly else graph.value
    candidates = list(_candidates(staged, partly=partly))
    found = passes(candidates)
    most: dict[Calls, int] = {}
    for node, turn in found.items():
        most[graph[node].calls] = turn
    turns = {node: (turn, most[graph[node].calls]) for node, turn in found.items()}
    last: dict[Any, int] = {}
    for node in candidates:
        place = (node.calls, turns[node.id][0]) if node.calls else node.id
        if node.op == "input" or node.id == result or (node.calls and last.get(place) != result):
            last[place] = node.id
    shown = sorted(set(last.values()) - set(_begun(candidates, turns)))
    if len(shown) > _MOST:  # of a long loop the first passes and the last
        shown = [node for node in shown if turns.get(node, (1, 1))[0] <= _FIRST or turns[node][0] == turns[node][1]]
    shown = shown if len(shown) <= _MOST else [*shown[: _MOST - 1], shown[-1]]
    holders = dict(_holders(staged))
    return Plan(staged, turns, shown, holders, dict(_telling(graph, shown, holders)))


def _begun(candidates: list[Node], turns: dict[int, tuple[int, int]]) -> Iterator[int]:
    """What an expression makes before the code of the user's that gives its result, as `tf.vectorized_map` does."""
    for node, after in pairwise(candidates):
        depth = len(node.calls)
        inner = bool(node.calls) and after.calls[:depth] == node.calls and len(after.calls) > depth
        if inner and turns[node.id][0] == turns[after.id][0]:
            yield node.id


def _candidates(staged: Staged, *, partly: bool) -> Iterator[Node]:
    """The inputs and what the user's expressions make."""
    graph = staged.loss
    needed = graph.graph.ancestors(*(graph.graph.outputs if partly else (graph.value,)))
    for node in graph.nodes:
        if node.role != "forward" or node.op in _HIDDEN or node.dtype in _DTYPES or node.id not in staged.tensors:
            continue
        if node.op == "input" or node.id in needed:  # else for the gradient only, as the second result of a fused loss
            yield node


def _holders(staged: Staged) -> Iterator[tuple[int, Any]]:
    for node in staged.loss.nodes:
        if node.op in ("while", "cond") and node.role == "forward":
            try:
                op = staged.graph.get_operation_by_name(node.name)
            except (KeyError, ValueError):
                continue
            if op.type in (*LOOPS, *BRANCHES):
                yield node.id, op


def _telling(graph: LossGraph, shown: list[int], holders: Mapping[int, Any]) -> Iterator[tuple[int, int]]:
    """What a node comes from, or what was made for its expression: `tf.map_fn` collects what a loop makes."""
    told: set[int] = set()
    for number in shown:
        node = graph[number]
        while node.id not in holders and node.op in _PASSING and node.args:
            node = graph[node.args[0]]
        if node.id in holders:
            told.add(node.id)
            yield number, node.id
    for number in shown:
        calls = graph[number].calls
        own = [holder for holder in holders if holder <= number and holder not in told and graph[holder].calls == calls]
        if own and calls:
            told.add(own[-1])
            yield number, own[-1]


@dataclass
class Run:
    """What one run gave for the nodes of a plan. `refused` says of a loop or branching why its bodies are not shown."""

    values: dict[int, Array]
    controls: dict[int, Array]
    gradients: dict[int, Array] = field(default_factory=dict[int, Array])
    refused: dict[int, str] = field(default_factory=dict[int, str])
    graded: bool = True


def listed(planned: Plan, run: Run, told: Told, keep: int) -> Iterator[Tensor]:
    """The tensors of a run: those of the bodies of a loop or branching before what is made of it."""
    waiting = list(planned.holders)
    said = set(planned.telling.values())
    for node in planned.shown:
        while waiting and waiting[0] <= node:
            holder = waiting.pop(0)
            op = planned.holders[holder]
            turned = int(run.controls[holder]) if op.type in LOOPS and holder in said else 0
            yield from told.tensors(op.name, holder, turned, branched=op.type in BRANCHES and holder in said)
        yield _tensor(planned, node, run, keep)


def _tensor(planned: Plan, number: int, run: Run, keep: int) -> Tensor:
    """One node of a plan; its arrays are kept up to `keep` elements."""
    node = planned.graph[number]
    value, gradient = run.values[number], run.gradients.get(number)
    return Tensor(
        node=node.id,
        op=node.op,
        args=node.args,
        text=str(node.attrs.get("role", "")) + _key(str(node.attrs.get("key", "")))
        if node.op == "input"
        else node.call,
        calls=node.calls,
        shape=tuple(value.shape),
        dtype=node.dtype,
        value=Summary.of(value),
        gradient=None if gradient is None else Summary.of(gradient),
        saturated=_saturated(planned.graph, node, value),
        marks=tuple(_marks(planned, node, run)),
        values=value if value.size <= keep else None,
        slopes=gradient if gradient is not None and gradient.size <= keep else None,
        turn=planned.turns.get(number, (1, 1)),
        graded=run.graded,
    )


def _key(key: str) -> str:
    """How Python gets at a part of a structure: "[0]", "['boxes']", "['heads'][1]"."""
    return "".join(f"[{part}]" if part.isdecimal() else f"[{part!r}]" for part in key.split(".") if part)


def _saturated(graph: LossGraph, node: Node, value: Array) -> float | None:
    bounds: tuple[Any, ...] = _BOUNDS.get(node.op, ())
    if node.op in _LIMITS:
        # A clip is two operations of one expression.
        parts = [
            node,
            *(graph[arg] for arg in node.args if graph[arg].op in _LIMITS and graph[arg].calls == node.calls),
        ]
        bounds = tuple(
            constant.reshape(-1)[0]
            for constant in (graph[arg].constant for part in parts for arg in part.args)
            if constant is not None and constant.size == 1
        )
    if not bounds or not value.size:
        return None
    return float(np.mean(np.isin(value, np.asarray(bounds, value.dtype))))


def _marks(planned: Plan, node: Node, run: Run) -> Iterator[str]:
    args = [planned.graph[arg] for arg in node.args]
    if node.op == "astype" and args:
        yield f"cast from {args[0].dtype}"
    known = [run.values.get(arg.id, arg.constant) for arg in args]
    shapes = [operand.shape for operand in known if operand is not None]
    result = run.values[node.id].shape
    if len(shapes) == 2 and node.op not in ("matmul", "concat", "where", "stack"):
        stretched = [shape for shape in shapes if shape != result and shape and max(shape) > 1]
        if stretched and all(len(shape) <= len(result) for shape in shapes) and _broadcast(shapes, result):
            yield f"broadcast {shapes[0]} with {shapes[1]}"
    holder = planned.telling.get(node.id)
    if holder is not None:
        yield from _went(planned.holders[holder], run.controls[holder])
        if holder in run.refused:
            yield run.refused[holder]


def _went(op: Any, seen: Array) -> Iterator[str]:
    if op.type in LOOPS:
        yield f"loop, {int(seen)} iterations"
    elif op.type.endswith("Case"):
        yield f"branch: {int(seen)}"
    elif seen.size == 1:
        yield f"branch: {'then' if bool(seen) else 'else'}"


def _broadcast(shapes: list[tuple[int, ...]], result: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(*shapes) == result
    except ValueError:
        return False
