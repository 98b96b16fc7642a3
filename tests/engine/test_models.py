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


def test_masks_several_inputs_and_half_precision_are_no_fault() -> None:
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    tokens, labels = RNG.integers(1, 20, (16, 7)), RNG.integers(0, 5, (16, 7))
    tokens[:, 4:] = 0
    masked = keras.Sequential(
        [keras.Input((None,), dtype="int32"), layers.Embedding(20, 8, mask_zero=True), layers.Dense(5, "softmax")]
    )
    masked.compile("adam", "sparse_categorical_crossentropy")
    assert ld.check(masked, x=tokens, y=labels).blame.party == "none"

    parts = keras.Input((5,), name="a"), keras.Input((3,), name="b")
    joined = keras.Model(list(parts), layers.Dense(1)(layers.Concatenate()(list(parts))))
    joined.compile("adam", "mse")
    for given in ([X, X[:, :3]], {"a": X, "b": X[:, :3]}):
        assert ld.check(joined, x=given, y=X[:, :1]).blame.party == "none"

    half = keras.Sequential([keras.Input((5,)), layers.Dense(3, dtype="mixed_float16"), layers.Softmax()])
    half.compile("adam", "sparse_categorical_crossentropy")
    assert ld.check(half, x=X, y=LABELS).blame.party == "none"


def test_what_a_layer_or_the_model_adds_is_examined_with_its_line() -> None:
    import keras
    from keras import layers, ops

    class Added(layers.Layer):
        def __init__(self, function: Any) -> None:
            super().__init__()
            self.function = function

        def call(self, inputs: Any) -> Any:
            self.add_loss(ops.mean(self.function(inputs)))  # the added line
            return inputs

    class Computed(keras.Model):
        def call(self, inputs: Any) -> Any:
            return inputs

        def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, **_: Any) -> Any:
            return ops.mean((y_pred - y) / ops.zeros_like(y))  # the computed line

    def of(function: Any) -> Any:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((5,)), layers.Dense(4), Added(function), layers.Dense(5)])
        model.compile("adam", "mse")
        return ld.check(model, x=X, y=X)

    text = Path(__file__).read_text(encoding="utf-8").splitlines()
    assert of(ops.square).blame.party == "none"
    (value,), (slope,) = of(ops.log).findings, of(lambda x: ops.sqrt(ops.relu(x))).findings
    assert (value.rule, slope.rule) == ("LD841", "LD845")
    assert "the first operation to give that" in value.message and "`add_loss`" in slope.message
    assert text[slope.location.line - 1].endswith("# the added line")
    computed = Computed()
    computed.compile("adam")
    report = ld.check(computed, x=X, y=X)
    assert (report.blame.party, report.blame.rule) == ("loss", "LD841")
    assert text[report.blame.line - 1].endswith("# the computed line")


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


def small(*layers_: Any, loss: Any = "mse", optimizer: Any = "adam", dtype: Any = None) -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    first = layers.Dense(8, activation="relu", dtype=dtype)
    model = keras.Sequential([keras.Input((5,)), first, *layers_, layers.Dense(1, dtype=dtype)])
    model.compile(optimizer, loss)
    return model


def test_layers_that_keep_something_aside_tear_nothing() -> None:
    import keras
    import tensorflow as tf

    class Seen(keras.layers.Layer):
        """Passes on what it is given, and stores its mean and its largest unit."""

        def build(self, shape: Any) -> None:
            self.mean = self.add_weight(shape=(shape[-1],), trainable=False)
            self.most = self.add_weight(shape=(), trainable=False)

        def call(self, inputs: Any) -> Any:
            self.mean.assign(0.9 * self.mean + 0.1 * tf.reduce_mean(inputs, axis=0))
            self.most.assign(tf.cast(tf.reduce_max(tf.argmax(inputs, axis=-1)), tf.float32))
            return inputs - self.mean

    report = ld.check(small(Seen()), x=X, y=X[:, :1])
    assert not report.findings and report.blame is not None and report.blame.party == "none"


def test_a_loss_of_counts_or_of_pairs_is_told_nothing_of_classes() -> None:
    import keras
    import tensorflow as tf

    def poisson(y_true: Any, rate: Any) -> Any:
        return tf.reduce_mean(rate - y_true * tf.math.log(rate + 1e-6), axis=-1)

    def pairs(y_true: Any, y_pred: Any) -> Any:
        labels = tf.reshape(y_true, [-1])
        same = tf.cast(labels[:, None] == labels[None], tf.float32)
        apart = tf.reduce_sum(tf.square(y_pred[:, None] - y_pred[None]), axis=-1)
        return tf.reduce_mean(same * apart + (1.0 - same) * tf.nn.relu(1.0 - apart), axis=-1)

    keras.utils.set_random_seed(0)
    rates = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1, activation="softplus")])
    rates.compile("adam", poisson)
    report = ld.check(rates, x=X, y=RNG.poisson(2.0, (48, 1)).astype("float32"))
    assert not {finding.rule for finding in report.findings} & {"LD803", "LD821", "LD825"}
    embedding = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])
    embedding.compile("adam", pairs)
    report = ld.check(embedding, x=X, y=np.arange(48) % 9)
    assert not {finding.rule for finding in report.findings} & {"LD803", "LD821", "LD825"}


def test_a_loss_of_ones_own_that_picks_by_the_label_is_told_of_a_label_outside() -> None:
    import tensorflow as tf

    def picked(y_true: Any, y_pred: Any) -> Any:
        return -tf.reduce_sum(
            tf.one_hot(tf.reshape(tf.cast(y_true, tf.int32), [-1]), 3) * tf.math.log(y_pred + 1e-6), -1
        )

    labels = LABELS.copy()
    labels[11] = 3
    report = ld.check(classifier(picked), x=X, y=labels)
    assert ("LD803", (11,)) in {(finding.rule, report.blame.index) for finding in report.findings}


def test_half_precision_that_steps_well_and_a_loss_of_a_layer_alone_are_no_fault() -> None:
    import keras
    import tensorflow as tf

    class Small(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            self.add_loss(tf.reduce_mean(tf.square(inputs)))
            return inputs

    for model in (
        small(optimizer=keras.optimizers.SGD(1e-2), dtype="float16"),
        small(optimizer=keras.optimizers.Adam(1e-3), dtype="mixed_float16"),
        small(Small(), loss=None),
    ):
        report = ld.check(model, x=X, y=X[:, :1])
        assert not {finding.rule for finding in report.findings} & {"LD846", "LD853"}
