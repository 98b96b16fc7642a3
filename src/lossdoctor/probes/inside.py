"""What the bodies of loops and branches make at one batch, turn by turn, as the graph tells it while it runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from lossdoctor.graph.ir import Span
from lossdoctor.graph.reading_tf import bodies
from lossdoctor.graph.run_tf import array
from lossdoctor.graph.trace_tf import Records
from lossdoctor.graph.turns_tf import Key
from lossdoctor.readings.lines import Array, Iteration, Summary, Tensor

LOOPS = ("While", "StatelessWhile")
BRANCHES = ("If", "StatelessIf", "Case", "StatelessCase")
_HIDDEN = ("Const", "Placeholder", "Shape", "Pack", "NoOp", "Identity")
_DTYPES = ("variant", "resource", "string")
_MOST = 1000  # turns that are kept one by one
_BYTES = 2**28  # of all arrays that are kept


@dataclass(frozen=True)
class Spot:
    """An expression of a body: the last of its operations."""

    holder: str  # name of the outermost loop or branching
    op: Any
    calls: tuple[Span, ...]
    where: tuple[str, ...]  # the branches that it lies in, outermost first
    users: frozenset[tuple[int, str]]  # the expressions that take what it made

    @property
    def key(self) -> tuple[int, str]:
        return id(self.op.graph), self.op.name


@dataclass
class _Run:
    """An expression of a body in one turn; what it made, and the gradient of the loss with respect to it."""

    value: Summary
    shape: tuple[int, ...]
    values: Array | None = None
    gradient: Summary | None = None
    slopes: Array | None = None


def spots(holders: Iterable[Any], records: Records) -> list[Spot]:
    """The expressions in the bodies of loops and branches, those of each in order."""
    return [spot for op in holders for spot in _spots(op.name, op, records, ())]


def _spots(holder: str, op: Any, records: Records, where: tuple[str, ...]) -> Iterator[Spot]:
    own = records.calls_of(op)
    for which, graph in enumerate(bodies(op)):
        if op.type in BRANCHES:
            named = ("else branch", "then branch")[which] if op.type.endswith("If") else f"branch {which}"
            yield from _of_body(holder, graph, own, records, (*where, named))
        elif which:  # the first is the condition
            yield from _of_body(holder, graph, own, records, where)


def _of_body(
    holder: str, graph: Any, own: tuple[Span, ...], records: Records, where: tuple[str, ...]
) -> Iterator[Spot]:
    shown = shown_in(graph, own, records)
    names = {op.name for op, _ in shown}
    for op, calls in shown:
        yield Spot(holder, op, calls, where, frozenset(_users(op, names)))
    for op in graph.get_operations():
        if op.type in (*LOOPS, *BRANCHES) and not records.is_gradient(op):
            yield from _spots(holder, op, records, where)


def shown_in(graph: Any, own: tuple[Span, ...], records: Records) -> list[tuple[Any, tuple[Span, ...]]]:
    """The last operation of each expression in a body, with the user's frames; `own` are those of the loop itself."""
    last: dict[Any, Any] = {}
    for op in graph.get_operations():
        calls = records.calls_of(op)
        if op.type in (*_HIDDEN, *LOOPS, *BRANCHES) or records.is_gradient(op):
            continue
        if not calls or calls == own or not op.outputs:
            continue
        if op.outputs[0].dtype.name not in _DTYPES:
            span = calls[-1]
            last[span.path, span.line, span.column, span.end_line, span.end_column, calls[:-1]] = op, calls
    return list(last.values())


def _users(op: Any, names: set[str]) -> Iterator[tuple[int, str]]:
    """Which of the named operations take what an operation made, at once or through others."""
    stack, seen = [op], {op.name}
    while stack:
        for output in stack.pop().outputs:
            for user in output.consumers():
                if user.name in seen:
                    continue
                seen.add(user.name)
                if user.name in names:
                    yield id(user.graph), user.name
                else:
                    stack.append(user)


def wanted(found: Sequence[Spot], whole: Any, records: Records) -> dict[Key, list[int | None]]:
    """Which of the results of bodies these are, by what is the same when the loss is traced again: for each operation
    of that name and place, in the order in which they are made."""
    numbers = {spot.key: number for number, spot in enumerate(found)}
    order: dict[Key, list[int | None]] = {}
    for (graph, name), calls in records.calls.items():
        if graph != id(whole) and (graph, name) not in records.gradients:
            order.setdefault((name, calls), []).append(numbers.get((graph, name)))
    return {key: each for key, each in order.items() if any(number is not None for number in each)}


