"""Reads TensorFlow graphs: reachable operations in order, function bodies, captured values."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from lossdoctor.graph.run_tf import array
from lossdoctor.graph.untyped_tf import function_def_to_graph, tf

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


def ordered(outputs: Iterable[Any]) -> list[Any]:
    """The operations that these tensors are computed from, in topological order, as close to creation as possible.

    Creation alone is no order: the gradient of a loop gives the forward loop new inputs afterwards. These come as early
    as the loop.
    """
    reached: dict[str, Any] = {}
    sources: dict[str, set[str]] = {}
    stack = [tensor.op for tensor in outputs]
    while stack:
        op = stack.pop()
        if op.name not in reached:
            reached[op.name] = op
            written = written_before(op)
            before = [tensor.op for tensor in (*op.inputs, *(() if written is None else (written.inputs[1],)))]
            sources[op.name] = {one.name for one in before}
            stack.extend(before)
    waiting = {name: len(found) for name, found in sources.items()}
    users: dict[str, list[str]] = {name: [] for name in reached}
    for name, found in sources.items():
        for source in found:
            users[source].append(name)
    created = {name: getattr(op, "_id", position) for position, (name, op) in enumerate(reached.items())}
    needed: dict[str, tuple[int, int]] = {}
    for name in sorted(reached, key=lambda each: created[each]):
        above = [name]
        while above:
            if (one := above.pop()) not in needed:
                needed[one] = created[name], created[one]
                above.extend(sources[one])
    heap = [(needed[name], name) for name, count in waiting.items() if not count]
    heapq.heapify(heap)
    order: list[Any] = []
    while heap:
        _, name = heapq.heappop(heap)
        order.append(reached[name])
        for user in users[name]:
            waiting[user] -= 1
            if not waiting[user]:
                heapq.heappush(heap, (needed[user], user))
    return order


def written_before(op: Any) -> Any | None:
    """The operation that gave a variable the value that `op` reads, if `op` reads one that the graph itself writes.

    Automatic control dependencies order a read after the last write of the same variable.
    """
    if op.type != "ReadVariableOp":
        return None
    handle = op.inputs[0].name
    writes = [one for one in op.control_inputs if one.type == "AssignVariableOp" and one.inputs[0].name == handle]
    return writes[0] if len(writes) == 1 else None


def function_graph(op: Any, name: str) -> Any:
    """The FuncGraph of a function that an operation calls, as it was traced if it still exists.

    Raises KeyError if the function is unknown.
    """
    graph = op.graph
    while graph is not None:
        function = graph._get_function(name)
        if function is not None:
            cached = getattr(function, "_cached_graph", None)
            if cached is not None:
                return cached
            with tf.Graph().as_default() as scratch:
                for other in graph._functions.values():
                    scratch._add_function_recursive(other)
                return function_def_to_graph.function_def_to_graph(function.cached_definition)
        graph = getattr(graph, "outer_graph", None)
    raise KeyError(name)


def pure(graph: Any) -> bool:
    """Whether running a graph does nothing but compute: no variables, random numbers, assertions, prints, calls."""
    for op in graph.get_operations():
        # TensorFlow counts `Empty` among the stateful as its content is arbitrary, and a loop as its body is.
        if op._is_stateful and op.type != "Empty":
            inner = bodies(op)
            if not inner or not all(map(pure, inner)):
                return False
    return True


def bodies(op: Any) -> tuple[Any, ...]:
    """The FuncGraphs of a loop (condition, body) or a branching (else, then; in order for a case); else none."""
    if op.type in ("While", "StatelessWhile"):
        return function_graph(op, op.get_attr("cond").name), function_graph(op, op.get_attr("body").name)
    if op.type in ("If", "StatelessIf"):
        branches = op.get_attr("else_branch").name, op.get_attr("then_branch").name
        return tuple(function_graph(op, name) for name in branches)
    if op.type in ("Case", "StatelessCase"):
        return tuple(function_graph(op, branch.name) for branch in op.get_attr("branches"))
    return ()


def called(op: Any) -> Any | None:
    """The FuncGraph of a plain function call, None for other operations."""
    return function_graph(op, op.get_attr("f").name) if op.type in _CALLS else None


def captured(graph: Any) -> Mapping[str, Any]:
    """What a FuncGraph captures from eager code: placeholder name to eager tensor (a handle for a variable)."""
    return {
        inner.op.name: outer
        for outer, inner in zip(graph.external_captures, graph.internal_captures, strict=True)
        if not isinstance(outer, tf.Tensor) or hasattr(outer, "numpy")
    }


def snapshot(tensor: Any) -> np.ndarray[Any, Any] | None:
    """The value of a captured tensor, of the variable if it is a handle; None if it has none that NumPy knows."""
    try:
        if tensor.dtype == tf.resource:
            data = tensor._handle_data
            if data is None or not data.is_set or len(data.shape_and_type) != 1:
                return None
            dtype = tf.dtypes.as_dtype(data.shape_and_type[0].dtype)
            return array(tf.raw_ops.ReadVariableOp(resource=tensor, dtype=dtype))
        return array(tensor)
    except (tf.errors.OpError, TypeError, ValueError, AttributeError):
        return None


def handle_type(tensor: Any) -> tuple[str, tuple[int | None, ...] | None]:
    """Dtype and static shape of the variable behind a handle; ("resource", None) if that is unknown."""
    data = getattr(tensor, "_handle_data", None)
    if data is None or not data.is_set or len(data.shape_and_type) != 1:
        return "resource", None
    shape = tf.TensorShape(data.shape_and_type[0].shape)
    return tf.dtypes.as_dtype(data.shape_and_type[0].dtype).name, None if shape.rank is None else tuple(shape.as_list())
