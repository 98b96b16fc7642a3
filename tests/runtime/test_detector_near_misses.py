"""Faults next to what looks like them: each pair differs in what decides, and in little else."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.bank import DetectorBank

NOISE = np.random.default_rng(0).normal(size=2000)


def alerts(unit: str = "step", **series: np.ndarray) -> list[Alert]:
    """Series that are named `term_…` are terms."""
    log: Mapping[str, np.ndarray] = {name.replace("term_", "term/"): values for name, values in series.items()}
    bank = DetectorBank.for_unit(unit)
    rows = range(len(log["loss"]))
    found = [one for row in rows for one in bank.update(row, {name: float(v[row]) for name, v in log.items()})]
    return [*found, *bank.finish()]


def kinds(found: list[Alert]) -> list[tuple[str, int]]:
    return [(alert.kind, alert.since) for alert in found]


EPOCH = np.arange(40)
TRAIN = 0.9 * np.exp(-EPOCH / 4)


def test_a_smooth_held_out_loss_that_soon_turns_is_overfitting() -> None:
    held_out = 0.907 - 0.11 * np.minimum(EPOCH, 1) - 0.05 * (EPOCH > 1) + 0.02 * np.maximum(EPOCH - 3, 0)
    found = alerts("epoch", loss=TRAIN, val_loss=held_out)
    assert [alert.kind for alert in found] == ["overfitting"]
    assert found[0].since in (2, 3) and found[0].step < 22
    # It comes back, as the swing of an optimizer does.
    swings = 0.75 + 0.15 * np.exp(-EPOCH / 2) + 0.1 * np.exp(-EPOCH / 12) * np.sin(np.maximum(EPOCH - 3, 0) / 1.5)
    assert alerts("epoch", loss=TRAIN, val_loss=swings) == []


def test_a_held_out_loss_that_only_rises_is_overfitting_once_it_has_doubled() -> None:
    assert kinds(alerts("epoch", loss=TRAIN, val_loss=1.7 + 0.12 * EPOCH)) == [("overfitting", 1)]
    assert alerts("epoch", loss=TRAIN, val_loss=1.7 + 0.01 * EPOCH) == []


STEP = np.arange(400)
FALLS = np.exp(-STEP / 60)


def test_a_term_of_the_data_that_stays_while_the_rest_is_learned_starves() -> None:
    first = 0.1 + 2 * FALLS + 0.1 * FALLS * NOISE[:400]
    second = 1e-5 * (1 + 0.2 * NOISE[400:800])
    found = alerts(loss=first + second, term_price=first, term_area=second)
    assert kinds(found) == [("term-imbalance", 0)]
    assert found[0].series == "term/area"


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(1e-5 * (1 + 0.001 * NOISE[:400]), id="penalty on weights"),
        pytest.param(1e-5 * (1 + STEP / 100) * (1 + 0.2 * NOISE[:400]), id="weighed in"),
        pytest.param(1e-5 * (0.3 + FALLS) * (1 + 0.2 * NOISE[:400]), id="learned"),
        pytest.param(5e-3 * (1 + 0.2 * NOISE[:400]), id="not so small"),
    ],
)
def test_a_small_term_that_is_no_data_or_moves_does_not_starve(second: np.ndarray) -> None:
    first = 0.1 + 2 * FALLS + 0.1 * FALLS * NOISE[400:800]
    assert alerts(loss=first + second, term_price=first, term_other=second) == []


def test_epochs_that_differ_by_rounding_are_the_same() -> None:
    falls = 0.7 + 0.9 * np.exp(-np.arange(60) / 5)
    stopped = np.where(np.arange(60) < 12, falls, falls[12]) * (1 + 1e-15 * NOISE[:60])
    assert kinds(alerts("epoch", loss=stopped)) == [("stall", 12)]
    assert alerts("epoch", loss=falls * (1 + 1e-15 * NOISE[:60])) == []


LATER = np.maximum(np.arange(700) - 300, 0)
LEARNED = 0.05 + 1.9 * np.exp(-np.arange(700) / 40)


def test_a_leap_that_comes_down_to_where_training_began_is_a_divergence() -> None:
    """Labels that are shuffled from a row on: the model unlearns to be sure, and guesses."""
    guesses = np.where(LATER > 0, 1.39 + 5 * np.exp(-LATER / 12), LEARNED) + 0.02 * NOISE[:700]
    found = alerts(loss=guesses)
    assert [alert.kind for alert in found] == ["divergence"]
    assert 290 <= found[0].since <= 301 and found[0].step < 450
    again = np.where(LATER > 0, 0.05 + 6 * np.exp(-LATER / 60), LEARNED) + 0.02 * NOISE[:700]
    assert [alert.kind for alert in alerts(loss=again) if alert.kind == "divergence"] == []


def test_a_density_that_crosses_zero_on_a_line_is_not_without_bound() -> None:
    falls = (
        0.13 - 0.01 * np.minimum(np.arange(400), 170) - 0.2 * (1 - np.exp(-np.maximum(np.arange(400) - 170, 0) / 30))
    )
    assert [alert.kind for alert in alerts(loss=falls + 0.08 * NOISE[:400]) if alert.kind == "unbounded"] == []
    endless = alerts(loss=0.13 - 0.01 * np.arange(1500) + 0.08 * NOISE[:1500])
    assert [alert.kind for alert in endless] == ["unbounded"]


@pytest.mark.parametrize("constant", [1000.0, -30.0])
@pytest.mark.parametrize("unit", ["step", "epoch"])
def test_a_constant_in_the_loss_hides_no_learning(constant: float, unit: str) -> None:
    scatter = 0.05 if unit == "step" else 0.005
    fell = constant + 0.1 + np.exp(-np.arange(300) / 25) + scatter * NOISE[:300]
    assert alerts(unit, loss=fell) == []
    flat = constant + 0.1 + scatter * NOISE[:300]
    assert kinds(alerts(unit, loss=flat)) == [("no-learning", 0)]


def test_a_rate_of_nearly_nothing_learns_nothing() -> None:
    assert kinds(alerts(loss=3.3 - 1e-5 * np.arange(300))) == [("no-learning", 0)]


def test_units_that_die_at_once_learn_nothing() -> None:
    loss = np.full(40, 8.845)
    loss[0] = 9.05
    assert kinds(alerts("epoch", loss=loss)) == [("no-learning", 0)]


def test_outbursts_after_learning_are_no_scatter_without_learning() -> None:
    loss = 0.5 + 1.5 * np.exp(-np.arange(520) / 60) + 0.05 * NOISE[:520]
    loss[500:] = np.abs(40 * NOISE[500:520])
    assert "no-learning" not in [alert.kind for alert in alerts(loss=loss)]


CLIMB = np.arange(300)


@pytest.mark.parametrize(("unit", "rows", "latest"), [("step", 300, 80), ("epoch", 40, 16)])
def test_a_loss_that_only_climbs_diverges(unit: str, rows: int, latest: int) -> None:
    """Steps up the gradient, on a line: no row is far above the one before."""
    rate = 8.0 / latest
    found = alerts(unit, loss=1.5 + rate * CLIMB[:rows] + 0.3 * rate * NOISE[:rows])
    assert [alert.kind for alert in found] == ["divergence"]
    assert found[0].step <= latest
    # A target that moves: it fell, and what it has risen by is no more than three times its start.
    moves = 0.2 - 0.05 * np.minimum(CLIMB / 30, 1) + 0.0015 * np.maximum(CLIMB - 60, 0)
    assert alerts(loss=moves + 0.05 * NOISE[:300]) == []
    # A weight that is annealed up to its full value.
    assert alerts(loss=1.0 + 0.9 * np.minimum(CLIMB / 200, 1) + 0.05 * NOISE[:300]) == []


def test_a_slow_fall_beneath_a_large_constant_is_learning() -> None:
    fell = 1000.0 + 0.9 - 0.0013 * CLIMB + 0.17 * NOISE[:300]
    assert alerts(loss=fell) == []
    assert kinds(alerts(loss=fell + 0.0013 * CLIMB)) == [("no-learning", 0)]
