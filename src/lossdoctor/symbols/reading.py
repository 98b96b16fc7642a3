"""What explaining a loss gives: plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from lossdoctor.findings import LossResult
from lossdoctor.session import Array


@dataclass(frozen=True, slots=True)
class Definition:
    """A part of a formula with a name, or a constant: `name` = `text`."""

    name: str
    text: str
    latex: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A formula in three notations.

    Attributes:
        text: for people; `definitions` say what its names mean, in the order in which they can be read.
        latex: likewise, in LaTeX.
        definitions: named parts, then constants.
        formula: in the grammar of `verify --formula`, without names; None if `outside` is not empty.
        outside: functions that the grammar does not have.
    """

    text: str
    latex: str
    definitions: tuple[Definition, ...]
    formula: str | None
    outside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TermOf:
    """One additive term: up to reductions the loss is the sum of `weight` times the terms."""

    statement: Statement
    weight: float | None  # None: a factor that is no constant
    sign: int
    line: int | None
    connected: bool  # gradient flows to y_pred
    written: str  # the user's code


@dataclass(frozen=True, slots=True)
class Example:
    """An input that one can check by hand. `expected` is the derivative of the formula, or of the value measured."""

    y_true: Any
    y_pred: Any
    value: Array
    gradient: Array | None
    expected_value: Array | None
    expected: Array | None
    source: Literal["formula", "differences", ""]


@dataclass(frozen=True, slots=True)
class Property:
    """`holds` is None where nothing could be said."""

    name: str
    holds: bool | None
    statement: str
    evidence: Literal["proved", "measured", ""]


@dataclass(frozen=True, slots=True)
class Curve:
    """Value and slope along one coordinate of the prediction; all other entries as `title` says.

    `slope` is the derivative of `value` along `x` that training uses. Arrays of shape (n,); NaN and infinities stay.
    """

    title: str
    label: str  # of the coordinate
    x: Array
    value: Array
    slope: Array
    dead: tuple[tuple[float, float], ...] = ()  # where the slope is zero although the value is above its minimum
    nonfinite: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Surface:
    """The value over two coordinates: `value[i, j]` at (`x[j]`, `y[i]`)."""

    title: str
    labels: tuple[str, str]
    x: Array
    y: Array
    value: Array


@dataclass(frozen=True, slots=True)
class Explanation(LossResult):
    """Everything that `explain` says of one loss.

    Attributes:
        checked: inputs at which the formula was evaluated and compared with the code.
        agrees: the formula equals the code there; None if it could not be compared.
        gaps: what could not be said, and why.
    """

    statement: Statement
    per_sample: bool | None
    checked: int
    agrees: bool | None
    terms: tuple[TermOf, ...]
    examples: tuple[Example, ...]
    properties: tuple[Property, ...]
    curves: tuple[Curve, ...]
    surface: Surface | None
    gaps: tuple[str, ...]
    seconds: float
