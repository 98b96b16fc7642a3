"""What an examination found: findings, facts, gaps and the report that holds them.

Plain frozen values. Nothing here imports another module of lossdoctor; `report/` renders these values and
`engine` makes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypedDict

Evidence = Literal["proved", "witnessed", "suspected"]
Severity = Literal["error", "warning", "info"]
Verdict = Literal["healthy", "suspect", "broken", "not-examined"]
SpecOrigin = Literal["given", "data", "contract", "config", "inferred"]
Calling = Literal[
    "eager",
    "graph",
    "xla",
    "keras-compile",
    "keras-loss",
    "raw",
    "replicas",
    "partial-batch",
    "batch-of-one",
    "save-load",
]
Family = Literal[
    "no-gradient",
    "dead-gradient",
    "wrong-gradient",
    "broadcast",
    "shape",
    "reduction",
    "nonfinite-value",
    "nonfinite-gradient",
    "precision-loss",
    "low-precision",
    "graph-mode",
    "efficiency",
    "crash",
    "dtype",
    "keras-contract",
    "wrong-math",
    "wrong-direction",
    "non-finite",
    "divergence",
    "unbounded",
    "spike",
    "no-learning",
    "stall",
    "vanishing",
    "exploding",
    "oscillation",
    "overfitting",
    "term-imbalance",
    "data",
    "model",
]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")  # rising


class LossdoctorError(Exception):
    """Any error that lossdoctor raises on purpose."""


class UsageError(LossdoctorError, ValueError):
    """The caller's input cannot be used; the text is one or two lines for a person."""


@dataclass(frozen=True, slots=True)
class Location:
    """A region of a source file; lines and columns are 1-based, the end is exclusive in columns."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Link:
    """One step of the chain from the first bad value to the loss or its gradient."""

    path: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Witness:
    """A concrete input that shows the fault, with what it gives.

    Each of the four is a nested list of numbers ("nan", "inf", "-inf" as strings), a number, a NumPy
    expression (a string) where there are more than 100 elements, a list or table of these for structured
    inputs, or None where it does not apply (no gradient, an exception instead of a value).
    """

    y_true: object
    y_pred: object
    value: object = None
    gradient: object = None


@dataclass(frozen=True, slots=True)
class Edit:
    path: str
    start: tuple[int, int]
    end: tuple[int, int]
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """A mend. Without edits it is advice: `title` is then the code or the sentence to show."""

    title: str
    edits: tuple[Edit, ...] = ()
    verified: bool = False
    changes_values: bool = False
    measured: str = ""  # what it gains, such as "12 times as fast with 256 samples"; part of the title for programs


@dataclass(frozen=True, slots=True)
class Finding:
    rule: str
    name: str
    family: Family
    severity: Severity
    evidence: Evidence
    when: tuple[Calling, ...]
    message: str
    location: Location
    function: str = ""  # the function that holds the line, for people
    witness: Witness | None = None
    reproduce: str = ""  # a standalone script that exits 1 while the fault stands; "" if nothing ran
    chain: tuple[Link, ...] = ()
    consequences: tuple[Finding, ...] = ()
    fix: Fix | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something verified, e.g. name="finite-value"; `statement` is one sentence with its assumptions."""

    name: str
    statement: str
    evidence: Literal["proved", "witnessed"]
    when: tuple[Calling, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """An operation (or a check) that lossdoctor could not see through, and which fact this limits."""

    op: str
    path: str
    line: int
    limits: str


@dataclass(frozen=True, slots=True)
class Blame:
    """Whose fault it is, of a model with a batch or of a training step."""

    party: Literal["loss", "data", "model", "optimisation", "loop", "none"]
    reason: str  # one sentence
    evidence: tuple[str, ...] = ()  # what was swapped or measured, and what came of it
    rule: str = ""  # of the finding that says it in full
    path: str = ""
    line: int = 0
    index: tuple[int, ...] = ()  # of the sample, or of the element, that shows it


class Heading(TypedDict):
    """The attributes of a `LossResult`, to build one from."""

    target: str
    name: str
    path: str
    line: int
    y_true: str
    y_pred: str
    origin: SpecOrigin
    assumptions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LossResult:
    """What the result of every command on one loss says first.

    Attributes:
        target: as given; `name`, `path` and `line` of its definition.
        y_true, y_pred, origin, assumptions: the specs of what it was given, where they are from, and what was assumed.
    """

    target: str
    name: str
    path: str
    line: int
    y_true: str
    y_pred: str
    origin: SpecOrigin
    assumptions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a data set: its place, its loss, and the norm of the gradient of that to its prediction."""

    index: int
    loss: float
    gradient: float


@dataclass(frozen=True, slots=True)
class LossReport:
    target: str
    path: str
    line: int
    y_true: str
    y_pred: str
    origin: SpecOrigin
    assumptions: tuple[str, ...]
    verdict: Verdict
    findings: tuple[Finding, ...]
    facts: tuple[Fact, ...]
    gaps: tuple[Gap, ...]
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    blame: Blame | None = None  # of a model or a training step only
    worst: tuple[Sample, ...] = ()  # of a model, where they were asked for


@dataclass(frozen=True, slots=True)
class ErrorItem:
    """A target that could not be examined at all."""

    target: str
    message: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A function of a file that has the name of a loss, and was not taken for one."""

    target: str  # what examines it
    path: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one run: what `--format json` writes and every renderer reads."""

    versions: Mapping[str, str]
    seed: int
    losses: tuple[LossReport, ...]
    errors: tuple[ErrorItem, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings of all losses, in report order."""
        return tuple(finding for loss in self.losses for finding in loss.findings)

    @property
    def facts(self) -> tuple[Fact, ...]:
        """All facts of all losses, in report order."""
        return tuple(fact for loss in self.losses for fact in loss.facts)


def at_or_above(severity: Severity, threshold: Severity) -> bool:
    return SEVERITIES.index(severity) >= SEVERITIES.index(threshold)
