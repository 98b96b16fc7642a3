"""LD706: the loss stops falling although it was on its way."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.course import course
from lossdoctor.runtime.detectors.detector import Detector
from lossdoctor.runtime.detectors.log import GRADIENT, RATE, Log
from lossdoctor.runtime.detectors.series import Array, Series, median, slope

_SAME = 6  # rows of exactly one value
_WINDOWS = (8, 12, 20, 32, 56, 96, 160, 256)


@dataclass
class Stall(Detector):
    """Parameters.

    collapse: factor by which the learning rate has to fall within two rows. after: rows without progress after that.
    straight: share of the earlier slope that is left just before the stop, and bend: share of that which is left after
    it. clear: standard errors by which the slopes have to differ. remaining: of the scale of the run that the loss
    would have fallen by had it gone on.
    """

    code, name, family, severity = "LD706", "stall", "stall", "warning"

    collapse: float = 300.0
    after: int = 8
    bend: float = 0.15
    straight: float = 0.7
    clear: float = 8.0
    remaining: float = 0.1
    _fell: int | None = field(default=None, repr=False)

    def look(self, log: Log) -> Alert | None:
        loss = log.loss
        if loss is None:
            return None
        collapsed = self._collapsed(log, loss)
        if collapsed is not None or loss.n < 12:
            return collapsed
        if self._frozen(loss):
            at = loss.n - _SAME
            text = (
                f"The loss fell until step {loss.steps[at]} and is {loss.last:.4g} to the last digit since: no update "
                "changes it. Usually weights that were frozen, or a rate or gradient of exactly zero. Look at both."
            )
            return self.alert(log, loss.name, loss.steps[at], 1.0, text)
        if not log.due:
            return None
        for width in _WINDOWS:
            if 4 * width > loss.n:
                break
            strength = self._kink(loss, width)
            at = loss.n - width - max(width // 4, 1)
            if strength and not _fading(log, at):
                text = (
                    f"The loss fell steadily until step {loss.steps[at]} and stopped there at {loss.last:.4g}. "
                    "Usually updates no longer arrive: a "
                    "learning rate that collapsed, frozen weights, clipping that is too strict, a saturated output. "
                    "Look at the rate and at the gradient."
                )
                return self.alert(log, loss.name, loss.steps[at], strength, text)
        return None

    def _frozen(self, loss: Series) -> bool:
        """Whether the loss is the same for some rows, and fell by more than it could still have to just before."""
        values = loss.values
        if loss.n < 2 * _SAME or values[-1] == 0.0 or np.any(values[-_SAME:] != values[-1]):
            return False
        lost = float(values[-2 * _SAME : -_SAME].max()) - values[-1]
        return values[-_SAME - 1] != values[-1] and lost > 0.02 * course(loss).scale

    def _collapsed(self, log: Log, loss: Series) -> Alert | None:
        rate = log.get(RATE)
        if rate is None or rate.n < 4:
            return None
        values = rate.values
        top = float(values[-60:].max())
        if self._fell is None:
            if values[-1] * self.collapse < values[-3] and values[-3] > 1e-3 * top:
                self._fell = loss.n - 1
            return None
        if values[-1] * self.collapse / 3 > top:
            self._fell = None
            return None
        if loss.n - self._fell != self.after:
            return None
        before = loss.values[max(self._fell - 2 * self.after, 0) : self._fell]
        gain, error = slope(before)
        gone = float(np.median(before[-self.after :]) - np.median(loss.values[-self.after :]))
        if gone > 0.6 * max(-gain, 2 * error) * 1.5 * self.after and gone > 0:
            return None
        step = loss.steps[self._fell]
        text = (
            f"The learning rate fell from {top:.3g} to {values[-1]:.3g} at step {step}, and the loss has stayed at "
            f"{loss.last:.4g} since. The schedule "
            "ends too early, or a callback lowered it too often: check both."
        )
        return self.alert(log, loss.name, step, 1.0, text)

    def _kink(self, loss: Series, width: int) -> float:
        """Strength of a bend from a steady fall to nothing, `width` rows ago; 0 for none."""
        values = loss.values
        after = values[-width:]
        gap = max(width // 4, 1)
        before = values[-3 * width - gap : -width - gap]
        fall, error = _fall(before)
        if fall <= self.clear * error:
            return 0.0
        early, early_error = _fall(before[:width])
        late, late_error = _fall(before[width:])
        tail, _ = _fall(before[-max(width // 2, 4) :])
        rest, rest_error = _fall(after)
        if tail < 0.5 * late:
            return 0.0  # it was slowing down already
        if late < self.straight * early or early < 2.5 * early_error or late < 4 * late_error:
            return 0.0
        if rest + 2 * rest_error > 0.4 * late or rest + 0.5 * rest_error > self.bend * late or rest < -late:
            return 0.0
        # A row's error of the two slopes together has to exclude that nothing changed.
        if late - rest < self.clear * (rest_error + error):
            return 0.0
        now = course(loss)
        if not now.learned:
            return 0.0
        lost = late * width / max(self.remaining * now.scale, 1e-300)
        return lost if lost >= 1.0 else 0.0


def _fall(values: Array) -> tuple[float, float]:
    rate, error = slope(values)
    return -rate, error


def _fading(log: Log, row: int) -> bool:
    """Whether the gradient has become much smaller since that row: that is for LD707."""
    gradient = log.get(GRADIENT)
    if gradient is None or gradient.n < 12:
        return False
    at = max(min(row, gradient.n - 6), 1)
    return median(gradient.values[-5:]) < 0.5 * median(gradient.values[max(at - 5, 0) : at])
