"""LD703: the loss falls without end."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.course import course
from lossdoctor.runtime.detectors.detector import Detector
from lossdoctor.runtime.detectors.log import Log
from lossdoctor.runtime.detectors.series import Series, median, scale_of_noise


@dataclass
class Unbounded(Detector):
    """Parameters.

    warm_up: rows before anything is said. depth: below zero, in units of the first level, that the loss has to reach
    while it falls no slower than before; sure: the depth at which falling at all is enough. pace: of its fastest fall
    that is no slower than before.
    """

    code, name, family, severity = "LD703", "unbounded", "unbounded", "error"

    warm_up: int = 12
    depth: float = 2.5
    sure: float = 30.0
    pace: float = 0.75

    def look(self, log: Log) -> Alert | None:
        loss = log.loss
        if loss is None or loss.n < self.warm_up or loss.last >= 0.0 or not log.due:
            return None
        bins = loss.bins()
        if len(bins) < self.warm_up:
            return None
        now = course(loss)
        level = median(loss.values[-3:])
        unit = abs(now.start) if abs(now.start) > 0.02 * now.descent else max(abs(now.start), 1.0)
        # A loss that starts at zero has no other unit than its noise.
        unit = max(unit, 4 * scale_of_noise(loss.values[:20]))
        depth = -level / unit
        # Logarithms of densities start anywhere about zero, which is no unit of theirs: their unit is one.
        crossed = now.start >= 0.0 and -level < self.depth
        if depth < self.depth or (depth < self.sure and crossed):
            return None
        parts = [median(part) for part in np.array_split(bins, 6)]
        falls = -np.diff(parts)
        fastest, latest = float(falls.max()), float(falls[-1])
        # Noise often grows with the loss, and its outbursts count: second differences are blind to the trend.
        noise = max(now.noise, float(np.diff(loss.values[-max(loss.n // 3, 6) :], 2).std()) / math.sqrt(6))
        sigma = 1.25 * noise / math.sqrt(max(loss.n / 6, 1))
        if latest <= 5 * sigma or parts[-1] > min(parts):
            return None
        needed = 0.3 if depth >= self.sure else self.pace if loss.n >= 2 * self.warm_up else 2.0
        if latest < needed * fastest:
            return None
        since = _first_below(loss, falls)
        text = (
            f"The loss has fallen to {level:.4g} and falls as fast as ever. A sign is wrong, or a term has no "
            "minimum: the "
            "model is rewarded for ever larger outputs. Check the sign of each term; `lossdoctor check` finds losses "
            "without a lower bound."
        )
        return self.alert(log, loss.name, since, depth / self.depth, text)


def _first_below(loss: Series, falls: np.ndarray) -> int:
    """The step where the fall began that goes on: the first part that falls a tenth as fast as the last."""
    quick = falls >= 0.1 * falls[-1]
    first = len(falls)
    while first > 0 and quick[first - 1]:
        first -= 1
    return int(loss.steps[min(first * loss.n // (len(falls) + 1), loss.n - 1)])
