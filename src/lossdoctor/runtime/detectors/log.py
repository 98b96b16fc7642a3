"""The series of a run as detectors see them: from the front to the row that came last."""

from __future__ import annotations

import math
from collections.abc import Mapping

from lossdoctor.runtime.detectors.series import Series

LOSS, GRADIENT, RATE, VALIDATION, TERM = "loss", "grad_norm", "learning_rate", "val_loss", "term/"


class Log:
    """All series of one run.

    `row` counts the calls of `add`, from 0. `fresh` are the finite numbers of the latest row by series, `broken` its
    numbers that are NaN or infinite.
    """

    def __init__(self) -> None:
        self.series: dict[str, Series] = {}
        self.row = -1
        self.step = 0
        self.fresh: dict[str, float] = {}
        self.broken: dict[str, float] = {}

    def add(self, step: int, values: Mapping[str, float]) -> None:
        self.row += 1
        self.step = step
        self.fresh, self.broken = {}, {}
        for name, given in values.items():
            value = float(given)
            if math.isfinite(value):
                self.fresh[name] = value
                series = self.series.get(name)
                if series is None:
                    series = self.series[name] = Series(name)
                series.append(step, self.row, value)
            else:
                self.broken[name] = value

    def get(self, name: str) -> Series | None:
        """The series if the latest row has a number of it, else None."""
        return self.series[name] if name in self.fresh else None

    @property
    def loss(self) -> Series | None:
        return self.get(LOSS)

    def terms(self) -> list[Series]:
        return [series for name, series in self.series.items() if name.startswith(TERM)]
