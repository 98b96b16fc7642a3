"""Losses as careful authors write them: whatever lossdoctor says of them beyond facts is a false alarm.

`specs.toml` is an ordinary configuration: `lossdoctor check --config tests/healthy/specs.toml` runs the same.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lossdoctor.config import load_config
from lossdoctor.engine import check
from lossdoctor.worker.remote import WorkerPool

CONFIG = load_config(Path(__file__).parent / "specs.toml")
BATCH_WIDE = "a statistic of the whole batch, so it does return one number"
APART = "boxes apart from each other are not drawn together, as GIoU's are"
ROWS = "XLA compiles no operation of ragged tensors"
# What is true of a loss although it is healthy: target -> {(severity, rule): why}.
EXPECTED: dict[str, dict[tuple[str, str], str]] = {
    "boxes.py:log_iou_loss": {("warning", "LD111"): APART},
    "boxes.py:iou_loss": {("warning", "LD111"): APART},
    "metric_learning.py:barlow_twins": {("info", "LD221"): BATCH_WIDE},
    "generative.py:maximum_mean_discrepancy": {("info", "LD221"): BATCH_WIDE},
    "ranking.py:cox_mean": {("info", "LD221"): BATCH_WIDE},
    "practice.py:correlation_alignment": {("info", "LD221"): BATCH_WIDE},
    "practice.py:macro_soft_f1": {("warning", "LD221"): BATCH_WIDE},
    "practice.py:smooth_l1": {("warning", "LD511"): "keras.losses.Huber.get_config leaves out delta (Keras 3.15)"},
    "practice.py:checked": {("info", "LD406"): "XLA leaves check_numerics out"},
    "metric_learning.py:multi_similarity": {
        ("info", "LD407"): "under XLA, a normalised row of zeros has no derivative"
    },
    "near_misses.py:actor_of_ddpg": {("info", "LD602"): "a critic's value is maximised, which is said and not judged"},
    "ragged.py:mean_of_rows": {("info", "LD405"): ROWS},
    "ragged.py:masked_mean": {("info", "LD405"): ROWS},
    "ragged.py:padded_sum": {("info", "LD405"): ROWS},
    "ragged.py:sum_of_rows": {("info", "LD405"): ROWS},
    "ragged.py:binary": {("info", "LD405"): ROWS},
    "ragged.py:tokens": {("info", "LD405"): ROWS},
    "ragged.py:RaggedHuber": {("info", "LD405"): ROWS},
    "practice.py:critic": {("info", "LD602"): "a critic's sign is a convention, which is said and not judged"},
}


def test_every_exception_names_a_loss() -> None:
    assert EXPECTED.keys() <= {entry.target for entry in CONFIG.losses}


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("target", [entry.target for entry in CONFIG.losses])
def test_silent(target: str, pool: WorkerPool) -> None:
    report = check([target], config=CONFIG, pool=pool)
    assert not report.errors
    found = {(finding.severity, finding.rule): finding.message for finding in report.findings}
    expected = EXPECTED.get(target, {})
    assert found.keys() == expected.keys(), found
    [loss] = report.losses
    assert not [gap.op for gap in loss.gaps if gap.limits == "internal"]
    severities = {severity for severity, _ in expected}
    verdict = "broken" if "error" in severities else "suspect" if "warning" in severities else "healthy"
    assert loss.verdict == verdict
    assert "finite-value" in {fact.name for fact in loss.facts}
