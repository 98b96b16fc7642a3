"""What decomposing a loss gives: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lossdoctor.experiments.additive import Additive
from lossdoctor.experiments.symptoms import Symptom
from lossdoctor.findings import Fact, Finding, LossResult
from lossdoctor.graph.ir import Span
from lossdoctor.session import Pair
from lossdoctor.symbols.reading import Statement

Gradient = Literal["none", "zero", "finite", "non-finite"]


@dataclass(frozen=True, slots=True)
class TermMeasure:
    """One term at inputs that were run.

    Attributes:
        weight: the factor between the term and the loss; None where it depends on the data.
        trained: the factor depends on variables, so that it changes in training.
        value: mean contribution to the mean of the loss.
        value_share: size of the contribution among those of all terms, in [0, 1].
        gradient_share: norm of its gradient among those of all terms, in [0, 1].
        gradient: what reaches y_pred.
        reaches: the parts of a structured y_pred that its gradient reaches ("" for a plain one).
        dead: share of the inputs at which its gradient is zero.
        nonfinite: share of the inputs at which its value or its gradient is not finite.
        witness: one such input.
    """

    weight: float | None
    trained: bool
    value: float
    value_share: float
    gradient_share: float
    gradient: Gradient
    reaches: tuple[str, ...]
    dead: float
    nonfinite: float
    witness: Pair | None = None


@dataclass(frozen=True, slots=True)
class Measures:
    """All terms at the same inputs.

    Attributes:
        conflict: cosine of the gradients of each two terms; None where one has no gradient.
        residual: largest |loss − sum of the terms|, relative to the sum of their sizes.
        draws: inputs that were drawn for the residual.
        source: what shares and gradients were measured on.
    """

    terms: tuple[TermMeasure, ...]
    conflict: tuple[tuple[float | None, ...], ...]
    residual: float
    draws: int
    source: Literal["draws", "data"]


# (place of the operation, output); the place of input number i is -1 - i.
Site = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Route:
    """How the terms become the value.

    Attributes:
        kinds: the types of all operations of the loss, by which a later trace is known to be the same.
        value: where the value is.
        leaves: for each place at which a term enters, the number of the term.
        expanded: for each operation on the way, the inputs that lead to terms.
        sizes: inputs of these that are sizes of arrays: dividing by one is a mean, no weight.
    """

    kinds: tuple[str, ...]
    value: Site
    leaves: Mapping[Site, int]
    expanded: Mapping[int, tuple[int, ...]]
    sizes: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Terms:
    """Where the terms are, how they become the loss, and what they are worth."""

    additive: Additive
    route: Route
    measures: Measures


@dataclass(frozen=True, slots=True)
class TermReading:
    """One term of a loss."""

    name: str
    path: str
    line: int
    text: str  # the user's code
    depends_on_y_pred: bool
    measure: TermMeasure
    statement: Statement | None
    inside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decomposition(LossResult):
    """The terms of one loss, and what was found of them."""

    parts: tuple[TermReading, ...]
    measures: Measures
    findings: tuple[Finding, ...]
    facts: tuple[Fact, ...]
    gaps: tuple[str, ...]
    seconds: float
    checks: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class Culprit:
    """What is left when everything that is not needed for a symptom is gone.

    Attributes:
        term: the name of the term, or of several that show it only together; `terms` are all of them.
        calls: the user's frames of the guilty operation, outermost first.
        span: the expression of the term.
        code: the guilty expression.
        operands: what goes into it at `pair`.
        pair: the smallest input found.
        script: the reduced loss as a script; "" where there is none.
        sizes: operations of the loss, and of what is left.
        needed: how many terms `term` names.
    """

    symptom: Symptom
    term: str
    terms: tuple[str, ...]
    calls: tuple[Span, ...]
    span: Span | None
    code: str
    operands: str
    pair: Pair
    script: str
    sizes: tuple[int, int]
    needed: int = 1


@dataclass(frozen=True, slots=True)
class Isolation(LossResult):
    """The result of `isolate` for one loss; `culprit` is None where nothing shows a symptom."""

    culprit: Culprit | None
    where: str  # path of the guilty line
    at: int  # the guilty line
    shown: bool | None  # the script was run and shows the symptom; None where there is none
    gaps: tuple[str, ...]
    seconds: float
