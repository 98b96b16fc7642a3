"""What a loss is meant to compute: a formula, or another implementation. A loss is compared with either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lossdoctor.formula.evaluate import derivatives, exactly, in_floats, parts_in_floats
from lossdoctor.formula.expression import Expression, Formula
from lossdoctor.formula.stabilisers import neutral_formula
from lossdoctor.graph.ir import LossGraph
from lossdoctor.session import Array, Pair


class Meaning(Protocol):
    """A real function of y_true and y_pred.

    Attributes:
        name: how a finding calls it, such as "its formula".
        formula: where it is one.
        graph: the program of a reference that could be traced.
    """

    @property
    def name(self) -> str: ...

    @property
    def formula(self) -> Formula | None: ...

    @property
    def graph(self) -> LossGraph | None: ...

    @property
    def numbers(self) -> tuple[float, ...]:
        """The plain numbers that it is written with."""
        ...

    def prepare(self, pairs: Sequence[Pair]) -> None:
        """These inputs are asked for next."""
        ...

    def floats(self, pair: Pair) -> Array:
        """The value in float64; NaN where float64 has none."""
        ...

    def exact(self, pair: Pair) -> Array:
        """The value as exactly as it can be known."""
        ...

    def slopes(self, pair: Pair, along: Array) -> tuple[Array, Array]:
        """The value, and the derivative of its sum along each direction of y_pred (one array), of shape (k,)."""
        ...

    def parts(self, pair: Pair) -> dict[Expression, Array]:
        """The value of each part in float64; conditions are boolean arrays."""
        ...

    def plain(self) -> Meaning | None:
        """The same without the small constants against singular points; None without any."""
        ...


@dataclass(frozen=True)
class Declared:
    """The meaning that a formula gives."""

    formula: Formula
    name: str = "its formula"
    graph: LossGraph | None = None

    @property
    def numbers(self) -> tuple[float, ...]:
        found = (part.number for part in self.formula.parts)
        return tuple(float(number.value) for number in found if number is not None and not number.name)

    def prepare(self, pairs: Sequence[Pair]) -> None:
        """A formula needs no preparation."""

    def floats(self, pair: Pair) -> Array:
        return in_floats(self.formula, pair.y_true, pair.y_pred)

    def exact(self, pair: Pair) -> Array:
        return exactly(self.formula, pair.y_true, pair.y_pred)

    def slopes(self, pair: Pair, along: Array) -> tuple[Array, Array]:
        value, slopes = derivatives(self.formula, pair.y_true, np.asarray(pair.y_pred, np.float64), along)
        return value, slopes.reshape(len(along), -1).sum(axis=1)

    def parts(self, pair: Pair) -> dict[Expression, Array]:
        return parts_in_floats(self.formula, pair.y_true, pair.y_pred)

    def plain(self) -> Meaning | None:
        found = neutral_formula(self.formula)
        return None if found is None else Declared(found, self.name)
