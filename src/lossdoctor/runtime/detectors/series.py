"""A series of a training run, as far as it is known: rows, and a summary of the whole of bounded size."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# The summary has between half of this many bins and this many.
_BINS = 96
# A normal variable's median absolute deviation is 0.6745 of its standard deviation.
_MAD = 0.6745


class Series:
    """The finite numbers of one series, with their steps and the rows of the log that they stood in.

    All rows are kept (24 bytes a row). `bins()` summarises the run from its start in at most `_BINS` means of equally
    many neighbours, so that what a detector reads of the whole run costs the same after a hundred rows
    and after a million.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._values = np.empty(64)
        self._steps = np.empty(64, np.int64)
        self._rows = np.empty(64, np.int64)
        self.n = 0
        self.width = 1  # rows a bin
        self._bins: list[float] = []
        self._open: list[float] = []  # the rows of the bin that is being filled
        self.cache: dict[str, tuple[int, Any]] = {}  # what was computed of the series when it had so many rows

    def append(self, step: int, row: int, value: float) -> None:
        if self.n == len(self._values):
            self._values = np.concatenate([self._values, np.empty(self.n)])
            self._steps = np.concatenate([self._steps, np.empty(self.n, np.int64)])
            self._rows = np.concatenate([self._rows, np.empty(self.n, np.int64)])
        self._values[self.n], self._steps[self.n], self._rows[self.n] = value, step, row
        self.n += 1
        self._open.append(value)
        if len(self._open) == self.width:
            self._bins.append(math.fsum(self._open) / self.width)
            self._open = []
            if len(self._bins) == _BINS:
                self._bins = [(a + b) / 2 for a, b in zip(self._bins[::2], self._bins[1::2], strict=True)]
                self.width *= 2

    @property
    def values(self) -> Array:
        return self._values[: self.n]

    @property
    def steps(self) -> NDArray[np.int64]:
        return self._steps[: self.n]

    @property
    def rows(self) -> NDArray[np.int64]:
        return self._rows[: self.n]

    @property
    def last(self) -> float:
        return float(self._values[self.n - 1])

    def bins(self) -> Array:
        """Means of `width` neighbours each, from the start; rows of a bin not yet full are left out."""
        return np.array(self._bins)

    def step_of_bin(self, place: int) -> int:
        return int(self._steps[min(place * self.width, self.n - 1)])


def median(values: Array) -> float:
    """The median (the upper one of two), much quicker than NumPy's for the few values that it is asked of."""
    n = len(values)
    if n <= 64:
        return sorted(values.tolist())[n // 2]
    return float(np.partition(values, n // 2)[n // 2])


def scale_of_noise(values: Array) -> float:
    """Standard deviation of what changes from row to row, blind to a trend and to rare outliers.

    The median of absolute differences of neighbours; for a normal variable it is 0.6745·√2 standard deviations.
    """
    if len(values) < 3:
        return 0.0
    return median(np.abs(values[1:] - values[:-1])) / (_MAD * math.sqrt(2.0))


def jitter(values: Array) -> float:
    """The same where neighbours differ by the trend as well: second differences, of √6 standard deviations, if less."""
    if len(values) < 4:
        return scale_of_noise(values)
    bend = median(np.abs(np.diff(values, 2))) / (_MAD * math.sqrt(6.0))
    return min(scale_of_noise(values), bend)


def spread(values: Array) -> float:
    """Standard deviation as the median absolute deviation tells it."""
    if len(values) < 2:
        return 0.0
    return median(np.abs(values - median(values))) / _MAD


@lru_cache(maxsize=64)
def _abscissae(n: int) -> tuple[Array, float]:
    x = np.arange(n, dtype=np.float64) - (n - 1) / 2
    return x, float(x @ x)


def slope(values: Array) -> tuple[float, float]:
    """Least-squares slope of the values a row, and its standard error from the residuals' scatter."""
    n = len(values)
    if n < 3:
        return 0.0, math.inf
    x, sxx = _abscissae(n)
    rate = float(x @ values) / sxx
    left = values - values.mean() - rate * x
    total = float(left @ left)
    error = math.sqrt(total / (n - 2) / sxx)
    if total > 0.0:
        # Neighbours that err alike count for fewer: (1 + r)/(1 - r) of the variance for a lag-1 correlation r.
        r = min(max(float(left[1:] @ left[:-1]) / total, 0.0), 0.97)
        error *= math.sqrt((1 + r) / (1 - r))
    return rate, error


def running_median(values: Array, width: int) -> Array:
    """Medians of `width` neighbours each, `len(values) - width + 1` of them (all values if there are fewer)."""
    if len(values) <= width:
        return np.array([median(values)]) if len(values) else np.empty(0)
    view = np.lib.stride_tricks.sliding_window_view(values, width)
    return np.partition(view, width // 2, axis=1)[:, width // 2]
