"""`lossdoctor.check` of live objects, the report that shows itself, and `assert_healthy`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossdoctor as ld
from lossdoctor import findings
from lossdoctor.results import Report
from lossdoctor.worker.remote import WorkerPool

ONEHOT, PROBABILITY = "float32[B,3] onehot", "float32[B,3] probability"
REAL = "float32[B,3] real"


def squared_error(y_true, y_pred):
    import tensorflow as tf

    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


def cross_entropy(y_true, y_pred):
    import tensorflow as tf

    return -tf.reduce_sum(y_true * tf.math.log(y_pred), axis=-1)


@ld.contract(y_true=ONEHOT, y_pred=PROBABILITY)
def declared(y_true, y_pred):
    return cross_entropy(y_true, y_pred)


def test_the_package_offers_what_it_names() -> None:
    assert {"check", "contract", "testing", "Report", "UsageError"} <= set(dir(ld))
    assert all(hasattr(ld, name) for name in ld.__all__)
    assert ld.Report is Report
    with pytest.raises(AttributeError, match="no attribute 'chekc'"):
        ld.chekc  # type: ignore[attr-defined]


def test_report_shows_itself(make_report: Any, monkeypatch: pytest.MonkeyPatch, focal: Path) -> None:
    from rich.console import Console

    monkeypatch.chdir(focal)
    report = Report.of(make_report())
    assert isinstance(report, findings.Report)
    assert "LD301 log-of-zero  error, witnessed" in repr(report)
    assert "\x1b" not in repr(report)
    assert str(report) == report.text() == repr(report) + "\n"
    assert json.loads(report.to_json())["losses"][0]["findings"][0]["rule"] == "LD301"
    page = report._repr_html_()
    assert page.startswith("<pre")
    assert "log-of-zero" in page
    assert "style=" in page.split(">", 1)[1]  # coloured
    assert "src=" not in page
    console = Console(record=True, width=60, file=open(os.devnull, "w"), color_system=None)  # noqa: SIM115
    with console.file:
        console.print(report)
    shown = console.export_text()
    assert "log-of-zero" in shown
    assert max(map(len, shown.splitlines())) <= 60


@pytest.mark.real
def test_function_with_specs() -> None:
    report = ld.check(cross_entropy, ONEHOT, PROBABILITY)
    assert [finding.rule for finding in report.findings] == ["LD301"]
    loss = report.losses[0]
    assert (loss.origin, loss.verdict) == ("given", "broken")
    # The function lives in a file: its script needs TensorFlow and that file only.
    assert "test_api" in report.findings[0].reproduce


@pytest.mark.real
def test_arrays_tensors_and_lists() -> None:
    import tensorflow as tf

    rng = np.random.default_rng(0)
    y_true = rng.normal(size=(4, 3)).astype("float32")
    report = ld.check(squared_error, y_true, tf.constant(1e6 * y_true))
    loss = report.losses[0]
    assert (loss.origin, loss.y_true, loss.verdict) == ("data", REAL, "healthy")
    assert any("range is widened to 1e+07" in text for text in loss.assumptions)
    # The proof holds for the range of the data, not for the default one.
    assert ld.check(squared_error, [[0.5, 2.0, -1.0]], [[1.5, 2.0, -1.0]]).losses[0].y_pred == REAL


@pytest.mark.real
def test_widened_range_reaches_the_examination() -> None:
    """exp(x / 1000) overflows from 88 723 on: beyond the default range and within that of the data."""
    import tensorflow as tf

    def scaled(y_true, y_pred):
        return tf.reduce_mean(tf.exp(tf.abs(y_true - y_pred) / 1000.0), axis=-1)

    small = np.array([[1.0, 2.0, -3.0]], "float32")
    assert not [f for f in ld.check(scaled, small, -small).findings if f.family == "nonfinite-value"]
    found = ld.check(scaled, small, 1e5 * small).findings
    assert [f.family for f in found if f.severity == "error"] == ["nonfinite-value"]


@pytest.mark.real
def test_live_objects_that_no_process_can_import() -> None:
    import keras
    import tensorflow as tf

    def make(epsilon):
        return lambda y_true, y_pred: -tf.reduce_sum(y_true * tf.math.log(y_pred + epsilon), axis=-1)

    assert [f.rule for f in ld.check(make(0.0), ONEHOT, PROBABILITY).findings] == ["LD301"]
    assert ld.check(make(1e-3), ONEHOT, PROBABILITY).losses[0].verdict == "healthy"
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="softmax")])
    model.compile(loss=make(0.0))
    report = ld.check(model, ONEHOT, PROBABILITY)
    assert [f.rule for f in report.findings] == ["LD301"]
    script = report.findings[0].reproduce
    alone = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert alone.returncode == 2
    assert "loss(y_true, y_pred) is not defined" in alone.stdout


@pytest.mark.real
def test_loss_by_name_and_loss_that_is_watched() -> None:
    import keras
    import tensorflow as tf

    def slack(y_true, y_pred):
        return tf.reduce_mean(tf.sqrt(tf.abs(y_true - y_pred)), axis=-1)

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile(loss=ld.watch(slack))
    for given in (ld.watch(slack), model):
        report = ld.check(given, REAL, REAL)
        assert [f.rule for f in report.findings] == ["LD321"] and report.losses[0].target.endswith(":slack")
    assert ld.check("huber", REAL, REAL).losses[0].verdict == "healthy"
    with pytest.raises(ld.UsageError, match=r"for `loss`\. Expected the name .*Received: 'nonsense'"):
        ld.check("nonsense", REAL, REAL)
    with pytest.raises(ld.UsageError, match=r"for `loss`\. Expected a function"):
        ld.check(3, REAL, REAL)


@pytest.mark.real
def test_several_losses_are_each_examined() -> None:
    import keras
    import tensorflow as tf

    def rounded(y_true, y_pred):
        return tf.reduce_mean(tf.abs(y_true - tf.round(y_pred)), axis=-1)

    inputs = keras.Input((4,))
    model = keras.Model(inputs, {name: keras.layers.Dense(3, name=name)(inputs) for name in "ab"})
    model.compile(loss={"a": "mse", "b": rounded})
    report = ld.check(model, {"a": REAL, "b": REAL}, {"a": REAL, "b": REAL})
    assert [loss.verdict for loss in report.losses] == ["healthy", "broken"]
    with pytest.raises(ld.UsageError, match="one for 'b' among them"):
        ld.check(model, {"a": REAL}, {"a": REAL})
    with pytest.raises(ld.UsageError, match="a single loss to verify"):
        ld.verify([rounded, rounded], REAL, REAL, formula="abs(t - p)")


@pytest.mark.real
@pytest.mark.parametrize("make", ["instance", "class"])
def test_loss_objects(make: str) -> None:
    import keras

    loss: Any = keras.losses.LogCosh if make == "class" else keras.losses.LogCosh(reduction="sum")
    assert ld.check(loss, REAL, REAL).losses[0].verdict == "healthy"


@pytest.mark.real
def test_decorator_counts_unless_the_caller_says_otherwise() -> None:
    loss = ld.check(declared).losses[0]
    assert (loss.origin, loss.y_true, loss.y_pred) == ("contract", ONEHOT, PROBABILITY)
    assert ld.check(declared, "float32[B,3] real", "float32[B,3] positive").losses[0].origin == "given"


@pytest.mark.real
def test_nothing_of_the_examination_stays() -> None:
    import keras

    np.random.seed(7)
    expected = np.random.default_rng(), np.random.get_state()[1].tolist()  # type: ignore[union-attr]
    modules, folder, floatx = set(sys.modules), os.getcwd(), keras.config.floatx()
    ld.check(squared_error, REAL, REAL)
    assert np.random.get_state()[1].tolist() == expected[1]  # type: ignore[union-attr]
    assert (os.getcwd(), keras.config.floatx()) == (folder, floatx)
    assert modules <= set(sys.modules)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"y_true": REAL}, "Invalid value for `y_pred`. Expected a spec or an array. Received: None"),
        ({"y_true": REAL, "y_pred": [[1.0]]}, "Expected two specs or two arrays. Received: a spec and an array"),
        ({"y_true": [["a"]], "y_pred": [[1.0]]}, "Expected two specs or two arrays. Received: a spec and an array"),
        ({"y_true": [[{}]], "y_pred": [[1.0]]}, "Expected an array of numbers"),
        ({"y_true": [[1.0], [2.0]], "y_pred": [[1.0]]}, "Expected arrays of one batch size"),
        ({"magnitude": 0.5}, "Invalid value for `range`. Expected a number above 1"),
        ({"seed": -1}, "Invalid value for `seed`"),
        ({"ignore": "log-of-zeor"}, "Did you mean log-of-zero?"),
    ],
)
def test_mistakes(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ld.UsageError) as caught:
        ld.check(squared_error, **arguments)
    assert text in str(caught.value)


@pytest.mark.real
def test_what_is_no_loss() -> None:
    with pytest.raises(ld.UsageError, match="Expected a function of"):
        ld.check(3, REAL, REAL)


@pytest.mark.real
def test_assert_healthy() -> None:
    def total(y_true, y_pred):
        return squared_error(y_true, y_pred)[0] * 0.0 + (y_true - y_pred)[0, 0] ** 2

    ld.testing.assert_healthy(squared_error, REAL, REAL)
    with pytest.raises(AssertionError, match=r"LD301 log-of-zero") as caught:
        ld.testing.assert_healthy(cross_entropy, ONEHOT, PROBABILITY)
    assert "shown by" in str(caught.value)
    ld.testing.assert_healthy(cross_entropy, ONEHOT, PROBABILITY, allow=["nonfinite-value"])
    with pytest.raises(AssertionError, match="not healthy"):
        ld.testing.assert_healthy(total, REAL, REAL)


CONFIGURED = """\
import lossdoctor
import tensorflow as tf


