"""What comparing a loss with standard losses gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lossdoctor.findings import LossResult
from lossdoctor.formula.reading import FormulaCheck
from lossdoctor.session import Array
from lossdoctor.symbols.reading import Curve

# From the closest to the farthest.
Kind = Literal["same", "scaled", "same-direction", "different"]


@dataclass(frozen=True, slots=True)
class Relation:
    """What holds between a loss f and another g: f = scale * g + offset where `kind` is "same" or "scaled".

    Attributes:
        kind: "same" value and gradient; "scaled" by a constant factor, offset or both; "same-direction" of the
            gradient at every input; or "different".
        scale: the factor, where it is one number.
        offset: what is added.
        reduction: "" or what one reduces otherwise, such as "sum of 4 elements for their mean".
        gradient_cosine: mean over the inputs of the cosine between the two gradients; NaN where one has none.
        value_correlation: correlation of the values; NaN where one is constant.
        gradients_agree: with equal values, whether the gradients are equal too.
        approximate: equal only up to constants that keep one of the two from singular points.
        inputs: at which both are finite.
    """

    kind: Kind
    scale: float = 1.0
    offset: float = 0.0
    reduction: str = ""
    gradient_cosine: float = float("nan")
    value_correlation: float = float("nan")
    gradients_agree: bool = True
    approximate: bool = False
    inputs: int = 0

    @property
    def apart(self) -> str:
        """What is between two losses that are the same but for scale, offset and reduction."""
        parts: list[str] = []
        if self.reduction:
            parts.append(self.reduction)
        elif abs(self.scale + 1.0) < 1e-6:
            parts.append("the other sign")
        elif abs(self.scale - 1.0) >= 1e-6:
            parts.append(f"a factor of {self.scale:.6g}")
        if self.offset:
            parts.append(f"an offset of {self.offset:.6g}")
        return " and ".join(parts)


@dataclass(frozen=True, slots=True)
class Row:
    """One other loss: its name, as code that makes it, and what holds."""

    name: str
    code: str
    relation: Relation


@dataclass(frozen=True, slots=True)
class Misnamed:
    """A loss named after a standard one of which it is no known variant.

    Attributes:
        family: the standard loss, in words, such as "Huber loss".
        word: the name that promises it.
        other: the standard loss that it is instead; "" where it is none.
        slip: what was done to the promised one, such as "without sqrt"; "" where it is no single slip.
        nearest: formula of the promised loss; of its variant that agrees for most errors.
        share: of errors for which that variant agrees.
        check: the loss against that variant.
    """

    family: str
    word: str
    other: str
    slip: str
    nearest: str
    share: float
    check: FormulaCheck


@dataclass(frozen=True, slots=True)
class Beside:
    """Value and slope of another loss along the slice of a curve, of shape (n,); NaN where it has none."""

    name: str
    value: Array
    slope: Array


@dataclass(frozen=True, slots=True)
class Panel:
    """One slice through a loss, and through the losses that it is drawn beside."""

    curve: Curve
    others: tuple[Beside, ...]


@dataclass(frozen=True, slots=True)
class Comparison(LossResult):
    """One loss against the standard losses, and against another one where that was asked for.

    Attributes:
        other: the other loss; None where none was named.
        standards: a row for each standard loss that accepts the specs, the closest first.
        panels: what a plot shows; () where none was asked for, or the specs have no natural slice.
    """

    other: Row | None
    standards: tuple[Row, ...]
    seconds: float = 0.0
    panels: tuple[Panel, ...] = ()

    @property
    def conclusion(self) -> tuple[str, ...]:
        """What was found, as one or two sentences."""
        said: list[str] = []
        if self.other is not None:
            said.append(f"{self.target} {_held(self.other, self.other.name)}")
        best = self.standards[0] if self.standards else None
        if best is None:
            said.append("no standard loss accepts these specs")
        elif best.relation.kind == "different":
            said.append(f"it is no standard loss; the nearest by its gradient is {best.name} ({best.code})")
        else:
            subject = "both are" if self.other is not None and self.other.relation.kind == "same" else "it is"
            if best.relation.kind == "same" and best.relation.gradients_agree:
                said.append(f"{subject} {best.name} ({best.code}){_approximately(best)}")
            else:
                said.append(f"it {_held(best, f'{best.name} ({best.code})')}")
        return tuple(said)


def _held(row: Row, name: str) -> str:
    relation = row.relation
    if relation.kind == "same":
        if relation.gradients_agree:
            return f"is the same function as {name}, with the same gradient{_approximately(row)}"
        return f"has the same value as {name}, and another gradient"
    if relation.kind == "scaled":
        gradient = "" if relation.gradients_agree else ", and another gradient"
        return f"is the same as {name}, up to {relation.apart}{gradient}{_approximately(row)}"
    if relation.kind == "same-direction":
        return f"has the same gradient direction as {name}, and another value"
    return f"differs from {name}: the cosine of their gradients is {relation.gradient_cosine:.3g}"


def _approximately(row: Row) -> str:
    return ", up to small constants against singular points" if row.relation.approximate else ""
