"""Whether a falling series stopped from one row to the next: its course with the time stopped, against smooth courses.

Training that is left alone falls as a sum of exponentials does, or along an S, a line or a schedule; where updates no
longer arrive its time stands still, f(min(t, k)) in place of f(t). Both are fitted by weighted least squares, and the
stop has to explain the rows that much better than any smooth course.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lossdoctor.runtime.detectors.series import Array, Series, running_median, scale_of_noise

_BEFORE, _AFTER = 12, 7  # bins on each side of a stop, at the least
_FINEST = 0.003  # of the range of the values: a smaller misfit is the model's
_LATEST = 2.5  # times the rows until a stop: what is seen only later is no sudden end


@dataclass(frozen=True, slots=True)
class Standstill:
    """A stop at bin `place`, by `gain` in units of the noise's variance; `lost` is the fall that was still to come
    until now."""

    place: int
    gain: float
    lost: float


def standstill(series: Series) -> Standstill | None:
    """The stop that explains the series best, over windows that end now; None if there are too few rows."""
    bins = series.bins()
    best: Standstill | None = None
    for first in sorted({0, len(bins) // 4, len(bins) // 2}):
        found = _stop(bins[first:])
        if found is not None and (best is None or found.gain > best.gain):
            best = Standstill(found.place + first, found.gain, found.lost)
    return best


def _stop(given: Array) -> Standstill | None:
    n, span = len(given), float(np.ptp(given))
    stops = range(max(_BEFORE, math.ceil(n / (1 + _LATEST))), n - _AFTER)
    if not stops or span == 0.0:
        return None
    values = _without_outbursts((given - given.min()) / span)
    weights = _weights(values)
    smooth, _ = _best_fits(_courses(n)[None], values, weights)
    falls = _falls(n)
    columns = falls[np.minimum(np.arange(n), np.array(stops)[:, None])]
    errors, fits = _best_fits(columns, values, weights)
    place = int(np.argmin(errors))
    error, fit, k = float(errors[place]), fits[place], stops[place]
    rest = (values - columns[place] @ fit[1:] - fit[0]) * np.sqrt(weights)
    r = min(max(float(rest[1:] @ rest[:-1]) / max(float(rest @ rest), 1e-300), 0.0), 0.9)
    misfit = max(error / (n - 4), 1.0) * (1 + r) / (1 - r)
    lost = float((falls[k] - falls[-1]) @ fit[1:])
    return Standstill(k, (float(smooth[0]) - error) / misfit, lost * span)


def _without_outbursts(values: Array) -> Array:
    middle = running_median(np.pad(values, 2, mode="edge"), 5)
    room = 4 * scale_of_noise(values) + 1e-300
    return np.clip(values, middle - room, middle + room)


def _weights(values: Array) -> Array:
    """One over the variance of values between 0 and 1, which changes in the course of a run."""
    blocks = np.array_split(values, max(len(values) // 12, 1))
    sizes = np.array([max(scale_of_noise(block), _FINEST) for block in blocks])
    if len(sizes) > 2:
        sizes = np.exp(running_median(np.pad(np.log(sizes), 1, mode="edge"), 3))
    places = np.cumsum([len(block) for block in blocks]) - [len(block) / 2 for block in blocks]
    return np.interp(np.arange(len(values)), places, sizes) ** -2.0


@lru_cache(maxsize=256)
def _falls(n: int) -> Array:
    """Exponentials of all paces, and a line, at n places: from 1 down."""
    t = np.arange(n, dtype=float)
    paces = n * np.geomspace(0.03, 3.0, 8)
    return np.stack([*(np.exp(-t / pace) for pace in paces), 1 - t / n], axis=1)


@lru_cache(maxsize=256)
def _courses(n: int) -> Array:
    """Those, S-shaped falls and halves of cosines."""
    t = np.arange(n, dtype=float)
    curves = [1 / (1 + np.exp((t - n * c) / (n * s))) for c in (0.15, 0.3, 0.45, 0.6) for s in (0.03, 0.06, 0.12)]
    waves = [(1 + np.cos(np.pi * np.minimum((t + n * a) / (n * (1 + a)), 1.0))) / 2 for a in (0.0, 0.3, 1.0)]
    return np.column_stack([_falls(n), *curves, *waves])


def _best_fits(columns: Array, values: Array, weights: Array) -> tuple[Array, Array]:
    """For each table of columns (tables, rows, columns) the weighted sum of squares left by the best constant plus one
    or two of its columns, none of them negative, and the coefficients, the constant's first."""
    tables, _, k = columns.shape
    share = weights / weights.sum()
    means, mean = share @ columns, float(share @ values)
    centred, target = columns - means[:, None], values - mean
    gram = np.swapaxes(centred, 1, 2) @ (centred * weights[:, None])
    right = (target * weights) @ centred
    total = float(target @ (target * weights))
    i, j = np.triu_indices(k)  # a pair of the same column is that column alone: the ridge shares it out
    ridge = 1e-10 * float(weights.sum())
    a, b, c = gram[:, i, i] + ridge, gram[:, i, j], gram[:, j, j] + ridge
    p, q = right[:, i], right[:, j]
    determinant = a * c - b * b
    first, second = (c * p - b * q) / determinant, (a * q - b * p) / determinant
    left = np.where((first >= 0) & (second >= 0), total - first * p - second * q, np.inf)
    best, rows = np.argmin(left, axis=1), np.arange(tables)
    errors, fits = left[rows, best], np.zeros((tables, k + 1))
    found = np.isfinite(errors)
    np.add.at(fits, (rows[found], i[best[found]] + 1), first[rows, best][found])
    np.add.at(fits, (rows[found], j[best[found]] + 1), second[rows, best][found])
    fits[:, 0] = mean - np.einsum("ij,ij->i", fits[:, 1:], means)
    return np.where(found, errors, total), fits
