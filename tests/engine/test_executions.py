"""What XLA refuses, drops or computes otherwise, and what half precision spoils."""

from __future__ import annotations

from pathlib import Path

import pytest

from lossdoctor.engine import check
from lossdoctor.findings import LossReport
from lossdoctor.session import Settings
from lossdoctor.worker.remote import WorkerPool

pytestmark = pytest.mark.real

MEAN_SQUARE = "    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)\n"
UNIT = {"y_true": "float32[B,4] unit", "y_pred": "float32[B,4] unit"}
NO_MENDS = Settings(mends=False, time_limit=120.0)


def examined(tmp_path: Path, body: str, pool: WorkerPool, settings: Settings = NO_MENDS) -> LossReport:
    file = tmp_path / "losses.py"
    file.write_text(f"import tensorflow as tf\n\n\ndef loss(y_true, y_pred):\n{body}", encoding="utf-8")
    report = check([f"{file}:loss"], **UNIT, settings=settings, pool=pool)
    assert not report.errors, report.errors
    return report.losses[0]


def test_facts_name_xla_where_the_loss_was_run_under_it(tmp_path: Path, pool: WorkerPool) -> None:
    loss = examined(tmp_path, MEAN_SQUARE, pool)
    facts = {fact.name: fact for fact in loss.facts}
    assert facts["executions"].when == ("eager", "graph", "xla")
    assert facts["finite-xla"].when == ("xla",) and facts["finite-xla"].evidence == "witnessed"
    assert "xla" not in facts["finite-value"].when  # a proof follows the graph, not what XLA makes of it
    assert not loss.findings and not loss.gaps


def test_a_loss_that_xla_refuses_has_no_fact_about_xla(tmp_path: Path, pool: WorkerPool) -> None:
    loss = examined(tmp_path, "    tf.print(y_pred)\n" + MEAN_SQUARE, pool)
    assert [(f.rule, f.severity, f.when, f.location.line) for f in loss.findings] == [("LD405", "warning", ("xla",), 5)]
    assert not any("xla" in fact.when for fact in loss.facts)


def test_a_gradient_that_only_xla_loses_is_said_beside_a_healthy_verdict(tmp_path: Path, pool: WorkerPool) -> None:
    loss = examined(tmp_path, "    return tf.square(tf.norm(y_true - y_pred, axis=-1))\n", pool)
    assert [(f.rule, f.severity, f.when) for f in loss.findings] == [("LD407", "info", ("xla",))]
    assert "the gradient is finite as a graph" in loss.findings[0].message and loss.verdict == "healthy"
    assert "jit_compile" in loss.findings[0].reproduce


def test_an_assertion_on_values_leaves_the_verdict_healthy(tmp_path: Path, pool: WorkerPool) -> None:
    loss = examined(tmp_path, "    tf.debugging.assert_less_equal(y_pred, 1.0)\n" + MEAN_SQUARE, pool)
    assert [(f.rule, f.severity) for f in loss.findings] == [("LD406", "info")]
    assert loss.verdict == "healthy"


def test_the_half_twin_is_examined_only_where_it_is_asked_for(tmp_path: Path, pool: WorkerPool) -> None:
    body = "    return -tf.reduce_mean(y_true * tf.math.log(y_pred + 1e-8), axis=-1)\n"
    assert not [f for f in examined(tmp_path, body, pool).findings if f.family == "low-precision"]
    loss = examined(tmp_path, body, pool, Settings(mends=False, time_limit=120.0, dtype="float16"))
    found = [f for f in loss.findings if f.family == "low-precision"]
    assert [(f.rule, f.severity, f.location.line) for f in found] == [("LD342", "error", 5)]
    assert "`1e-8`" in found[0].message and "y_pred float16[B,4] unit" in found[0].reproduce
    healthy = examined(tmp_path, MEAN_SQUARE, pool, Settings(mends=False, time_limit=120.0, dtype="bfloat16"))
    assert not healthy.findings
    assert "bfloat16" in next(fact.statement for fact in healthy.facts if fact.name == "finite-half")