@dataclass
class Told:
    """What one run told of the expressions of bodies.

    Attributes:
        whole: whether it told all.
        graded: whether it told gradients, as far as there are any.
        started: for each body, by the number that it was started with, the last turns that it was run in.
    """

    spots: Sequence[Spot]
    keep: int = 0  # elements up to which arrays are kept
    whole: bool = True
    graded: bool = True
    started: dict[int, tuple[int, ...]] = field(default_factory=dict[int, tuple[int, ...]])
    _runs: dict[int, dict[tuple[int, ...], _Run]] = field(default_factory=dict[int, dict[tuple[int, ...], _Run]])
    _bytes: int = 0

    def __call__(self, place: int, number: tuple[int, ...], value: Any, gradient: bool) -> None:
        if place < 0:
            self.started[place] = number
            return
        held = array(value)
        kept = self._kept(held, place)
        runs = self._runs.setdefault(place, {})
        if not gradient:
            runs[number] = _Run(Summary.of(held), held.shape, kept)
        elif number in runs:
            runs[number].gradient, runs[number].slopes = Summary.of(held), kept

    def _kept(self, held: Array, place: int) -> Array | None:
        if held.size > self.keep or len(self._runs.get(place, ())) > _MOST or self._bytes > _BYTES:
            return None
        self._bytes += held.nbytes
        return held.copy()

    def shape(self, place: int, number: tuple[int, ...]) -> tuple[int, ...] | None:
        """Of what an expression made in a turn."""
        run = self._runs.get(place, {}).get(number)
        return None if run is None else run.shape

    def cut(self) -> Told:
        """The same without its gradients, where the run was stopped."""
        self.whole = self.graded = False
        for runs in self._runs.values():
            for run in runs.values():
                run.gradient = run.slopes = None
        return self

    def tensors(self, holder: str, node: int, said: int = 0, *, branched: bool = False) -> Iterator[Tensor]:
        """One tensor for each expression in the bodies of a loop or branching, over all turns.

        Args:
            holder: its name.
            node: its node, which is theirs.
            said: the iterations that its line tells of.
            branched: whether its line tells which branch was taken.
        """
        places = [place for place, spot in enumerate(self.spots) if spot.holder == holder and place in self._runs]
        parts = {self.spots[place].key: part for part, place in enumerate(places, 1)}
        for part, place in enumerate(places, 1):
            spot = self.spots[place]
            runs = sorted(self._runs[place].items())
            slopes = [run.gradient for _, run in runs if run.gradient is not None]
            yield Tensor(
                node=node,
                op=spot.op.type.lower(),
                args=(),
                text=" ".join(spot.calls[-1].text.split()),
                calls=spot.calls,
                shape=tuple(runs[-1][1].shape),
                dtype=spot.op.outputs[0].dtype.name,
                value=reduce(_together, [run.value for _, run in runs]),
                gradient=reduce(_together, slopes) if slopes else None,
                marks=(*spot.where[branched:], *_marks(runs, said, whole=self.whole)),
                inner=True,
                graded=self.graded,
                part=part,
                feeds=tuple(sorted(parts[user] for user in spot.users if user in parts)),
                iterations=tuple(
                    Iteration(number, run.value, run.gradient, run.values, run.slopes) for number, run in runs[:_MOST]
                ),
            )


def _marks(runs: list[tuple[tuple[int, ...], _Run]], said: int, *, whole: bool) -> Iterator[str]:
    if not whole:
        yield f"over the first {len(runs)} iterations: all of them take too long"
    elif len(runs) > 1 and len(runs) != said:
        yield f"over {len(runs)} iterations"
    if len(runs) > 1:
        bad = [number for number, run in runs if not run.value.finite]
        if bad:
            yield f"first not finite in iteration {_named(bad[0])}"
        steep = [number for number, run in runs if run.gradient is not None and not run.gradient.finite]
        if steep:
            yield f"gradient not finite in iteration {_named(steep[-1])}"


def _named(number: tuple[int, ...]) -> str:
    return " of ".join(map(str, reversed(number)))


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
