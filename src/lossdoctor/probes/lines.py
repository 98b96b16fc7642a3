"""Every tensor that the lines of a loss make at one batch, with the gradient of the loss with respect to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lossdoctor.findings import UsageError
from lossdoctor.graph.frontend_tf import Live, Staged, trace
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.graph.passes import Calls, passes
from lossdoctor.graph.run_tf import Executable, array
from lossdoctor.ops.table import TABLE
from lossdoctor.probes.callings import keras_arguments
from lossdoctor.probes.inside import BRANCHES, LOOPS, Inside, inside
from lossdoctor.probes.within import within
from lossdoctor.readings.lines import Array, Lines, Summary, Tensor, Varies
from lossdoctor.session import Pair
from lossdoctor.spec import Contract
from lossdoctor.subject.subject import Subject

# What makes no tensor of the user's: constants, shapes, bundles.
_HIDDEN = frozenset({"constant", "dims", "variable", "shape"})
_DTYPES = ("tuple", "resource", "variant", "string")
# Bounds at which the derivative of a function is zero or rounds to zero.
_BOUNDS = {"sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0,), "erf": (-1.0, 1.0)}
_LIMITS = frozenset({"maximum", "minimum", "clip"})
_PASSING = frozenset({"item", "identity"})  # between a loop or branch and what the user sees of it
_MOST = 400  # tensors of one loss
_FIRST = 8  # passes over a loop that is too long to be shown whole


def probe(subject: Subject, contract: Contract, *, pair: Pair, keep: int = 0) -> Lines:
    """Run the loss for everything that its lines make.

    Args:
        pair: the batch.
        keep: elements up to which the arrays themselves are returned.

    Raises:
        UsageError: the loss raises where it is run.
        Exception: whatever it raises where it is traced.
    """
    calling, call = "raw", subject.call
    try:
        live = trace(call, contract, is_user=subject.is_user)
    except Exception:
        calling, call = "keras-compile", keras_arguments(subject)
        live = trace(call, contract, is_user=subject.is_user)
    found = lines(live, pair, keep=keep, calling=calling, path=subject.loaded.path)
    if not all(tensor.graded for tensor in found.tensors):  # a long loop, a body that cannot be run backwards by itself
        slopes = within(call, contract, subject.is_user, live.feeds(pair))
        told = [one if one.graded else _graded(one, slopes.get(one.calls)) for one in found.tensors]
        found = replace(found, tensors=tuple(told))
    return found


def _graded(tensor: Tensor, gradient: Summary | None) -> Tensor:
    return tensor if gradient is None else replace(tensor, gradient=gradient, graded=True)


def lines(live: Live, pair: Pair, *, keep: int = 0, calling: str = "raw", path: str = "") -> Lines:
    """The same for a loss that is traced."""
    staged = live.staged
    graph = staged.loss
    feeds = live.feeds(pair)
    try:
        plain = [array(tensor) for tensor in live.function(feeds, optimised=True)]
    except Exception as error:  # whatever the loss raises
        told = live.raised(_forward(staged, feeds) or error)
        raise UsageError(
            f"the loss raises {told.type} on this batch{told.at(path)}: {told.message}; `lossdoctor check` says more"
        ) from None
    turns = _turns(staged)
    shown = _shown(staged, turns)
    floats = [
        node for node in shown if staged.tensors[node].dtype.is_floating and graph[node].attrs.get("role") != "y_true"
    ]
    holders = dict(_holders(staged, graph))
    leaving = {node: list(op.outputs) for node, op in holders.items()}
    asked = [staged.tensors[node] for node in floats] + [tensor for some in leaving.values() for tensor in some]
    found = _gradients(staged, asked)
    slopes = {node: g for node, g in zip(floats, found, strict=False) if g is not None}
    beyond = iter(found[len(floats) :])
    control = {node: _asked(op) for node, op in holders.items()}
    fetches = [
        *Live.outputs(staged),
        *(staged.tensors[node] for node in shown),
        *slopes.values(),
        *control.values(),
    ]
    results = [array(tensor) for tensor in Executable(staged.graph, fetches, effects=False)(feeds, optimised=False)]
    rest = iter(results)
    outputs = [next(rest) for _ in Live.outputs(staged)]
    values = {node: next(rest) for node in shown}
    gradients = {node: next(rest) for node in slopes}
    controls = {node: next(rest) for node in control}
    tensors: list[Tensor] = []
    within = {node: _within(live, op, [next(beyond) for _ in leaving[node]], feeds) for node, op in holders.items()}
    refused = {node: one.refused for node, one in within.items() if one.refused}
    for node in shown:
        for holder in [holder for holder in within if holder <= node]:
            tensors += within.pop(holder).tensors(holder, keep, _turned(graph, holder, shown, controls))
        told = _tensor(graph, graph[node], values, gradients.get(node), controls, refused, keep)
        tensors.append(replace(told, turn=turns.get(node, (1, 1))))
    batched = tuple(node for node in shown if (graph[node].shape or ("",))[:1] == ("B",))
    agrees = all(_alike(a, b) for a, b in zip(outputs, plain, strict=True))
    # Two runs may draw the same by a seed, which says nothing of the optimiser.
    varies: Varies = "random" if _draws(staged, kept=False) else ""
    if not agrees and not varies:
        again = [array(tensor) for tensor in live.function(feeds, optimised=True)]
        if not all(_alike(a, b) for a, b in zip(again, plain, strict=True)):  # two runs alike differ as well
            varies = "random" if _draws(staged, kept=True) else "state"
    return Lines(tuple(tensors), graph.value, agrees or bool(varies), calling, batched, varies)


def _draws(staged: Staged, *, kept: bool) -> bool:
    """Whether random numbers are drawn, in the loss or in the bodies of its loops and branches: by operations with a
    state of their own, or also (`kept`) by those that are given a seed, which a variable may hold."""
    program = staged.graph.as_graph_def()
    nodes = [*program.node, *(node for function in program.library.function for node in function.node_def)]
    rows = [TABLE.by_tf.get(node.op) for node in nodes if kept or not node.op.startswith("Stateless")]
    return any(row is not None and row.kind == "random" for row in rows)


def _forward(staged: Staged, feeds: Sequence[Any]) -> Exception | None:
    """What the value alone raises: of what raises forwards, a gradient may have been the first to."""
    try:
        Executable(staged.graph, [staged.value], effects=False)(feeds, optimised=False)
    except Exception as error:
        return error
    return None


def _candidates(staged: Staged) -> Iterator[Node]:
    """The inputs and what the user's expressions make."""
    needed = staged.loss.graph.ancestors(staged.loss.value)
    for node in staged.loss.nodes:
        if node.role != "forward" or node.op in _HIDDEN or node.dtype in _DTYPES or node.id not in staged.tensors:
            continue
        if node.op == "input" or node.id in needed:  # else for the gradient only, as the second result of a fused loss
            yield node


