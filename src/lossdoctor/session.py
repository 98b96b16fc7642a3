"""What the parent asks of the process that runs TensorFlow, and what it gets back.

Everything here is plain, picklable data; neither TensorFlow nor the user's code is imported. `worker` answers
these requests, either in a process of its own (`lossdoctor check`) or in this one (`lossdoctor.check(loss, …)`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from lossdoctor.graph.ir import LossGraph, Span, Stage
from lossdoctor.spec import Contract

Array = NDArray[Any]
# An array, or a tuple or table of these for structured inputs.
Value = Any
Execution = Literal["eager", "graph", "xla", "unoptimised"]
_TEXT = 70  # characters of the source of what raised


@dataclass(frozen=True, slots=True)
class Pair:
    """One input of the loss: NumPy arrays of the spec's dtypes, batch axis included."""

    y_true: Value
    y_pred: Value


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception of the user's code or of TensorFlow on its behalf."""

    type: str  # "InvalidArgumentError"
    message: str  # one line, without TensorFlow's node noise
    calls: tuple[Span, ...] = ()  # the user's frames, outermost first
    callee: str = ""  # in full, what the innermost of them called; "….__init__" where it made an object
    left_out: str = ""  # a parameter behind y_true and y_pred that is None, in the outermost of them

    def at(self, path: str) -> str:
        """Where it was raised, as " in line 8, `ops.log(p)`", of another file than `path` with its name."""
        if not self.calls:
            return ""
        span = self.calls[-1]
        file = "" if span.path == path else f" of {PurePath(span.path).name}"
        body = span.text.startswith(("for ", "while ", "if ", "with "))  # its first line says where
        text = " ".join((span.text.partition("\n")[0] if body else span.text).split())
        return f" in line {span.line}{file}, `{text if len(text) <= _TEXT else text[: _TEXT - 1] + '…'}`"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A target that was found: what it is and how a script gets at it again."""

    target: str  # as given
    name: str  # "dice"
    kind: Literal["function", "class", "instance", "factory", "model"]
    path: str  # absolute, of the definition
    line: int
    parameters: tuple[str, str]  # the names of its first two arguments, usually y_true, y_pred
    span: Span  # the `def` or `class` line
    # Python source that defines `loss(y_true, y_pred)` (the raw call) in a fresh process with the user's file
    # and TensorFlow only, and `keras_loss(y_true, y_pred, sample_weight=None)` as Keras would call it.
    loader: str
    attributes: tuple[str, ...] = ()  # instance attributes holding Python numbers
    serializable: bool = False  # registered with Keras
    lacking: tuple[str, ...] = ()  # required arguments beside the first two, which no caller gives
    computes_in: str = ""  # the half precision that the instance has Keras cast its arguments to: "float16"


@dataclass(frozen=True, slots=True)
class Guard:
    """An operation of the loss that only looks at values, and raises: an assertion, or `check_numerics`."""

    op: str  # TensorFlow's name of it: "Assert", "CheckNumericsV2"
    calls: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Traced:
    """The graphs of a loss under one contract.

    `calling` says how it was called: "raw" with the dtypes and shapes of the spec, or, where that raises,
    "keras-compile" (y_true cast and squeezed as Keras does). `traced` is None if both raise.
    """

    traced: LossGraph | None
    optimised: LossGraph | None
    calling: Literal["raw", "keras-compile"]
    raised: Raised | None = None  # of the raw call in graph mode
    seconds: float = 0.0
    guards: tuple[Guard, ...] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Value and gradient (of the sum of the value) at one pair; one gradient per y_pred input."""

    value: Array | None
    gradients: tuple[Array | None, ...]
    raised: Raised | None = None

    @property
    def finite_value(self) -> bool:
        return self.value is not None and bool(np.all(np.isfinite(self.value)))

    @property
    def finite_gradient(self) -> bool:
        return all(gradient is None or bool(np.all(np.isfinite(gradient))) for gradient in self.gradients)


@dataclass(frozen=True, slots=True)
class NodeStats:
    """What one node held at one input."""

    nan: int
    inf: int
    size: int
    low: float  # of the finite elements; nan if there are none
    high: float
    first_bad: tuple[int, ...] | None  # index of the first non-finite element


@dataclass(frozen=True, slots=True)
class Observed:
    """Every float node at one input, op for op as eager execution does it (for stage "traced") or as the graph
    optimiser left it (for "optimised"); `agrees` is False where fetching changed value or gradient."""

    stage: Stage
    stats: Mapping[int, NodeStats]
    agrees: bool = True


@dataclass(frozen=True, slots=True)
class Replay:
    """A reproduction script that ran: exit status 1 while the fault stands, 0 when it does not."""

    status: int
    output: str


@dataclass(frozen=True, slots=True)
class Died:
    """The worker did not answer: it ran out of time or memory, or the process ended."""

    reason: Literal["time", "memory", "exit", "signal"]
    detail: str  # "no answer in 30 s", "exit status 3", "signal 11"


class SessionError(Exception):
    """A request that the worker could not carry out; `died` says how if it was its end.

    `debug` is for the developers of lossdoctor: a traceback of the worker, or the last it wrote.
    """

    def __init__(self, message: str, died: Died | None = None, raised: Raised | None = None, debug: str = "") -> None:
        super().__init__(message)
        self.died = died
        self.raised = raised
        self.debug = debug


Begun = Literal["evaluate", "probe"]  # requests that can be begun


class Session(Protocol):
    """One loss under examination. Methods raise `SessionError`."""

    def load(self, target: str) -> Loaded: ...

    def trace(self, contract: Contract) -> Traced: ...

    def evaluate(self, pairs: Sequence[Pair], execution: Execution) -> list[Evaluation]: ...

    def observe(self, pair: Pair, stage: Stage) -> Observed: ...

    def probe(self, name: str, contract: Contract, **arguments: Any) -> Any: ...

    def begin(self, method: Begun, *arguments: Any, **keywords: Any) -> Callable[[], Any]:
        """Ask for something that will be wanted later; what is returned waits for it, and raises what it raises.

        What is asked for first is done first, whether begun or not, so that nothing depends on time.
        """
        ...

    def optimise(self) -> None:
        """Begin to optimise the graph of the loss, beside all else: it will be run soon."""
        ...

    def compile(self, pair: Pair) -> None:
        """Begin to evaluate a pair under XLA, whose compiler runs beside all else: it will be evaluated soon."""
        ...

    def replay(self, script: str, *, limit: float | None = None) -> Replay: ...

    def versions(self) -> Mapping[str, str]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Settings:
    """How an examination is run."""

    seed: int = 0
    magnitude: float = 1e4  # of `real`, `positive` and `logit`
    time_limit: float = 30.0  # seconds for one request
    memory_limit: float = 8.0  # GiB above what TensorFlow takes
    draws: int = 256
    ignore: tuple[str, ...] = field(default=())
    select: tuple[str, ...] = field(default=())
    mends: bool = True  # whether mends are looked for
    dtype: Literal["float16", "bfloat16"] | None = None  # in which the loss is examined as well
