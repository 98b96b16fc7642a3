"""LD708: the gradient grows far beyond its usual size, more than the loss explains."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.course import course
from lossdoctor.runtime.detectors.detector import Detector
from lossdoctor.runtime.detectors.log import GRADIENT, Log
from lossdoctor.runtime.detectors.series import Array, median, spread

_STAYS = 12  # rows for which a leap has to last


@dataclass
class Exploding(Detector):
    """Parameters.

    warm_up: rows before anything is said. growth: factor over the usual norm that three of five rows have to reach.
    burst: factor that a single row has to reach. tail: how many times larger, on a logarithmic scale, than the
    largest usual deviation. leap: factor between neighbouring stretches of which the later one stays.
    """

    code, name, family, severity = "LD708", "exploding", "exploding", "error"

    warm_up: int = 8
    growth: float = 30.0
    burst: float = 150.0
    tail: float = 1.6
    leap: float = 5.0

    def look(self, log: Log) -> Alert | None:
        gradient = log.get(GRADIENT)
        if gradient is None or gradient.n <= self.warm_up:
            return None
        norms = gradient.values
        # What has converged to nothing may grow by any factor and is nothing still.
        if norms[-1] <= median(norms[:10]):
            return None
        # A slow growth must not become what is usual: the latest rows are left out.
        latest = max(min(gradient.n // 3, 66), 3)
        before = norms[max(gradient.n - 200 - latest, 0) : -latest]
        before = before[before > 0]
        if len(before) < 4:
            return None
        logs = np.log(before)
        usual = median(logs)
        # Of a norm that falls in the course of training, what is usual now is less; the highest counts.
        scatter = max(spread(np.diff(logs)) / math.sqrt(2), 0.1)
        reach = max(float(logs.max()) - usual, 2.5 * scatter)
        now = math.log(norms[-1]) - usual
        leapt = self._leapt(norms)
        if not leapt and (now < min(math.log(self.growth), math.log(self.burst)) or now < self.tail * reach):
            return None
        high = sum(
            math.log(value) - usual > max(math.log(self.growth), self.tail * reach) for value in norms[-5:] if value > 0
        )
        alone = now > max(math.log(self.burst), 1.3 * self.tail * reach)
        if not (high >= 3 or alone or leapt) or self.explained(log, now):
            return None
        since = gradient.n - 1
        usually = min(reach, 0.5 * now)
        while since > 0 and norms[since - 1] > 0 and math.log(norms[since - 1]) - usual > usually:
            since -= 1
        text = (
            f"`{gradient.name}` is {norms[-1]:.3g}, {math.exp(min(now, 50)):.3g} times its usual size. Usually "
            "repeated multiplication (a recurrent net, deep "
            "layers without normalisation) or a division by something near zero. Clip the gradient, and look where "
            "it grows: `lossdoctor trace`."
        )
        return self.alert(
            log, gradient.name, gradient.steps[since], now / max(math.log(self.growth), self.tail * reach), text
        )

    def _leapt(self, norms: Array) -> bool:
        """Whether the norm became much larger from one row to the next, and stays so."""
        if len(norms) < 3 * _STAYS:
            return False
        before, after = norms[-3 * _STAYS : -_STAYS], norms[-_STAYS:]
        return float(np.quantile(after, 0.2)) > self.leap * float(np.quantile(before, 0.8)) > 0

    @staticmethod
    def explained(log: Log, growth: float) -> bool:
        """Whether the loss has grown as a loss does whose gradient grows so: as fast, or as the square."""
        loss = log.loss
        if loss is None or loss.n < 8:
            return False
        now = course(loss)
        base = median(loss.values[-60:-5]) if loss.n > 20 else now.level
        unit = max(abs(base - now.best) + now.noise, 0.1 * now.scale, 1e-300)
        recent = float(np.max(loss.values[-3:]))
        return math.log(max((recent - base) / unit, 1.0)) > 0.7 * growth


def swamped(log: Log) -> bool:
    """Whether the gradient has lately grown much more than the loss explains, though not yet enough for an alert."""
    gradient = log.get(GRADIENT)
    if gradient is None or gradient.n < 16:
        return False
    growth = median(gradient.values[-4:]) / max(median(gradient.values[-60:-8]), 1e-300)
    return growth > 8.0 and not Exploding.explained(log, math.log(growth))
