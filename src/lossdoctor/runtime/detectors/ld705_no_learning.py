"""LD705: the loss never left where it started."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.course import course
from lossdoctor.runtime.detectors.detector import Detector
from lossdoctor.runtime.detectors.log import GRADIENT, Log
from lossdoctor.runtime.detectors.series import Array, median, scale_of_noise, slope, spread


@dataclass
class NoLearning(Detector):
    """Parameters.

    rows: that the loss has to be flat from the start. known: rows if the level is that of guessing among k classes.
    dead: rows with exactly the same loss, or a gradient of exactly zero. ending: rows if the log ends. tolerance:
    change of the level, as a share of it, that is none.
    """

    code, name, family, severity = "LD705", "no-learning", "no-learning", "error"

    rows: int = 250
    known: int = 120
    dead: int = 10
    ending: int = 30
    tolerance: float = 0.03

    def look(self, log: Log) -> Alert | None:
        loss = log.loss
        if loss is None or loss.n < 5:
            return None
        same = loss.n == self.dead and bool(np.all(loss.values == loss.values[0])) and loss.last != 0.0
        gradient = log.get(GRADIENT)
        zero = gradient is not None and gradient.n == self.dead and not gradient.values.any() and loss.last != 0.0
        if same or zero:
            seen = "the gradient is exactly zero" if zero else "the loss is the same to the last digit"
            return self._told(log, loss.values, 1.0, f"For {loss.n} rows {seen}: nothing moves.")
        if not log.due or loss.n < min(self.known, self.ending):
            return None
        level = median(loss.values)
        need = self.ending if log.ended else self.known if _guessing(level) else self.rows
        if loss.n < need or (loss.n > 4 * need and not log.ended):
            return None
        if not self._flat(loss.values, level):
            return None
        now = course(loss)
        highest, scatter = float(loss.values[:3].max()), spread(loss.values)
        if highest - level > max(6 * scatter, 2 * self.tolerance * abs(level)):
            return None  # it was learned in the very first rows
        if scale_of_noise(loss.values) < 0.5 * scatter:
            return None  # it wanders, as a game of two networks does
        if now.unrest > self.tolerance * abs(level):
            return None
        if (
            now.descent > max(4 * now.noise / math.sqrt(5), self.tolerance * abs(level))
            and now.descent > 4 * now.unrest
        ):
            return None
        return self._told(log, loss.values, loss.n / need, f"After {loss.n} rows the loss is still {level:.4g}.")

    def _flat(self, values: Array, level: float) -> bool:
        """Whether the trend, within its error, is nothing beside the level, and the first rows were no higher."""
        rate, error = slope(values[len(values) // 10 :])
        fall = -rate * len(values)
        room = 2 * error * len(values)
        first = float(np.median(values[: max(len(values) // 10, 5)]))
        last = float(np.median(values[-max(len(values) // 4, 5) :]))
        scatter = spread(values)
        drop = first - last
        certain = fall + room < self.tolerance * max(abs(level), 1e-300)
        return (
            certain
            and abs(drop) < max(2 * self.tolerance * abs(level), 1.0 * scatter)
            and drop < 1.0 * scatter + 2 * self.tolerance * abs(level)
        )

    def _told(self, log: Log, values: Array, strength: float, text: str) -> Alert:
        level = median(values)
        guess = _guessing(level)
        if guess:
            text += f" That is ln {guess}, the loss of guessing among {guess} classes."
        text += (
            " The model gives the best constant, or no gradient reaches it: check the learning rate, that inputs and "
            "targets belong "
            "together, and that the gradient is not zero (`lossdoctor check`, `lossdoctor trace`)."
        )
        return self.alert(log, "loss", int(log.series["loss"].steps[0]), strength, text)


def _guessing(level: float) -> int:
    """k if the level is ln k within 2 % for k of at most 10, else within 0.2 %; 0 for any other."""
    if not 0.6 < level < 7.0:
        return 0
    k = round(math.exp(level))
    return k if abs(level - math.log(k)) < (0.02 if k <= 10 else 0.002) * math.log(k) else 0
