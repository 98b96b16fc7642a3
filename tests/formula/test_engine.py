"""A declared formula on its way through the engine: from the caller, the configuration and the decorator."""

from __future__ import annotations

from pathlib import Path

import pytest

from lossdoctor.config import load_config
from lossdoctor.engine import check
from lossdoctor.findings import Report, UsageError
from lossdoctor.worker.remote import WorkerPool

LOSSES = """\
import lossdoctor
import tensorflow as tf


def squared(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


def halved(y_true, y_pred):
    return 0.5 * tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


def by_batch_size(y_true, y_pred):
    size = tf.cast(tf.shape(y_pred)[0], y_pred.dtype)
    return size * tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


@lossdoctor.contract(y_true="float32[B,4] real", y_pred="float32[B,4] real", formula="mean(abs(t - p), axis=-1)")
def declared(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
"""
SPEC = "float32[B,4] real"
pytestmark = pytest.mark.real


@pytest.fixture
def losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "losses.py"
    path.write_text(LOSSES, encoding="utf-8")
    return path


def codes(report: Report) -> list[str]:
    assert not report.errors
    return [finding.rule for finding in report.findings]


def test_the_callers_formula_is_checked_and_the_finding_can_be_replayed(losses: Path, pool: WorkerPool) -> None:
    report = check(["losses.py:halved"], y_true=SPEC, y_pred=SPEC, formula="mean((t - p)**2, axis=-1)", pool=pool)
    assert codes(report) == ["LD611"]
    (finding,) = report.findings
    assert finding.location.line == 10 and finding.evidence == "witnessed"
    assert "0.5 times the formula" in finding.message


def test_a_formula_of_one_number_and_a_loss_of_one_a_sample(losses: Path, pool: WorkerPool) -> None:
    # They differ from two samples on, so the script has to average before it compares.
    report = check(["losses.py:by_batch_size"], y_true=SPEC, y_pred=SPEC, formula="mean((t - p)**2)", pool=pool)
    finding = next(finding for finding in report.findings if finding.rule == "LD611")
    assert "loss to its mean" in finding.message and "times the batch size" in finding.message
    assert "value.mean(axis=" in finding.reproduce


def test_agreement_is_a_fact(losses: Path, pool: WorkerPool) -> None:
    report = check(["losses.py:squared"], y_true=SPEC, y_pred=SPEC, formula="mean((t - p)**2, axis=-1)", pool=pool)
    assert codes(report) == []
    (fact,) = [fact for fact in report.losses[0].facts if fact.name == "formula"]
    assert fact.statement.startswith("equals the declared formula at ")


def test_the_decorators_formula(losses: Path, pool: WorkerPool) -> None:
    assert "LD611" in codes(check(["losses.py:declared"], pool=pool))


def test_the_configurations_formula(losses: Path, pool: WorkerPool) -> None:
    config = losses.parent / "lossdoctor.toml"
    config.write_text(
        '[tool.lossdoctor.losses."losses.py:squared"]\n'
        f'y_true = "{SPEC}"\ny_pred = "{SPEC}"\nformula = "sum((t - p)**2, axis=-1)"\n'
        '[tool.lossdoctor.losses."losses.py:halved"]\n'
        f'y_true = "{SPEC}"\ny_pred = "{SPEC}"\nformula = "sum((t - p)**2, axes=-1)"\n',
        encoding="utf-8",
    )
    loaded = load_config(config)
    report = check([entry.target for entry in loaded.losses], config=loaded, pool=pool)
    assert [finding.rule for finding in report.findings] == ["LD611"]
    (error,) = report.errors  # the other loss is examined all the same
    assert error.target == "losses.py:halved" and "did you mean `axis`" in error.message


def test_one_formula_is_for_one_loss(losses: Path, pool: WorkerPool) -> None:
    with pytest.raises(UsageError, match="a single loss"):
        check(["losses.py"], y_true=SPEC, y_pred=SPEC, formula="t - p", pool=pool)
