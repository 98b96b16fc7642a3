"""What running a training step tells: plain values, made by `trials.step` and read by the rules of LD86x and LD87x.

Variables are told by their paths; `calls` are the user's frames, outermost first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lossdoctor.graph.ir import Span
from lossdoctor.session import Raised

Calls = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class GradientCall:
    """One call of `tape.gradient`.

    `whole` is what a tape around the whole step gives where the step's own tape gives None: where it is not None as
    well, the two were torn apart by the place of the tape.
    """

    calls: Calls
    target: Literal["tensor", "number", "array", "none"]
    target_text: str  # the expression, "loss"
    target_calls: Calls  # where it was computed last; () if it is not known
    sources: tuple[str, ...]
    none: tuple[str, ...]  # sources without a gradient
    none_whole: tuple[str, ...]  # those of them that the whole step gives none either
    unread: tuple[str, ...]  # variables among the sources that the step never reads
    tensors: tuple[str, ...]  # sources without a gradient that are no variables
    nonfinite: tuple[str, ...]
    again: bool = False  # a second use of a tape that is not persistent
    value: float | None = None  # of the target
    uphill: float = 0.0  # cosine between the gradient and what the step did to the sources
    torn_calls: Calls = ()  # the operation at which the gradient to the sources without one ends
    torn_what: str = ""  # its name, "ArgMax"

    @property
    def empty(self) -> bool:
        """Whether no source gets a gradient."""
        return bool(self.sources) and len(self.none) == len(self.sources)


@dataclass(frozen=True, slots=True)
class ApplyCall:
    """One call of `optimizer.apply_gradients` or `optimizer.apply`."""

    calls: Calls
    optimizer: str
    variables: tuple[str, ...]
    misplaced: tuple[tuple[str, str], ...] = ()  # (variable, the variable whose gradient it was given)
    rate: float | None = None
    without: tuple[str, ...] = ()  # variables that were given None


@dataclass(frozen=True, slots=True)
class LossCall:
    """A call of a loss by the step with target and prediction exchanged."""

    name: str
    calls: Calls


@dataclass(frozen=True, slots=True)
class StepRun:
    """A training step that ran on one batch."""

    name: str
    tapes: int
    gradients: tuple[GradientCall, ...]
    applies: tuple[ApplyCall, ...]
    read: tuple[str, ...] = ()  # trainable variables that the step reads
    changed: tuple[str, ...] = ()
    left_out: Mapping[str, float] = field(default_factory=dict[str, float])  # variable -> norm of its gradient
    not_applied: tuple[str, ...] = ()  # variables with a gradient that no optimizer and no assignment used
    created: tuple[tuple[str, Calls], ...] = ()  # variables made by a second step
    left: tuple[tuple[str, Calls], ...] = ()  # what left TensorFlow under a tape: ".numpy()" and the like
    swapped: tuple[LossCall, ...] = ()
    unscaled: Literal["not-scaled", "no-scaling", ""] = ""  # of mixed_float16
    unscaled_calls: Calls = ()
    replicas: Calls = ()  # a mean over the batch of one replica, in a step that `strategy.run` calls
    nonfinite: Calls = ()  # the first operation that gives NaN or infinity
    nonfinite_what: str = ""
    nonfinite_batch: tuple[int, ...] = ()  # index of what is not finite in the batch itself
    nonfinite_argument: str = ""
    raised: Raised | None = None
    test: bool = False  # a `test_step`, which should change nothing
    definition: Calls = ()
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])
