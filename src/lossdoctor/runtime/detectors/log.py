"""The series of a run as detectors see them: from the front to the row that came last."""

from __future__ import annotations

import math
from collections.abc import Mapping

from lossdoctor.runtime.detectors.series import Series
from lossdoctor.runtime.detectors.terms import Terms

LOSS, GRADIENT, RATE, VALIDATION, TERM = "loss", "grad_norm", "learning_rate", "val_loss", "term/"
# Detectors of slow things look at every row first, and later once in so many rows that each look sees 1.5 % more.
_LOOKS = 64
_LARGEST = 1e100  # its square is a number still


class Log:
    """All series of one run.

    `row` counts the calls of `add`, from 0. `fresh` are the finite numbers of the latest row by series, `broken` its
    numbers that are NaN or infinite. `ended` is set when no row will follow. `unit` says what `step` counts.
    `skips` is set where the optimizer leaves out an update with gradients that are not finite.
    """

    def __init__(self, unit: str = "step") -> None:
        self.unit = unit
        self.series: dict[str, Series] = {}
        self.row = -1
        self.step = 0
        self.fresh: dict[str, float] = {}
        self.broken: dict[str, float] = {}
        self.ended = False
        self.skips = False
        self._terms = Terms()

    def add(self, step: int, values: Mapping[str, float]) -> None:
        self.row += 1
        self.step = step
        self.fresh, self.broken = {}, {}
        for name, given in values.items():
            value = float(given)
            if math.isfinite(value):
                value = min(max(value, -_LARGEST), _LARGEST)
                self.fresh[name] = value
                series = self.series.get(name)
                if series is None:
                    series = self.series[name] = Series(name)
                series.append(step, self.row, value)
            else:
                self.broken[name] = value
        self._terms.add(self.fresh)

    def get(self, name: str) -> Series | None:
        """The series if the latest row has a number of it, else None."""
        return self.series[name] if name in self.fresh else None

    def known(self, name: str) -> Series | None:
        """The series if any row had a number of it."""
        return self.series.get(name)

    @property
    def loss(self) -> Series | None:
        return self.get(LOSS)

    @property
    def due(self) -> bool:
        """Whether a detector of something slow should look at this row."""
        return self.ended or self.row % max(self.row // _LOOKS, 1) == 0

    def terms(self) -> list[Series]:
        """The additive terms of the loss: series named `term/…`, or those that add up to the loss."""
        return [self.series[name] for name in self._terms.names() if name in self.series]
