"""Losses of ragged tensors: examined on rows of every length, and told in the user's terms."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import lossdoctor as ld
from lossdoctor.findings import UsageError

TEXT = """\
import tensorflow as tf


def mean_of_rows(y_true, y_pred):
    error = tf.square(y_true - y_pred)
    return tf.reduce_mean(error, axis=1)


def padded_mean(y_true, y_pred):
    error = tf.square(y_true - y_pred)
    return tf.reduce_mean(error.to_tensor(), axis=1)


def dense_beside(y_true, y_pred):
    return tf.reduce_sum(tf.square(y_true - y_pred.to_tensor()), axis=1)


def divided(y_true, y_pred):
    total = tf.reduce_sum(tf.square(y_true - y_pred), axis=1)
    return total / tf.cast(y_true.row_lengths(), tf.float32)


def elements(y_true, y_pred):
    return tf.square(y_true - y_pred)


def rounded(y_true, y_pred):
    total = tf.reduce_sum(tf.abs(y_true - tf.round(y_pred)), axis=1)
    return tf.math.divide_no_nan(total, tf.cast(y_true.row_lengths(), tf.float32))


def falling(y_true, y_pred):
    total = tf.reduce_sum(tf.square(y_true - y_pred), axis=1)
    return -tf.math.divide_no_nan(total, tf.cast(y_true.row_lengths(), tf.float32))


def largest(y_true, y_pred):
    return tf.reduce_max(tf.abs(y_true - y_pred), axis=1)


def guarded(y_true, y_pred):
    error = tf.reduce_max(tf.abs(y_true - y_pred), axis=1)
    return tf.where(y_true.row_lengths() > 0, error, 0.0)


def healthy(y_true, y_pred):
    total = tf.reduce_sum(tf.square(y_true - y_pred), axis=1)
    return tf.math.divide_no_nan(total, tf.cast(y_true.row_lengths(), tf.float32))


def same(y_true, y_pred):
    error = tf.square(y_true - y_pred).to_tensor()
    mask = tf.sequence_mask(y_true.row_lengths(), tf.shape(error)[1], dtype=tf.float32)
    return tf.math.divide_no_nan(tf.reduce_sum(error * mask, axis=1), tf.reduce_sum(mask, axis=1))
