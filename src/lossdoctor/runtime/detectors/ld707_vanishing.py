"""LD707: the gradient fades while there is still something to learn."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.course import course
from lossdoctor.runtime.detectors.detector import Detector
from lossdoctor.runtime.detectors.log import GRADIENT, Log
from lossdoctor.runtime.detectors.series import Series, median


@dataclass
class Vanishing(Detector):
    """Parameters.

    fade: factor by which the norm has to fall below its usual size. faint: size beside the loss that is none from the
    start on. rows: of such a gradient, and without progress. progress: of the descent that is progress. knee: how
    many times faster the norm has to fade than it fell before, where the loss has learned more than little: that share
    of its level.
    """

    code, name, family, severity = "LD707", "vanishing", "vanishing", "error"

    fade: float = 1000.0
    faint: float = 3e-4
    rows: int = 8
    progress: float = 0.03
    knee: float = 3.0
    little: float = 0.08

    def look(self, log: Log) -> Alert | None:
        loss = log.loss
        if loss is None or loss.n < self.rows:
            return None
        for name in log.fresh:
            if name == GRADIENT or name.startswith("grad"):
                found = self._look(log, loss, log.series[name])
                if found is not None:
                    return found
        return None

    def _look(self, log: Log, loss: Series, gradient: Series) -> Alert | None:
        if gradient.n < self.rows or not (log.due or gradient.n == 2 * self.rows):
            return None
        norms = np.abs(gradient.values)
        recent = median(norms[-5:])
        usual = float(np.quantile(norms[:60], 0.75))
        now = course(loss)
        height = abs(now.level)
        if 0 <= now.level < 0.03 * now.start:
            return None  # what is left to learn is little
        if recent == 0.0 and usual == 0.0:
            return None  # dead from the start, which LD705 tells
        if recent * self.fade < usual and norms[-1] * self.fade < usual:
            strong = np.flatnonzero(norms >= 0.2 * usual)
            began = int(strong[-1]) if len(strong) else 0
            row = int(np.searchsorted(loss.rows, gradient.rows[began]))
            if loss.n - row < self.rows:
                return None
            # Where a run converges the norm falls at one rate from the start; where it vanishes there is a knee.
            before, after = math.log(5.0) / (began + 1), math.log(self.fade / 5.0) / (gradient.n - began)
            learned = now.learned and now.descent > self.little * abs(now.start)
            if learned and after < self.knee * before:
                return None
            then = median(loss.values[row + 1 : row + 6])
            gained = then - now.level
            if gained > max(self.progress * now.scale, 2 * now.noise):
                return None
            return self._told(
                log, gradient, int(gradient.steps[began]), usual / recent / self.fade if recent else 1e9, recent
            )
        ceiling = float(np.max(norms))
        if 2 * self.rows <= gradient.n <= 20 * self.rows and 0 < ceiling < self.faint * height and not now.learned:
            return self._told(log, gradient, int(gradient.steps[0]), self.faint * height / ceiling, recent)
        return None

    def _told(self, log: Log, gradient: Series, since: int, strength: float, recent: float) -> Alert:
        text = (
            f"`{gradient.name}` has faded to {recent:.2g} while the loss stays where it is. Usually saturated units "
            "(sigmoid, tanh, softmax of large "
            "scores) or many small factors in a row. Look at the activations, the initial weights and the scale of "
            "the targets."
        )
        return self.alert(log, gradient.name, since, strength, text)
