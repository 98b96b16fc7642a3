"""Where a loss raises at one batch, and what its lines make until then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType, SimpleNamespace
from typing import Any

from lossdoctor.findings import UsageError
from lossdoctor.graph import spans
from lossdoctor.graph.failing import operands
from lossdoctor.graph.frontend_tf import Live, partly
from lossdoctor.graph.passes import part_of
from lossdoctor.graph.reading_tf import bodies, ordered
from lossdoctor.graph.run_tf import Executable, array
from lossdoctor.graph.state_tf import unchanged
from lossdoctor.graph.trace_tf import Call, Noted, Program, Stopped, build_until, flatten
from lossdoctor.graph.turns_tf import Turns
from lossdoctor.graph.untyped_tf import tf
from lossdoctor.probes.inside import Told, spots, wanted
from lossdoctor.probes.opened import Open, opened, tensors_of
from lossdoctor.probes.rows import Run, listed, plan
from lossdoctor.readings.lines import Array, Crash, Given, Lines, Tensor
from lossdoctor.session import Pair, Raised
from lossdoctor.spec import Contract

_SECONDS = 10.0  # that a run may take which looks into bodies
_GENERATED = "__autograph_generated_file"  # what AutoGraph makes of the user's code has the user's names
_FEW = 8  # integers that are shown one by one
_NOWHERE = 2**31  # the node of what raised, which makes nothing
Names = Mapping[str, Any]  # what the names of a frame stand for


class Frames:
    """What the user's names stood for where each operation was made: what a tracer calls with each."""

    def __init__(self, accept: spans.IsUser) -> None:
        self._accept = accept
        self._held: dict[tuple[int, str], Names] = {}

    def __call__(self, op: Any, frame: FrameType | None) -> None:
        while frame is not None and not self._is_user(frame.f_code.co_filename):
            frame = frame.f_back
        if frame is not None:
            self._held[id(op.graph), op.name] = dict(frame.f_locals)

    def _is_user(self, path: str) -> bool:
        return _GENERATED in path or self._accept(path)

    def of(self, op: Any) -> Names:
        return self._held.get((id(op.graph), op.name), {})


@dataclass
class _Broken:
    """A loss that raises, with what is needed to run what there is of it."""

    program: Program | Stopped
    feeds: Sequence[Any]
    contract: Contract
    turns: Turns
    told: Told
    calling: str
    keep: int
    failing: Told | None = None  # what the loop or branching told that raised
    around: Sequence[Open] = ()  # the bodies that were being traced

    def run(self, fetches: Sequence[Any]) -> list[Any]:
        with unchanged(self.program.graph):
            return Executable(self.program.graph, fetches, effects=False)(self.feeds, optimised=False)

    def first(self, operations: Sequence[Any]) -> tuple[int, Exception] | None:
        """The first of the operations that raises, if one does, and what."""
        low, high, problem = 0, len(operations), self.problem(operations)
        while problem is not None and high - low > 1:  # the first `low` run, the first `high` do not
            middle = (low + high) // 2
            found = self.problem(operations[:middle])
            low, high, problem = (middle, high, problem) if found is None else (low, middle, found)
        return None if problem is None else (low, problem)

    def problem(self, operations: Sequence[Any]) -> Exception | None:
        fetches = [op.outputs[0] for op in operations if op.outputs]
        bare = [op for op in operations if not op.outputs]  # an assertion gives nothing, and can only be waited for
        if bare:
            with self.program.graph.as_default(), tf.control_dependencies(bare):
                fetches.append(tf.identity(tf.constant(0)))
        try:
            if fetches:
                self.run(fetches)
        except Exception as error:  # whatever the loss raises
            return error
        return None

    def ended(self, operations: Sequence[Any], place: int, problem: Exception, frames: Frames) -> Lines:
        """What the operations make until one of them raises."""
        op, number, more = operations[place], (), list[Tensor]()
        told = Told(self.told.spots, self.keep, graded=False)
        if bodies(op):
            with self.turns.told_to(told, _SECONDS):
                problem = self.problem([op]) or problem
            holder, (op, number) = op, self._inner(op, problem, told)
            more = list(told.tensors(holder.name, _NOWHERE))
        calls = self.program.records.calls_of(op)
        raised = Raised(type(problem).__name__, spans.clean_message(problem), calls)
        self.failing = told
        return self.lines(operations[:place], Crash(raised, (), number), frames.of(op), more)

    def _inner(self, op: Any, problem: Exception, told: Told) -> tuple[Any, tuple[int, ...]]:
        """The operation in a body that raised, and in which turn."""
        for name in spans.failed_nodes(problem):
            for place, graph in enumerate(self.turns.graphs, 1):
                if -place in told.started:
                    try:
                        return graph.get_operation_by_name(name), told.started[-place]
                    except (KeyError, ValueError):
                        continue
        return op, ()

    def lines(self, operations: Sequence[Any], crash: Crash, names: Names, more: Sequence[Tensor]) -> Lines:
        """What some operations make; `more` is what is known beside it."""
        staged = partly(self.program, operations, self.contract)
        planned = plan(staged, partly=True)
        calls = crash.raised.calls
        if not crash.backward:  # else it has made its value
            made = {node: staged.loss[node].calls for node in planned.shown}
            own = [node for node, around in made.items() if around and calls[: len(around)] == around]
            last = max((planned.turns[node][0] for node in own), default=0)
            planned.shown = [n for n in planned.shown if n not in own or planned.turns[n][0] < last]
        controls = planned.controls
        fetches = [*(staged.tensors[node] for node in planned.shown), *controls.values()]
        with self.turns.told_to(self.told, _SECONDS):
            results = iter([array(one) for one in self.run(fetches)])
        run = Run(
            {node: next(results) for node in planned.shown}, {node: next(results) for node in controls}, graded=False
        )
        tensors = (*listed(planned, run, self.told, self.keep), *more)
        given = tuple(self._given(crash, names, tensors))
        batched = tuple(node for node in planned.shown if (staged.loss[node].shape or ("",))[:1] == ("B",))
        found = Crash(crash.raised, given, crash.number, crash.backward)
        return Lines(tensors, -1, True, self.calling, batched, crash=found)

    def _given(self, crash: Crash, names: Names, tensors: Sequence[Tensor]) -> Iterator[Given]:
        calls = crash.raised.calls
        if not calls:
            return
        parts = {
            " ".join(one.calls[-1].text.split()): one for one in tensors if one.calls and part_of(one.calls, calls)
        }
        for text, held in operands(names, " ".join(calls[-1].text.split()), parts):
            if text in parts:
                part = parts[text]
                held = part.iterations[-1].values if part.iterations else part.values
                yield _of_array(text, part.dtype, held, part.shape)
                continue
            dtype = str(getattr(held.dtype, "name", held.dtype))
            value = self._value(held)
            yield _of_array(text, dtype, value, self._shape(held, crash.number) if value is None else value.shape)

    def _shape(self, held: Any, number: tuple[int, ...]) -> tuple[int | None, ...] | None:
        """Of a tensor whose value is not known: in that turn, else as far as it is the same always."""
        place = self.turns.place_of(held) if isinstance(held, tf.Tensor) else None
        told = None if place is None or self.failing is None else self.failing.shape(place, number)
        if told is not None:
            return told
        static = tf.TensorShape(held.shape)
        return None if static.rank is None else tuple(static.as_list())

    def _value(self, held: Any) -> Array | None:
        """What an array or tensor holds, if that is known."""
        if hasattr(held, "numpy") or not isinstance(held, tf.Tensor):
            try:
                return array(held)
            except Exception:  # a Keras variable without a value, and the like
                return None
        run = next((one.run for one in self.around if one.graph is held.graph), self.run)
        if run == self.run and held.graph is not self.program.graph:
            return None
        try:
            return array(run([held])[0])
        except Exception:  # what raised, or waits for it
            return None


