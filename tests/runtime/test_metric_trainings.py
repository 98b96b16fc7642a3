"""Trainings whose metric worsens while the loss falls, and healthy ones whose metrics move another way."""

from __future__ import annotations

import pytest
from benchmarks import fresh_faulty, fresh_healthy
from benchmarks.monitor_score import judge

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("two tasks in two units", "accuracy"),
        ("the old task forgotten", "old_accuracy"),
        ("disc drowned by its ground", "dice"),
    ],
)
def test_the_metric_that_worsens_is_told(name: str, metric: str) -> None:
    outcome = judge(fresh_faulty.kinds()[name](name, 0))
    assert not outcome.early
    assert [(alert.detector, alert.series) for alert in outcome.alerts][:1] == [("metric-disagreement", metric)]


@pytest.mark.parametrize(
    "name", ["surer and surer", "divergence from the prior beside the loss", "conv1d, warm cosine"]
)
def test_a_metric_may_move_another_way(name: str) -> None:
    assert not judge(fresh_healthy.kinds()[name](name, 0)).alerts