def _turns(staged: Staged) -> dict[int, tuple[int, int]]:
    """For each node: in which pass over its expression it was made, and of how many."""
    found = passes(_candidates(staged))
    most: dict[Calls, int] = {}
    for node, turn in found.items():
        most[staged.loss.graph[node].calls] = turn
    return {node: (turn, most[staged.loss.graph[node].calls]) for node, turn in found.items()}


def _shown(staged: Staged, turns: dict[int, tuple[int, int]]) -> list[int]:
    """The inputs, and the result of each of the user's expressions in each pass over it."""
    last: dict[Any, int] = {}
    result = staged.loss.value
    for node in _candidates(staged):
        place = (node.calls, turns[node.id][0]) if node.calls else node.id
        if node.op == "input" or node.id == result or (node.calls and last.get(place) != result):
            last[place] = node.id
    kept = sorted(last.values())
    if len(kept) > _MOST:  # of a long loop the first passes and the last
        kept = [node for node in kept if turns.get(node, (1, 1))[0] <= _FIRST or turns[node][0] == turns[node][1]]
    return kept if len(kept) <= _MOST else [*kept[: _MOST - 1], kept[-1]]


def _turned(graph: LossGraph, loop: int, shown: list[int], controls: dict[int, Array]) -> int:
    """The iterations of a loop where the line of the loop says how many there were; else 0."""
    said = graph[loop].op == "while" and any(_holder(graph, graph[node], controls).id == loop for node in shown)
    return int(controls[loop]) if said else 0