"""
SPECS = ("float32[B,(T)] real", "float32[B,(T)] real")
# By loss: rule, line, severity, and a part of the message.
FAULTS = {
    "mean_of_rows": ("LD310", 6, "error", "a row can be empty"),
    "padded_mean": ("LD231", 11, "warning", "`error.to_tensor()` has padded with zeros"),
    "dense_beside": ("LD491", 15, "error", "where rows differ in length"),
    "divided": ("LD302", 20, "error", "`tf.cast(y_true.row_lengths(), tf.float32)`, which can be 0"),
    "elements": ("LD514", 23, "error", "as Keras calls it"),
    "rounded": ("LD101", 28, "error", "has no derivative"),
    "largest": ("LD310", 38, "error", "takes the maximum of each row, and a row can be empty"),
    "falling": ("LD602", 34, "error", "unbounded below"),
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("user") / "ragged_losses.py"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def losses(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location("ragged_losses", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ragged_losses"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_and_its_script_shows_it(losses: Any, file: Path, name: str) -> None:
    rule, line, severity, said = FAULTS[name]
    [loss] = ld.check(getattr(losses, name), *SPECS).losses
    assert (loss.y_true, loss.y_pred) == SPECS
    found = next(finding for finding in loss.findings if finding.rule == rule)
    assert (found.location.line, found.severity) == (line, severity)
    assert said in found.message
    assert "tf.RaggedTensor.from_row_lengths" in found.reproduce
    run = subprocess.run(
        [sys.executable, "-c", found.reproduce], capture_output=True, text=True, cwd=file.parent, check=False
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert found.witness is not None
    for value in (found.witness.y_true, found.witness.y_pred):
        assert isinstance(value, list)
        assert all(isinstance(row, list) for row in value)  # pyright: ignore[reportUnknownVariableType]


@pytest.mark.real
def test_a_guarded_maximum_is_healthy(losses: Any) -> None:
    [loss] = ld.check(losses.guarded, *SPECS).losses
    assert {(finding.rule, finding.severity) for finding in loss.findings} == {("LD405", "info")}


@pytest.mark.real
def test_a_witness_is_a_list_of_rows(losses: Any) -> None:
    [loss] = ld.check(losses.mean_of_rows, *SPECS).losses
    found = next(finding for finding in loss.findings if finding.rule == "LD310")
    assert found.witness is not None
    assert (found.witness.y_true, found.witness.y_pred, found.witness.value) == ([[]], [[]], ["nan"])


@pytest.mark.real
@pytest.mark.parametrize("lists", [False, True])
def test_data_may_be_ragged(losses: Any, lists: bool) -> None:
    import tensorflow as tf

    rows = [[1.5, 2.0], [], [3.0]]
    data: Any = rows if lists else tf.ragged.constant(rows)
    [loss] = ld.check(losses.healthy, y_true=data, y_pred=data).losses
    assert loss.y_true == "float32[B,(T)] real"
    assert loss.verdict == "healthy"
    assert {(finding.rule, finding.severity) for finding in loss.findings} == {("LD405", "info")}


@pytest.mark.real
def test_rows_that_do_not_match_are_told(losses: Any) -> None:
    import tensorflow as tf

    y_true, y_pred = tf.ragged.constant([[1.0, 2.0], [3.0]]), tf.ragged.constant([[1.0], [3.0, 2.5]])
    [loss] = ld.check(losses.healthy, y_true=y_true, y_pred=y_pred).losses
    assert loss.y_pred == "float32[B,(S)] real"
    assert any("not as long as" in text for text in loss.assumptions)
    assert any((f.rule, f.location.line) == ("LD491", 47) for f in loss.findings), loss.findings


@pytest.mark.real
def test_the_code_says_that_rows_are_ragged(losses: Any) -> None:
    [loss] = ld.check(losses.healthy).losses
    assert (loss.y_true, loss.origin, loss.verdict) == ("float32[B,(T)] real", "inferred", "healthy")
    assert any("`y_true.row_lengths()` (line 48)" in text for text in loss.assumptions)


@pytest.mark.real
def test_a_reference_is_given_ragged_rows_too(losses: Any) -> None:
    report = ld.verify(losses.healthy, *SPECS, reference=losses.same)
    assert not report.findings
    report = ld.verify(losses.padded_mean, *SPECS, reference=losses.same)
    assert {finding.rule for finding in report.findings} == {"LD613"}


@pytest.mark.real
def test_a_formula_of_ragged_rows_is_refused(losses: Any) -> None:
    [error] = ld.verify(losses.healthy, *SPECS, formula="mean((t - p)**2, axis=-1)").errors
    assert "compared with a reference" in error.message
    assert len(error.message.splitlines()) == 1


@pytest.mark.real
def test_a_batch_of_ragged_rows_is_traced(losses: Any) -> None:
    import tensorflow as tf

    rows = tf.ragged.constant([[1.0, 2.0], [], [3.0]])
    trace = ld.trace(losses.healthy, rows, rows + 0.5)
    [total] = trace["total"]
    assert total.values.tolist() == [0.5, 0.0, 0.25]


@pytest.mark.real
def test_more_than_one_ragged_axis_is_refused(losses: Any) -> None:
    import tensorflow as tf

    rows = tf.ragged.constant([[[1.0], [2.0, 3.0]], []])
    with pytest.raises(UsageError, match="one with 2 ragged axes") as problem:
        ld.check(losses.healthy, y_true=rows, y_pred=rows)
    assert len(str(problem.value).splitlines()) == 1


@pytest.fixture(scope="module")
def model() -> Any:
    import keras

    class Scaled(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.supports_ragged = True
            self.factor = self.add_weight(shape=(), initializer="ones")

        def call(self, x: Any) -> Any:
            return x * self.factor

        def compute_output_spec(self, x: Any) -> Any:
            return keras.KerasTensor(x.shape, dtype="float32", ragged=True)

    rows = keras.Input((None,), ragged=True, dtype="float32")
    return keras.Model(rows, Scaled()(rows))


@pytest.mark.real
def test_a_batch_of_a_model_is_refused(losses: Any, model: Any) -> None:
    import tensorflow as tf

    rows = tf.ragged.constant([[1.0, 2.0], [3.0]])
    model.compile("sgd", losses.healthy)
    with pytest.raises(UsageError, match=r"check\(loss, y_true, model\(x\)\)") as problem:
        ld.check(model, x=rows, y=rows)
    assert len(str(problem.value).splitlines()) == 1


@pytest.mark.real
def test_training_with_a_watched_loss_goes_on(losses: Any, model: Any) -> None:
    import tensorflow as tf

    rows = tf.ragged.constant([[1.0, 2.0], [3.0]])
    watched = ld.watch(losses.healthy)
    model.compile("sgd", watched)
    assert len(model.fit(rows, rows, verbose=0).history["loss"]) == 1
    assert set(watched.notes) == {"not recorded: the prediction is a ragged tensor"}