def plain(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


@lossdoctor.contract(y_true="float32[B,2] real", y_pred="float32[B,2] real")
def declared(y_true, y_pred):
    return plain(y_true, y_pred)
"""
ENTRY = '[tool.lossdoctor.losses."losses.py:{}"]\ny_true = "float32[B,3] real"\ny_pred = "float32[B,3] real"\n'


@pytest.mark.real
def test_order_of_specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: WorkerPool) -> None:
    """Given before data before the decorator before the configuration before the code."""
    from lossdoctor import engine

    monkeypatch.chdir(tmp_path)
    Path("losses.py").write_text(CONFIGURED)
    Path("pyproject.toml").write_text(ENTRY.format("plain") + ENTRY.format("declared"))
    array = np.array([[1.0, 2.5, -3.0, 4.0]], "float32")
    np.savez("batch.npz", y_true=array, y_pred=1e6 * array)

    def specs(target: str, **given: Any) -> tuple[str, str]:
        loss = engine.check([target], pool=pool, **given).losses[0]
        return loss.origin, loss.y_pred

    given = {"y_true": "float32[B,5]", "y_pred": "float32[B,5]"}
    assert specs("losses.py:declared", **given, data="batch.npz") == ("given", "float32[B,5] real")
    assert specs("losses.py:declared", data="batch.npz") == ("data", "float32[B,4] real")
    assert specs("losses.py:declared") == ("contract", "float32[B,2] real")
    assert specs("losses.py:plain") == ("config", "float32[B,3] real")
    Path("pyproject.toml").write_text("[tool.lossdoctor]\n")
    assert specs("losses.py:plain")[0] == "inferred"
