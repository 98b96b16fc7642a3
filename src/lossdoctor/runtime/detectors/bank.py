"""All detectors over one run, and which of their alerts is the cause."""

from __future__ import annotations

from collections.abc import Mapping

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.detector import made
from lossdoctor.runtime.detectors.log import Log


class DetectorBank:
    """The detectors of one run.

    When to use it: give `update` each row of a log as it comes, in the order of its steps; it returns the alerts that
    this row raises, one for each cause.

    Args:
        parameters: replaces defaults of detectors, by name of detector and parameter: `{"spike": {"factor": 6}}`.

    Raises:
        UsageError: for a detector or parameter that does not exist.

    Example:
        >>> bank = DetectorBank()
        >>> [alert.kind for step in range(3) for alert in bank.update(step, {"loss": [1.0, 0.9, float("nan")][step]})]
        ['non-finite']
    """

    def __init__(self, parameters: Mapping[str, Mapping[str, float]] | None = None) -> None:
        self.log = Log()
        self.alerts: list[Alert] = []
        self._detectors = made(parameters)

    def update(self, step: int, values: Mapping[str, float]) -> list[Alert]:
        """Take in one row and return what it raises.

        Args:
            step: the step or epoch of the row; it never falls.
            values: numbers by series: `loss`, `grad_norm`, `learning_rate`, `val_loss`, `term/<name>` and any others.
                A series that the row lacks was not measured; NaN and infinities are numbers of it.
        """
        self.log.add(step, values)
        found = [alert for detector in self._detectors if (alert := detector.look(self.log)) is not None]
        self.alerts += found
        return found
