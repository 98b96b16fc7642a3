"""Six small healthy programs and 60 faults to plant in them, one at a time, by replacing a line of text."""

from __future__ import annotations

from dataclasses import dataclass

_HEAD = """\
import keras
import numpy as np
import tensorflow as tf
from keras import layers

keras.utils.set_random_seed(1)
rng = np.random.default_rng(1)
"""

IMAGE = (
    _HEAD
    + """\
x = rng.random((48, 8, 8, 1)).astype("float32")
y = rng.integers(0, 4, 48)


def focal(y_true, y_pred):
    labels = tf.one_hot(tf.cast(tf.reshape(y_true, [-1]), tf.int32), 4)
    chance = tf.clip_by_value(y_pred, 1e-6, 1.0)
    return tf.reduce_sum(-labels * tf.square(1.0 - y_pred) * tf.math.log(chance), axis=-1)


model = keras.Sequential(
    [
        layers.Input((8, 8, 1)),
        layers.Conv2D(8, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(16, activation="relu"),
        layers.Dense(4, activation="softmax"),
    ]
)
model.compile(keras.optimizers.Adam(1e-3), focal)
"""
)

TABULAR = (
    _HEAD
    + """\
x = rng.normal(size=(64, 6)).astype("float32")
y = (x[:, :1] - 0.5 * x[:, 1:2] + 0.1 * rng.normal(size=(64, 1))).astype("float32")
sample_weight = np.ones(64, "float32")


def smooth(y_true, y_pred):
    error = y_true - y_pred
    return tf.reduce_mean(tf.sqrt(tf.square(error) + 1.0) - 1.0, axis=-1)


model = keras.Sequential(
    [
        layers.Input((6,)),
        layers.Dense(16, activation="relu"),
        layers.Dense(8, activation="tanh"),
        layers.Dense(1),
    ]
)
model.compile(keras.optimizers.Adam(1e-3), smooth)
"""
)

SEQUENCE = (
    _HEAD
    + """\
x = rng.integers(0, 30, (48, 10))
y = rng.integers(0, 2, (48, 1)).astype("float32")


def entropy(y_true, y_pred):
    chance = tf.clip_by_value(y_pred, 1e-6, 1.0 - 1e-6)
    return tf.reduce_mean(-y_true * tf.math.log(chance) - (1.0 - y_true) * tf.math.log(1.0 - chance), axis=-1)


model = keras.Sequential(
    [
        layers.Embedding(30, 8),
        layers.GRU(8),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(keras.optimizers.Adam(1e-3), entropy)
"""
)

SEVERAL = (
    _HEAD
    + """\
x = rng.normal(size=(48, 5)).astype("float32")
price = rng.normal(size=(48, 1)).astype("float32")
kind = rng.integers(0, 3, 48)
y = {"price": price, "kind": kind}


def pinball(y_true, y_pred):
    error = y_true - y_pred
    return tf.reduce_mean(tf.maximum(0.7 * error, -0.3 * error), axis=-1)


inputs = keras.Input((5,))
hidden = layers.Dense(12, activation="relu")(inputs)
outputs = {
    "price": layers.Dense(1, name="price")(hidden),
    "kind": layers.Dense(3, activation="softmax", name="kind")(hidden),
}
model = keras.Model(inputs, outputs)
model.compile(keras.optimizers.Adam(1e-3), {"price": pinball, "kind": "sparse_categorical_crossentropy"})
"""
)

LOOP = (
    _HEAD
    + """\
x = rng.normal(size=(32, 4)).astype("float32")
y = rng.normal(size=(32, 1)).astype("float32")
batch = (x, y)
model = keras.Sequential([keras.Input((4,)), layers.Dense(8, activation="relu"), layers.Dense(1)])
optimizer = keras.optimizers.Adam(1e-3)


def distance(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred))


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        prediction = model(x, training=True)
        loss = distance(y, prediction)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return loss
"""
)

