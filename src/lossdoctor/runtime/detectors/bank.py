"""All detectors over one run, and which of their alerts is the cause."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from lossdoctor.runtime.detectors.alert import Alert, Kind
from lossdoctor.runtime.detectors.detector import made
from lossdoctor.runtime.detectors.log import Log

# Of alerts of one row the first of these is the cause.
_ORDER: tuple[Kind, ...] = (
    "non-finite",
    "term-imbalance",
    "exploding",
    "unbounded",
    "divergence",
    "vanishing",
    "oscillation",
    "spike",
    "stall",
    "overfitting",
    "no-learning",
)
_ALL = frozenset(_ORDER)
# What follows from an alert and is not told again. NaN after anything else is told: it is where training ends.
_FOLLOWS: dict[Kind, frozenset[Kind]] = {
    "non-finite": _ALL,
    "divergence": _ALL - {"non-finite"},
    "exploding": _ALL - {"non-finite"},
    "unbounded": _ALL - {"non-finite"},
    "term-imbalance": _ALL - {"non-finite"},
    "no-learning": _ALL - {"non-finite", "divergence"},
    "vanishing": frozenset({"vanishing", "stall", "no-learning"}),
    "stall": frozenset({"stall", "no-learning", "vanishing", "oscillation"}),
    "oscillation": frozenset({"oscillation", "spike", "stall", "no-learning", "exploding", "divergence"}),
    "spike": frozenset({"no-learning"}),
    "overfitting": frozenset({"overfitting", "stall"}),
}
# A row of a log by epochs averages many steps, so that fewer of them are enough.
_BY_EPOCH: dict[str, dict[str, float]] = {
    "divergence": {"stays": 8, "outburst": 1},
    "spike": {"patience": 6, "beyond": 1.5},
    "no-learning": {"rows": 20, "known": 20, "dead": 6, "ending": 12},
    "term-imbalance": {"rows": 24},
    "metric-disagreement": {"rows": 6},
}


class DetectorBank:
    """The detectors of one run.

    When to use it: give `update` each row of a log as it comes, in the order of its steps; it returns the alerts that
    this row raises, one for each cause. `finish` says that no row will follow.

    Args:
        parameters: replaces defaults of detectors, by name of detector and parameter: `{"spike": {"factor": 6}}`.
        detectors: codes of the detectors that look; all if None.

    Raises:
        UsageError: for a detector or parameter that does not exist.

    Example:
        >>> bank = DetectorBank()
        >>> [alert.kind for step in range(3) for alert in bank.update(step, {"loss": [1.0, 0.9, float("nan")][step]})]
        ['non-finite']
    """

    def __init__(
        self,
        parameters: Mapping[str, Mapping[str, float]] | None = None,
        detectors: Collection[str] | None = None,
    ) -> None:
        self.log = Log()
        self.alerts: list[Alert] = []
        self._detectors = [one for one in made(parameters) if detectors is None or one.code in detectors]
        self._explained: frozenset[Kind] = frozenset()

    @classmethod
    def for_unit(
        cls,
        unit: Literal["step", "epoch"] | str,
        parameters: Mapping[str, Mapping[str, float]] | None = None,
        detectors: Collection[str] | None = None,
    ) -> DetectorBank:
        """A bank for a log by steps, or by epochs."""
        own = {name: dict(values) for name, values in _BY_EPOCH.items()} if unit == "epoch" else {}
        for name, values in (parameters or {}).items():
            own[name] = {**own.get(name, {}), **values}
        bank = cls(own, detectors)
        bank.log.unit = unit
        return bank

    def update(self, step: int, values: Mapping[str, float]) -> list[Alert]:
        """Take in one row and return what it raises.

        Args:
            step: the step or epoch of the row; it never falls.
            values: numbers by series: `loss`, `grad_norm`, `learning_rate`, `val_loss`, `term/<name>` and any others.
                A series that the row lacks was not measured; NaN and infinities are numbers of it.
        """
        self.log.add(step, values)
        return self._look()

    def finish(self) -> list[Alert]:
        """Take note that the log has ended, and return what only that decides."""
        if self.log.row < 0:
            return []
        self.log.ended = True
        return self._look()

    def _look(self) -> list[Alert]:
        found = [alert for detector in self._detectors if (alert := detector.look(self.log)) is not None]
        told: list[Alert] = []
        for alert in sorted(found, key=lambda alert: _ORDER.index(alert.kind)):
            if alert.kind not in self._explained:
                told.append(alert)
                self._explained |= _FOLLOWS[alert.kind]
        self.alerts += told
        return told
