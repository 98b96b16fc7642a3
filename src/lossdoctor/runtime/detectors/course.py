"""The course of a loss as a whole: where it started, how far it came, how noisy it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lossdoctor.runtime.detectors.series import Array, Series, median, running_median, scale_of_noise, spread

_SMOOTH = 5  # bins of a running median


@dataclass(frozen=True, slots=True)
class Course:
    """`start`, `best`, `top` and `level` are levels, medians of some neighbours: the first, the lowest (at the row
    `best_at`), the highest but for lately, the latest. `noise` is the standard deviation of a single row about the
    level lately, `unrest` that of a level about the trend, `wander` how far a level has risen and come back.
    """

    start: float
    best: float
    best_at: int
    noise: float
    unrest: float
    level: float
    top: float
    wander: float

    @property
    def descent(self) -> float:
        return max(self.start - self.best, 0.0)

    @property
    def scale(self) -> float:
        """What a change is measured by: the descent if there was one that noise does not explain, else the level."""
        if self.descent > 10 * max(self.unrest, self.noise / math.sqrt(_SMOOTH)):
            return self.descent
        return max(self.descent, 0.3 * abs(self.start))

    @property
    def learned(self) -> bool:
        """Whether there was a descent that noise does not explain."""
        return self.descent > max(5 * self.unrest, 3 * self.noise / math.sqrt(_SMOOTH), 1e-3 * abs(self.start))


def course(series: Series) -> Course:
    """The course of a series of at least one row, from its summary and its latest rows."""
    known = series.cache.get("course")
    if known is None or known[0] != series.n:
        known = series.cache["course"] = series.n, _course(series)
    return known[1]


def _course(series: Series) -> Course:
    bins = series.bins()
    recent = series.values[-_SMOOTH * max(series.width, 1) :]
    if len(bins) < _SMOOTH:
        bins = series.values
    smooth = running_median(bins, min(_SMOOTH, max(len(bins) // 3, 1)))
    best = int(np.argmin(smooth))
    shift = (_SMOOTH - 1) // 2 if len(smooth) > 1 else 0
    latest = series.values[-60:]
    return Course(
        start=float(smooth[0]),
        best=float(smooth[best]),
        best_at=min((best + shift) * series.width, series.n - 1),
        noise=scale_of_noise(latest),
        unrest=_unrest(smooth),
        level=median(recent),
        top=float(smooth[: max(len(smooth) * 3 // 4, 1)].max()),
        wander=wander(smooth),
    )


def _unrest(smooth: Array) -> float:
    """How far smoothed levels stray from a line through their neighbourhood (second differences, a few apart)."""
    lag = _SMOOTH
    if len(smooth) < 2 * lag + 3:
        return 0.0
    bend = smooth[2 * lag :] - 2 * smooth[lag:-lag] + smooth[: -2 * lag]
    return spread(bend) / math.sqrt(6.0)


def wander(smooth: Array) -> float:
    """The largest rise of the smoothed level so far that went back by half: how far it strays by itself."""
    low = high = float(smooth[0])
    largest = 0.0
    for value in smooth.tolist():
        if value > high:
            high = value
        elif high - value > 0.5 * (high - low):
            largest = max(largest, high - low)
            low = high = value
        if value < low:
            low = high = value
    return largest
