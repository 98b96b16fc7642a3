"""`lossdoctor.check_step`: training steps of the user's own, with what they reach put back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import lossdoctor as ld

pytestmark = pytest.mark.real
RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(16, 4)).astype("float32")
NOISE = RNG.normal(size=(16, 3)).astype("float32")


def adversaries() -> Any:
    """A generator and a discriminator, each with its optimizer."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    return SimpleNamespace(
        generator=keras.Sequential([keras.Input((3,)), layers.Dense(8, activation="relu"), layers.Dense(4)]),
        judge=keras.Sequential([keras.Input((4,)), layers.Dense(8, activation="relu"), layers.Dense(1)]),
        first=keras.optimizers.Adam(1e-3),
        second=keras.optimizers.Adam(1e-3),
        entropy=keras.losses.BinaryCrossentropy(from_logits=True),
    )


def step_of(gan: Any, exchanged: bool = False) -> Any:
    import tensorflow as tf

    @tf.function
    def train_step(real: Any, noise: Any) -> Any:
        with tf.GradientTape() as tape, tf.GradientTape() as other:
            fake = gan.generator(noise, training=True)
            judged_real, judged_fake = gan.judge(real, training=True), gan.judge(fake, training=True)
            generated = gan.entropy(tf.ones_like(judged_fake), judged_fake)
            judged = gan.entropy(tf.ones_like(judged_real), judged_real)
            judged += gan.entropy(tf.zeros_like(judged_fake), judged_fake)
        upper, lower = (other, tape) if not exchanged else (other, other)
        gradients = upper.gradient(generated, gan.generator.trainable_variables)
        gan.first.apply_gradients(zip(gradients, gan.generator.trainable_variables, strict=True))
        gradients = lower.gradient(judged, gan.judge.trainable_variables)
        gan.second.apply_gradients(zip(gradients, gan.judge.trainable_variables, strict=True))
        return generated, judged

    return train_step


def test_two_optimizers_and_two_tapes_are_healthy() -> None:
    gan = adversaries()
    before = [variable.numpy().copy() for variable in (*gan.generator.variables, *gan.judge.variables)]
    report = ld.check_step(step_of(gan), REAL, NOISE)
    after = [variable.numpy() for variable in (*gan.generator.variables, *gan.judge.variables)]
    assert not report.findings and report.blame is not None and report.blame.party == "none"
    assert report.losses[0].verdict == "healthy"
    assert all((one == other).all() for one, other in zip(before, after, strict=True))


def test_one_tape_for_both_is_used_twice() -> None:
    report = ld.check_step(step_of(adversaries(), exchanged=True), REAL, NOISE)
    assert [finding.rule for finding in report.findings] == ["LD866"]
    assert (report.blame.party == "loop" and "lower.gradient" in report.findings[0].message) or report.blame.line > 0


def test_a_model_with_its_own_train_step() -> None:
    import keras
    import tensorflow as tf
    from keras import layers

    class Net(keras.Model):
        def __init__(self, inside: bool) -> None:
            super().__init__()
            self.dense, self.inside = layers.Dense(1), inside

        def call(self, inputs: Any) -> Any:
            return self.dense(inputs)

        def train_step(self, data: Any) -> Any:
            x, y = data
            with tf.GradientTape() as tape:
                prediction = self(x, training=True)
                loss: Any = self.compute_loss(y=y, y_pred=prediction)
            if not self.inside:
                loss = tf.reduce_mean(tf.square(y - prediction))
            sources: Any = self.trainable_variables
            gradients = tape.gradient(loss, sources)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
            return {"loss": loss}

    target = RNG.normal(size=(16, 1)).astype("float32")
    for inside, rules in ((True, []), (False, ["LD861"])):
        model = Net(inside)
        model.compile("adam", "mse")
        model(REAL)
        report = ld.check_step(model.train_step, (REAL, target))
        assert [finding.rule for finding in report.findings] == rules
        assert not inside or report.blame.party == "none"


def test_arguments_that_do_not_fit() -> None:
    with pytest.raises(ld.UsageError, match="arguments of the step"):
        ld.check_step(step_of(adversaries()), REAL)
    with pytest.raises(ld.UsageError, match="Expected a function"):
        ld.check_step(3, REAL)


def test_targets_from_predict_and_a_network_that_is_read_only_are_healthy() -> None:
    import keras
    import tensorflow as tf
    from keras import layers

    keras.utils.set_random_seed(0)
    online = keras.Sequential([keras.Input((4,)), layers.Dense(8, activation="relu"), layers.Dense(2)])
    slow = keras.models.clone_model(online)
    optimizer = keras.optimizers.Adam(1e-3)

    def train_step(states: Any, rewards: Any) -> Any:
        with tf.GradientTape() as tape:
            wanted = rewards + 0.9 * slow.predict(states, verbose=0).max(axis=1)
            values = tf.reduce_max(online(states, training=True), axis=1)
            print("value", float(tf.reduce_mean(values)))
            loss = tf.reduce_mean(tf.square(wanted - values))
        slopes = tape.gradient(loss, online.trainable_variables)
        optimizer.apply_gradients(zip(slopes, online.trainable_variables, strict=True))
        return loss

    report = ld.check_step(train_step, REAL, REAL[:, 0])
    assert not report.findings and report.blame is not None and report.blame.party == "none"


@pytest.mark.filterwarnings("ignore:Gradients do not exist")  # Keras's own, of `first_alone`
def test_heads_that_are_trained_in_turn_are_no_variables_without_gradient() -> None:
    import keras
    import tensorflow as tf
    from keras import layers

    keras.utils.set_random_seed(0)
    given = keras.Input((4,))
    common = layers.Dense(8, activation="relu", name="common")(given)
    model = keras.Model(given, [layers.Dense(1, name="one")(common), layers.Dense(1, name="other")(common)])
    optimizer = keras.optimizers.Adam(1e-3)

    def both(x: Any, y: Any) -> Any:
        for head in (0, 1):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(y - model(x, training=True)[head]))
            slopes = tape.gradient(loss, model.trainable_variables)
            pairs = [
                (slope, to) for slope, to in zip(slopes, model.trainable_variables, strict=True) if slope is not None
            ]
            optimizer.build(model.trainable_variables)
            optimizer.apply_gradients(pairs)
        return loss

    def first_alone(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(y - model(x, training=True)[0]))
        slopes = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(slopes, model.trainable_variables, strict=True))
        return loss

    assert not ld.check_step(both, REAL, REAL[:, :1]).findings
    (finding,) = ld.check_step(first_alone, REAL, REAL[:, :1]).findings
    assert (finding.rule, finding.severity) == ("LD876", "warning")
    assert f"`{model.get_layer('other').kernel.path}`" in finding.message
