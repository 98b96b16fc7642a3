"""Every tensor that the lines of a loss make at one batch, with the gradient of the loss with respect to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lossdoctor.findings import UsageError
from lossdoctor.graph.frontend_tf import Live, Staged, trace, trace_watched
from lossdoctor.graph.run_tf import Executable, array
from lossdoctor.graph.state_tf import changes, unchanged
from lossdoctor.graph.trace_tf import Noted
from lossdoctor.graph.turns_tf import Turns
from lossdoctor.ops.table import TABLE
from lossdoctor.probes.callings import keras_arguments
from lossdoctor.probes.inside import Told, spots, wanted
from lossdoctor.probes.raising import raising, stopping
from lossdoctor.probes.rows import Plan, Run, listed, plan
from lossdoctor.readings.lines import Array, Lines, Varies
from lossdoctor.session import Pair
from lossdoctor.spec import Contract
from lossdoctor.subject.subject import Subject

_SECONDS = 10.0  # that a run may take which looks into bodies
Again = Callable[[Turns, "Noted | None"], Live]


def probe(subject: Subject, contract: Contract, *, pair: Pair, keep: int = 0) -> Lines:
    """Run the loss for everything that its lines make; of one that raises, for what they make until then.

    Args:
        pair: the batch.
        keep: elements up to which the arrays themselves are returned.
    """
    calling, call = "raw", subject.call
    try:
        live = trace(call, contract, is_user=subject.is_user)
    except UsageError:
        raise
    except Exception:
        calling, call = "keras-compile", keras_arguments(subject)
        try:
            live = trace(call, contract, is_user=subject.is_user)
        except Exception:
            found = stopping(subject.call, contract, subject.is_user, pair, keep)
            if found is None:  # it raised at the first attempt, and this time it does not
                raise
            return found

    def again(turns: Turns, noted: Noted | None) -> Live:
        return trace_watched(call, contract, subject.is_user, turns, noted)

    feeds = live.feeds(pair)
    try:
        with unchanged(live.staged.graph):
            plain = [array(one) for one in live.function(feeds, optimised=True)]
    except Exception as error:  # whatever the loss raises
        return raising(live, feeds, error, again, calling=calling, keep=keep)
    try:
        return _lines(live, feeds, plain, again, calling=calling, keep=keep)
    except Exception as error:  # of what the graph optimiser leaves out
        return replace(raising(live, feeds, error, again, calling=calling, keep=keep), agrees=False)


def _lines(live: Live, feeds: list[Any], plain: list[Array], again: Again, *, calling: str, keep: int) -> Lines:
    looked = _looked(live, feeds, again, keep)
    planned, graph = looked.planned, looked.planned.graph
    tensors = tuple(listed(planned, looked.run, looked.told, keep))
    batched = tuple(node for node in planned.shown if (graph[node].shape or ("",))[:1] == ("B",))
    agrees = all(_alike(a, b) for a, b in zip(looked.outputs, plain, strict=True))
    # Two runs may draw the same by a seed, which says nothing of the optimiser.
    varies: Varies = "random" if _draws(live.staged, kept=False) else ""
    if not varies and (not agrees or changes(live.staged.graph)):
        with unchanged(live.staged.graph):
            one, other = ([array(x) for x in live.function(feeds, optimised=True)] for _ in range(2))
        if not all(map(_alike, one, other)):  # two runs alike differ as well
            varies = "random" if _draws(live.staged, kept=True) else "state"
    return Lines(tensors, graph.value, agrees or bool(varies), calling, batched, varies)


@dataclass
class _Looked:
    """A run for everything that is shown."""

    planned: Plan
    run: Run
    outputs: list[Array]
    told: Told


def _looked(live: Live, feeds: Sequence[Any], again: Again, keep: int) -> _Looked:
    """Run the loss once, bodies of loops and branches included; without them where that does not work."""
    planned = plan(live.staged)
    records = live.program.records
    found = spots(planned.holders.values(), records)
    told = Told(found, keep)
    if not found:
        return _run(live, planned, feeds, told)
    turns = Turns(wanted(found, live.program.graph, records))
    why = ""
    try:
        watched = again(turns, None)
        return _run(watched, plan(watched.staged), feeds, told, turns)
    except Exception as problem:  # whatever becomes of the loss where it is changed
        why = f"what is inside is not shown: {type(problem).__name__} where it is looked into"
    told = told.cut() if turns.late else Told(found)
    return _run(live, planned, feeds, told, refused="" if turns.late else why)


def _run(
    live: Live, planned: Plan, feeds: Sequence[Any], told: Told, turns: Turns | None = None, refused: str = ""
) -> _Looked:
    staged, graph = live.staged, planned.graph
    floats = [
        node
        for node in planned.shown
        if staged.tensors[node].dtype.is_floating and graph[node].attrs.get("role") != "y_true"
    ]
    with ExitStack() as stack:
        stack.enter_context(unchanged(staged.graph))
        if turns is not None:
            with turns.telling_gradients():
                made = _gradients(staged, [staged.tensors[node] for node in floats])
            stack.enter_context(turns.told_to(told, _SECONDS))
        else:
            made = _gradients(staged, [staged.tensors[node] for node in floats])
        slopes = {node: g for node, g in zip(floats, made, strict=True) if g is not None}
        controls = planned.controls
        fetches = [
            *Live.outputs(staged),
            *(staged.tensors[node] for node in planned.shown),
            *slopes.values(),
            *controls.values(),
        ]
        results = iter([array(x) for x in Executable(staged.graph, fetches, effects=False)(feeds, optimised=False)])
    outputs = [next(results) for _ in Live.outputs(staged)]
    values = {node: next(results) for node in planned.shown}
    gradients = {node: next(results) for node in slopes}
    run = Run(values, {node: next(results) for node in controls}, gradients)
    if refused:
        run.refused = dict.fromkeys(planned.holders, refused)
    return _Looked(planned, run, outputs, told)


def _gradients(staged: Staged, asked: list[Any]) -> list[Any]:
    """The gradients of the sum of the loss, None where there is none: one call, as each one changes the loops."""
    import tensorflow as tf

    if not asked or not staged.value.dtype.is_floating:
        return [None] * len(asked)
    with staged.graph.as_default():
        return [None if g is None else tf.convert_to_tensor(g) for g in tf.gradients(staged.value, asked)]


def _draws(staged: Staged, *, kept: bool) -> bool:
    """Whether random numbers are drawn, in the loss or in the bodies of its loops and branches: by operations with a
    state of their own, or also (`kept`) by those that are given a seed, which a variable may hold."""
    program = staged.graph.as_graph_def()
    nodes = [*program.node, *(node for function in program.library.function for node in function.node_def)]
    rows = [TABLE.by_tf.get(node.op) for node in nodes if kept or not node.op.startswith("Stateless")]
    return any(row is not None and row.kind == "random" for row in rows)


def _alike(a: Array, b: Array) -> bool:
    if a.shape != b.shape or a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    good = np.isfinite(a)
    if not np.array_equal(good, np.isfinite(b)) or not np.array_equal(np.isnan(a), np.isnan(b)):
        return False
    epsilon = float(np.finfo(a.dtype).eps)
    scale = float(np.max(np.abs(a[good]), initial=0.0))
    return bool(np.allclose(a[good], b[good], rtol=256 * epsilon, atol=256 * epsilon * scale))
