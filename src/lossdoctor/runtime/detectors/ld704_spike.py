"""LD704: an isolated outburst of the loss that recovers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.course import course
from lossdoctor.runtime.detectors.detector import Detector
from lossdoctor.runtime.detectors.log import Log
from lossdoctor.runtime.detectors.series import Array, Series, median, running_median, spread

_MOST = 5  # spikes that are told of one run


@dataclass
class _Outburst:
    row: int
    level: float
    excess: float
    strength: float
    room: float  # above the level that is as good as on it, for this run
    back: int = 0  # rows since it recovered


@dataclass
class Spike(Detector):
    """Parameters.

    warm_up: rows before the first spike can be told. window: rows whose median and scatter say what is usual. factor:
    how many times larger than the largest outburst so far (more where outbursts are frequent). sigmas: scatters at
    the least. share: of the descent, or of the level, at the least. recovery: rows within which it has to recover.
    quiet: rows without another. patience: rows after which half the factor is enough that the first rows need. beyond:
    times the fall within the window, from where on its trend is no scatter. rest: share of the outburst below which it
    may take `patient` times as long, while it falls.
    """

    code, name, family, severity = "LD704", "spike", "spike", "warning"

    warm_up: int = 8
    window: int = 40
    factor: float = 2.5
    sigmas: float = 10.0
    share: float = 0.35
    recovery: int = 16
    quiet: int = 4
    patience: float = 20.0
    beyond: float = math.inf
    rest: float = 0.05
    patient: float = 4.0
    _largest: float = field(default=0.0, repr=False)
    _highest: float = field(default=0.0, repr=False)
    _seen: list[float] = field(default_factory=list, repr=False)
    _current: _Outburst | None = field(default=None, repr=False)
    _told: int = field(default=0, repr=False)

    def look(self, log: Log) -> Alert | None:
        loss = log.loss
        if loss is None or loss.n <= self.warm_up:
            return None
        if self._current is not None:
            return self._follow(log, loss, self._current)
        before = loss.values[-1 - self.window : -1]
        near = before[-15:]
        level = median(near)
        # Where the loss falls steeply its neighbours scatter by the trend too, which is as it should be.
        excess = loss.last - level
        # ... but not beside what is far above the whole fall.
        fall = 0.0 if self._beyond(before, level, excess) else spread(before[-20:])
        scatter = max(fall, 1.2 * spread(_above(before)), 1e-12 * abs(level))
        z = excess / scatter if scatter > 0 else (math.inf if excess > 0 else 0.0)
        if z > self.sigmas and self._told < _MOST:
            strength = self._unusual(loss, before, level, excess, z)
            if strength >= 1.0:
                room = max(self.share * course(loss).scale, 6 * scatter)
                self._current = _Outburst(loss.n - 1, level, excess, strength, room)
                return None
        if math.isfinite(z):
            self._largest = max(self._largest, z)
            self._highest = max(self._highest, excess)
            self._seen.append(abs(z))
            del self._seen[:-400]
        return None

    def _beyond(self, before: Array, level: float, excess: float) -> bool:
        """Whether an outburst is far above all of the fall that the window holds."""
        return excess > self.beyond * (float(before.max()) - level)

    def _unusual(self, loss: Series, before: Array, level: float, excess: float, z: float) -> float:
        """How far an outburst is beyond its threshold."""
        now = course(loss)
        size = excess / max(min(self.share * now.scale, abs(level)), 1e-300)
        tail = self._tail()
        usual = max(self._largest, 3.0)
        linear = z / (self.factor * max(tail / 2.0, 1.0) * usual)
        # Heavy right tails are normal on a logarithmic scale: there too it has to stand out.
        # Where the loss falls, what it fell from is no outburst: the highest is that above the level of its own time.
        low = float(before.min()) - 1e-9 * abs(level)
        centre = max(level - low, 1e-300)
        far = len(before) == self.window or self._beyond(before, level, excess)
        highest = float(_above(before).max()) if far else float(before.max()) - level
        reach = math.log((centre + max(highest, 0.0)) / centre)
        logarithmic = math.log((excess + centre) / centre) / max(1.7 * reach, 0.4)
        # What has happened before is how this loss is, and of a few rows nobody knows how it is.
        again = excess / max(1.3 * self._highest, 1e-300)
        return min(size, linear, logarithmic, again) / (1 + self.patience / max(len(self._seen), 1))

    def _tail(self) -> float:
        """Largest usual deviation over the 80 % one: about 2 for normal noise, more for heavy tails."""
        if len(self._seen) < 20:
            return 2.0
        seen = np.sort(self._seen)
        return float(seen[-1] / max(seen[int(0.8 * len(seen))], 0.5)) * 0.75

    def _follow(self, log: Log, loss: Series, burst: _Outburst) -> Alert | None:
        excess = loss.last - burst.level
        if excess > burst.excess and burst.back == 0:
            burst.excess = excess
        # What is left of an outburst far above the whole fall may take long to go, as long as it does go.
        falling = excess < self.rest * burst.excess and excess < median(loss.values[-self.recovery :]) - burst.level
        if loss.n - burst.row > (self.recovery + self.quiet) * (self.patient if falling else 1):
            self._current = None  # it stays up: that is for another detector
            return None
        if excess > min(0.3 * burst.excess, burst.room):
            if burst.back:  # a second one: not isolated
                self._largest = max(self._largest, burst.strength * self.sigmas)
                self._highest = max(self._highest, burst.excess)
                self._current = None
            return None
        burst.back += 1
        if burst.back <= self.quiet and not log.ended:
            return None
        self._current = None
        self._told += 1
        self._highest = max(self._highest, burst.excess)
        top = burst.level + burst.excess
        text = (
            f"The loss jumped from {burst.level:.4g} to {top:.4g} at {log.unit} {loss.steps[burst.row]} and came back. "
            "Usually one batch: an "
            "outlier, a wrong label, a division by something near zero. Look at that batch, and clip the gradient."
        )
        return self.alert(log, loss.name, loss.steps[burst.row], burst.strength, text)


def _above(values: Array) -> Array:
    """Values above the level of their own time."""
    return values - running_median(np.pad(values, 4, mode="edge"), 9)
