"""LD710: the validation loss rises while the training loss goes on falling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.course import course
from lossdoctor.runtime.detectors.detector import Detector
from lossdoctor.runtime.detectors.log import LOSS, VALIDATION, Log
from lossdoctor.runtime.detectors.series import Array, Series, jitter, median, running_median, scale_of_noise, slope

_WINDOWS = (3, 5, 9, 15, 31, 61)
_NEVER_FELL = 40  # validations after which a validation loss that only rises counts


@dataclass
class Overfitting(Detector):
    """Parameters.

    rise: of the validation loss's own descent, above its lowest level. noise: standard errors of that level. rows:
    validations since the lowest one. as_long: share of the validations until the lowest one that have to follow it,
    as a swing takes as long to come back, and twice that while the rise is less than its share of the fall from the
    very start, as a swing after a steep fall is; longest: of those at the most. steady: validations of a rise that goes
    on, after which its noise is what is left of it beside the trend, and it need not have fallen before it doubled.
    """

    code, name, family, severity = "LD710", "overfitting", "overfitting", "warning"

    rise: float = 0.12
    noise: float = 5.5
    rows: int = 4
    as_long: float = 0.75
    longest: int = 40
    steady: int = 16

    def look(self, log: Log) -> Alert | None:
        validation, loss = log.get(VALIDATION), log.known(LOSS)
        if validation is None or loss is None or validation.n < 6 or not (log.due or validation.n < 0.5 * loss.n):
            return None
        values = validation.values
        start = median(values[:3])
        for width in _WINDOWS:
            if 3 * width > validation.n:
                break
            smooth = running_median(values, width)
            best = int(np.argmin(smooth))
            at = best + width // 2
            since = values[at:]
            # Of a smooth course neighbours differ by the trend: where it has long risen that is no noise.
            steady = len(since) >= self.steady and _rising(since[-(len(since) // 3) :])
            scatter = jitter if steady else scale_of_noise
            noise = max(scatter(values[-80:]), scatter(values[max(at - 40, 0) : max(at + 1, 9 if steady else 0)]))
            sigma = 1.25 * noise / np.sqrt(width)
            rise = float(smooth[-1] - smooth[best])
            need = max(
                self.rise * max(float(smooth[0] - smooth[best]), 0.2 * abs(float(smooth[best]))), self.noise * sigma
            )
            fallen = float(smooth[0] - smooth[best]) > 2 * sigma or len(since) >= _NEVER_FELL
            if steady:
                fallen |= values[0] - smooth[best] > 3 * noise or rise > abs(float(smooth[best]))
            # It never fell, or the loss has left what is validated below zero: they are not the same function.
            if not fallen or (loss.last < 0.0 < float(values.min()) and at <= 2 * self.rows):
                continue
            swing = rise <= self.rise * (start - float(smooth[best]))
            as_long = min((2 if swing else 1) * self.as_long * at, self.longest)
            if rise <= need or len(since) < max(self.rows, width + 1, as_long):
                continue
            if not _rising(since):
                continue
            if not self._trains(loss, int(validation.rows[at])):
                continue
            text = (
                f"`val_loss` was lowest at {log.unit} {validation.steps[at]} ({smooth[best]:.4g}) and is "
                f"{smooth[-1]:.4g} now, while the training loss goes on falling. The model learns its data by "
                "heart: stop there, or regularise, augment, or get more data."
            )
            return self.alert(log, VALIDATION, validation.steps[at], rise / need, text)
        return None

    @staticmethod
    def _trains(loss: Series, row: int) -> bool:
        """Whether the training loss has gone on falling since that row of the log."""
        values = loss.values
        at = int(np.searchsorted(loss.rows, row))
        part = max((len(values) - at) // 4, 1)
        before = median(values[max(at - part, 0) : at + part])
        after = median(values[-part:])
        error = 1.25 * scale_of_noise(values[-60:]) * np.sqrt(2 / part)
        return bool(before - after >= max(0.02 * course(loss).scale, error))


def _rising(values: Array) -> bool:
    rate, error = slope(values)
    return rate > 3 * error
