"""LD712: the loss falls while the metric that it stands for gets worse."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.course import course
from lossdoctor.runtime.detectors.detector import Detector
from lossdoctor.runtime.detectors.log import LOSS, VALIDATION, Log
from lossdoctor.runtime.detectors.series import Array, Series, median, running_median, scale_of_noise, slope

# Names of metrics as Keras, scikit-learn and PyTorch's loggers give them, by what is better.
_HIGHER = re.compile(r"(^|_)(acc|accuracy|auc|prc|precision|recall|f1|iou|dice|r2|map|bleu|psnr|ssim)(_|$)")
_LOWER = re.compile(r"(^|_)(mae|mse|rmse|mape|msle|error|error_rate|perplexity|absolute_error|squared_error|wer)(_|$)")
# Of classes: beside one of these a distance from the labels says nothing, as of scores that are no probabilities.
_OF_CLASSES = re.compile(r"(^|_)(acc|accuracy|auc|prc|precision|recall|f1)(_|$)")
_DISTANCE = re.compile(r"(^|_)(mae|mse|rmse|mape|msle|absolute_error|squared_error)(_|$)")


@dataclass
class MetricDisagreement(Detector):
    """Parameters.

    rows: for which the metric has to stay so much worse. window: share of the rows whose median is a level of the
    metric. worse: of what the metric has gained that it has to lose; level: of its best level, likewise. noise:
    standard errors of a level that it has to lose. falls: of the scale of the loss that the loss has to fall in the
    meantime.
    """

    code, name, family, severity = "LD712", "metric-disagreement", "no-learning", "warning"

    rows: int = 40
    window: float = 0.15
    worse: float = 0.5
    level: float = 0.1
    noise: float = 8.0
    falls: float = 0.05

    def look(self, log: Log) -> Alert | None:
        if not log.due:
            return None
        classes = any(_OF_CLASSES.search(_plain(name)) for name in log.series)
        for name in sorted(log.fresh):
            if classes and _DISTANCE.search(_plain(name)):
                continue
            loss = log.known(VALIDATION if name.startswith("val_") else LOSS)
            sign = _sense(name)
            if sign and loss is not None and loss.name != name:
                found = self._look(log, log.series[name], loss, sign)
                if found is not None:
                    return found
        return None

    def _look(self, log: Log, metric: Series, loss: Series, sign: int) -> Alert | None:
        if metric.n < 1.5 * self.rows or loss.n < self.rows:
            return None
        values = sign * metric.values
        width = max(int(self.window * metric.n), 3)
        levels = running_median(values, width)
        best = int(np.argmax(levels))
        at = best + width // 2
        lost = float(levels[best] - levels[-1])
        error = 1.25 * max(scale_of_noise(values), scale_of_noise(values[-2 * width :])) / math.sqrt(width)
        gained = float(levels[best] - levels[0])
        need = max(self.noise * error, self.worse * gained, self.level * abs(float(levels[best])))
        bad = levels[best] - levels > need
        lasting = bool(bad[-1]) and int(np.argmin(bad[::-1])) + width // 2 >= self.rows
        if not lasting or not _falling(values[at:]):
            return None
        if not self._falls(loss, int(metric.rows[at])):
            return None
        text = (
            f"`{metric.name}` was best at {log.unit} {metric.steps[at]} ({sign * levels[best]:.4g}) and is "
            f"{sign * levels[-1]:.4g} now, while `{loss.name}` goes on falling: what is minimised is not what is "
            "measured. Usually a sign, a weight or an axis of the loss is wrong, or the metric is given other outputs "
            "(logits for probabilities, swapped arguments). Check the loss against the metric on one batch: "
            "`lossdoctor check`, `lossdoctor verify`."
        )
        return self.alert(log, metric.name, metric.steps[at], lost / need, text)

    def _falls(self, loss: Series, row: int) -> bool:
        """Whether the loss has fallen since that row of the log, by more than its noise."""
        at = int(np.searchsorted(loss.rows, row))
        since = loss.values[at:]
        if len(since) < 6:
            return False
        before, after = median(since[: max(len(since) // 4, 1)]), median(since[-max(len(since) // 4, 1) :])
        error = 1.25 * scale_of_noise(since) * math.sqrt(2 / max(len(since) // 4, 1))
        return before - after > max(self.falls * course(loss).scale, 4 * error) and _falling(since)


def _plain(name: str) -> str:
    return name.lower().replace("/", "_").replace("-", "_")


def _sense(name: str) -> int:
    """+1 for a metric that is better when higher, -1 when lower, 0 for what is no metric by its name."""
    plain = _plain(name)
    if "loss" in plain:
        return 0
    return 1 if _HIGHER.search(plain) else -1 if _LOWER.search(plain) else 0


def _falling(values: Array) -> bool:
    rate, error = slope(values)
    return -rate > 3 * error
