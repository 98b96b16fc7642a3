"""The tensors of a traced loss as words and numbers, for a terminal and for a page."""

from __future__ import annotations

import math
import re

import numpy as np

from lossdoctor.readings.lines import Array, Summary
from lossdoctor.readings.trace import Failure, Row, TraceResult, on_one_line

# Why the trace cannot be compared with a run for value and gradient only.
VARIES = {
    "random": "the loss draws random numbers: each run has others, these are those of one run",
    "state": "two runs of the loss on this batch differ: it keeps state, and these are the numbers of one run",
}

UNTIL_THEN = "what its lines make until then, without gradients"
_CALL = re.compile(r"([A-Za-z_][\w.]*)\s*\(")
_SHORT = {"float": "f", "int": "i", "uint": "u", "bfloat": "bf"}


def differs(found: TraceResult) -> str:
    """What a trace that does not agree says of it."""
    what = "gives other numbers" if found.raised is None else "does not raise"
    return (
        f"a run for value and gradient only, as training has it, {what}: there the graph optimiser does more, and an "
        "intermediate that is not asked for may not be computed as it is written"
    )


def turn_of(number: tuple[int, ...]) -> str:
    """In which turns of the loops around it something happened, with a blank before it."""
    return f" in iteration {' of '.join(map(str, reversed(number)))}" if number else ""


def raised_as(raised: Failure) -> str:
    """What a loss raises, and in which turn of the loops around it."""
    which = "its gradient raises" if raised.backward else "raises"
    return f"{which} {raised.type}{turn_of(raised.iteration)}: {raised.message}"


def given_to(raised: Failure) -> str:
    """What the expression that raises was given: "error f32[4,3], index i32[2] = [0, 7]"."""
    said: list[str] = []
    for one in raised.given:
        sizes = None if one.shape is None else tuple("?" if dim is None else dim for dim in one.shape)
        text = f"{on_one_line(one.text)} {typed(one.dtype, ('...',) if sizes is None else sizes)}"
        said.append(text if one.values is None else f"{text} = {one.values.tolist()}")
    return ", ".join(said)


def marks_of(found: TraceResult, row: Row, value: Summary, gradient: Summary | None, *, zeros: bool) -> list[str]:
    """What is remarkable of a tensor; with `zeros` the share of zeros too, where no column says it."""
    marks = list(row.tensor.marks)
    if not value.finite:
        marks.append(counted(value))
    if gradient is not None and not gradient.finite:
        marks.append(f"gradient: {counted(gradient)}")
    elif gradient is not None and _dead(gradient) and row.tensor.node != found.result and not _follows(found, row):
        marks.append("gradient exactly zero")
    if zeros and value.size > 1 and value.zeros and row.tensor.dtype != "bool":
        marks.append(f"{share(value.zeros, value.size)} zeros")
    if row.tensor.saturated and row.tensor.saturated >= 0.005:
        whole = " of the batch" if found.sample is not None else ""
        marks.append(f"{row.tensor.saturated:.0%}{whole} at a bound of {_function(row)}")
    if found.blamed is row:
        marks.append(
            "first non-finite value" if not found.backward else "its backward pass makes the first non-finite gradient"
        )
    return marks


def _dead(gradient: Summary) -> bool:
    return bool(gradient.size) and gradient.finite and gradient.norm == 0.0


def _follows(found: TraceResult, row: Row) -> bool:
    """Whether the gradient is zero already at all that takes the tensor: it is said where it becomes so."""
    users = [
        one.tensor for one in found.rows if row.tensor.node in one.tensor.args and one.tensor.node != row.tensor.node
    ]
    return bool(users) and all(one.gradient is not None and _dead(one.gradient) for one in users)


def _function(row: Row) -> str:
    """What the user called: one `clip` is a maximum and a minimum."""
    called = _CALL.match(row.tensor.text)
    return called[1] if called else row.tensor.op


def summaries(found: TraceResult, row: Row) -> tuple[Summary, Summary | None]:
    """The summaries of the chosen sample; of the whole batch without one."""
    tensor = row.tensor
    if found.sample is None or tensor.values is None:
        return tensor.value, tensor.gradient
    gradient = tensor.gradient if tensor.slopes is None else Summary.of(part_of(found, row, tensor.slopes))
    return Summary.of(part_of(found, row, tensor.values)), gradient


def part_of(found: TraceResult, row: Row, values: Array) -> Array:
    return np.asarray(values[found.sample]) if row.tensor.node in found.batched and values.ndim else values


def shape_of(found: TraceResult, row: Row) -> tuple[int, ...]:
    """The shape of what the numbers are of: of one sample, where one was asked for."""
    single = found.sample is not None and row.tensor.values is not None and row.tensor.node in found.batched
    return row.tensor.shape[1:] if single else row.tensor.shape


def counted(summary: Summary) -> str:
    parts = [f"{count} {name}" for count, name in ((summary.nan, "nan"), (summary.inf, "inf")) if count]
    return f"{' and '.join(parts)} of {summary.size}"


def share(count: int, size: int) -> str:
    return "" if not count or not size else f"{count / size:.0%}" if count / size >= 0.01 else "<1%"


def typed(dtype: str, shape: tuple[int | str, ...]) -> str:
    kind = dtype.rstrip("0123456789")
    return f"{_SHORT.get(kind, kind)}{dtype[len(kind) :]}[{','.join(map(str, shape))}]"


def number(value: float) -> str:
    """In at most nine characters, which leaves a blank between two columns."""
    if math.isnan(value):
        return "nan"
    value += 0.0  # -0.0 says nothing here
    return next((text for digits in (4, 3, 2) if len(text := f"{value:.{digits}g}") <= 9), f"{value:.1g}")


def of_finite(*values: float) -> list[str]:
    """What a summary says of the finite elements; a dash where there are none."""
    return ["-" if math.isnan(value) else number(value) for value in values]


def of_line(row: Row) -> str:
    """Where a link of a chain stands; nothing for an input."""
    return f" (line {row.line})" if row.line else ""


def slope(row: Row, gradient: Summary | None) -> str:
    """The norm of the gradient; "none" where TensorFlow has none, nothing where it is not known."""
    if gradient is None:
        return "none" if row.tensor.graded else ""
    return number(gradient.norm) if gradient.finite else "not finite"
