"""Scripts for what is wrong with a model or a training step of a file: they show it alone, until it is mended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lossdoctor.engine.programs import check_programs, programs_of
from lossdoctor.findings import Finding
from lossdoctor.session import Settings

pytestmark = pytest.mark.real
HEAD = """\
import keras
import numpy as np
import tensorflow as tf
from keras import layers

keras.utils.set_random_seed(0)
"""
MODEL = (
    HEAD
    + """\


class Root(layers.Layer):
    def call(self, inputs):
        return inputs


first, last = layers.Dense(8, activation="relu"), layers.Dense(3, activation="softmax")
model = keras.Sequential([layers.Input((4,)), first, Root(), last])
model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
"""
)
STEP = (
    HEAD
    + """\
model = keras.Sequential([layers.Input((4,)), layers.Dense(8, activation="relu"), layers.Dense(1)])
optimizer = keras.optimizers.Adam(1e-3)
batch = (np.ones((8, 4), "float32"), np.ones((8, 1), "float32"))


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(y - model(x, training=True)))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return loss
"""
)
X = np.random.default_rng(0).normal(size=(24, 4)).astype("float32")
Y = np.arange(24) % 3


def found(folder: Path, text: str, name: str, **arrays: np.ndarray) -> list[Finding]:
    (folder / "train.py").write_text(text, encoding="utf-8")
    data = None
    if arrays:
        np.savez(folder / "batch.npz", **arrays)  # type: ignore[arg-type]  # names are free
        data = "batch.npz"
    programs = programs_of([f"train.py:{name}"], None, data)
    report = check_programs(programs, data, settings=Settings(mends=False))
    assert not report.errors
    return list(report.findings)


def status(folder: Path, finding: Finding) -> int:
    (folder / "show.py").write_text(finding.reproduce, encoding="utf-8")
    return subprocess.run([sys.executable, "show.py"], cwd=folder, capture_output=True, check=False).returncode


MODELS = {
    "LD801": ("", ""),
    "LD802": ("", ""),
    "LD803": ("", ""),
    "LD836": ("return inputs", "return tf.round(inputs)"),
    "LD845": ("return inputs", "return tf.sqrt(inputs)"),
    "LD846": (', "sparse_categorical_crossentropy"', ""),
    "LD831": ("return inputs", "return inputs / (inputs - inputs)"),
}
STEPS = {
    "LD861": ("tape.gradient(loss,", "tape.gradient(-loss,"),
    "LD864": ("    optimizer.apply_gradients(zip(gradients, model.trainable_variables))\n", ""),
    "LD867": ("model(x, training=True)))", "model(x, training=True).numpy()))"),
    "LD876": ("model(x, training=True)))", "tf.round(model(x, training=True))))"),
    "LD874": ("tf.square(y", "tf.math.log(y - 1.0) * tf.square(y"),
}


def spoilt(code: str) -> dict[str, np.ndarray]:
    x, y = X.copy(), Y.copy()
    if code == "LD801":
        x[5, 1] = np.nan
    if code == "LD802":
        return {"x": x, "y": np.where(np.arange(24) == 7, np.nan, y).astype("float32")}
    if code == "LD803":
        y[3] = 9
    return {"x": x, "y": y}


@pytest.mark.parametrize("code", MODELS)
def test_a_fault_of_a_model_has_a_script(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    findings = found(tmp_path, MODEL.replace(*MODELS[code]) if MODELS[code][0] else MODEL, "model", **spoilt(code))
    (finding,) = [one for one in findings if one.rule == code]
    assert str(tmp_path) not in finding.reproduce
    if code in ("LD803", "LD845"):
        assert status(tmp_path, finding) == 1
        assert not found(tmp_path, MODEL, "model", x=X, y=Y)
        assert status(tmp_path, finding) == 0
    assert finding.reproduce


@pytest.mark.parametrize("code", STEPS)
def test_a_fault_of_a_step_has_a_script(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (finding,) = [one for one in found(tmp_path, STEP.replace(*STEPS[code]), "train_step") if one.rule == code]
    assert finding.reproduce
    if code == "LD867":
        assert status(tmp_path, finding) == 1
        assert not found(tmp_path, STEP, "train_step")
        assert status(tmp_path, finding) == 0


def test_what_no_script_can_show_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    x = X.copy()
    x[:, 2] = 4.0
    (finding,) = [one for one in found(tmp_path, MODEL, "model", x=x, y=Y) if one.rule == "LD812"]
    assert not finding.reproduce
