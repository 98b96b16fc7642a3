"""Statistics of every intermediate of a loss and of the gradients that flow into it, made inside of the graph.

The loss is traced once more, apart from the training step, and this copy is run on the batch of every n-th step. So
the training step itself is the same with and without the statistics. What the copy would change (a variable that it
assigns) is left out; a loss that draws random numbers draws others in the copy.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lossdoctor.graph.bodies_tf import Bodies, is_own
from lossdoctor.graph.frontend_tf import Staged, convert
from lossdoctor.graph.ir import LossGraph, Node, Span
from lossdoctor.graph.passes import results
from lossdoctor.graph.reading_tf import ordered
from lossdoctor.graph.reference_tf import reference_runs
from lossdoctor.graph.run_tf import _View
from lossdoctor.graph.state_tf import writes
from lossdoctor.graph.trace_tf import Program, build, flatten
from lossdoctor.graph.untyped_tf import atomic_function
from lossdoctor.runtime.addends import Addend, addends
from lossdoctor.runtime.naming import names_of
from lossdoctor.runtime.untyped_tf import ops, tf
from lossdoctor.spec import Contract

COLUMNS = ("min", "max", "mean", "norm", "zeros", "nan", "inf", "size")
SAMPLE = 256  # elements of an intermediate from which its histogram is made
_LINES = 400  # intermediates at most: a loss with more is an unrolled loop


@dataclass(frozen=True)
class Line:
    """What one row of the tables is about."""

    name: str  # "smooth", or the code of the expression
    span: Span | None  # in the user's source; None for y_true and y_pred
    dtype: str
    dims: tuple[int | str, ...] | None
    kind: str  # "value", "gradient" (of the summed loss with respect to the value), "term", "term-gradient"
    inside: bool = False  # of a body of a loop or branching: over all turns


@dataclass(frozen=True)
class Plan:
    """The copy of the loss that makes the tables."""

    lines: tuple[Line, ...]
    contract: Contract
    function: Any
    captures: Sequence[Any]
    variables: Sequence[Any] = ()  # of `Bodies`; each replica gives its own instead

    def __call__(self, y_true: Any, y_pred: Any, variables: Sequence[Any]) -> Any:
        """For each line the `COLUMNS`, then the sampled elements."""
        feeds = [*flatten(self.contract.y_true, y_true), *flatten(self.contract.y_pred, y_pred)]
        own = {id(mine.handle): theirs.handle for mine, theirs in zip(self.variables, variables, strict=True)}
        (table,) = self.function.call_flat(*feeds, *(own.get(id(each), each) for each in self.captures))
        return table


def plan(call: Callable[[Any, Any], Any], contract: Contract, accept: Callable[[str], bool]) -> Plan:
    """Trace `call(y_true, y_pred)` under the contract and prepare its statistics.

    Raises whatever the loss raises, and ValueError where the copy cannot be run without side effects.
    """
    with ops.init_scope(), _undisturbed():
        bodies = Bodies()
        try:
            return _plan(call, contract, accept, bodies)
        except Exception:  # such as of what converts a body into something else, and does not know what counts there
            if not bodies.variables:
                raise
        return _plan(call, contract, accept, None)


def _plan(
    call: Callable[[Any, Any], Any], contract: Contract, accept: Callable[[str], bool], bodies: Bodies | None
) -> Plan:
    program = build(call, contract, accept, bodies)
    outputs = [program.value, *(g for g in program.gradients if g is not None)]
    order = ordered([*outputs, *program.inputs])
    runs = reference_runs(program.graph, order, program.leaves, contract, 0)
    staged = convert(program, program.graph, program.inputs, program.value, program.gradients, runs, "traced")
    lines, tensors, dims, inner = _measured(program, staged, contract, bodies)
    with program.graph.as_default():
        table = _table(tensors, dims)
        if bodies is not None and inner:
            table = tf.concat([table, _inner(bodies, program.graph, list(inner))], 0)
    view = _View(program.graph, [table], effects=False)
    changing = [op.name for op in view.get_operations() if writes(op, is_own)]
    if changing:
        raise ValueError(f"running the loss again would change its state ({changing[0]})")
    function = atomic_function.from_func_graph(f"__lossdoctor_statistics_{program.graph.name}_{id(view)}", view, {})
    variables = () if bodies is None else bodies.variables
    return Plan((*lines, *inner.values()), contract, function, program.graph.external_captures, variables)


def _measured(
    program: Program, staged: Staged, contract: Contract, bodies: Bodies | None
) -> tuple[list[Line], list[Any], list[Any], dict[int, Line]]:
    """The lines, their tensors, and the shape that says which of them can be stacked; of bodies the lines by row."""
    graph = staged.loss
    needed = graph.graph.ancestors(graph.value)  # a loop returns more than is asked for
    nodes = results(graph, [node for node in graph.nodes if _is_intermediate(graph, node, staged, needed)])[:_LINES]
    found_inside = bodies.nodes(program.records) if bodies is not None else []
    every = names_of([*nodes, *(node for _, node in found_inside)])
    names, names_inside = every[: len(nodes)], every[len(nodes) :]
    values = [staged.tensors[node.id] for node in nodes]
    with program.graph.as_default(), bodies.counting_gradients(program.records) if bodies else contextlib.nullcontext():
        gradients = tf.gradients(program.value, values) if program.value.dtype.is_floating else [None] * len(values)
    lines: list[Line] = []
    tensors: list[Any] = []
    dims: list[Any] = []
    inner: dict[int, Line] = {}
    for (row, node), name in zip(found_inside, names_inside, strict=True):
        inner[row] = Line(name, node.span, node.dtype, node.shape, "value", inside=True)
        if bodies is not None and bodies.has_gradient(row):
            inner[row + 1] = replace(inner[row], kind="gradient")

    def add(node: Node, name: str, tensor: Any, kind: str) -> None:
        lines.append(Line(name, node.span, node.dtype, node.shape, kind))
        tensors.append(tensor)
        dims.append(node.shape)

    for node, name, value in zip(nodes, names, values, strict=True):
        add(node, name, value, "value")
    for node, name, gradient in zip(nodes, names, gradients, strict=True):
        if gradient is not None:
            add(node, name, tf.convert_to_tensor(gradient), "gradient")
    for term in _addends(program, staged, contract):
        lines.append(Line(term.name, term.span, graph[graph.value].dtype, graph[graph.value].shape, "term"))
        tensors.append(term.value)
        dims.append(graph[graph.value].shape)
        if term.gradient is not None:
            shape = graph[graph.y_pred[0]].shape
            lines.append(Line(term.name, term.span, graph[graph.y_pred[0]].dtype, shape, "term-gradient"))
            tensors.append(term.gradient)
            dims.append(shape)
    return lines, tensors, dims, inner


def _addends(program: Program, staged: Staged, contract: Contract) -> list[Addend]:
    """The terms; none where the way from them to the value cannot be followed: the lines are measured all the same."""
    try:
        return addends(program, staged, contract)
    except Exception:
        return []


def _inner(bodies: Bodies, graph: Any, rows: Sequence[int]) -> Any:
    """The part of the table that is about bodies; of those no elements are kept."""
    columns = _columns(*bodies.table(graph, rows))
    return tf.concat([columns, tf.fill([len(rows), SAMPLE], np.float32(np.nan))], 1)


def _is_intermediate(graph: LossGraph, node: Node, staged: Staged, needed: frozenset[int]) -> bool:
    if node.role != "forward" or node.id not in staged.tensors or node.op in ("constant", "variable", "identity"):
        return False
    if node.op != "input" and node.id not in needed:
        return False
    return bool(staged.tensors[node.id].dtype.is_floating) and (node.span is not None or node.op == "input")


def _table(tensors: Sequence[Any], dims: Sequence[Any]) -> Any:
    """All tensors of one shape are stacked, so that a table of many lines takes few operations."""
    groups: dict[Any, list[int]] = {}
    for place, (tensor, shape) in enumerate(zip(tensors, dims, strict=True)):
        key = place if shape is None or "?" in shape else tuple(shape)
        groups.setdefault((key, tensor.shape.rank), []).append(place)
    parts: list[Any] = []
    samples: list[Any] = []
    order: list[int] = []
    for places in groups.values():
        stacked = tf.stack([tf.cast(tensors[place], tf.float32) for place in places])
        flat = tf.reshape(stacked, [len(places), -1])
        parts.append(_measures(flat))
        samples.append(_sample(flat))
        order += places
    measures = [tf.concat(each, 0) for each in zip(*parts, strict=True)]
    rows = tf.concat([_columns(*measures), tf.concat(samples, 0)], 1)
    return tf.gather(rows, np.argsort(order))


def _measures(flat: Any) -> tuple[Any, ...]:
    """Of each row: least, largest, sum and sum of squares of what is finite; how many are finite, NaN, 0, and all."""
    finite = tf.math.is_finite(flat)
    safe = tf.where(finite, flat, 0.0)
    infinite = flat.dtype.max
    return (
        tf.reduce_min(tf.where(finite, flat, infinite), 1),
        tf.reduce_max(tf.where(finite, flat, -infinite), 1),
        tf.reduce_sum(safe, 1),
        tf.reduce_sum(tf.square(safe), 1),
        _count(finite),
        _count(tf.math.is_nan(flat)),
        _count(tf.equal(flat, 0.0)),
        tf.fill([flat.shape[0]], tf.cast(tf.shape(flat)[1], tf.float32)),
    )


def _count(mask: Any) -> Any:
    return tf.reduce_sum(tf.cast(mask, tf.float32), 1)


def _columns(low: Any, high: Any, total: Any, squares: Any, finite: Any, nan: Any, zeros: Any, size: Any) -> Any:
    mean = tf.math.divide_no_nan(total, finite)
    return tf.stack([low, high, mean, tf.sqrt(squares), zeros, nan, size - finite - nan, size], 1)


def _sample(flat: Any) -> Any:
    """Elements spread evenly over each row."""
    size = tf.cast(tf.shape(flat)[1], tf.int64)
    places = tf.range(SAMPLE, dtype=tf.int64) * size // SAMPLE
    return tf.gather(flat, tf.minimum(places, tf.maximum(size - 1, 0)), axis=1)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Python's and NumPy's random numbers go on as if the loss had not been traced again."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
