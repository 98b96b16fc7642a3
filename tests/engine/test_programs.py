"""Models and steps of files, and the worst samples of a data set."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import lossdoctor as ld
from lossdoctor.cli.main import main
from lossdoctor.engine import programs_of
from lossdoctor.spec.batches import entries, load_batch, of_program

real = pytest.mark.real
RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 4)).astype("float32")
LABELS = RNG.integers(0, 3, 32)
STEP = """\
import keras
import tensorflow as tf

model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
optimizer = keras.optimizers.Adam()
error = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def train_step(x, y):
    with tf.GradientTape() as tape:
        loss = error(y, model(x))
    gradients = tape.gradient(loss, model.trainable_variables)
    return gradients


def build(width):
    return keras.Sequential([keras.Input((width,)), keras.layers.Dense(3)])


def squared(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred))
"""


def classifier() -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(8, activation="relu"), layers.Dense(3, activation="softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def test_batches_of_files(tmp_path: Path) -> None:
    file = tmp_path / "batch.npz"
    np.savez(file, **{"x": X, "y.price": X[:, 0], "y.kind": LABELS})  # type: ignore[arg-type]  # names with dots
    assert set(entries(file)) == {"x", "y.price", "y.kind"} and of_program(file)
    found = load_batch(file)
    assert set(found["y"]) == {"price", "kind"}
    np.savez(tmp_path / "pair.npz", y_true=X, y_pred=X)
    assert not of_program(tmp_path / "pair.npz") and not of_program(tmp_path / "none.npz")
    np.savez(tmp_path / "objects.npz", x=np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ld.UsageError, match="Expected arrays"):
        load_batch(tmp_path / "objects.npz")


def test_a_step_is_told_from_a_loss_by_its_text(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(STEP)
    np.savez(tmp_path / "batch.npz", x=X, y=LABELS)
    step, build, loss = (f"{tmp_path}/train.py:{name}" for name in ("train_step", "build", "squared"))
    batch = str(tmp_path / "batch.npz")
    assert [program.target for program in programs_of([step, build, loss], None, None)] == [step]
    assert [program.target for program in programs_of([step, build, loss], None, batch)] == [step, build]
    with pytest.raises(ld.UsageError, match="--data"):
        programs_of([], "model.keras", None)


@real
def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(STEP)
    labels = LABELS.copy()
    labels[6] = 9
    np.savez("batch.npz", x=X, y=labels)
    np.savez("good.npz", x=X, y=LABELS)
    classifier().save("model.keras")
    assert main(["check", "--model", "model.keras", "--data", "batch.npz"]) == 1
    assert "blame     the data: `y` holds the label 9 at [6]" in capsys.readouterr().out
    assert main(["check", "train.py:train_step", "--data", "good.npz"]) == 1
    assert "LD864 gradients-not-applied" in capsys.readouterr().out


@real
def test_the_worst_samples_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(STEP)
    x = X.copy()
    x[17] = np.nan
    np.savez("all.npz", x=np.concatenate([X, X, X, x]), y=np.concatenate([LABELS] * 4))
    classifier().save("model.keras")
    command = ["check", "--model", "model.keras", "--data", "all.npz", "--worst", "3"]
    assert main(command) == 1
    lines = capsys.readouterr().out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.split() == ["sample", "loss", "|gradient|"])
    assert lines[start + 1].split()[:2] == ["113", "nan"]
    losses = [float(line.split()[1]) for line in lines[start + 2 : start + 4]]
    assert losses == sorted(losses, reverse=True) and not lines[start + 4].strip()
    assert main([*command, "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, json.loads(resources.files("lossdoctor.report").joinpath("schema.json").read_text()))
    (first, *others) = document["losses"][0]["worst"]
    assert (first["sample"], first["loss"]) == (113, "nan") and len(others) == 2
    labels = np.concatenate([LABELS] * 4)
    labels[3] = 9
    np.savez("outside.npz", x=np.concatenate([X] * 4), y=labels)
    assert main(["check", "--model", "model.keras", "--data", "outside.npz", "--worst", "3"]) == 1
    assert "could not be ranked" in capsys.readouterr().out
    assert main(["check", "train.py:squared", "--worst", "3"]) == 2
    assert "Invalid value for `worst`" in capsys.readouterr().err


@real
def test_the_worst_samples_of_arrays_and_generators() -> None:
    x = X.copy()
    x[17] = np.nan
    model = classifier()
    seen: list[int] = []
    worst = ld.rank_samples(model, x, LABELS, top=3, batch_size=8, progress=seen.append)
    assert worst[0].index == 17 and not np.isfinite(worst[0].loss)
    assert worst[1].loss >= worst[2].loss and worst[1].gradient > 0 and seen == [8, 16, 24, 32]

    def batches() -> Iterator[tuple[Any, Any]]:
        for start in range(0, 32, 16):
            yield x[start : start + 16], LABELS[start : start + 16]

    assert [one.index for one in ld.rank_samples(model, batches(), top=3)] == [one.index for one in worst]
    with pytest.raises(ld.UsageError, match="without y"):
        ld.rank_samples(model, iter([X]))
