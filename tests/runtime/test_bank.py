"""The bank of detectors over rows that come one by one."""

from __future__ import annotations

import math

import pytest

from lossdoctor.findings import UsageError
from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.bank import DetectorBank


def alerts(loss: list[float]) -> list[Alert]:
    bank = DetectorBank()
    return [alert for step, value in enumerate(loss) for alert in bank.update(step, {"loss": value})]


def test_a_nan_is_told_once_at_its_step() -> None:
    found = alerts([1 / (1 + step) for step in range(20)] + [math.nan] * 10)
    assert [(alert.kind, alert.step, alert.since) for alert in found] == [("non-finite", 20, 20)]


def test_parameters_are_checked() -> None:
    with pytest.raises(UsageError, match="Expected a detector of"):
        DetectorBank({"spikes": {}})
    with pytest.raises(UsageError, match=r"Expected a parameter of spike: .*Received: width"):
        DetectorBank({"spike": {"width": 3}})
    with pytest.raises(UsageError, match="Expected a number"):
        DetectorBank({"spike": {"factor": "big"}})  # type: ignore[dict-item]