def _holder(graph: LossGraph, node: Node, controls: dict[int, Array]) -> Node:
    """The loop or branching of which the user sees this; the node itself where it comes from elsewhere."""
    while node.id not in controls and node.op in _PASSING and node.args:
        node = graph[node.args[0]]
    return node


def _holders(staged: Staged, graph: LossGraph) -> Iterator[tuple[int, Any]]:
    """The loops and branchings of the loss."""
    for node in graph.nodes:
        if node.op in ("while", "cond") and node.role == "forward":
            try:
                op = staged.graph.get_operation_by_name(node.name)
            except (KeyError, ValueError):
                continue
            if op.type in (*LOOPS, *BRANCHES):
                yield node.id, op


def _asked(op: Any) -> Any:
    """What says how a loop or branching went: the loop counter of tf.while_loop, the predicate."""
    return op.outputs[0] if op.type in LOOPS else op.inputs[0]


def _gradients(staged: Staged, asked: list[Any]) -> list[Any]:
    """The gradients of the sum of the loss, None where there is none: one call, as each one changes the loops."""
    import tensorflow as tf

    known = [tensor for tensor in asked if tensor.dtype.is_floating or tensor.dtype == tf.variant]
    if not known or not staged.value.dtype.is_floating:
        return [None] * len(asked)
    with staged.graph.as_default():
        made = tf.gradients(staged.value, known)
        found = {id(a): None if g is None else tf.convert_to_tensor(g) for a, g in zip(known, made, strict=True)}
    return [found.get(id(tensor)) for tensor in asked]


def _within(live: Live, op: Any, slopes: list[Any], feeds: Sequence[Any]) -> Inside:
    """What the bodies of a loop or branching make."""
    there = [slope for slope in slopes if slope is not None]
    fetches = [*op.inputs, *there]
    results = iter(Executable(live.staged.graph, fetches, effects=False)(feeds, optimised=False))
    inputs = [next(results) for _ in op.inputs]
    known = [None if slope is None else next(results) for slope in slopes]
    known += [None] * (len(op.outputs) - len(known))  # what a gradient keeps of the forward pass
    return inside(op, inputs, known, live.program.records)


def _tensor(
    graph: LossGraph,
    node: Node,
    values: dict[int, Array],
    gradient: Array | None,
    controls: dict[int, Array],
    refused: dict[int, str],
    keep: int,
) -> Tensor:
    value = values[node.id]
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
        saturated=_saturated(graph, node, value),
        marks=tuple(_marks(graph, node, values, controls, refused)),
        values=value if value.size <= keep else None,
        slopes=gradient if gradient is not None and gradient.size <= keep else None,
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


def _marks(
    graph: LossGraph,
    node: Node,
    values: dict[int, Array],
    controls: dict[int, Array],
    refused: dict[int, str],
) -> Iterator[str]:
    args = [graph[arg] for arg in node.args]
    if node.op == "astype" and args:
        yield f"cast from {args[0].dtype}"
    known = [values.get(arg.id, arg.constant) for arg in args]
    shapes = [operand.shape for operand in known if operand is not None]
    result = values[node.id].shape
    if len(shapes) == 2 and node.op not in ("matmul", "concat", "where", "stack"):
        stretched = [shape for shape in shapes if shape != result and shape and max(shape) > 1]
        if stretched and all(len(shape) <= len(result) for shape in shapes) and _broadcast(shapes, result):
            yield f"broadcast {shapes[0]} with {shapes[1]}"
    holder = _holder(graph, node, controls)
    if holder.id in controls:
        seen = controls[holder.id]
        if holder.op == "while":
            yield f"loop, {int(seen)} iterations"
        elif seen.size == 1:
            yield f"branch: {'then' if bool(seen) else 'else'}"
        if holder.id in refused:
            yield refused[holder.id]


def _broadcast(shapes: list[tuple[int, ...]], result: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(*shapes) == result
    except ValueError:
        return False


def _alike(a: Array, b: Array) -> bool:
    if a.shape != b.shape or a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    good = np.isfinite(a)
    if not np.array_equal(good, np.isfinite(b)) or not np.array_equal(np.isnan(a), np.isnan(b)):
        return False
    epsilon = float(np.finfo(a.dtype).eps)
    scale = float(np.max(np.abs(a[good]), initial=0.0))
    return bool(np.allclose(a[good], b[good], rtol=256 * epsilon, atol=256 * epsilon * scale))
