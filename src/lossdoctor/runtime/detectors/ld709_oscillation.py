"""LD709: the loss swings up and down at one rhythm and does not settle."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.course import course
from lossdoctor.runtime.detectors.detector import Detector
from lossdoctor.runtime.detectors.log import RATE, Log
from lossdoctor.runtime.detectors.series import Array

_WINDOWS = (16, 24, 32, 64, 128, 256)
# The share that noise alone hardly reaches, for short windows.
_BY_CHANCE = {16: 0.97, 24: 0.92, 32: 0.84, 64: 0.72}
_REPEATS = 0.9  # correlation with the rows a cycle earlier
_CYCLES = 3.4  # in the window: fewer are a wandering mean


@dataclass
class Oscillation(Detector):
    """Parameters.

    rhythm: share of the variance about a line that one frequency has to explain. size: amplitude as a share of the
    scale; regular: the same where the loss changes sides at every row. teeth: times the loss at the start that the
    peaks of a course of any other shape reach, where its mean is lower.
    """

    code, name, family, severity = "LD709", "oscillation", "oscillation", "warning"

    rhythm: float = 0.7
    size: float = 0.1
    regular: float = 0.015
    teeth: float = 1.5

    def look(self, log: Log) -> Alert | None:
        loss = log.loss
        if loss is None or loss.n < _WINDOWS[0] or not log.due:
            return None
        now = None
        for width in _WINDOWS:
            if width > loss.n:
                break
            values = loss.values[-width:]
            found = self._swing(values, float(np.median(loss.values[:3])))
            if found is None:
                continue
            share, frequency, amplitude = found
            now = now or course(loss)
            # Nothing but steps over the valley changes sides at every row so regularly.
            size = self.regular if frequency > 0.49 and share > 0.9 and width >= 32 else self.size
            need = size * max(now.scale, abs(now.level) if now.level > 0 else 0.0)
            if amplitude < need or self._fading(values) or self._scheduled(log, width, frequency):
                continue
            since = self._began(loss.values, amplitude, frequency)
            text = (
                f"The loss swings by {2 * amplitude:.3g} about {float(np.mean(values)):.4g}, once in "
                f"{1 / frequency:.3g} rows, and does not settle. Usually the step "
                "is too long for the curvature: lower the learning rate or the momentum; two opposing terms do it too."
            )
            return self.alert(log, loss.name, loss.steps[since], min(amplitude / need, share / self.rhythm * 10), text)
        return None

    def _swing(self, values: Array, start: float) -> tuple[float, float, float] | None:
        """Share of the variance, frequency a row and amplitude of a swing that goes on."""
        found = _rhythm(values)
        if found is not None and found[0] >= self._needed(len(values)) and _coherent(values, found[1]):
            return found
        # Batches in a fixed order repeat themselves too, about a level that training has brought down.
        above = float(values.mean()) > start or 0.0 < self.teeth * start < float(np.quantile(values, 0.95))
        return _cycle(values) if len(values) >= 32 and above else None

    def _needed(self, width: int) -> float:
        """Noise of few rows has a rhythm by chance: of 12 rows three frequencies of six explain most of the "
        "variance."""
        return max(self.rhythm, _BY_CHANCE.get(width, 0.0))

    @staticmethod
    def _fading(values: Array) -> bool:
        """Whether the swing dies down, or is small beside the fall of the mean."""
        half = len(values) // 2
        first, second = np.ptp(values[:half]), np.ptp(values[half:])
        fall = float(np.mean(values[:half]) - np.mean(values[half:]))
        return bool(second < 0.65 * first or 2 * fall > second)

    @staticmethod
    def _scheduled(log: Log, width: int, frequency: float) -> bool:
        rate = log.get(RATE)
        found = _rhythm(rate.values[-width:]) if rate is not None and rate.n >= width else None
        return found is not None and found[0] > 0.4 and abs(found[1] - frequency) < 0.5 / width + 0.1 * frequency

    @staticmethod
    def _began(values: Array, amplitude: float, frequency: float) -> int:
        """The row from which the swing has been half as wide as now without a pause."""
        period = max(math.ceil(1 / frequency), 2)
        end = len(values)
        while end - period >= 0 and np.ptp(values[end - period : end]) > 0.5 * amplitude:
            end -= period
        return min(max(end, 0), len(values) - 1)


def _rhythm(values: Array) -> tuple[float, float, float] | None:
    """Share of the variance, frequency a row and amplitude of the strongest sinusoid about a line; None without any."""
    n = len(values)
    x = np.arange(n) - (n - 1) / 2
    centred = values - values.mean()
    centred = centred - x * float(x @ centred) / float(x @ x)
    total = float(centred @ centred)
    if total <= 1e-18 * float(values @ values):
        return None
    power = np.abs(np.fft.rfft(centred * 1.0)) ** 2
    power[1:] *= 2
    if n % 2 == 0:
        power[-1] /= 2
    peak = int(np.argmax(power))
    if peak < _CYCLES:
        return None
    # A frequency between two lines of the spectrum, and a wave that is no sinusoid (its double frequency).
    nearby = {k for k in (peak - 1, peak, peak + 1, 2 * peak - 1, 2 * peak, 2 * peak + 1) if 0 < k < len(power)}
    if n < 24:
        nearby = {k for k in (peak, peak + 1, peak - 1) if 0 < k < len(power) and power[k] > 0.15 * power[peak]}
    share = float(sum(power[k] for k in nearby)) / (total * n)
    return min(share, 1.0), peak / n, math.sqrt(2 * share * total / n) if peak < n / 2 else math.sqrt(share * total / n)


def _cycle(values: Array) -> tuple[float, float, float] | None:
    """The same of a course of any shape that repeats itself: its rows against those a few earlier."""
    # An outburst or two must not be what repeats itself.
    x = np.clip(values, *np.quantile(values, [0.1, 0.9]))
    x = x - x.mean()
    total = float(x @ x)
    if total <= 1e-18 * float(values @ values):
        return None
    again = [float(x[p:] @ x[:-p]) / math.sqrt(float(x[p:] @ x[p:]) * float(x[:-p] @ x[:-p])) for p in range(1, 13)]
    lag = int(np.argmax(again)) + 1
    if again[lag - 1] < _REPEATS or min(again[:lag]) > 0.3:
        return None
    return again[lag - 1], 1 / lag, math.sqrt(2 * total / len(x))


def _coherent(values: Array, frequency: float) -> bool:
    """Whether the wave that fits the first half goes on in the second, at the same phase."""
    n = len(values)
    half = n // 2
    t = np.arange(n, dtype=float)
    best = -1.0
    for shift in (-0.4, 0.0, 0.4):  # a frequency between two lines of the spectrum
        f = frequency + shift / n
        columns = [np.ones(n), t / n, np.cos(2 * np.pi * f * t)]
        if frequency < 0.49:
            columns.append(np.sin(2 * np.pi * f * t))
        table = np.stack(columns, axis=1)
        weights, *_ = np.linalg.lstsq(table[:half], values[:half], rcond=None)
        wave = table[half:, 2:] @ weights[2:]
        rest = values[half:] - values[half:].mean()
        norm = float(np.linalg.norm(wave) * np.linalg.norm(rest))
        if norm > 0:
            best = max(best, float(wave @ rest) / norm)
    return best > 0.75