GAN = (
    _HEAD
    + """\
real = rng.normal(size=(32, 4)).astype("float32")
noise = rng.normal(size=(32, 3)).astype("float32")
batch = (real, noise)
generator = keras.Sequential([keras.Input((3,)), layers.Dense(8, activation="relu"), layers.Dense(4)])
judge = keras.Sequential([keras.Input((4,)), layers.Dense(8, activation="relu"), layers.Dense(1)])
first = keras.optimizers.Adam(1e-3)
second = keras.optimizers.Adam(1e-3)


def entropy(labels, logits):
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))


@tf.function
def train_step(real, noise):
    with tf.GradientTape() as tape, tf.GradientTape() as other:
        fake = generator(noise, training=True)
        on_real = judge(real, training=True)
        on_fake = judge(fake, training=True)
        made = entropy(tf.ones_like(on_fake), on_fake)
        judged = entropy(tf.ones_like(on_real), on_real) + entropy(tf.zeros_like(on_fake), on_fake)
    gradients = tape.gradient(made, generator.trainable_variables)
    first.apply_gradients(zip(gradients, generator.trainable_variables))
    gradients = other.gradient(judged, judge.trainable_variables)
    second.apply_gradients(zip(gradients, judge.trainable_variables))
    return made, judged
"""
)

PROGRAMS = {"image": IMAGE, "tabular": TABULAR, "sequence": SEQUENCE, "several": SEVERAL, "loop": LOOP, "gan": GAN}


@dataclass(frozen=True)
class Fault:
    """A replacement of text; the first line of the new text is the faulty one, unless an index tells."""

    program: str
    party: str  # who is to blame; several parts by "|" where two are as right
    old: str
    new: str
    index: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.program}: {' '.join(self.new.split())[:60]}"


def _after(program: str, line: str, added: str, index: tuple[int, ...]) -> Fault:
    return Fault(program, "data", line, f"{line}\n{added}", index)


_IMAGE_Y = "y = rng.integers(0, 4, 48)"
_TAB_Y = 'y = (x[:, :1] - 0.5 * x[:, 1:2] + 0.1 * rng.normal(size=(64, 1))).astype("float32")'
_SEQ_Y = 'y = rng.integers(0, 2, (48, 1)).astype("float32")'
_SEV_Y = 'y = {"price": price, "kind": kind}'
_LOG = "    return tf.reduce_sum(-labels * tf.square(1.0 - y_pred) * tf.math.log(chance), axis=-1)"
_SMOOTH = "    return tf.reduce_mean(tf.sqrt(tf.square(error) + 1.0) - 1.0, axis=-1)"
_BCE = "    return tf.reduce_mean(-y_true * tf.math.log(chance) - (1.0 - y_true) * tf.math.log(1.0 - chance), axis=-1)"
_CLIP = "    chance = tf.clip_by_value(y_pred, 1e-6, 1.0 - 1e-6)"
_PIN = "    return tf.reduce_mean(tf.maximum(0.7 * error, -0.3 * error), axis=-1)"
_DIST = "    return tf.reduce_mean(tf.square(y_true - y_pred))"
_GANLOSS = "    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))"

