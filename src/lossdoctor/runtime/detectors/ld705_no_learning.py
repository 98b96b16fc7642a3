"""LD705: the loss never left where it started."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.course import course
from lossdoctor.runtime.detectors.detector import Detector
from lossdoctor.runtime.detectors.log import GRADIENT, VALIDATION, Log
from lossdoctor.runtime.detectors.series import Array, Series, jitter, median, scale_of_noise, slope, spread


@dataclass
class NoLearning(Detector):
    """Parameters.

    rows: that the loss has to be flat from the start. known: rows if the level is that of guessing among k classes.
    dead: rows with exactly the same loss, or a gradient of exactly zero. ending: rows if the log ends. tolerance:
    change of the level, as a share of it, that is none. little: how far it may have fallen from that of guessing, and
    by half as much from any other start. missed: share of the level that a fall in noise could have at most.
    clear: standard errors by which a loss that is learned falls from any level but that of guessing.
    """

    code, name, family, severity = "LD705", "no-learning", "no-learning", "error"

    rows: int = 250
    known: int = 120
    dead: int = 10
    ending: int = 30
    tolerance: float = 0.03
    little: float = 0.1
    missed: float = 0.2
    clear: float = 6.0

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
        if not log.due or loss.n < min(self.known, self.ending) or _resumed(loss):
            return None
        values = loss.values
        level, start = median(values[loss.n // 3 :]), float(np.median(values[:5]))
        guess = bool(_guessing(start) or _guessing(level))
        # What starts at the loss of guessing learns a little of how frequent each class is, and by heart.
        fallen = start - level > self.tolerance * abs(start)
        need = self.ending if log.ended else self.known if guess and not fallen else self.rows
        if loss.n < need or (loss.n > 4 * need and not log.ended):
            return None
        flat = self._flat(values, start, level, self.little * (1.0 if guess else 0.5)) and not self._wanders(
            loss, level
        )
        noisy = not flat and (loss.n >= self.rows or log.ended) and self._lost_in_noise(values)
        if not (flat or noisy) or self._validated(log) or (not guess and self._fell(values)):
            return None
        return self._told(log, values, loss.n / need, f"After {loss.n} rows the loss is still {level:.4g}.")

    def _flat(self, values: Array, start: float, level: float, room: float) -> bool:
        """Whether the level is hardly below the start, within its error, and no trend leads away from it."""
        part = values[len(values) // 3 :]
        rate, error = slope(part)
        fall = -rate * len(part)
        within = 2 * 1.25 * scale_of_noise(values) / math.sqrt(5)
        drop = start - level
        highest = float(values[:3].max()) - level
        if drop > max(room * abs(start), min(within, 2 * room * abs(start))) or (
            highest > max(6 * spread(part), 2 * room * abs(level))
        ):
            return False
        if -drop > 2 * self.tolerance * abs(level) + within:
            return False
        error *= len(part)
        falls = fall > 3 * error and fall > 0.3 * self.tolerance * abs(level)
        return not falls and abs(fall) + 2 * error < 2 * self.tolerance * abs(level)

    def _fell(self, values: Array) -> bool:
        """Whether the loss fell by much more than its rows scatter, whatever constant is in it: a share of the level
        says nothing then. Without noise it has to have fallen early, as a rate of nearly nothing falls on a line."""
        _, middle, late = (median(part) for part in np.array_split(values, 3))
        noise = jitter(values)
        first = 1 if noise < 0.01 * (values[0] - late) else max(len(values) // 12, 3)
        start = median(values[:first])
        error = 1.25 * noise * math.sqrt(1 / first + 3 / len(values))
        fall = start - late
        soon = start - middle > 3 * (middle - late)
        dead = abs(values[2] - values[-1]) < 0.01 * fall and abs(middle - late) < 1e-6 * fall  # units that died at once
        rate, doubt = slope(values)
        fell = (
            fall > self.clear * error or -rate > self.clear * doubt
        )  # a line through all rows knows more of slow ones
        return fell and (soon or noise > fall / 1000) and middle >= late - noise and not dead

    def _lost_in_noise(self, values: Array) -> bool:
        """Whether rows that scatter widely are nothing but scatter: no trend, no higher start, and enough of them to
        rule out a fall worth the name."""
        n = len(values)
        rest = values[n // 3 :]
        level, noise = float(rest.mean()), float(rest.std())
        if abs(level - median(rest)) > self.missed * abs(level) and median(rest) < float(np.median(values[:5])):
            return False  # a few outbursts make the mean
        rate, error = slope(values)
        fall, error = -rate * n, error * n
        if not -3 * error < fall < 2 * error or fall + 2 * error > self.missed * abs(level):
            return False
        strays, expected = _straying(rest, max(n // 16, 5))
        if strays > 1.5 * expected:
            return False
        return all(float(values[:k].mean()) - level < 2.5 * noise / math.sqrt(k) for k in (5, 10, 30) if k < n // 3)

    def _validated(self, log: Log) -> bool:
        """Whether a validation loss, which scatters less, has fallen."""
        validation = log.known(VALIDATION)
        if validation is None or validation.n < 6:
            return False
        values = validation.values
        fall = float(values[:2].max()) - median(values[-max(len(values) // 3, 3) :])
        return fall > max(self.little * abs(values[0]), 4 * scale_of_noise(values))

    def _wanders(self, loss: Series, level: float) -> bool:
        """Whether the level strays by itself, as that of a game of two networks does."""
        now, later = course(loss), loss.values[loss.n // 3 :]
        noise = scale_of_noise(loss.values)
        still = spread(later) < 0.1 * self.tolerance * abs(level)  # whatever the course of the last digits
        if (scale_of_noise(later) < 0.5 * spread(later) and not still) or now.unrest > self.tolerance * abs(level):
            return True
        strays, expected = _straying(later, max(loss.n // 16, 5))
        if strays > max(1.55 * expected, 0.5 * self.tolerance * abs(level)):
            return True
        # Learning never takes a level above the start that noise does not.
        first = loss.values[:20]
        error = 1.25 * (scale_of_noise(first) / math.sqrt(5) + noise / math.sqrt(5 * loss.width))
        return now.top - median(first[:5]) > max(2 * error, self.tolerance * abs(level))

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


def _straying(values: Array, size: int) -> tuple[float, float]:
    """How far means of so many rows stray, and how far they would by the noise of single rows: what strays more is a
    game, or a slow course."""
    levels = values[: len(values) // size * size].reshape(-1, size).mean(axis=1)
    return float(levels.std()), float(np.diff(values).std()) / math.sqrt(2 * size)


def _resumed(loss: Series) -> bool:
    """Whether the log begins long after training did: what was learned before is not in it."""
    steps = loss.steps
    return int(steps[0]) > 5 * int(steps[1] - steps[0]) + 1


def _guessing(level: float) -> int:
    """k if the level is ln k within 2 % for k of at most 10, else within 0.2 %; 0 for any other."""
    if not 0.6 < level < 7.0:
        return 0
    k = round(math.exp(level))
    return k if abs(level - math.log(k)) < (0.02 if k <= 10 else 0.002) * math.log(k) else 0
