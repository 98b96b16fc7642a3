"""What an experiment asks for and gets: plain values that are kept as rows of a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from lossdoctor.findings import Fact, Finding, LossResult

BATCH = 24  # samples of a step
Loss = str  # "tested", "standard"


@dataclass(frozen=True, slots=True)
class Run:
    """One training; equal runs give equal numbers."""

    loss: Loss
    seed: int
    rate: float = 0.03
    optimizer: Literal["adam", "sgd"] = "adam"
    steps: int = 150
    batch: int = BATCH
    one_batch: bool = False
    scale: float = 1.0  # of the targets
    term: str = ""  # whose weight is multiplied by `factor`
    factor: float = 1.0
    task: str = ""  # other data than those of the experiment

    @property
    def varied(self) -> bool:
        """With other weights of the terms, or other data, than those of the experiment."""
        return bool(self.term or self.task)

    @property
    def key(self) -> str:
        """Its name in the table."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True, slots=True)
class Own:
    """A model and data of the user's.

    Attributes:
        model: a .keras file, `file.py:name`, or a live model or function that builds one.
        data: an .npz file, or arrays by name; `x` and `y` are needed.
    """

    model: Any
    data: Any

    @property
    def key(self) -> str:
        """What tells it from others in this process."""
        parts = (self.model, self.data)
        return " ".join(part if isinstance(part, str) else str(id(part)) for part in parts)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a training gave.

    Attributes:
        start, end: error of the predictions by the measure of the task, 0 for the known answer; nan without one.
        loose_start, loose_end: likewise, up to scale and offset.
        curve: the loss at `steps`.
        finite: everything stayed finite.
        moved: a weight changed.
        answer, predicted: the first numbers of both, for a picture.
        problem: why it could not be run.
    """

    run: Run
    start: float = float("nan")
    end: float = float("nan")
    loose_start: float = float("nan")
    loose_end: float = float("nan")
    curve: tuple[float, ...] = ()
    steps: tuple[int, ...] = ()
    finite: bool = True
    moved: bool = True
    answer: tuple[float, ...] = ()
    predicted: tuple[float, ...] = ()
    problem: str = ""

    def to_json(self) -> str:
        """As text; NaN and infinities as Python writes them."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        """The inverse of `to_json`."""
        data: dict[str, Any] = json.loads(text)
        run = Run(**data.pop("run"))
        listed: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
        }
        return cls(run, **listed)


@dataclass(frozen=True, slots=True)
class First:
    """What a loss says before anything is trained.

    Attributes:
        task: the name of the synthetic task.
        standard: its standard loss.
        gradient: at the predictions of a fresh model.
        norm: root mean square of that gradient; `standard_norm` likewise for the standard loss.
        values: the loss at the known answer ("answer"), at worse predictions, at those of a fresh model ("fresh").
    """

    seed: int
    task: str
    standard: str
    gradient: Literal["none", "zero", "finite", "non-finite"] = "finite"
    norm: float = 0.0
    standard_norm: float = 0.0
    values: Mapping[str, float] = field(default_factory=dict[str, float])
    problem: str = ""
    convention: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The tested loss beside the standard one: means over seeds, with a 95 % confidence interval of the difference."""

    tested: float
    standard: float
    difference: float
    low: float
    high: float
    seeds: int


@dataclass(frozen=True, slots=True)
class Shares:
    """The terms of the loss along one training.

    Attributes:
        terms: their names.
        steps: at which they were looked at.
        values, gradients: the share of each term in the sizes of all, a row for each step.
        conflict: cosines of the gradients of each two terms at the last step; None where one has none.
    """

    terms: tuple[str, ...]
    steps: tuple[int, ...]
    values: tuple[tuple[float, ...], ...]
    gradients: tuple[tuple[float, ...], ...]
    conflict: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Harder:
    """The tested loss beside the standard one on other data for the same specs."""

    task: str
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Swept:
    """The loss with the weight of one term multiplied by a factor, 0 for left out, beside the loss as it is.

    Attributes:
        error: mean over seeds.
        difference: from the loss as it is, with its 95 % confidence interval `low` to `high`; nan where no answer is
            known, or for fewer than two seeds.
    """

    term: str
    factor: float
    error: float
    difference: float
    low: float
    high: float
    finite: bool


@dataclass(frozen=True, slots=True)
class Experiment(LossResult):
    """Everything that `experiment` says of one loss."""

    task: str
    standard: str
    verdict: Literal["trains", "trains wrongly", "not judged"]
    firsts: tuple[First, ...]
    outcomes: tuple[Outcome, ...]
    comparison: Comparison | None
    findings: tuple[Finding, ...]
    facts: tuple[Fact, ...]
    gaps: tuple[str, ...]
    seconds: float
    swept: tuple[Swept, ...] = ()
    harder: tuple[Harder, ...] = ()
    shares: Shares | None = None
    convention: str = ""  # of the known answer, where there are several
    own: bool = False  # on a model and data of the user's
