"""The gradients that flow into what the bodies of loops and branches make, over all turns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lossdoctor.graph.bodies_tf import Bodies
from lossdoctor.graph.ir import Span
from lossdoctor.graph.run_tf import Executable, array
from lossdoctor.graph.trace_tf import Call, build
from lossdoctor.readings.lines import Summary
from lossdoctor.spec import Contract


def within(
    call: Call, contract: Contract, is_user: Callable[[str], bool], feeds: Sequence[Any]
) -> Mapping[tuple[Span, ...], Summary]:
    """By the user's frames of each expression in a body; none where the loss cannot be run with what counts there."""
    import tensorflow as tf

    bodies = Bodies()
    try:
        with tf.init_scope():
            program = build(call, contract, is_user, bodies.watch)
            floats = [x for x in program.inputs if x.dtype.is_floating]
            with program.graph.as_default(), bodies.counting_gradients(program.records):
                tf.gradients(program.value, floats)
            rows = {row + 1: node for row, node in bodies.nodes(program.records) if bodies.has_gradient(row)}
            if not rows:
                return {}
            table = bodies.table(program.graph, list(rows))
            columns = [
                array(column) for column in Executable(program.graph, table, effects=False)(feeds, optimised=False)
            ]
    except Exception:  # whatever becomes of the loss where it is changed
        return {}
    return {
        node.calls: _summary(*map(float, numbers))
        for node, numbers in zip(rows.values(), zip(*columns, strict=True), strict=True)
        if numbers[-1]
    }


def _summary(
    low: float, high: float, total: float, squares: float, finite: float, nan: float, zeros: float, size: float
) -> Summary:
    nothing = float("nan")
    return Summary(
        size=int(size),
        low=low if finite else nothing,
        mean=total / finite if finite else nothing,
        high=high if finite else nothing,
        norm=math.sqrt(squares) if finite else nothing,
        zeros=int(zeros),
        nan=int(nan),
        inf=int(size - finite - nan),
    )