def _of_array(text: str, dtype: str, value: Array | None, shape: tuple[int | None, ...] | None) -> Given:
    few = value is not None and value.dtype.kind in "iub" and value.size <= _FEW
    return Given(text, dtype, shape, value if few else None)


def raising(
    live: Live,
    feeds: Sequence[Any],
    error: Exception,
    again: Callable[[Turns, Noted | None], Live],
    *,
    calling: str,
    keep: int,
) -> Lines:
    """What a loss makes until it raises where it is run.

    Raises:
        UsageError: it cannot be told.
    """
    records = live.program.records
    found = spots([op for op in live.program.graph.get_operations() if bodies(op)], records)
    turns = Turns(wanted(found, live.program.graph, records), started=True)
    frames = Frames(records.accept)
    try:
        program = again(turns, frames).program
        turns.one_by_one(program.records)
        broken = _Broken(program, feeds, live.contract, turns, Told(found, keep, graded=False), calling, keep)
        effects = [SimpleNamespace(op=op) for op in program.graph.control_outputs]
        operations = ordered([program.value, *effects])
        failed = broken.first(operations)
        if failed is not None:
            return broken.ended(operations, *failed, frames)
        # Backwards, or only as the graph optimiser has it.
        raised = live.raised(error)
        return broken.lines(operations, Crash(raised, backward=live.runs_forward(feeds)), {}, ())
    except Exception:  # whatever becomes of the loss where it is changed
        raised = live.raised(error)
        raise UsageError(f"the loss raises {raised.type} on this batch: {raised.message}") from None


def stopping(call: Call, contract: Contract, accept: spans.IsUser, pair: Pair, keep: int) -> Lines | None:
    """What a loss makes until it raises where it is traced; None if it does not raise."""
    feeds = [*flatten(contract.y_true, pair.y_true), *flatten(contract.y_pred, pair.y_pred)]
    first = build_until(call, contract, accept)
    if first is None:
        return None
    found = spots([op for op in first.graph.get_operations() if bodies(op)], first.records)
    turns, frames = Turns(wanted(found, first.graph, first.records), started=True), Frames(accept)
    stopped = build_until(call, contract, accept, turns, frames)
    if stopped is None:
        return None
    turns.one_by_one(stopped.records)
    broken = _Broken(stopped, feeds, contract, turns, Told(found, keep, graded=False), "raw", keep)
    operations = ordered([x for op in stopped.graph.get_operations() for x in op.outputs])
    failed = broken.first(operations)
    if failed is not None:  # before it gets there
        return broken.ended(operations, *failed, frames)
    raised, names = spans.raised(stopped.error, accept), spans.names(stopped.error, accept)
    around = broken.around = opened(stopped.error, broken.run)
    more = tuple(tensors_of(around, stopped.records, _NOWHERE, keep, raised.calls))
    return broken.lines(operations, Crash(raised, (), (1,) * sum(one.loop for one in around)), names, more)
