"""Statistics of what the bodies of loops and branches make, and of the gradients that flow into it.

A tensor of a body exists once for each turn and cannot be fetched from outside. So while the copy of the loss is
traced, each result of an expression in a body gets an identity behind it that adds its numbers to two variables, and
whose gradient does the same with the gradient that arrives. Both work in a graph and under XLA, wherever the loop
itself does.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from lossdoctor.graph.ir import Node, Span
from lossdoctor.graph.trace_tf import Records
from lossdoctor.graph.untyped_tf import AttrValue, ResourceVariable, ops, record, tf

ROWS = 64  # of the variables of one body: a value and a gradient for each probe
_BODIES = 16  # that have probes
_SUMS = 6  # columns: sum, sum of squares, finite, NaN, zeros, all
_GRADIENT = "LossdoctorInside"
_ROW = "_lossdoctor_row"
_OWN = "_lossdoctor_own"
# What makes no value of the user's, and loops and branches in bodies, which have probes of their own.
_SKIPPED = frozenset(
    "Placeholder PlaceholderWithDefault Const Identity ReadVariableOp Snapshot "
    "If StatelessIf While StatelessWhile Case StatelessCase PartitionedCall StatefulPartitionedCall".split()
)


class Seen:
    """An operation, with what stands behind its first result in place of it."""

    def __init__(self, op: Any, result: Any) -> None:
        self._op = op
        self.outputs = [result, *op.outputs[1:]]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._op, name)


class Bodies:
    """The probes in the bodies of one copy of a loss.

    Attributes:
        variables: in which they count, two for each body: sums, and the least value and negated value. Bodies do not
            share one, as XLA takes a variable that comes to a body on two ways for two.
    """

    def __init__(self) -> None:
        self.variables: list[Any] = []
        self._probes: dict[int, tuple[Any, Any]] = {}  # by row of all variables together: graph, operation
        self._counts: list[tuple[Any, int]] = []  # each body and its probes
        self._busy = False
        self._arrived: set[int] = set()  # rows of gradients

    def starting(self, graph: Any, kind: str) -> None:
        """What the tracer calls before each operation of a body."""

    def watch(self, op: Any, calls: Sequence[Span]) -> Any:
        """What the tracer calls with each operation of a body, and gives to the code that made it."""
        if self._busy or not calls or not _shows(op):
            return op
        place = self._place(op.graph)
        if place is None:
            return op
        self._busy = True
        try:
            graph, value = op.graph, op.outputs[0]
            # The operation is made, and the tape of the user's knows nothing of it yet.
            with record.stop_recording():
                done = _count(place, value, self._handles(place))
                with graph.gradient_override_map({"Identity": _GRADIENT}), graph.control_dependencies(done):
                    result = tf.identity(value)
            result.op._set_attr(_ROW, AttrValue(i=place + 1))
            self._probes[place] = graph, op
            return Seen(op, result)
        finally:
            self._busy = False

    def _place(self, graph: Any) -> int | None:
        """The next row for a body; None if it has no more."""
        number = next((number for number, (each, _) in enumerate(self._counts) if each is graph), len(self._counts))
        if number == len(self._counts):
            if number == _BODIES:
                return None
            self._counts.append((graph, 0))
            self.variables += variables(1)
        count = self._counts[number][1]
        if 2 * count == ROWS:
            return None
        self._counts[number] = graph, count + 1
        return number * ROWS + 2 * count

    def _handles(self, row: int) -> list[Any]:
        first = 2 * (row // ROWS)
        return [variable.handle for variable in self.variables[first : first + 2]]

    def nodes(self, records: Records) -> list[tuple[int, Node]]:
        """Row and description of the result of each expression in a body."""
        last: dict[Any, tuple[int, Node]] = {}
        for number, (row, (graph, op)) in enumerate(self._probes.items()):
            calls = records.calls[id(graph), op.name]
            shape = op.outputs[0].shape
            dims = None if shape.rank is None else tuple("?" if dim is None else dim for dim in shape.as_list())
            node = Node(number, "inside", (), dims, op.outputs[0].dtype.name, name=op.name, calls=calls)
            last[id(graph), calls] = row, node
        return sorted(last.values(), key=lambda found: found[0])

    def has_gradient(self, row: int) -> bool:
        """Whether a gradient flows into the probe whose values are in this row; the next row is its."""
        return row + 1 in self._arrived

    @contextmanager
    def counting_gradients(self, records: Records) -> Generator[None]:
        """Count the gradients that are made meanwhile: those of the loss, not of its terms."""
        for graph in records.graphs.values():
            for op in graph.get_operations():
                if op.type in ("While", "StatelessWhile"):
                    # Turns of a gradient's loop wait for nothing but each other's numbers: two may count at once.
                    op._set_attr("parallel_iterations", AttrValue(i=1))
        _counting.append(self)
        try:
            yield
        finally:
            _counting.remove(self)

    def arrived(self, row: int) -> None:
        """A gradient flows into the probe with this row."""
        self._arrived.add(row)

    def table(self, graph: Any, rows: Sequence[int]) -> tuple[Any, ...]:
        """For each of the rows the least, largest, sum and sum of squares of what is finite; how many are finite, NaN,
        0, and all. Once all loops and branches have run."""
        with graph.as_default():
            handles = {graph.capture(variable.handle).name for variable in self.variables}
            users = _users(graph, handles)
            first = [
                _owned(tf.raw_ops.AssignVariableOp(resource=variable.handle, value=value))
                for variable, value in zip(self.variables, empty() * len(self._counts), strict=True)
            ]
            for op in users:
                op._add_control_inputs(first)
            with graph.control_dependencies(users):
                held = [variable.read_value() for variable in self.variables]
            sums, least = tf.concat(held[::2], 0), tf.concat(held[1::2], 0)
            total, squares, finite, nan, zeros, size = tf.unstack(tf.gather(sums, rows), axis=1)
            low, high = tf.unstack(tf.gather(least, rows), axis=1)
            return low, -high, total, squares, finite, nan, zeros, size


def is_own(op: Any) -> bool:
    """Whether an operation changes the variables of the probes only."""
    return _OWN in op.node_def.attr


_counting: list[Bodies] = []


@ops.RegisterGradient(_GRADIENT)
def _passed(op: Any, gradient: Any) -> Any:
    if not _counting or gradient is None:
        return gradient
    row = op.get_attr(_ROW)
    _counting[-1].arrived(row)
    dense = tf.convert_to_tensor(gradient)
    # The handles of the body: the gradient of a loop knows what to do with those.
    handles = [each.inputs[0] for each in op.control_inputs if is_own(each)]
    with tf.control_dependencies(_count(row, dense, handles)):
        return tf.identity(dense)


def empty() -> tuple[Any, Any]:
    """What the variables hold before the first turn."""
    return tf.zeros([ROWS, _SUMS]), tf.fill([ROWS, 2], tf.float32.max)


def variables(bodies: int) -> list[Any]:
    """Variables for the probes of so many bodies."""
    with ops.init_scope():
        return [ResourceVariable(value, trainable=False) for _ in range(bodies) for value in empty()]


def _users(graph: Any, handles: set[str]) -> list[Any]:
    """The operations that get one of the handles; a loop passes it on to the loop of its gradient."""
    known = set(handles)
    found: dict[str, Any] = {}
    while True:
        fresh = [
            op for op in graph.get_operations() if op.name not in found and any(x.name in known for x in op.inputs)
        ]
        if not fresh:
            return list(found.values())
        found.update((op.name, op) for op in fresh)
        known.update(x.name for op in fresh for x in op.outputs if x.dtype == tf.resource)


def _shows(op: Any) -> bool:
    """Whether an operation makes one array of numbers with a gradient."""
    if op.type in _SKIPPED or len(op.outputs) != 1:
        return False
    return bool(op.outputs[0].dtype.is_floating)


def _count(row: int, value: Any, handles: Sequence[Any]) -> list[Any]:
    """The operations that add a tensor to a row."""
    sums, least = handles
    row %= ROWS
    # Few operations: a turn of a loop pays for each of them.
    flat = tf.cast(tf.reshape(value, [-1]), tf.float32)
    finite = tf.math.is_finite(flat)
    safe = tf.where(finite, flat, 0.0)
    marks = tf.cast(tf.stack([finite, tf.math.is_nan(flat), tf.equal(flat, 0.0)]), tf.float32)
    totals = tf.reduce_sum(tf.concat([[safe, tf.square(safe)], marks, [tf.ones_like(flat)]], 0), 1)
    bounds = tf.where(finite, tf.stack([flat, -flat]), flat.dtype.max)
    lowest = tf.reduce_min(bounds, 1)
    done = [
        tf.raw_ops.ResourceScatterAdd(resource=sums, indices=[row], updates=totals[None]),
        tf.raw_ops.ResourceScatterMin(resource=least, indices=[row], updates=lowest[None]),
    ]
    return [_owned(op) for op in done]


def _owned(op: Any) -> Any:
    op._set_attr(_OWN, AttrValue(b=True))
    return op
