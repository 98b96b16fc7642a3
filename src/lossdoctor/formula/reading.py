"""What comparing a loss with its declared formula gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lossdoctor.graph.ir import Span
from lossdoctor.session import Array, Pair

ENOUGH = 8  # inputs at which both must be finite before they can be said to agree
# How one of the two was reduced before comparing: not at all, to one number, or to one number a sample.
Reduction = Literal["", "loss to its mean", "loss to its mean for each sample", "formula to its mean"]


@dataclass(frozen=True, slots=True)
class Difference:
    """An input at which loss and formula differ by more than rounding and stabilisers explain.

    `value` and `expected` have the same shape after `reduction`, unless the shapes cannot be compared at all.
    """

    pair: Pair
    value: Array
    expected: Array
    reduction: Reduction = ""

    @property
    def shapes_differ(self) -> bool:
        return self.value.shape != self.expected.shape


@dataclass(frozen=True, slots=True)
class GradientDifference:
    """An input at which the gradient that training uses is not the derivative of the formula, along `along`."""

    pair: Pair
    along: Array
    used: float
    expected: float


@dataclass(frozen=True, slots=True)
class Branch:
    """Where a formula changes its branch, as written, and on how many sides of it inputs were compared."""

    text: str
    below: bool = False  # left < right
    above: bool = False

    @property
    def both(self) -> bool:
        return self.below and self.above


@dataclass(frozen=True, slots=True)
class FormulaCheck:
    """A loss against its formula.

    Attributes:
        name: what the loss was compared with, such as "its formula".
        compared: inputs at which both are finite.
        differing: inputs among them at which they differ.
        stabilised: inputs among them at which they differ only by a small constant against singular points.
        undefined: inputs at which one of them is no finite number.
        largest: largest relative difference that was tolerated at ordinary inputs.
        reduction: how one was reduced for comparing.
        difference: the plainest counterexample.
        relation: what holds instead, as a clause; "" where nothing simple does.
        calls: the place that differs; () means the whole loss.
        node: the operation there in the traced graph; None where the whole loss differs.
        written: the user's expression there.
        expected: the part of the formula that should stand there; "" where that is not known.
        gradients: derivatives compared.
        gradient: where only the gradient differs.
        samples: in the inputs at which both agree.
        branches: of the formula, and which of their sides were visited.
    """

    name: str
    compared: int
    differing: int
    stabilised: int
    undefined: int
    largest: float = 0.0
    reduction: Reduction = ""
    difference: Difference | None = None
    relation: str = ""
    calls: tuple[Span, ...] = ()
    node: int | None = None
    written: str = ""
    expected: str = ""
    gradients: int = 0
    gradient: GradientDifference | None = None
    samples: int = 0
    branches: tuple[Branch, ...] = ()

    @property
    def agrees(self) -> bool:
        """Enough was compared, and value and gradient are those of the formula."""
        return self.compared >= ENOUGH and self.difference is None and self.gradient is None


@dataclass(frozen=True, slots=True)
class ReferenceCheck:
    """A loss against another implementation, written `shown`."""

    shown: str
    check: FormulaCheck


@dataclass(frozen=True, slots=True)
class SlopeCheck:
    """The gradient that training uses against a declared formula of it.

    Attributes:
        compared: inputs at which both are finite.
        differing: inputs among them at which they differ.
        difference: the plainest counterexample; its `value` is the gradient used.
        relation: what holds instead, as a clause; "" where nothing simple does.
        calls: the place whose change makes it the declared gradient; () where none is known.
        written: the user's expression there.
        change: what should stand there, in words, such as "2 instead of 1" or "a mean".
        lacks: the term of the formula that the gradient is without.
    """

    compared: int
    differing: int
    difference: Difference | None = None
    relation: str = ""
    calls: tuple[Span, ...] = ()
    written: str = ""
    change: str = ""
    lacks: str = ""
