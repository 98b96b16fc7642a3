"""The bank of detectors over rows that come one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lossdoctor.findings import UsageError
from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.bank import DetectorBank

# The held-out loss of a network of few samples under Adam: it swings after a steep fall, and comes back.
SWING = [
    float(value)
    for value in (
        "3.3 2.552 1.951 1.481 1.127 0.874 0.705 0.604 0.549 0.522 0.506 0.491 0.471 0.445 0.414 0.383 0.354 0.332 "
        "0.319 0.319 0.329 0.35 0.38 0.414 0.45 0.484 0.513 0.533 0.543 0.543 0.531 0.51 0.482 0.45 0.416 0.383 0.354 "
        "0.329 0.309 0.295 0.286 0.281 0.278 0.278 0.278 0.279"
    ).split()
]


def alerts(loss: list[float], validation: list[float] | None = None, unit: str = "step") -> list[Alert]:
    bank = DetectorBank.for_unit(unit)
    held_out = [{}] * len(loss) if validation is None else [{"val_loss": value} for value in validation]
    return [
        alert
        for step, (value, more) in enumerate(zip(loss, held_out, strict=True))
        for alert in bank.update(step, {"loss": value, **more})
    ]


def test_a_nan_is_told_once_at_its_step() -> None:
    found = alerts([1 / (1 + step) for step in range(20)] + [math.nan] * 10)
    assert [(alert.kind, alert.step, alert.since) for alert in found] == [("non-finite", 20, 20)]


def test_only_a_nan_that_reaches_the_weights_is_said_to_do_so() -> None:
    (loss,) = alerts([1.0] * 5 + [math.nan])
    assert "NaN too" in loss.message and loss.message.endswith("of this step.")
    (held_out,) = alerts([1.0 / (1 + step) for step in range(6)], [1.0] * 5 + [math.nan], "epoch")
    assert held_out.series == "val_loss" and "NaN too" not in held_out.message
    assert held_out.message.endswith("of this epoch.")


def test_parameters_are_checked() -> None:
    with pytest.raises(UsageError, match="Expected a detector of"):
        DetectorBank({"spikes": {}})
    with pytest.raises(UsageError, match=r"Expected a parameter of spike: .*Received: width"):
        DetectorBank({"spike": {"width": 3}})
    with pytest.raises(UsageError, match="Expected a number"):
        DetectorBank({"spike": {"factor": "big"}})  # type: ignore[dict-item]


def test_a_swing_of_the_held_out_loss_is_no_overfitting() -> None:
    loss = [math.exp(-step / 10) + 0.1 * math.exp(-step / 80) for step in range(len(SWING))]
    assert alerts(loss, SWING) == []
    # What rises as much and goes on rising is.
    onward = SWING[:20] + [0.319 + 0.025 * step for step in range(40)]
    loss = [math.exp(-step / 10) + 0.1 * math.exp(-step / 80) for step in range(len(onward))]
    assert [(alert.kind, alert.since) for alert in alerts(loss, onward)] == [("overfitting", 18)]


def test_a_held_out_loss_at_rest_in_its_last_digits_is_no_stall() -> None:
    step = np.arange(300)
    for digits in (np.float32, np.float64):
        held_out = (0.28 + 3 * np.exp(-step / 6)).astype(digits)
        assert alerts(list(np.exp(-step / 40)), [float(value) for value in held_out]) == []


def test_an_epoch_that_destroys_the_network_is_a_divergence() -> None:
    noise = np.random.default_rng(0).normal(size=60)
    loss = np.where(np.arange(60) < 30, 0.05 + 2 * np.exp(-np.arange(60) / 6) + 0.01 * noise, 2.5 + 1e-4 * noise)
    loss[30] = 4e7
    held_out = np.where(np.arange(60) < 30, loss + 0.3 + 0.05 * noise[::-1], 2.53)
    found = alerts(list(loss), list(held_out), "epoch")
    assert [(alert.kind, alert.since) for alert in found] == [("divergence", 29)]


def test_one_row_beyond_all_measure_after_which_all_is_forgotten_is_a_divergence() -> None:
    noise = np.random.default_rng(0).normal(size=200)
    before = 0.3 + 4 * np.exp(-np.arange(200) / 15) + 0.05 * noise
    loss = np.where(np.arange(200) < 80, before, 3.0 + 0.4 * noise)
    loss[80] = 4e6
    assert [(alert.kind, alert.since) for alert in alerts(list(loss))] == [("divergence", 79)]
    comes_back = before.copy()
    comes_back[80] = 4e6
    assert [alert.kind for alert in alerts(list(comes_back))] == ["spike"]


def test_one_epoch_far_above_the_whole_fall_is_a_spike() -> None:
    noise = np.random.default_rng(0).normal(size=50)
    loss = 0.3 + 2.0 * np.exp(-np.arange(50) / 25) + 0.02 * noise
    assert alerts(list(loss), unit="epoch") == []
    loss[30] = 4.0
    assert [(alert.kind, alert.since) for alert in alerts(list(loss), unit="epoch")] == [("spike", 30)]


def test_an_outburst_whose_rest_goes_away_slowly_is_a_spike() -> None:
    rng = np.random.default_rng(0)
    usual = 0.01 + 14 * np.exp(-np.arange(400) / 25) + 0.004 * rng.normal(size=400)
    assert alerts(list(usual)) == []
    loss = usual.copy()
    loss[200] = 3600.0
    after = np.arange(199)
    loss[201:] += 7 * np.exp(-after / 14) * rng.uniform(0.8, 1.2, 199)  # plain gradient descent after one outlier
    found = alerts(list(loss))
    assert [(alert.kind, alert.since) for alert in found] == [("spike", 200)] and found[0].step < 240
    stays = usual.copy()
    stays[200] = 3600.0
    stays[201:] += 7 + rng.normal(size=199)
    assert "spike" not in [alert.kind for alert in alerts(list(stays))]


def test_a_loss_of_guessing_that_moves_in_its_last_digits_only_learns_nothing() -> None:
    loss = [math.log(3) * (1 + 1e-3 * math.exp(-epoch / 4)) for epoch in range(40)]
    assert [(alert.kind, alert.since) for alert in alerts(loss, unit="epoch")] == [("no-learning", 0)]


def test_a_distance_beside_an_accuracy_is_no_metric_of_its_own() -> None:
    bank = DetectorBank.for_unit("epoch")
    found: list[Alert] = []
    for epoch in range(40):
        row = {"loss": 2.3 * math.exp(-epoch / 30), "mae": 0.3 + 0.03 * epoch}
        found += bank.update(epoch, {**row, "accuracy": 1 - math.exp(-epoch / 20)})
    assert found == []
    alone = DetectorBank.for_unit("epoch")
    for epoch in range(40):
        found += alone.update(epoch, {"loss": 2.3 * math.exp(-epoch / 30), "mae": 0.3 + 0.03 * epoch})
    assert [(alert.detector, alert.series) for alert in found] == [("metric-disagreement", "mae")]
