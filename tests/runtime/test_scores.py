"""How the detectors judge drawn logs of all kinds: a floor under what `benchmarks/synthetic_runs.py` measures."""

from __future__ import annotations

import pytest
from benchmarks.monitor_score import judge
from benchmarks.synthetic_runs import draw


@pytest.mark.slow
def test_faults_are_told_and_healthy_runs_left_alone() -> None:
    runs = [run for run in draw(150, seed=12) if len(run.columns["loss"]) <= 200]
    outcomes = [judge(run) for run in runs]
    faulty = [one for one in outcomes if one.onset is not None]
    healthy = [one for one in outcomes if one.onset is None]
    assert len(faulty) >= 20 and len(healthy) >= 20
    assert sum(bool(one.alerts) for one in faulty) >= 0.75 * len(faulty)
    assert sum(one.right for one in faulty) >= 0.7 * len(faulty)
    assert sum(bool(one.alerts) for one in healthy) <= 0.15 * len(healthy)
    assert sum(one.early for one in faulty) <= 0.05 * len(faulty)
