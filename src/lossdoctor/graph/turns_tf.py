"""What the bodies of loops and branches make, turn by turn: the graph tells it while it runs.

A tensor of a body exists once for each turn and cannot be fetched from outside. So while a copy of the loss is traced,
each result that is asked for gets a call of Python behind it, which is given its value and the numbers of the turns
around it; its gradient does the same with the gradient that arrives. Whatever runs the loop runs these too, so that a
body with variables, random numbers or side effects is seen in the one run that there is, and of a loop that raises
what it made until then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from lossdoctor.graph.bodies_tf import Seen
from lossdoctor.graph.ir import Span
from lossdoctor.graph.trace_tf import Records
from lossdoctor.graph.untyped_tf import AttrValue, ops, record, tf

Key = tuple[str, tuple[Span, ...]]  # name of an operation, and the user's frames
Tell = Callable[[int, tuple[int, ...], Any, bool], None]  # place, turns, value, whether it is the gradient
_GRADIENT = "LossdoctorTurns"
_PLACE = "_lossdoctor_place"
_SCOPE = "lossdoctor/"  # so that the user's operations keep their names
_INPUTS = ("Placeholder", "PlaceholderWithDefault", "Const", "NoOp")


class TooLong(Exception):
    """The time that the run may take is over."""


class Turns:
    """The calls in the bodies of one copy of a loss.

    Args:
        wanted: the results that are asked for, by operation: a number for each, in the order in which they are made.
        started: with a call at the start of each body, for which the number is that of `graphs`, and below 0.
    """

    def __init__(self, wanted: Mapping[Key, Sequence[int | None]], *, started: bool = False) -> None:
        self._waiting = {key: list(numbers) for key, numbers in wanted.items()}
        self._started = started
        self._last: dict[int, Any] = {}  # by graph: the call that all that is made later waits for
        self._numbers: dict[int, Any] = {}
        self._places: dict[tuple[int, str], int] = {}
        self._busy = False
        self._tell: Tell | None = None
        self._seconds = self._until = 0.0
        self.late = False
        self.graphs: list[Any] = []  # that were started

    def starting(self, graph: Any, kind: str) -> None:
        """What the tracer calls before each operation of a body."""
        if self._busy or not self._started or kind in _INPUTS or graph is not ops.get_default_graph():
            return
        if any(each is graph for each in self.graphs):
            return
        self._busy = True
        try:
            self.graphs.append(graph)
            with record.stop_recording():
                self._last[id(graph)] = self._call(graph, -len(self.graphs), ())
        finally:
            self._busy = False

    def watch(self, op: Any, calls: Sequence[Span]) -> Any:
        """What the tracer calls with each operation of a body, and gives to the code that made it."""
        if self._busy:
            return op
        waiting = self._waiting.get((op.name, tuple(calls)))
        place = waiting.pop(0) if waiting else None
        if op.graph is not ops.get_default_graph():
            return op
        self._busy = True
        try:
            graph = op.graph
            # A result behind the line that raises is not made before it.
            if id(graph) in self._last and op.type not in _INPUTS:
                op._add_control_inputs([self._last[id(graph)]])
            if place is None:
                return op
            with record.stop_recording():  # the tape of the user's does not know the operation yet
                return self._followed(op, place)
        finally:
            self._busy = False

    def _followed(self, op: Any, place: int) -> Any:
        graph, value = op.graph, op.outputs[0]
        call = self._last[id(graph)] = self._call(graph, place, (value,))
        self._places[id(graph), value.name] = place
        if not value.dtype.is_floating:  # else a shape would not be known from what it is made of any more
            return op
        with (
            graph.gradient_override_map({"Identity": _GRADIENT}),
            graph.control_dependencies([call]),
            tf.name_scope(_SCOPE),
        ):
            result = tf.identity(value)
        result.op._set_attr(_PLACE, AttrValue(i=place))
        self._places[id(graph), result.name] = place
        return Seen(op, result)

    def _call(self, graph: Any, place: int, values: tuple[Any, ...]) -> Any:
        def tell(number: Any, *given: Any) -> None:
            self.told(place, number, given[0] if given else None, gradient=False)

        return _python(tell, [self._number(graph), *values])

    def _number(self, graph: Any) -> Any:
        """The numbers of the turns around a body, of the outermost loop first."""
        if id(graph) not in self._numbers:
            counters: list[Any] = []
            outer = graph
            while outer is not None:
                if type(outer).__name__ == "WhileBodyFuncGraph":
                    counters.append(tf.cast(outer.get_operations()[0].outputs[0], tf.int64))  # TensorFlow's own
                outer = getattr(outer, "outer_graph", None)
            self._numbers[id(graph)] = tf.stack(counters[::-1]) if counters else tf.zeros([0], tf.int64)
        return self._numbers[id(graph)]

    def told(self, place: int, number: Any, value: Any, *, gradient: bool) -> None:
        """What the calls in the graph call."""
        if self._tell is None:
            return
        if not self._until:
            self._until = time.monotonic() + self._seconds  # it may wait for long before it gets here
        if time.monotonic() > self._until:
            self.late = True
            raise TooLong
        self._tell(place, tuple(int(one) + 1 for one in number), value, gradient)

    def place_of(self, tensor: Any) -> int | None:
        """The number of a result that was asked for."""
        return self._places.get((id(tensor.graph), tensor.name))

    @staticmethod
    def one_by_one(records: Records) -> None:
        """Have no turn begin before the one before it has ended."""
        for graph in records.graphs.values():
            for op in graph.get_operations():
                if op.type in ("While", "StatelessWhile"):
                    op._set_attr("parallel_iterations", AttrValue(i=1))

    @contextmanager
    def told_to(self, tell: Tell, seconds: float) -> Generator[None]:
        """Have the runs meanwhile tell what the bodies make; TooLong stops one that takes longer."""
        self._tell, self._seconds, self._until = tell, seconds, 0.0
        try:
            yield
        finally:
            self._tell = None

    @contextmanager
    def telling_gradients(self) -> Generator[None]:
        """Have the gradients that are made meanwhile told: those of the loss, not of its terms."""
        _telling.append(self)
        try:
            yield
        finally:
            _telling.remove(self)


_telling: list[Turns] = []


@ops.RegisterGradient(_GRADIENT)
def _passed(op: Any, gradient: Any) -> Any:
    if not _telling or gradient is None:
        return gradient
    turns, place = _telling[-1], int(op.get_attr(_PLACE))
    dense = tf.convert_to_tensor(gradient)
    number = op.control_inputs[0].inputs[0]  # of the forward pass: the loop of the gradient gets it as it gets values

    def tell(counted: Any, value: Any) -> None:
        turns.told(place, counted, value, gradient=True)

    with tf.control_dependencies([_python(tell, [number, dense])]):
        return tf.identity(dense)


def _python(function: Callable[..., None], given: list[Any]) -> Any:
    """The operation that calls Python with the values of some tensors."""

    def call(*values: Any) -> Any:
        function(*values)
        return np.int32(0)

    with tf.name_scope(_SCOPE):
        return tf.numpy_function(call, given, tf.int32).op