LOSS = (
    Fault("image", "loss", _LOG, _LOG.replace("-labels", "labels")),
    Fault("image", "loss", _LOG, _LOG.replace("tf.math.log(chance)", "tf.math.log(y_pred - 0.2)")),
    Fault("image", "loss", _LOG, "    return tf.cast(tf.argmax(labels, -1) != tf.argmax(y_pred, -1), tf.float32)"),
    Fault("image", "loss", _LOG, "    return tf.reduce_sum(-labels * tf.math.log(tf.round(chance) + 0.5), axis=-1)"),
    Fault("tabular", "loss", _SMOOTH, "    return tf.reduce_mean(tf.sqrt(error), axis=-1)"),
    Fault("tabular", "loss", _SMOOTH, "    return -tf.reduce_mean(tf.square(error), axis=-1)"),
    Fault("tabular", "loss", _SMOOTH, "    return tf.reduce_mean(tf.math.log(tf.abs(error) - 0.01), axis=-1)"),
    Fault("tabular", "loss", _SMOOTH, "    return tf.reduce_mean(tf.exp(200.0 * tf.abs(error)), axis=-1)"),
    Fault("tabular", "loss", _SMOOTH, "    return tf.reduce_mean(tf.abs(tf.sign(error)), axis=-1)"),
    Fault("tabular", "loss", _SMOOTH, "    return tf.reduce_mean(tf.stop_gradient(tf.square(error)), axis=-1)"),
    Fault("sequence", "loss", _CLIP, "    chance = tf.round(y_pred)"),
    Fault("sequence", "loss", _BCE, "    return tf.reduce_mean(y_true * tf.math.log(chance), axis=-1)"),
    Fault("sequence", "loss", _BCE, "    return tf.reduce_mean(tf.math.log(chance - y_true), axis=-1)"),
    Fault(
        "sequence", "loss", _BCE, "    return tf.cast(tf.reduce_mean(y_pred, axis=-1) > 0.5, tf.float32) - y_true[:, 0]"
    ),
    Fault("several", "loss", _PIN, "    return tf.reduce_mean(tf.minimum(0.7 * error, -0.3 * error), axis=-1)"),
    Fault("several", "loss", _PIN, "    return tf.reduce_mean(tf.pow(error, 0.7), axis=-1)"),
    Fault("loop", "loss", _DIST, "    return tf.reduce_mean(tf.sqrt(y_true - y_pred))"),
    Fault("loop", "loss", _DIST, "    return tf.reduce_mean(tf.abs(y_true - tf.round(y_pred)))"),
    Fault("gan", "loss", _GANLOSS, "    return -tf.reduce_mean(labels * tf.math.log(logits))"),
    Fault(
        "gan", "loss", _GANLOSS, "    return tf.reduce_mean(tf.cast(tf.equal(labels, tf.round(logits)), tf.float32))"
    ),
)
DATA = (
    _after("image", 'x = rng.random((48, 8, 8, 1)).astype("float32")', "x[9, 2, 3, 0] = np.nan", (9, 2, 3, 0)),
    _after("image", _IMAGE_Y, "y[11] = 4", (11,)),
    _after("image", _IMAGE_Y, "y[3] = -1", (3,)),
    Fault("image", "data", _IMAGE_Y, "y = rng.integers(1, 5, 48)"),
    Fault("image", "data", _IMAGE_Y, 'y = np.array(["a", "b", "c", "d"])[rng.integers(0, 4, 48)]'),
    Fault("image", "data", _IMAGE_Y, "y = np.full(48, 2)"),
    _after("tabular", _TAB_Y, "y[20] = np.nan", (20, 0)),
    _after("tabular", _TAB_Y, "y[5] = np.inf", (5, 0)),
    _after("tabular", 'x = rng.normal(size=(64, 6)).astype("float32")', "x[7, 1] = np.inf", (7, 1)),
    Fault("tabular", "data", 'sample_weight = np.ones(64, "float32")', 'sample_weight = np.zeros(64, "float32")'),
    _after("tabular", 'sample_weight = np.ones(64, "float32")', "sample_weight[2] = np.nan", (2,)),
    Fault("tabular", "data", _TAB_Y, 'y = (4e5 + 1e5 * rng.normal(size=(64, 1))).astype("float32")'),
    Fault("tabular", "data", 'x = rng.normal(size=(64, 6)).astype("float32")', 'x = np.ones((64, 6), "float32")'),
    _after("sequence", "x = rng.integers(0, 30, (48, 10))", "x[4, 3] = 30", (4, 3)),
    _after("sequence", _SEQ_Y, "y[6] = np.nan", (6, 0)),
    Fault("sequence", "data", _SEQ_Y, 'y = rng.integers(1, 3, (48, 1)).astype("float32")'),
    _after("several", "kind = rng.integers(0, 3, 48)", "kind[8] = 3", (8,)),
    _after("several", 'price = rng.normal(size=(48, 1)).astype("float32")', "price[1] = np.nan", (1, 0)),
    _after("loop", 'x = rng.normal(size=(32, 4)).astype("float32")', "x[3, 1] = np.nan", (3, 1)),
    _after("gan", 'real = rng.normal(size=(32, 4)).astype("float32")', "real[5, 0] = np.inf", (5, 0)),
)
_SOFT = '        layers.Dense(4, activation="softmax"),'
_HIDDEN = '        layers.Dense(16, activation="relu"),'
_SGD = "model.compile(keras.optimizers.Adam(1e-3), "
_STEP_LOSS = "        loss = distance(y, prediction)"
_STEP_GRADIENT = "    gradients = tape.gradient(loss, model.trainable_variables)"
_STEP_APPLY = "    optimizer.apply_gradients(zip(gradients, model.trainable_variables))"
_GAN_FIRST = "    first.apply_gradients(zip(gradients, generator.trainable_variables))"
PROGRAM = (
    Fault(
        "image",
        "model",
        _SOFT,
        '        layers.Dense(4, activation="softmax", kernel_initializer="zeros", trainable=False),',
    ),
    Fault(
        "image",
        "model",
        _HIDDEN,
        '        layers.Dense(16, activation="relu", bias_initializer=keras.initializers.Constant(-1e4)),',
    ),
    Fault("image", "optimisation", _SGD + "focal)", "model.compile(keras.optimizers.SGD(0.0), focal)"),
    Fault(
        "image",
        "model",
        "        layers.Flatten(),",
        "        layers.Lambda(lambda t: keras.ops.log(t - 1.0)),\n        layers.Flatten(),",
    ),
    Fault("tabular", "optimisation", _SGD + "smooth)", "model.compile(keras.optimizers.SGD(1e6), smooth)"),
    Fault("tabular", "optimisation", _SGD + "smooth)", "model.compile(keras.optimizers.Adam(1e-9), smooth)"),
    Fault("tabular", "model", "        layers.Dense(1),", '        layers.Dense(1, activation="relu"),'),
    Fault("tabular", "model", _HIDDEN, '        layers.Dense(16, activation="relu", kernel_initializer="zeros"),'),
    Fault(
        "tabular",
        "model",
        '        layers.Dense(8, activation="tanh"),',
        "        layers.Lambda(lambda t: keras.ops.stop_gradient(t)),",
    ),
    Fault(
        "sequence",
        "model",
        '        layers.Dense(1, activation="sigmoid"),',
        '        layers.Dense(1, activation="softmax"),',
    ),
    Fault("sequence", "optimisation", _SGD + "entropy)", "model.compile(keras.optimizers.SGD(1e7), entropy)"),
    Fault(
        "several",
        "model",
        '    "kind": layers.Dense(3, activation="softmax", name="kind")(hidden),',
        '    "kind": layers.Dense(3, name="kind")(hidden),',
    ),
    Fault(
        "several",
        "model",
        '    "kind": layers.Dense(3, activation="softmax", name="kind")(hidden),',
        '    "kind": layers.Dense(2, activation="softmax", name="kind")(hidden),',
    ),
    Fault("loop", "loop", _STEP_LOSS, "    loss = distance(y, prediction)"),
    Fault("loop", "loop", _STEP_LOSS, "        loss = distance(y, prediction.numpy())"),
    Fault("loop", "loop", _STEP_GRADIENT, _STEP_GRADIENT + "[::-1]"),
    Fault(
        "loop",
        "loop",
        _STEP_APPLY,
        "    for variable, gradient in zip(model.trainable_variables, gradients):\n        variable.assign_add(0.01 * gradient)",
    ),
    Fault("loop", "loop", _STEP_LOSS, "        loss = distance(prediction, y)"),
    Fault("gan", "loop", _GAN_FIRST, "    pass"),
    Fault(
        "gan",
        "loop",
        "    gradients = other.gradient(judged, judge.trainable_variables)",
        "    gradients = tape.gradient(judged, judge.trainable_variables)",
    ),
)
FAULTS = (*LOSS, *DATA, *PROGRAM)
