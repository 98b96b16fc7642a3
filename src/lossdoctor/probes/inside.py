"""What the bodies of loops and branches make at one batch: each body run by itself, as often as the loop runs it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from lossdoctor.graph.ir import Span
from lossdoctor.graph.reading_tf import bodies, pure
from lossdoctor.graph.run_tf import Executable, array
from lossdoctor.graph.untyped_tf import handle_data, tf
from lossdoctor.readings.lines import Array, Iteration, Summary, Tensor

LOOPS, BRANCHES = ("While", "StatelessWhile"), ("If", "StatelessIf")
_HIDDEN = ("Const", "Placeholder", "Shape", "Pack", "NoOp", "Identity")
_DTYPES = ("variant", "resource", "string")
_MOST = 1000  # iterations that are followed
_SCOPE = "lossdoctor_gradients"


@dataclass
class _Run:
    """An expression of a body in one iteration; what it made, and the gradient of the loss with respect to it."""

    number: tuple[int, ...]
    value: Array
    gradient: Array | None = None


@dataclass
class _Seen:
    """An expression of a body: what it made so far."""

    calls: tuple[Span, ...]
    op: str
    dtype: str
    where: tuple[str, ...]
    users: frozenset[tuple[int, str]]  # the expressions that take what it made
    runs: list[_Run] = field(default_factory=list[_Run])


@dataclass
class Inside:
    """What is known of the bodies of one loop or branching; `refused` says why nothing is, `graded` is whether the
    gradients are known.
    """

    seen: dict[tuple[int, str], _Seen] = field(default_factory=dict[tuple[int, str], _Seen])
    refused: str = ""
    graded: bool = False
    made: dict[tuple[int, int], Any] = field(default_factory=dict[tuple[int, int], Any])

    def runnable(self, op: Any, which: int, make: Callable[[Any], Any]) -> Any:
        """One of the bodies of an operation, made once: a nested one is run in each iteration of the outer."""
        key = id(op), which
        if key not in self.made:
            self.made[key] = make(bodies(op)[which])
        return self.made[key]

    def tensors(self, node: int, keep: int = 0, said: int = 0) -> Iterator[Tensor]:
        """One tensor for each expression, over all iterations; its node is that of the loop or branching.

        `said`: the iterations that the line of the loop tells of.
        """
        parts = {key: part for part, key in enumerate(self.seen, 1)}
        for part, one in enumerate(self.seen.values(), 1):
            values = [Summary.of(run.value) for run in one.runs]
            slopes = [None if run.gradient is None else Summary.of(run.gradient) for run in one.runs]
            known = [slope for slope in slopes if slope is not None]
            marks = list(one.where)
            if len(values) > 1 and len(values) != said:
                marks.append(f"over {len(values)} iterations")
            bad = [run.number for run, value in zip(one.runs, values, strict=True) if not value.finite]
            if bad and len(values) > 1:
                marks.append(f"first not finite in iteration {_named(bad[0])}")
            steep = [run.number for run, slope in zip(one.runs, slopes, strict=True) if slope and not slope.finite]
            if steep and len(values) > 1:
                marks.append(f"gradient not finite in iteration {_named(steep[-1])}")
            yield Tensor(
                node=node,
                op=one.op,
                args=(),
                text=" ".join(one.calls[-1].text.split()),
                calls=one.calls,
                shape=tuple(one.runs[-1].value.shape),
                dtype=one.dtype,
                value=reduce(_together, values),
                gradient=reduce(_together, known) if known else None,
                marks=tuple(marks),
                inner=True,
                graded=self.graded,
                part=part,
                feeds=tuple(sorted(parts[user] for user in one.users if user in parts)),
                iterations=tuple(
                    Iteration(
                        run.number, value, slope, *(_kept(numbers, keep) for numbers in (run.value, run.gradient))
                    )
                    for run, value, slope in zip(one.runs, values, slopes, strict=True)
                ),
            )


def _named(number: tuple[int, ...]) -> str:
    return " of ".join(map(str, reversed(number)))


def _kept(part: Array | None, keep: int) -> Array | None:
    return part if part is not None and part.size <= keep else None


def inside(op: Any, inputs: Sequence[Any], slopes: Sequence[Any], records: Any) -> Inside:
    """Run the bodies of a loop or branching on its inputs (eager tensors).

    Args:
        op: a While or an If of a FuncGraph.
        inputs: the values of its inputs.
        slopes: the gradients of the loss with respect to its outputs, None where there is none.
        records: what tracing noted, for the user's lines.
    """
    found = Inside()
    if not all(map(pure, bodies(op))):
        found.refused = "what is inside is not shown: it has side effects, variables or random numbers"
        return found
    try:
        tape, complete = _follow(op, list(inputs), records, found, (), ())
    except Exception as problem:  # a body that cannot be run by itself
        found.seen.clear()
        found.refused = f"what is inside could not be run by itself ({type(problem).__name__})"
        return found
    if complete:
        try:
            _back(tape, list(slopes))
            found.graded = True
        except Exception:  # an operation without a gradient, or one whose gradient does not run: the values stay
            for seen in found.seen.values():
                for run in seen.runs:
                    run.gradient = None
    return found


@dataclass
class _Step:
    """One run of a body, for the way back."""

    body: _Body
    inputs: list[Any]
    outputs: list[Any]
    runs: list[_Run]
    nested: list[list[_Step]]


def _follow(
    op: Any, inputs: list[Any], records: Any, found: Inside, where: tuple[str, ...], number: tuple[int, ...]
) -> tuple[list[_Step], bool]:
    """The runs of the bodies, and whether these are all."""
    own = records.calls_of(op)
    if op.type in BRANCHES:
        taken = bool(array(inputs[0]))
        here = (*where, f"{'then' if taken else 'else'} branch")
        body = found.runnable(op, int(taken), lambda graph: _Body(graph, own, records))
        step, complete = body(inputs[1:], found, here, number)
        return [step], complete
    asked = found.runnable(op, 0, lambda graph: Executable(graph, graph.outputs, effects=False, inner=True))
    run = found.runnable(op, 1, lambda graph: _Body(graph, own, records))
    tape: list[_Step] = []
    whole = True
    for count in range(_MOST):
        if not bool(array(asked(inputs, optimised=False)[0])):
            return tape, whole
        step, complete = run(inputs, found, where, (*number, count + 1))
        inputs, whole = step.outputs, whole and complete
        tape.append(step)
    return tape, False


def _back(tape: list[_Step], slopes: list[Any]) -> None:
    """Note the gradients, from those with respect to the outputs; for a loop from the last iteration to the first."""
    for step in reversed(tape):
        slopes, own, nested = step.body.gradients(step, slopes)
        for run, gradient in zip(step.runs, own, strict=True):
            run.gradient = None if gradient is None else array(gradient)
        for inner, outer in zip(step.nested, nested, strict=True):
            _back(inner, outer)


class _Body:
    """A body that can be run; `own` are the frames of the loop or branching itself."""

    def __init__(self, graph: Any, own: tuple[Span, ...], records: Any) -> None:
        last: dict[Any, Any] = {}
        operations = [op for op in graph.get_operations() if not op.name.startswith(_SCOPE)]
        for op in operations:
            calls = records.calls_of(op)
            if op.type in _HIDDEN or not calls or calls == own or not op.outputs or op.type in (*LOOPS, *BRANCHES):
                continue
            if op.outputs[0].dtype.name not in _DTYPES:
                span = calls[-1]
                last[span.path, span.line, span.column, span.end_line, span.end_column, calls[:-1]] = op, calls
        self.graph, self.records, self.shown = graph, records, list(last.values())
        names = {op.name for op, _ in self.shown}
        self.users = {op.name: frozenset(_users(op, names)) for op, _ in self.shown}
        self.nested = [op for op in operations if op.type in (*LOOPS, *BRANCHES)]
        self.back = _Back(graph, [op.outputs[0] for op, _ in self.shown], self.nested)
        self.count = len(graph.outputs)
        wanted = [*graph.outputs, *(op.outputs[0] for op, _ in self.shown)]
        wanted += [tensor for op in self.nested for tensor in op.inputs]
        self.run = Executable(graph, wanted, effects=False, inner=True)

    def __call__(
        self, inputs: list[Any], found: Inside, where: tuple[str, ...], number: tuple[int, ...]
    ) -> tuple[_Step, bool]:
        """Run once, and note what is shown; also, whether all that is inside was run."""
        results = self.run(inputs, optimised=False)
        rest = iter(results[self.count :])
        runs: list[_Run] = []
        for op, calls in self.shown:
            seen = found.seen.setdefault(
                (id(op.graph), op.name),
                _Seen(calls, op.type.lower(), op.outputs[0].dtype.name, where, self.users[op.name]),
            )
            runs.append(_Run(number, array(next(rest))))
            seen.runs.append(runs[-1])
        followed = [
            _follow(op, [next(rest) for _ in op.inputs], self.records, found, where, number) for op in self.nested
        ]
        step = _Step(self, inputs, results[: self.count], runs, [tape for tape, _ in followed])
        return step, all(complete for _, complete in followed)

    def gradients(self, step: _Step, slopes: list[Any]) -> tuple[list[Any], list[Any], list[list[Any]]]:
        """Of the loss with respect to the inputs, to what is shown, and to the outputs of nested ones."""
        found = iter(self.back(step.inputs, step.outputs, slopes))
        first = [next(found) for _ in step.inputs]
        own = [next(found) for _ in self.shown]
        return first, own, [[next(found) for _ in range(count)] for count in self.back.nested]


def _users(op: Any, names: set[str]) -> Iterator[tuple[int, str]]:
    """Which of the named operations take what an operation made, at once or through others."""
    stack, seen = [op], {op.name}
    while stack:
        for output in stack.pop().outputs:
            for user in output.consumers():
                if user.name in seen or user.name.startswith(_SCOPE):
                    continue
                seen.add(user.name)
                if user.name in names:
                    yield id(user.graph), user.name
                else:
                    stack.append(user)


class _Back:
    """The gradients of a body, as functions of its inputs and of the gradients with respect to its outputs."""

    def __init__(self, graph: Any, shown: list[Any], nested: list[Any]) -> None:
        # Of this moment: making the gradient of a loop gives it more inputs and outputs.
        self.graph, self.inputs, self.outputs = graph, list(graph.inputs), list(graph.outputs)
        self.nested = [len(op.outputs) for op in nested]
        self.starts = [*self.inputs, *shown, *(output for op in nested for output in op.outputs)]
        self.made: dict[tuple[int, ...], tuple[list[bool], Executable]] = {}

    def __call__(self, inputs: list[Any], outputs: list[Any], slopes: list[Any]) -> list[Any]:
        slopes = [*slopes, *[None] * (len(outputs) - len(slopes))]
        floats = tuple(
            index
            for index, output in enumerate(self.outputs)
            if output.dtype.is_floating or (slopes[index] is not None and output.dtype == tf.variant)
        )
        if floats not in self.made:
            self.made[floats] = self._make(floats)
        there, run = self.made[floats]
        given = [tf.zeros_like(outputs[index]) if slopes[index] is None else slopes[index] for index in floats]
        results = iter(run([*inputs, *given], optimised=False))
        return [next(results) if known else None for known in there]

    def _make(self, floats: tuple[int, ...]) -> tuple[list[bool], Executable]:
        ends = [self.outputs[index] for index in floats]
        with self.graph.as_default(), tf.name_scope(_SCOPE):
            given = [tf.compat.v1.placeholder(end.dtype, end.shape) for end in ends]
            for end, slope in zip(ends, given, strict=True):
                handle_data.copy_handle_data(end, slope)
            taken = [start.dtype.is_floating or start.dtype == tf.variant for start in self.starts]
            wanted = [start for start, known in zip(self.starts, taken, strict=True) if known]
            found = iter(tf.gradients(ends, wanted, given) if ends and wanted else [None] * len(wanted))
            every = [next(found) if known else None for known in taken]
            tensors = [tf.convert_to_tensor(one) for one in every if one is not None]
        run = Executable(self.graph, tensors, effects=False, inner=True, inputs=[*self.inputs, *given])
        return [one is not None for one in every], run


def _together(a: Summary, b: Summary) -> Summary:
    """The summary of the elements of both."""
    counts = [one.size - one.nan - one.inf for one in (a, b)]
    if not all(counts):
        rest = a if counts[0] else b
        low, mean, high, norm = rest.low, rest.mean, rest.high, rest.norm
    else:
        low, high, norm = min(a.low, b.low), max(a.high, b.high), math.hypot(a.norm, b.norm)
        mean = (a.mean * counts[0] + b.mean * counts[1]) / sum(counts)
    return replace(
        a,
        size=a.size + b.size,
        low=low,
        mean=mean,
        high=high,
        norm=norm,
        zeros=a.zeros + b.zeros,
        nan=a.nan + b.nan,
        inf=a.inf + b.inf,
        first_bad=a.first_bad if a.first_bad is not None else b.first_bad,
    )
