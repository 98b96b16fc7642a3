"""LD706: the loss stops falling although it was on its way."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.course import course
from lossdoctor.runtime.detectors.detector import Detector
from lossdoctor.runtime.detectors.log import GRADIENT, RATE, VALIDATION, Log
from lossdoctor.runtime.detectors.series import Array, Series, median, scale_of_noise, slope
from lossdoctor.runtime.detectors.standstill import Standstill, standstill

_SAME = 6  # rows of exactly one value
_MUCH = 0.3  # of the scale of the run, that the loss would have fallen by had it gone on
_UNCHANGED = 4  # validations
_ROUNDING = 1e-9  # of a loss: the mean over an epoch's batches depends on their order by so little
_DIGITS = 1e-6  # of a loss: what is less is rounding in float32
_LOOKS = 1.05  # times the rows of the last look for a stop


@dataclass
class Stall(Detector):
    """Parameters.

    collapse: factor by which the learning rate has to fall within two rows. after: rows without progress after that.
    gain: variances of the noise by which a stop has to explain the loss better than any smooth course, twice as many
    where the norm of the gradient does not stop; together: the same of both where it does. remaining: of the scale
    of the run that the loss would have fallen by had it gone on. unchanged: of the usual change of the validation loss
    from one validation to the next, that is none. nothing: of the highest learning rate, that moves nothing; most:
    share of the run for which it may be less.
    """

    code, name, family, severity = "LD706", "stall", "stall", "warning"

    collapse: float = 300.0
    after: int = 8
    gain: float = 15.0
    together: float = 15.0
    remaining: float = 0.04
    unchanged: float = 0.02
    nothing: float = 1e-3
    most: float = 0.4
    _fell: int | None = field(default=None, repr=False)
    _next: int = field(default=20, repr=False)
    _told_faded: bool = field(default=False, repr=False)

    def look(self, log: Log) -> Alert | None:
        loss = log.loss
        if loss is None:
            return None
        collapsed = self._collapsed(log, loss) or self._faded(log, loss)
        if collapsed is not None or loss.n < 12:
            return collapsed
        if self._frozen(loss):
            at = loss.n - _SAME
            text = (
                f"The loss fell until {log.unit} {loss.steps[at]} and is {loss.last:.4g} to the last digit since: no "
                "update changes it. Usually weights that were frozen, or a rate or gradient of exactly zero. Look at "
                "both."
            )
            return self.alert(log, loss.name, loss.steps[at], 1.0, text)
        still = self._validated(log)
        if still is not None:
            return still
        if loss.n < self._next and not log.ended:
            return None
        self._next = math.ceil(_LOOKS * loss.n)
        found = standstill(loss)
        strength = 0.0 if found is None else self._strength(log, loss, found)
        if found is None or not course(loss).learned:
            return None
        at = min(found.place * loss.width, loss.n - 1)
        # Where much was still to come, chance is a worse explanation.
        lost = found.lost / course(loss).scale
        strength /= 1.0 - 0.4 * min(max(2 * lost / _MUCH - 1.0, 0.0), 1.0)
        if strength < 1.0 or lost < self.remaining or _fading(log, at):
            return None
        text = (
            f"The loss fell until {log.unit} {loss.steps[at]} and stopped there at {loss.last:.4g}. Usually updates no "
            "longer arrive: a learning rate that collapsed, frozen weights, clipping that is too strict, a saturated "
            "output. Look at the rate and at the gradient."
        )
        return self.alert(log, loss.name, loss.steps[at], strength, text)

    def _strength(self, log: Log, loss: Series, found: Standstill) -> float:
        """How far beyond its threshold the gain is; where updates stop, the norm of the gradient stands still too."""
        gradient = log.get(GRADIENT)
        if gradient is None or gradient.n != loss.n or found.gain < 0.25 * self.together:
            return found.gain / self.gain
        other = standstill(gradient)
        near = max(2.0, 0.08 * loss.n / loss.width)
        alone = 0.5 * found.gain / self.gain
        if other is None or other.lost <= 0 or abs(other.place - found.place) > near:
            return alone
        return max(alone, (found.gain + other.gain) / self.together)

    def _validated(self, log: Log) -> Alert | None:
        """A validation loss that changed and does not change any more, from one validation to the next: the held-out
        data are the same, so the weights are."""
        validation = log.get(VALIDATION)
        if validation is None or validation.n < 3 * _UNCHANGED + 1:
            return None
        changes = np.abs(np.diff(validation.values[-3 * _UNCHANGED - 1 :]))
        usual = median(changes[:-_UNCHANGED])
        # The last digits of single precision come to rest by themselves.
        stands = changes[-_UNCHANGED:].max() < self.unchanged * usual and usual > _DIGITS * abs(validation.last)
        # What has just leapt quietens down, and what a schedule ends does so bit by bit.
        sudden = 0.2 * usual < changes[-_UNCHANGED - 1] and changes.max() < 20 * usual
        # Far above where it was, the weights were destroyed: that is no stop.
        lately = validation.values[-3 * _UNCHANGED - 1 : -_UNCHANGED - 1]
        if not (stands and sudden) or validation.last > median(lately) + 4 * usual:
            return None
        at = validation.n - 1 - _UNCHANGED
        text = (
            f"`{VALIDATION}` changed by about {usual:.2g} from one validation to the next until {log.unit} "
            f"{validation.steps[at]}, and has been {validation.last:.6g} since: the weights no longer change. Usually "
            "they were frozen, the learning rate collapsed, or clipping is too strict. Look at the rate and at the "
            "gradient."
        )
        return self.alert(log, VALIDATION, validation.steps[at], 1.0, text)

    def _frozen(self, loss: Series) -> bool:
        """Whether the loss is the same for some rows, and fell by more than it could still have to just before."""
        values = loss.values
        same = np.abs(values[-2 * _SAME :] - values[-1]) <= _ROUNDING * abs(values[-1])
        if loss.n < 2 * _SAME or values[-1] == 0.0 or not same[-_SAME:].all() or same[-_SAME - 1]:
            return False
        lost = float(values[-2 * _SAME : -_SAME].max()) - values[-1]
        return lost > 0.02 * course(loss).scale

    def _faded(self, log: Log, loss: Series) -> Alert | None:
        """A schedule that ends long before the training does, while the gradient still says where to go."""
        rate, gradient = log.get(RATE), log.get(GRADIENT)
        if self._told_faded or rate is None or rate.n != loss.n or loss.n < 60 or not log.due:
            return None
        low = rate.values < self.nothing * float(rate.values.max())
        at = loss.n - int(low.sum())
        if not low[at:].all() or loss.n - at < self.most * loss.n or at < 12:
            return None
        steep = (
            gradient is not None
            and gradient.n == loss.n
            and median(gradient.values[at:]) > 0.5 * median(gradient.values[: at // 2])
        )
        if not steep or loss.last <= 0.0 or _moved(loss.values, at):
            return None
        self._told_faded = True
        step = loss.steps[at]
        text = (
            f"The learning rate has been below {self.nothing:.0e} of its highest since {log.unit} {step}, the loss has "
            f"stayed at {median(loss.values[at:]):.4g} since, and the gradient is as large as ever. The schedule "
            "counts steps for epochs, or ends too early: check its length."
        )
        return self.alert(log, loss.name, step, 1.0, text)

    def _collapsed(self, log: Log, loss: Series) -> Alert | None:
        rate = log.get(RATE)
        if rate is None or rate.n < 4:
            return None
        values = rate.values
        top = float(values[-60:].max())
        if self._fell is None:
            if 0 <= values[-1] * self.collapse < values[-3] and values[-3] > 1e-3 * top:
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
        sure = 2.5 * 1.25 * scale_of_noise(loss.values[-60:]) * np.sqrt(2 / self.after)
        if gone > max(0.6 * max(-gain, 2 * error) * 1.5 * self.after, sure):
            return None
        step = loss.steps[self._fell]
        text = (
            f"The learning rate fell from {top:.3g} to {values[-1]:.3g} at {log.unit} {step}, and the loss has stayed "
            f"at {loss.last:.4g} since. The schedule ends too early, or a callback lowered it too often: check both."
        )
        return self.alert(log, loss.name, step, 1.0, text)


def _moved(values: Array, at: int) -> bool:
    """Whether the level has changed since a row, beyond its error."""
    before, after = values[max(2 * at - len(values), 0) : at], values[at:]
    error = math.hypot(*(float(part.std()) / math.sqrt(len(part)) for part in (before, after)))
    return float(before.mean() - after.mean()) > 3 * error


def _fading(log: Log, row: int) -> bool:
    """Whether the gradient has become much smaller since that row: that is for LD707."""
    gradient = log.get(GRADIENT)
    if gradient is None or gradient.n < 12:
        return False
    at = max(min(row, gradient.n - 6), 1)
    return median(gradient.values[-5:]) < 0.5 * median(gradient.values[max(at - 5, 0) : at])
