"""What the lines of a loss make of one batch: plain, picklable values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lossdoctor.graph.ir import Span
from lossdoctor.session import Raised

Array = NDArray[Any]
Varies = Literal["", "random", "state"]


@dataclass(frozen=True, slots=True)
class Summary:
    """The elements of one array. `low`, `mean`, `high` and `norm` are of the finite ones, nan where there are none."""

    size: int
    low: float
    mean: float
    high: float
    norm: float
    zeros: int
    nan: int
    inf: int
    first_bad: tuple[int, ...] | None = None

    @property
    def finite(self) -> bool:
        return self.nan == self.inf == 0

    @staticmethod
    def of(value: Array) -> Summary:
        """Of any numbers or booleans, in float64."""
        numbers = np.abs(value) if value.dtype.kind == "c" else value
        numbers = numbers.astype(np.float64)
        good = np.isfinite(numbers)
        rest = numbers[good]
        bad = np.argwhere(~good)
        nothing = float("nan")
        return Summary(
            size=int(value.size),
            low=float(rest.min()) if rest.size else nothing,
            mean=float(rest.mean()) if rest.size else nothing,
            high=float(rest.max()) if rest.size else nothing,
            norm=float(np.linalg.norm(rest)) if rest.size else nothing,
            zeros=int(np.count_nonzero(numbers == 0)),
            nan=int(np.isnan(numbers).sum()),
            inf=int(np.isinf(numbers).sum()),
            first_bad=tuple(int(i) for i in bad[0]) if len(bad) else None,
        )


@dataclass(frozen=True, slots=True)
class Iteration:
    """One run of an expression inside of a loop: `number` counts from 1, of the outermost loop first."""

    number: tuple[int, ...]
    value: Summary
    gradient: Summary | None
    values: Array | None = None
    slopes: Array | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Tensor:
    """One tensor that an expression of the user's makes.

    `calls` are the user's frames, outermost first; () for an input. `gradient` is that of the sum of the loss with
    respect to it, None where TensorFlow has none. `saturated` is the share of elements at a bound of their function,
    where it has one. `marks` say what happened beside the arithmetic: a broadcast, a cast, a branch, a loop. `values`
    and `slopes` are the arrays, where they were asked for. `inner` is a tensor of the body of a loop or branching, over
    all iterations, which `iterations` holds one by one; its node is that of the loop, `part` its number in there, and
    `feeds` are the parts that take it. `graded` is False where its
    gradient could not be told. `turn`: in which pass over its expression it was made, and of how many; a Python loop
    runs its body several times.
    """

    node: int
    op: str
    args: tuple[int, ...]
    text: str
    calls: tuple[Span, ...]
    shape: tuple[int, ...]
    dtype: str
    value: Summary
    gradient: Summary | None
    saturated: float | None = None
    marks: tuple[str, ...] = ()
    values: Array | None = None
    slopes: Array | None = None
    inner: bool = False
    turn: tuple[int, int] = (1, 1)
    graded: bool = True
    part: int = 0
    feeds: tuple[int, ...] = ()
    iterations: tuple[Iteration, ...] = ()

    def __repr__(self) -> str:
        """In a console: what it is and how large, not its arrays."""
        where = f" at {self.calls[-1].path}:{self.calls[-1].line}" if self.calls else ""
        numbers, slope = _brief(self.value), "none" if self.graded else "unknown"
        if self.gradient is not None:
            slope = _brief(self.gradient, norm=True)
        shape = f"{self.dtype}[{','.join(map(str, self.shape))}]"
        return f"<Tensor `{' '.join(self.text.split())}`{where}: {shape}, {numbers}, |gradient| {slope}>"


def _brief(summary: Summary, *, norm: bool = False) -> str:
    if not summary.finite:
        return f"{summary.nan} nan and {summary.inf} inf of {summary.size}"
    return f"{summary.norm:.4g}" if norm else f"{summary.low:.4g} to {summary.high:.4g}"


@dataclass(frozen=True, slots=True)
class Given:
    """What an expression that raises was given: its source, and what is known of its shape. `values` are those of a
    few integers."""

    text: str
    dtype: str
    shape: tuple[int | None, ...] | None
    values: Array | None = None


@dataclass(frozen=True, slots=True)
class Crash:
    """Where a loss raises. `number` are the turns of the loops around that place, of the outermost first; `backward`
    says that the value is computed, and its gradient raises."""

    raised: Raised
    given: tuple[Given, ...] = ()
    number: tuple[int, ...] = ()
    backward: bool = False


@dataclass(frozen=True, slots=True)
class Lines:
    """All tensors of a loss at one batch, in the order in which they are computed.

    `agrees` is False where a run for value and gradient only, as training has it, gives others than this run, which
    fetches everything. `varies` says why that cannot be compared: of two runs alike each gives numbers of its own, as
    the loss draws some at random or keeps state. `crash` is where the loss raises: then the tensors are what it made
    until there, without gradients.
    """

    tensors: tuple[Tensor, ...]
    result: int  # node of what the loss returned
    agrees: bool
    calling: str
    batched: tuple[int, ...] = field(default=())  # nodes whose first axis is that of the batch
    varies: Varies = ""
    crash: Crash | None = None
