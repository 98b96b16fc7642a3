"""Predictions with a mask of Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lossdoctor as ld

TEXT = """
import tensorflow as tf


def steps(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


def rows(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=[1, 2])


def number(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred))


def own_mask(y_true, y_pred):
    mask = tf.cast(y_true != 0.0, tf.float32)
    return tf.reduce_sum(mask * tf.square(y_true - y_pred)) / tf.maximum(tf.reduce_sum(mask), 1.0)
"""


@pytest.fixture(scope="module")
def losses(tmp_path_factory: pytest.TempPathFactory) -> Any:
    import importlib.util

    path = tmp_path_factory.mktemp("user") / "masked_losses.py"
    path.write_text(TEXT)
    spec = importlib.util.spec_from_file_location("masked_losses", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _model(loss: Any) -> Any:
    import keras

    tokens = keras.Input((5,))
    hidden = keras.layers.Embedding(9, 4, mask_zero=True)(tokens)
    model = keras.Model(tokens, keras.layers.Dense(2)(hidden))
    model.compile(optimizer="sgd", loss=loss)
    return model


X = np.array([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0], [6, 7, 8, 1, 2]])
Y = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")


@pytest.mark.real
@pytest.mark.parametrize(("name", "told"), [("steps", False), ("rows", True), ("number", True), ("own_mask", False)])
def test_a_mask_of_the_prediction_is_seen(losses: Any, name: str, told: bool) -> None:
    loss = getattr(losses, name)
    report = ld.check(loss, y_true=Y, y_pred=_model(loss)(X))
    found = [finding for finding in report.findings if finding.rule == "LD520"]
    assert bool(found) is told, report
    assert all(finding.reproduce and "model masks time steps" in finding.message for finding in found)
    assert any("carries a mask" in text for text in report.losses[0].assumptions)


@pytest.mark.real
def test_a_mask_of_the_model_is_seen(losses: Any) -> None:
    report = ld.check(_model(losses.number), x=X, y=Y)
    assert "LD520" in {finding.rule for each in report.losses for finding in each.findings}
    report = ld.check(_model(losses.steps), x=X, y=Y)
    assert "LD520" not in {finding.rule for each in report.losses for finding in each.findings}
