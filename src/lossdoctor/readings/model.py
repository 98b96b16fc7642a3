"""What running a model on one batch tells: plain values, made by `trials` and read by the rules of LD8xx.

Arrays are NumPy's; axis 0 is the sample. `rows` of a reading are positions in what the caller gave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lossdoctor.graph.ir import Span
from lossdoctor.session import Raised

Array = NDArray[Any]
Party = Literal["loss", "data", "model", "optimisation", "loop"]
Flow = Literal["fine", "none", "zero", "nonfinite", "unknown"]  # what a gradient is like


Wants = Literal["probability", "unit", "logit", ""]
Targets = Literal["label", "onehot", "binary", "sign", "positive", "same", ""]


@dataclass(frozen=True, slots=True)
class LossUse:
    """A loss as a model uses it for one output."""

    name: str
    stock: bool  # Keras's own
    wants: Wants = ""  # what it expects of the prediction; "" if anything
    targets: Targets = ""
    ignored: int | None = None  # `ignore_class`
    labels: bool = False  # one of the user's that picks an output by the number in the target
    path: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Output:
    """One output of the model with what it is held against."""

    name: str  # "" if it is the only one
    layer: str  # the layer that makes it; "" if none does
    activation: str  # of that layer: "softmax", "linear"; "" if it is not known
    y_true: Array | None  # as given; of dtype object where it is text
    y_pred: Array | None  # by the weights as they are; of the rows that ran
    weight: Array | None
    loss: LossUse | None
    masked: bool = False  # y_pred carries a mask of Keras

    @property
    def label(self) -> str:
        """`y`, or `y['boxes']`."""
        return f"y[{self.name!r}]" if self.name else "y"

    @property
    def prediction(self) -> str:
        return f"the output {self.name!r}" if self.name else "the output"

    @property
    def classes(self) -> int | None:
        """The size of the last axis of the prediction; None where there is one axis only, or no prediction."""
        return None if self.y_pred is None or self.y_pred.ndim < 2 else int(self.y_pred.shape[-1])


@dataclass(frozen=True, slots=True)
class Batch:
    """What the model was given and what it made of it."""

    inputs: tuple[tuple[str, Array], ...]  # name, array
    outputs: tuple[Output, ...]
    size: int
    rows: tuple[int, ...]  # those that ran
    integer_inputs: frozenset[str] = frozenset()  # names of inputs that an Embedding reads


@dataclass(frozen=True, slots=True)
class LayerRun:
    """One layer at its first call."""

    name: str
    kind: str  # class name
    settings: Mapping[str, object]  # literals of its configuration
    depth: int  # order of the call
    finite_inputs: bool
    finite: bool
    weights_finite: bool
    low: float  # of the finite elements of the output
    high: float
    spread: float  # standard deviation of the output
    spread_in: float  # and of its input
    zero_share: float  # of elements of the output that are exactly zero
    flat_share: float  # of units that give the same number for every sample
    saturated_share: float  # of elements of a sigmoid or tanh within 1e-6 of its limits
    bad_row: int | None = None  # the first sample whose output is not finite
    activation: str = ""
    parameters: int = 0
    last: bool = False


@dataclass(frozen=True, slots=True)
class VariableRun:
    """One trainable variable and the gradient that reaches it."""

    path: str
    layer: str
    shape: tuple[int, ...]
    flow: Flow
    norm: float  # of the gradient
    size: float  # root mean square of the weights
    called: bool  # its layer took part
    read: bool = True  # and it was read, as far as that was looked at
    dtype: str = "float32"
    alike: bool = False  # a kernel of two units or more whose units are all equal
    alike_gradient: bool = False  # and so are their gradients
    by_term: Mapping[str, Flow] = field(default_factory=dict[str, "Flow"])


@dataclass(frozen=True, slots=True)
class TermRun:
    """One loss, or one number of `add_loss`, on this batch."""

    name: str  # of the output, "add_loss 0", …
    value: float | None
    flow: Flow  # of the gradient to the prediction
    bad_rows: tuple[int, ...] = ()  # samples whose loss or gradient is not finite
    bad_what: Literal["value", "gradient", ""] = ""
    per_sample: Array | None = None
    raised: Raised | None = None
    added: bool = False  # by add_loss or a regulariser
    calls: tuple[Span, ...] = ()  # the user's frames of `add_loss`
    constant: float | None = None  # the loss of the best constant prediction
    constant_what: str = ""
    squashed: bool = False  # finite once the predictions are put through a sigmoid


@dataclass(frozen=True, slots=True)
class Curve:
    """The losses of some steps on the one batch."""

    rate: float  # learning rate at the first step
    values: tuple[float, ...]

    @property
    def start(self) -> float:
        return self.values[0]

    @property
    def end(self) -> float:
        """The median of the last five."""
        return float(np.median(self.values[-5:]))

    @property
    def finite(self) -> bool:
        return bool(np.all(np.isfinite(self.values)))

    @property
    def gain(self) -> float:
        """The share of the first loss that is gone at the end; negative where it rose."""
        if not self.finite:
            return -np.inf
        return (self.start - self.end) / max(abs(self.start), 1e-12)


@dataclass(frozen=True, slots=True)
class Swap:
    """The same program with one thing replaced."""

    what: Literal["loss", "batch", "weights"]
    by: str  # "categorical cross-entropy", "random numbers of the same shapes", "fresh weights"
    value: float | None
    finite: bool  # value and gradient of every weight
    raised: str = ""


@dataclass(frozen=True, slots=True)
class ModelRun:
    """Everything that was run."""

    layers: tuple[LayerRun, ...]
    variables: tuple[VariableRun, ...]
    terms: tuple[TermRun, ...]
    value: float | None  # the loss as the optimizer gets it
    raised: Raised | None = None  # by the model or by Keras on the way to the loss
    stage: Literal["model", "loss", ""] = ""  # which of the two raised
    swaps: tuple[Swap, ...] = ()
    curve: Curve | None = None  # as compiled
    slower: Curve | None = None
    faster: Curve | None = None
    standard: Curve | None = None  # with the standard loss
    scaled_inputs: Curve | None = None  # with every column of x standardised
    scaled_targets: Curve | None = None
    standard_name: str = ""
    optimizer: str = ""
    rate: float | None = None
    origin: tuple[Span, ...] = ()  # the user's frames of the operation that makes loss or gradients NaN or infinite
    torn: tuple[Span, ...] = ()  # and of the one at which the gradient to variables without one ends
    torn_what: str = ""  # its name, "ArgMax"
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def finite(self) -> bool:
        """Loss and gradients are finite."""
        return (
            self.raised is None
            and self.value is not None
            and bool(np.isfinite(self.value))
            and all(variable.flow != "nonfinite" for variable in self.variables)
        )
