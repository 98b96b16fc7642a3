"""What a detector says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lossdoctor.findings import Family, Severity

Kind = Literal[
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
]


@dataclass(frozen=True, slots=True)
class Alert:
    """One trouble of a training run.

    `step` is where the alert was raised, `since` where it says that the trouble began, both in the steps that the
    series were given with. `strength` says how far beyond its threshold the detector's quantity is: 1 is just an
    alert. `message` says what was seen, what it usually means and what to do next, in three sentences or fewer.
    """

    detector: str
    kind: Kind
    severity: Severity
    series: str
    step: int
    since: int
    strength: float
    message: str

    @property
    def family(self) -> Family:
        """The family of the finding: the kind."""
        return self.kind
