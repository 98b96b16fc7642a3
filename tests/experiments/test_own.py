"""Experiments on a model and data of the user's: what trains, what does not, and what cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossdoctor.experiments.outcomes import Own
from lossdoctor.findings import ErrorItem
from lossdoctor.session import Settings
from lossdoctor.worker.remote import WorkerPool

pytestmark = pytest.mark.real

FILE = """
import keras
import tensorflow as tf

width = 3


def build():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(16, "tanh"), keras.layers.Dense(1)])


def two_inputs():
    left, right = keras.Input((4,), name="left"), keras.Input((2,), name="right")
    joined = keras.layers.Concatenate()([left, right])
    hidden = keras.layers.Dropout(0.1)(keras.layers.BatchNormalization()(keras.layers.Dense(16, "relu")(joined)))
    return keras.Model({"left": left, "right": right}, keras.layers.Dense(3, "softmax")(hidden))


def needs(size):
    return build()


def frozen():
    model = build()
    model.trainable = False
    return model


def none():
    return "a model"


def mse(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


def upside_down(y_true, y_pred):
    return -mse(y_true, y_pred)


def pairs_mixed(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - tf.transpose(y_pred)), axis=-1)


def entropy(y_true, y_pred):
    return -tf.reduce_mean(tf.math.log(tf.gather(y_pred, tf.cast(y_true, tf.int32), batch_dims=1) + 1e-7))
"""


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(1, Settings()) as made:
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of losses and builders, data for both kinds, and files that cannot be used."""
    made = tmp_path_factory.mktemp("own")
    (made / "mine.py").write_text(FILE)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((120, 4))
    y = x @ np.array([1.0, -2.0, 0.5, 0.0]) + 0.05 * rng.standard_normal(120)
    right = rng.standard_normal((120, 2))
    classes = np.argmax(np.concatenate([x[:, :1], right], axis=1), axis=1)
    np.savez(made / "numbers.npz", x=x, y=y)
    np.savez(made / "classes.npz", **{"x.left": x, "x.right": right, "y": classes})
    np.savez(made / "no_y.npz", x=x)
    np.savez(made / "nan.npz", x=x, y=np.where(np.arange(120) == 5, np.nan, y))
    np.savez(made / "text.npz", x=x, y=np.array(["a"] * 120))
    np.savez(made / "uneven.npz", x=x, y=y[:100])
    np.savez(made / "narrow.npz", x=x[:, :3], y=y)
    np.savez(made / "few.npz", x=x[:4], y=y[:4])
    (made / "broken.npz").write_text("no archive")
    return made


def tried(home: Path, pool: WorkerPool, loss: str, model: str, data: str, **more: Any) -> Any:
    from lossdoctor import engine

    own = Own(model if model.endswith(".keras") else f"{home / 'mine.py'}:{model}", str(home / data))
    return engine.experiment(f"{home / 'mine.py'}:{loss}", own=own, pool=pool, **more)


def test_a_sound_loss_trains_the_model(folder: Path, pool: WorkerPool) -> None:
    found = tried(folder, pool, "mse", "build", "numbers.npz")
    assert (found.verdict, found.task, found.standard, found.own) == ("trains", "regression", "mse", True)
    assert (found.y_true, found.y_pred) == ("float32[B,1] real", "float32[B,1] real")
    assert found.comparison.tested < 0.3
    assert "model and data are yours: 120 samples" in found.assumptions


@pytest.mark.parametrize(("loss", "rule"), [("upside_down", "LD601"), ("pairs_mixed", "LD201")])
def test_what_trains_wrongly_is_found_on_own_data_too(loss: str, rule: str, folder: Path, pool: WorkerPool) -> None:
    found = tried(folder, pool, loss, "build", "numbers.npz")
    assert found.verdict == "trains wrongly"
    assert found.findings[0].rule == rule


def test_several_inputs_batch_normalisation_and_dropout(folder: Path, pool: WorkerPool) -> None:
    found = tried(folder, pool, "entropy", "two_inputs", "classes.npz")
    assert (found.verdict, found.task) == ("trains", "classes")
    assert (found.y_true, found.y_pred) == ("int32[B] label(3)", "float32[B,3] probability")


def test_a_saved_model_is_made_anew_for_each_seed(folder: Path, pool: WorkerPool) -> None:
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(16, "tanh"), keras.layers.Dense(1)])
    model.save(folder / "saved.keras")
    found = tried(folder, pool, "mse", str(folder / "saved.keras"), "numbers.npz", folder=folder / "run")
    assert found.verdict == "trains"
    starts = {one.start for one in found.outcomes if not one.run.one_batch}
    assert len(starts) == 4  # one for each seed, whichever the loss
    again = tried(folder, pool, "mse", str(folder / "saved.keras"), "numbers.npz", folder=folder / "run")
    assert [one.to_json() for one in again.outcomes] == [one.to_json() for one in found.outcomes]
    other = tried(folder, pool, "mse", str(folder / "saved.keras"), "nan.npz", folder=folder / "run")
    assert isinstance(other, ErrorItem)  # the outcomes of other data are not taken for these


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        ("build", "no_y.npz", "Expected the arrays x and y. Received: x"),
        ("build", "nan.npz", "Expected finite numbers in y. Received: 1 others"),
        ("build", "text.npz", "Expected numbers in y"),
        ("build", "uneven.npz", "Expected as many samples in each array"),
        ("build", "few.npz", "Expected at least 8 samples. Received: 4"),
        ("build", "broken.npz", "Expected an .npz file"),
        ("build", "narrow.npz", "Expected a model that accepts x of shape (120, 3)"),
        ("needs", "numbers.npz", "which raises TypeError"),
        ("none", "numbers.npz", "which returns a str"),
        ("width", "numbers.npz", "Expected a .keras file, or `file.py:name`"),
        ("bulid", "numbers.npz", "bulid"),
        ("frozen", "numbers.npz", "Expected a model with weights to train"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(
    model: str, data: str, message: str, folder: Path, pool: WorkerPool
) -> None:
    found = tried(folder, pool, "mse", model, data)
    assert isinstance(found, ErrorItem)
    assert message in found.message
    assert len(found.message.splitlines()) <= 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "mine.py:build"], "Invalid value for `data`. Expected --model and --data together"),
        (["--data", "numbers.npz"], "Invalid value for `model`. Expected --model and --data together"),
        (["--model", "no.keras", "--data", "numbers.npz"], "Invalid value for `model`"),
        (["--model", "mine.py:build", "--data", "no.npz"], "Invalid value for `data`"),
    ],
)
def test_options_are_looked_at_before_anything_starts(
    options: list[str], message: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lossdoctor.cli.main import main

    monkeypatch.chdir(folder)
    assert main(["experiment", "mine.py:mse", *options]) == 2
    assert message in capsys.readouterr().err


def test_live_model_and_arrays() -> None:
    import keras
    import tensorflow as tf

    import lossdoctor as ld

    def build() -> Any:
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(2)])

    def mae(y_true: Any, y_pred: Any) -> Any:
        return tf.reduce_mean(tf.abs(y_true - y_pred), -1)

    x = np.random.default_rng(0).standard_normal((64, 4))
    found = ld.experiment(mae, model=build, x=x, y=x[:, :2])
    assert found.verdict == "trains"
    with pytest.raises(ld.UsageError, match="Expected model, x and y together"):
        ld.experiment(mae, model=build, x=x)
