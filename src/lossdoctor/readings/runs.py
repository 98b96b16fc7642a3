"""Readings of runs: the raw call, several replicas, and the executions beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lossdoctor.graph.ir import LossGraph, Span
from lossdoctor.session import Array, Evaluation, Execution, Guard, Pair, Raised


@dataclass(frozen=True, slots=True)
class ReferenceInfo:
    """Another implementation: whether it is one of NumPy, else its graph where it could be traced."""

    numpy: bool
    graph: LossGraph | None


@dataclass(frozen=True, slots=True)
class EagerRun:
    """Value and gradient of the raw call, run eagerly at one ordinary input."""

    pair: Pair
    evaluation: Evaluation


@dataclass(frozen=True, slots=True)
class SwappedRun:
    """The raw call at one input, and at the same input with the two arrays exchanged."""

    evaluation: Evaluation
    other: Evaluation


@dataclass(frozen=True, slots=True)
class Split:
    """A batch with one replica, and its two halves on two whose gradients are added up.

    `ratio` takes the gradient of one replica nearest to that of two, and `scatter` is what is left of the latter, as a
    share of it; both NaN where the gradient is zero or not finite.
    """

    one: float  # sum of the loss as it is handed to the optimizer
    two: tuple[float, float]
    ratio: float
    scatter: float

    @property
    def differs(self) -> bool:
        """Whether the step is another one, by more than rounding."""
        return abs(self.ratio - 1.0) > 0.02 or self.scatter > 0.02

    @property
    def multiplied(self) -> bool:
        """Whether it is the same step, times a factor."""
        return self.differs and self.scatter <= 0.02


@dataclass(frozen=True, slots=True)
class Replicas:
    """The loss under two replicas, and with a weight of zero.

    `keras` as `fit` runs it, `loop` the raw call in a training loop that differentiates what the loss returns. Both
    are None where nothing was measured, for `reason`; `zero_weight` is the gradient of a sample with sample_weight
    0, beside three with 1, relative to what it is with 1.
    """

    pair: Pair | None = None
    keras: Split | None = None
    loop: Split | None = None
    zero_weight: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """An input at which two executions of the loss give different answers.

    With `symptom`, the second of them alone is not finite; else their values differ by more than rounding.
    """

    executions: tuple[Execution, Execution]
    pair: Pair
    first: Evaluation
    second: Evaluation
    symptom: Literal["", "nonfinite-value", "nonfinite-gradient"] = ""
    span: Span | None = None  # the statement at which their ways part, where Python decides


@dataclass(frozen=True, slots=True)
class Dropped:
    """An assertion that stops the graph at an input and lets it pass under XLA."""

    guard: Guard
    pair: Pair
    value: float  # with which one of the arguments is filled


@dataclass(frozen=True, slots=True)
class Executions:
    """The loss under XLA, run with its gradient at inputs of one shape, and what sets it apart.

    `limit` says why it was not compiled; `refused` is what XLA raised where the graph runs.
    """

    pairs: tuple[Pair, ...] = ()  # that were run under XLA
    refused: Raised | None = None
    finite_value: bool = False  # at all pairs
    finite_gradient: bool = False
    differences: tuple[Difference, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    limit: str = ""

    @property
    def ran(self) -> bool:
        return bool(self.pairs) and self.refused is None


@dataclass(frozen=True, slots=True)
class NeedlessDouble:
    """A loss that casts to float64, whose twin in float32 gives the same value and gradient at `inputs` inputs."""

    inputs: int
    calls: tuple[Span, ...]  # of the first cast


@dataclass(frozen=True, slots=True)
class HalfRounding:
    """An ordinary input at which a loss in half precision gives a finite value that its float32 twin does not."""

    dtype: str
    pair: Pair
    got: Array
    expected: Array  # of the same code in float32
    calls: tuple[Span, ...]  # of the first operation that is wrong
    typical: float = 0.0  # relative error of half of the samples
