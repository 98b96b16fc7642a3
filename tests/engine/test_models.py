"""`lossdoctor.check(model, x=…, y=…)`: whose fault it is, and what is left as it was."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import lossdoctor as ld

pytestmark = pytest.mark.real

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 5)).astype("float32")
LABELS = RNG.integers(0, 3, 48)


def classifier(loss: Any = "sparse_categorical_crossentropy", optimizer: Any = "adam") -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(8, activation="relu"), layers.Dense(3, activation="softmax")]
    )
    model.compile(optimizer, loss)
    return model


def test_a_healthy_program_blames_nobody_and_is_left_as_it_was() -> None:
    model = classifier()
    model.fit(X, LABELS, epochs=1, verbose=0)
    before = [variable.numpy().copy() for variable in [*model.variables, *model.optimizer.variables]]
    report = ld.check(model, x=X, y=LABELS)
    after = [variable.numpy().copy() for variable in [*model.variables, *model.optimizer.variables]]
    assert report.blame is not None and report.blame.party == "none"
    assert not report.findings and report.losses[0].verdict == "healthy"
    assert all((one == other).all() for one, other in zip(before, after, strict=True))


def test_the_sample_the_line_and_the_document() -> None:
    labels = LABELS.copy()
    labels[7] = -2  # this line
    report = ld.check(classifier(), x=X, y=labels)
    (finding,) = report.findings
    text = Path(__file__).read_text(encoding="utf-8").splitlines()
    assert (finding.rule, report.blame.party, report.blame.index) == ("LD803", "data", (7,))
    assert text[finding.location.line - 1].endswith("# this line")
    assert "-2 at [7]" in finding.message
    document = json.loads(report.to_json())
    schema = json.loads((resources.files("lossdoctor.report") / "schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema)
    assert document["losses"][0]["blame"]["party"] == "data"
    assert "blame     the data" in report.text()


def test_each_output_has_its_own_loss_and_gradient() -> None:
    import keras
    from keras import layers

    inputs = keras.Input((5,))
    hidden = layers.Dense(6, activation="relu")(inputs)
    outputs = {"price": layers.Dense(1, name="price")(hidden), "kind": layers.Dense(3, name="kind")(hidden)}
    model = keras.Model(inputs, outputs)
    logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", {"price": "mse", "kind": logits})
    price = RNG.normal(size=(48, 1))
    assert ld.check(model, x=X, y={"price": price, "kind": LABELS}).blame.party == "none"
    price[4] = np.nan
    report = ld.check(model, x=X, y={"price": price, "kind": LABELS})
    assert (report.blame.party, report.blame.rule, report.blame.index) == ("data", "LD802", (4, 0))
    assert "y['price']" in report.blame.reason


def test_a_loss_of_the_users_is_examined_with_what_the_model_gives_it() -> None:
    import tensorflow as tf

    def careless(y_true: Any, y_pred: Any) -> Any:
        return -tf.reduce_sum(y_true * tf.math.log(y_pred - 0.2), axis=-1)

    report = ld.check(classifier(careless), x=X, y=np.eye(3)[LABELS])
    assert (report.blame.party, report.blame.rule) == ("loss", "LD301")
    assert report.losses[1].y_pred == "float32[B,3] probability"
    assert any("categorical cross-entropy as the loss" in one for one in report.blame.evidence)


def test_a_data_set_stands_for_x_and_y() -> None:
    batches = [(X, LABELS)]
    assert ld.check(classifier(), x=iter(batches)).blame.party == "none"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ld.check(classifier(), x=X, y=LABELS[:7]), "as many samples"),
        (lambda: ld.check(classifier(), y=LABELS), "y without x"),
        (lambda: ld.check(len, x=X, y=LABELS), "compiled Keras model"),
        (lambda: ld.check(classifier(), x=3.0, y=LABELS), "samples on its first axis|data set"),
    ],
)
def test_what_cannot_be_used_is_said(call: Any, message: str) -> None:
    with pytest.raises(ld.UsageError, match=message):
        call()
