"""What the bodies of loops and branches make at one batch: each body run by itself, as often as the loop runs it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lossdoctor.graph.ir import Span
from lossdoctor.graph.reading_tf import bodies, pure
from lossdoctor.graph.run_tf import Executable, array
from lossdoctor.readings.lines import Summary, Tensor

LOOPS, BRANCHES = ("While", "StatelessWhile"), ("If", "StatelessIf")
_HIDDEN = ("Const", "Placeholder", "Shape", "Pack", "NoOp", "Identity")
_DTYPES = ("variant", "resource", "string")
_MOST = 1000  # iterations that are followed


@dataclass
class _Seen:
    """An expression of a body: what it made so far."""

    calls: tuple[Span, ...]
    op: str
    shape: tuple[int, ...]
    dtype: str
    value: Summary
    runs: int = 1
    where: tuple[str, ...] = ()
    first_bad: int | None = None  # the iteration in which it was first not finite


@dataclass
class Inside:
    """What is known of the bodies of one loop or branching; `refused` says why nothing is."""

    seen: dict[tuple[int, str], _Seen] = field(default_factory=dict[tuple[int, str], _Seen])
    refused: str = ""

    def tensors(self, node: int) -> Iterator[Tensor]:
        """One tensor for each expression, over all iterations; its node is that of the loop or branching."""
        for one in self.seen.values():
            marks = list(one.where)
            if one.runs > 1:
                marks.append(f"over {one.runs} iterations")
            if one.first_bad is not None and one.runs > 1:
                marks.append(f"first not finite in iteration {one.first_bad + 1}")
            text = " ".join(one.calls[-1].text.split())
            yield Tensor(
                node, one.op, (), text, one.calls, one.shape, one.dtype, one.value, None, None, tuple(marks), inner=True
            )


def inside(op: Any, inputs: Sequence[Any], records: Any) -> Inside:
    """Run the bodies of a loop or branching on its inputs (eager tensors).

    Args:
        op: a While or an If of a FuncGraph.
        inputs: the values of its inputs.
        records: what tracing noted, for the user's lines.
    """
    found = Inside()
    if not all(map(pure, bodies(op))):
        found.refused = "what is inside is not shown: it has side effects, variables or random numbers"
        return found
    try:
        _follow(op, list(inputs), records, found, (), 0)
    except Exception as problem:  # a body that cannot be run by itself
        found.seen.clear()
        found.refused = f"what is inside could not be run by itself ({type(problem).__name__})"
    return found


def _follow(op: Any, inputs: list[Any], records: Any, found: Inside, where: tuple[str, ...], turn: int) -> None:
    own = records.calls_of(op)
    if op.type in BRANCHES:
        taken = bool(array(inputs[0]))
        other, then = bodies(op)
        here = (*where, f"{'then' if taken else 'else'} branch")
        _Body(then if taken else other, own, records)(inputs[1:], found, here, turn)
        return
    condition, body = bodies(op)
    asked = Executable(condition, condition.outputs, effects=False, inner=True)
    run = _Body(body, own, records)
    for count in range(_MOST):
        if not bool(array(asked(inputs, optimised=False)[0])):
            return
        inputs = run(inputs, found, where, count)


class _Body:
    """A body that can be run; `own` are the frames of the loop or branching itself."""

    def __init__(self, graph: Any, own: tuple[Span, ...], records: Any) -> None:
        last: dict[Any, Any] = {}
        for op in graph.get_operations():
            calls = records.calls_of(op)
            if op.type in _HIDDEN or not calls or calls == own or not op.outputs or op.type in (*LOOPS, *BRANCHES):
                continue
            if op.outputs[0].dtype.name not in _DTYPES:
                span = calls[-1]
                last[span.path, span.line, span.column, span.end_line, span.end_column, calls[:-1]] = op, calls
        self.records, self.shown = records, list(last.values())
        self.nested = [op for op in graph.get_operations() if op.type in (*LOOPS, *BRANCHES)]
        self.count = len(graph.outputs)
        wanted = [*graph.outputs, *(op.outputs[0] for op, _ in self.shown)]
        wanted += [tensor for op in self.nested for tensor in op.inputs]
        self.run = Executable(graph, wanted, effects=False, inner=True)

    def __call__(self, inputs: list[Any], found: Inside, where: tuple[str, ...], turn: int) -> list[Any]:
        """Run once, note what is shown, and return the outputs."""
        results = self.run(inputs, optimised=False)
        rest = iter(results[self.count :])
        for op, calls in self.shown:
            _note(found, op, calls, array(next(rest)), where, turn)
        for op in self.nested:
            _follow(op, [next(rest) for _ in op.inputs], self.records, found, where, turn)
        return list(results[: self.count])


def _note(found: Inside, op: Any, calls: tuple[Span, ...], value: Any, where: tuple[str, ...], turn: int) -> None:
    summary = Summary.of(value)
    known = found.seen.get((id(op.graph), op.name))
    bad = None if summary.finite else turn
    if known is None:
        dtype = op.outputs[0].dtype.name
        seen = _Seen(calls, op.type.lower(), tuple(value.shape), dtype, summary, 1, where, bad)
        found.seen[id(op.graph), op.name] = seen
        return
    known.runs += 1
    known.shape = tuple(value.shape)
    known.value = _together(known.value, summary)
    known.first_bad = bad if known.first_bad is None else known.first_bad


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
