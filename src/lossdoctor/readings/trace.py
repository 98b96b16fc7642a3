"""A loss at one batch, in the user's words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lossdoctor.findings import LossResult
from lossdoctor.graph.ir import Span
from lossdoctor.readings.lines import Given, Tensor, Varies

_AFTER, _BEFORE = re.compile(r"([(\[{]) "), re.compile(r",? ([)\]}])")


def on_one_line(text: str) -> str:
    """Source as it would stand on one line: no blanks or last commas inside of brackets that are left of the breaks."""
    return _BEFORE.sub(r"\1", _AFTER.sub(r"\1", " ".join(text.split())))


@dataclass(frozen=True, slots=True)
class Row:
    """A tensor in the user's words: the variable that it is assigned to, "" for a part of an expression."""

    tensor: Tensor
    name: str
    path: str
    line: int

    @property
    def shown(self) -> str:
        return on_one_line(self.name or self.tensor.text)


@dataclass(frozen=True, slots=True)
class Ranked:
    """One sample of a data set, alone in its batch."""

    index: int
    loss: float
    gradient: float
    nonfinite: int  # elements of value and gradient that are NaN or infinite


@dataclass(frozen=True, slots=True)
class Failure:
    """Where a loss raises, and what; `line` is 0 where that is on no line of the user's.

    `given` is what the expression was given, `iteration` in which turns of the loops around it it raised, of the
    outermost first. `backward`: the value is computed, and its gradient raises.
    """

    type: str
    message: str
    path: str
    line: int
    text: str
    given: tuple[Given, ...] = ()
    iteration: tuple[int, ...] = ()
    backward: bool = False
    calls: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class TraceResult(LossResult):
    """A loss at one batch; of one that raises, what it makes until then, without gradients."""

    source: str  # where the batch is from: "drawn at random", a file, arrays
    batch: int
    rows: tuple[Row, ...]
    result: int
    agrees: bool
    calling: str
    blamed: Row | None  # the first to be non-finite, or whose backward pass makes the first non-finite gradient
    backward: bool  # which of the two
    chain: tuple[Row, ...]
    batched: tuple[int, ...] = ()
    sample: int | None = None
    worst: tuple[Ranked, ...] = ()
    ranked: int = 0
    files: dict[str, str] = field(default_factory=dict[str, str])  # path as shown -> absolute path
    seconds: float = 0.0
    varies: Varies = ""  # why it cannot be compared with a run for value and gradient only
    raised: Failure | None = None
