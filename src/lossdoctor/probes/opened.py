"""Bodies of loops and branches that were being traced when the loss raised: what they make in the first turn.

There is no loop yet that could be run. But what it would start with is known to the frames that the exception went
through, and so the body can be run by itself, as far as it got.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lossdoctor.graph.ir import Span
from lossdoctor.graph.run_tf import Executable, array
from lossdoctor.graph.spans import before_autograph
from lossdoctor.graph.trace_tf import Records
from lossdoctor.graph.untyped_tf import tf
from lossdoctor.probes.inside import shown_in
from lossdoctor.readings.lines import Iteration, Summary, Tensor

Run = Callable[[Sequence[Any]], list[Any]]


@dataclass
class Open:
    """A body that was being traced; `run` gives the values of some of its tensors in the first turn."""

    graph: Any
    loop: bool
    where: tuple[str, ...]
    run: Run


def opened(error: Exception, run: Run) -> list[Open]:
    """The bodies around the place where a loss raised, outermost first; `run` is that of the graph around them."""
    found: list[Open] = []
    start: list[Any] = []
    trace = before_autograph(error).__traceback__
    while trace is not None:
        frame = trace.tb_frame
        name, held = frame.f_code.co_name, frame.f_locals
        graph: Any = held.get("func_graph")
        if name == "while_loop" and "loop_vars" in held and "loop_counter" in held:
            start = tf.nest.flatten(held["loop_vars"], expand_composites=True)
        elif name == "func_graph_from_py_func":
            arguments = held.get("func_args")
            kind = type(graph).__name__
            if kind in ("WhileBodyFuncGraph", "WhileCondFuncGraph", "CondBranchFuncGraph"):
                placeholders = [] if arguments is None else tf.nest.flatten(arguments, expand_composites=True)
                pairs = [*zip(placeholders, start, strict=False), *((inner, outer) for outer, inner in graph.captures)]
                where = () if kind != "CondBranchFuncGraph" else (_branch(graph.name),)
                found.append(Open(graph, kind != "CondBranchFuncGraph", where, _inner(graph, pairs, run)))
                run, start = found[-1].run, []
        trace = trace.tb_next
    return found


def _branch(name: str) -> str:
    return "then branch" if "_true" in name else "else branch" if "_false" in name else "a branch"


def _inner(graph: Any, pairs: Sequence[tuple[Any, Any]], outside: Run) -> Run:
    def run(fetches: Sequence[Any]) -> list[Any]:
        asked = [outer for _, outer in pairs if not hasattr(outer, "numpy")]
        values = iter(outside(asked))
        given = [outer if hasattr(outer, "numpy") else next(values) for _, outer in pairs]
        inputs = [inner for inner, _ in pairs]
        return Executable(graph, fetches, effects=False, inner=True, inputs=inputs)(given, optimised=False)

    return run


def tensors_of(
    found: Sequence[Open], records: Records, node: int, keep: int, failing: tuple[Span, ...]
) -> Iterator[Tensor]:
    """What the bodies made before the expression that raised, in the first turn."""
    number: tuple[int, ...] = ()
    where: tuple[str, ...] = ()
    for one in found:
        number += (1,) * one.loop
        where += one.where
        for op, calls in shown_in(one.graph, (), records):
            if calls == failing:
                continue
            try:
                value = array(one.run([op.outputs[0]])[0])
            except Exception:  # something that is given to the body is not known
                continue
            kept = value if value.size <= keep else None
            yield Tensor(
                node=node,
                op=op.type.lower(),
                args=(),
                text=" ".join(calls[-1].text.split()),
                calls=calls,
                shape=tuple(value.shape),
                dtype=op.outputs[0].dtype.name,
                value=Summary.of(value),
                gradient=None,
                marks=where,
                values=kept,
                inner=True,
                graded=False,
                iterations=(Iteration(number, Summary.of(value), None, kept),) if number else (),
            )
