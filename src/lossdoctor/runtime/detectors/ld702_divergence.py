"""LD702: the loss rises and does not come back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.course import Course, course, wander
from lossdoctor.runtime.detectors.detector import Detector
from lossdoctor.runtime.detectors.ld708_exploding import swamped
from lossdoctor.runtime.detectors.ld711_term_imbalance import taken_over
from lossdoctor.runtime.detectors.log import Log
from lossdoctor.runtime.detectors.series import Array, Series, median, running_median, scale_of_noise, slope

_WINDOWS = (4, 8, 16, 32, 64, 128, 256)
_FIRST_SWING = 24  # rows within which the loss of a heavy ball is lowest for the first time
_ADVICE = (
    "Usually the learning rate is too high for this loss, or a term has no bound: lower the rate or clip the gradient, "
    "and check the sign and the scale of each term."
)


@dataclass
class Divergence(Detector):
    """Parameters.

    warm_up: rows before anything is said. rise: of the scale (the descent, or the level) that the loss has to rise
    above its best level. level: of the level that it started at, likewise. noise: standard deviations that it has to
    rise. runaway: scales above the start at which three rising rows are enough. stays: half of the rows
    for which a loss that leapt to where it started, or higher, has to stay there. about: of the
    scale that it may lie below where it started, if it fell there from most of its leap and stays for twice as long.
    back: share of a rise that a loss which climbs from its first rows on may have come back from. outburst: rows of
    which the median says that it blew up.
    """

    code, name, family, severity = "LD702", "divergence", "divergence", "error"

    warm_up: int = 12
    rise: float = 0.45
    level: float = 0.2
    noise: float = 7.0
    runaway: float = 10.0
    stays: int = 20
    about: float = 0.45
    back: float = 0.25
    outburst: int = 5

    def look(self, log: Log) -> Alert | None:
        loss = log.loss
        if loss is None or loss.n < 4:
            return None
        values = loss.values
        climbing = values[-1] > values[-2] > values[-3] > values[-4]
        if not (climbing or (log.due and loss.n >= self.warm_up)):
            return None
        now = course(loss)
        far = self.runaway * max(now.scale, 3 * now.unrest, 3 * now.noise)
        # One row far above is an outburst, and a leap to a higher level no climb; three rows that rise are.
        above = values[-1] - now.start
        if climbing and above > far and values[-3] - now.start > 0.1 * far and values[-1] - values[-4] > 0.4 * above:
            return self._told(log, loss, now, (values[-1] - now.start) / (self.runaway * now.scale))
        if loss.n < self.warm_up:
            return None
        strength = self._blown_up(values, now)
        if strength and not swamped(log):
            return self._told(log, loss, now, strength)
        for width in _WINDOWS:
            if 3 * width > loss.n:
                break
            strength = self._risen(values, width, now)
            if strength and not taken_over(log, now.best_at) and not swamped(log):
                return self._told(log, loss, now, strength)
        return None

    def _risen(self, values: Array, width: int, now: Course) -> float:
        """Strength, if the last `width` rows are the top of a steady rise; else 0."""
        first, second, last = (median(part) for part in np.array_split(values[-3 * width :], 3))
        rise = last - now.best
        if np.quantile(values[-width:], 0.2 if width > 8 else 0.0) < now.best + 0.3 * rise:
            return 0.0  # some outbursts of a heavy tail: between them the loss is where it was
        # The outbursts of a heavy tail are noise as well, which medians do not see.
        earlier = np.diff(values[-80 - width : -width])
        noise = max(now.noise, 0.35 * float(earlier.std())) if len(earlier) > 3 else now.noise
        sigma = max(1.25 * noise / math.sqrt(width), now.unrest)
        need = max(self.noise * sigma, self.rise * now.scale, self.level * abs(now.start))
        if not now.learned:
            # A loss that climbs from its first rows never fell, and never came back.
            climbs = now.descent < 0.05 * rise and now.wander < self.back * rise
            strayed = 0.0 if climbs else 1.5 * max(now.top - now.best, 0.0)
            need = max(need, 1.5 * abs(now.start) + strayed)
        # A swing about the minimum takes as long to rise as it fell, and never comes back to where it started.
        swing = now.best_at < _FIRST_SWING and len(values) < 3 * now.best_at + 8 and last < values[:3].max()
        if rise <= need or swing:
            return 0.0
        jump, at = _largest_jump(values, now.best_at)
        long = now.learned and len(values) - now.best_at > 5 * self.stays
        if long and self._for_good(values, at, now):
            # Of how far the loss strays, what the leap overshot is no measure.
            strayed = 1.7 * wander(running_median(values[: max(at - 3, 1)], 5))
            return rise / max(need, strayed) if rise > strayed else 0.0
        need = max(need, 1.7 * now.wander)
        if rise <= need:
            return 0.0
        if long and self._undone(values[-2 * self.stays :], now) and not _learns_again(values, at, last - now.best):
            return rise / need
        older, newer = (median(half) for half in np.array_split(values[-width:], 2))
        level = median(values[max(at - 3, 0) : at]) - now.best
        falling = at >= 14 and level < 0.6 * rise and slope(values[at - 14 : at - 2])[0] < 0
        if jump > 0.4 * rise and (level < 0.15 * rise or falling):
            # The loss leapt: a harder task, a restart or an outburst does that too and comes back.
            after = values[at:]
            landing = median(after[: min(max(len(after) // 3, 1), 5)])
            if len(after) < min(12, self.stays):
                return 0.0
            on = last - landing > max(0.25 * rise, 4 * sigma)
            return rise / need if on or self._stays(after, landing, last, now) else 0.0
        rate, error = slope(values[-max(width, 8) :])
        steady = first < second < last and newer > older and rate > 2 * error and last - first > 0.2 * rise
        return rise / need if steady else 0.0

    def _stays(self, after: Array, landing: float, last: float, now: Course) -> bool:
        """Whether a loss that leapt stays up there."""
        later = after[len(after) // 2 :]
        if median(later) >= landing and last > now.start + self.rise * now.scale:
            return len(after) >= 2 * self.stays
        return len(after) >= 2 * self.stays and self._undone(later, now) and self._undone(after[2:], now)

    def _blown_up(self, values: Array, now: Course) -> float:
        """Strength, if the loss blew up and came down again to above where it started; else 0.

        What a network that was destroyed gives: no harder task and no outburst leads there.
        """
        at = int(np.argmax(values))
        after = values[at:]
        latest = after[-max(self.stays, len(after) // 3) :]
        above = max(now.scale, median(latest) - now.start)
        if len(after) < 2 * self.stays:
            return 0.0
        rate, error = slope(latest)
        lowest = median(latest) - max(2 * error - rate, 0.0) * len(latest)  # if it fell on for as long
        doubt = self.noise * 1.25 * now.noise / math.sqrt(len(latest))
        need = max(self.level * abs(now.start), doubt)
        if median(after[: self.outburst]) - now.start >= self.runaway * above and lowest > now.start + need:
            return (median(latest) - now.start) / need
        if at < self.warm_up or after[0] - now.start < self.runaway**3 * above:
            return 0.0
        # One row beyond all measure, and what was learned before it is gone.
        before = median(values[at - self.warm_up : at])
        need = max(self.rise * now.scale, doubt)
        return (median(latest) - before) / need if lowest > before + need else 0.0

    def _for_good(self, values: Array, at: int, now: Course) -> bool:
        """Whether the loss leapt and has stood for long about where it started: what it fell by since was no learning,
        but that it no longer errs with confidence. A harder task stands elsewhere, or is learned on."""
        latest = values[-4 * self.stays :]
        landing, settled = median(values[at : at + 5]), median(latest)
        if len(values) - at <= 6 * self.stays or settled > now.start + 0.5 * now.scale:
            return False
        overshot = landing - settled > 0.5 * (landing - now.best)
        return self._undone(latest, now, self.about if overshot else 0.15)

    @staticmethod
    def _undone(latest: Array, now: Course, below: float = 0.15) -> bool:
        """Whether the loss lies where it started, that share of the scale below, or higher, and does not come down."""
        settled = median(latest)
        rate, error = slope(latest)
        fall = (2 * error - rate) * len(latest)  # at most
        return settled > now.start - below * now.scale and rate > -2 * error and fall < 0.03 * (settled - now.best)

    def _told(self, log: Log, loss: Series, now: Course, strength: float) -> Alert:
        top, since = median(loss.values[-4:]), loss.steps[_began(loss.values, now)]
        text = (
            f"The loss has risen from {now.best:.4g} to {top:.4g} since {log.unit} {since} and does not come back. "
            f"{_ADVICE}"
        )
        return self.alert(log, loss.name, since, strength, text)


def _learns_again(values: Array, at: int, rise: float) -> bool:
    """Whether the loss leapt from its level in a row and fell from where it landed: a harder task, that is learned."""
    first = max(at - 4, 0)
    row = first + 1 + int(np.argmax(np.diff(values[first : at + 4])))  # of the leap itself, within the medians
    leap = float(values[row] - values[row - 1])
    landing, settled = float(np.mean(values[row : row + 3])), median(values[-max((len(values) - row) // 2, 8) :])
    error = 1.25 * scale_of_noise(values[row:]) / math.sqrt(3)
    return leap > 0.6 * rise and landing - settled > max(0.1 * rise, 2 * error)


def _began(values: Array, now: Course) -> int:
    """The row after which the level left its lowest for good."""
    since = values[now.best_at :]
    levels = running_median(np.pad(since, (2, 2), mode="edge"), 5)
    low = levels <= now.best + 0.1 * (median(values[-4:]) - now.best)
    return now.best_at + int(np.flatnonzero(low)[-1]) if low.any() else now.best_at


def _largest_jump(values: Array, since: int) -> tuple[float, int]:
    """The largest rise of the median of three rows to that of the next three, and the row where it happens."""
    part = values[max(since - 3, 0) :]
    if len(part) < 6:
        return 0.0, len(values) - 1
    smooth = running_median(part, 3)
    leaps = smooth[3:] - smooth[:-3]
    at = int(np.argmax(leaps))
    return float(leaps[at]), max(since - 3, 0) + at + 3
