"""Healthy losses that look like mistakes: each is one step away from a fault of shapes, types, reductions or state."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from tensorflow.keras import backend as K


def pairs_of_a_batch(y_true, y_pred):
    """(B, 1) against (1, B) is meant, and spelt out."""
    gaps = y_true[:, None] - y_true[None, :]
    scores = y_pred[:, None] - y_pred[None, :]
    wanted = tf.cast(gaps > 0.0, tf.float32)
    return tf.reduce_mean(wanted * tf.nn.softplus(-scores), axis=1)


def quantile_columns(y_true, y_pred):
    """One target against three quantiles, on purpose."""
    quantiles = ops.convert_to_tensor([0.1, 0.5, 0.9])
    error = ops.expand_dims(y_true, -1) - y_pred
    return ops.mean(ops.maximum(quantiles * error, (quantiles - 1.0) * error), axis=-1)


def channels_first_dice(y_true, y_pred):
    """The maps of a channels-first network: the last two axes are the image."""
    overlap = K.sum(y_true * y_pred, axis=(2, 3))
    total = K.sum(y_true, axis=(2, 3)) + K.sum(y_pred, axis=(2, 3))
    return 1.0 - K.mean((2.0 * overlap + 1.0) / (total + 1.0), axis=-1)


def tiled_grid(y_true, y_pred):
    """The grid is tiled to the batch that comes."""
    cells = tf.constant(np.stack(np.meshgrid(np.arange(7), np.arange(7)), axis=-1)[np.newaxis], tf.float32)
    grid = tf.tile(cells, [tf.shape(y_pred)[0], 1, 1, 1])
    return tf.reduce_mean(tf.square(y_true - (tf.sigmoid(y_pred) + grid)), axis=[1, 2, 3])


def classes_by_table(y_true, y_pred):
    """A square table of constants is indexed by class, and has nothing to do with the batch."""
    costs = tf.constant([[0.0, 1.0, 4.0], [1.0, 0.0, 1.0], [4.0, 1.0, 0.0]])
    return tf.reduce_sum(tf.gather(costs, tf.cast(y_true, tf.int32)) * y_pred, axis=-1)


def shape_and_back(y_true, y_pred):
    """Tokens are flattened for an operation on rows, and put back into sentences."""
    y_true = tf.cast(y_true, tf.int32)
    classes = y_pred.shape[-1]
    rows = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=tf.reshape(y_true, [-1]), logits=tf.reshape(y_pred, [-1, classes])
    )
    return tf.reduce_mean(tf.reshape(rows, tf.shape(y_true)), axis=-1)


class Smoothness(keras.losses.Loss):
    """Differences along time, averaged for each sample."""

    def __init__(self, weight=0.1, name="smoothness", **kwargs):
        super().__init__(name=name, **kwargs)
        self.weight = weight

    def call(self, y_true, y_pred):
        error = ops.mean(ops.square(y_true - y_pred), axis=-1)
        return error + self.weight * ops.mean(ops.square(y_pred[:, 1:] - y_pred[:, :-1]), axis=-1)

    def get_config(self):
        return {**super().get_config(), "weight": self.weight}


def padded_tokens(y_true, y_pred):
    """The mean is taken over the tokens that are no padding."""
    mask = tf.cast(tf.not_equal(y_true, 0), tf.float32)
    losses = keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
    return tf.reduce_sum(losses * mask, axis=-1) / tf.maximum(tf.reduce_sum(mask, axis=-1), 1.0)


def gaps_left_out(y_true, y_pred):
    """Gaps are coded as NaN, and do not count."""
    known = tf.math.is_finite(y_true)
    error = tf.where(known, tf.where(known, y_true, 0.0) - y_pred, 0.0)
    count = tf.reduce_sum(tf.cast(known, tf.float32), axis=-1)
    return tf.math.divide_no_nan(tf.reduce_sum(tf.square(error), axis=-1), count)


def weights_in_the_last_column(y_true, y_pred):
    """The last column of the targets weights the sample."""
    weight = tf.abs(y_true[:, -1])
    return weight * tf.reduce_mean(tf.square(y_true[:, :-1] - y_pred), axis=-1)


def weighted_bits(y_true, y_pred):
    """A plain list weights the outputs."""
    weights = [1.0, 2.0, 5.0]
    return K.mean(K.binary_crossentropy(y_true, y_pred) * weights, axis=-1)


def numpy_weights(y_true, y_pred):
    weights = np.array([1.0, 2.0, 5.0], dtype="float32")
    return -tf.reduce_sum(weights * y_true * tf.math.log(tf.clip_by_value(y_pred, 1e-7, 1.0)), axis=-1)


@keras.saving.register_keras_serializable(package="neighbours")
class Scaled(keras.losses.Loss):
    """What is given is kept, and what is derived from it is computed where it is needed."""

    def __init__(self, delta=3.0, parts=3, name="scaled", **kwargs):
        super().__init__(name=name, **kwargs)
        self.delta = delta
        self.parts = parts
        self._each = delta / parts

    def call(self, y_true, y_pred):
        return keras.losses.huber(y_true, y_pred, delta=self._each)

    def get_config(self):
        return {**super().get_config(), "delta": self.delta, "parts": self.parts}


class FromLogits(keras.losses.Loss):
    """A Python flag decides while the graph is made, as it should."""

    def __init__(self, from_logits=True, name="from_logits", **kwargs):
        super().__init__(name=name, **kwargs)
        self.from_logits = from_logits

    def call(self, y_true, y_pred):
        if self.from_logits:
            y_pred = ops.softmax(y_pred, axis=-1)
        return -ops.sum(y_true * ops.log(ops.clip(y_pred, 1e-7, 1.0)), axis=-1)

    def get_config(self):
        return {**super().get_config(), "from_logits": self.from_logits}


def three_outputs(y_true, y_pred):
    """A Python loop over a handful of outputs."""
    total = 0.0
    for column, weight in enumerate((1.0, 0.5, 0.25)):
        total += weight * tf.square(y_true[:, column] - y_pred[:, column])
    return total


@tf.function
def branch_by_autograph(y_true, y_pred):
    """Inside a tf.function of its own an `if` on a tensor is allowed."""
    if tf.reduce_mean(tf.abs(y_true)) > 100.0:
        scale = 0.01
    else:
        scale = 1.0
    return scale * tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1)


def checked_ranks(y_true, y_pred):
    """Static shapes are compared while the graph is made."""
    assert y_true.shape.rank == y_pred.shape.rank
    y_pred.shape.assert_is_compatible_with(y_true.shape)
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


def two_heads(y_true, y_pred):
    """Outputs by name."""
    box = tf.reduce_mean(tf.abs(y_true["box"] - y_pred["box"]), axis=-1)
    label = keras.losses.sparse_categorical_crossentropy(y_true["label"], y_pred["label"], from_logits=True)
    return box + label


def batch_hard(labels, embeddings):
    """Labels come as a column and are made a row of samples first."""
    labels = tf.reshape(labels, [-1])
    squares = tf.reduce_sum(tf.square(embeddings), axis=1)
    distance = squares[:, None] - 2.0 * tf.matmul(embeddings, embeddings, transpose_b=True) + squares[None, :]
    same = tf.cast(labels[:, None] == labels[None, :], tf.float32)
    furthest = tf.reduce_max(same * distance, axis=1)
    nearest = tf.reduce_min(distance + 1e4 * same, axis=1)
    return tf.nn.relu(furthest - nearest + 0.5)


def jittered_targets(y_true, y_pred):
    """TensorFlow's own random numbers are new at every step."""
    noise = tf.random.uniform(tf.shape(y_true), -0.01, 0.01)
    return tf.reduce_mean(tf.square(y_true + noise - y_pred), axis=-1)


class Blended(keras.losses.Loss):
    """A weight that a callback changes, kept in a variable."""

    def __init__(self, name="blended", **kwargs):
        super().__init__(name=name, **kwargs)
        self.ramp = tf.Variable(0.5, trainable=False, dtype=tf.float32)

    def call(self, y_true, y_pred):
        error = y_true - y_pred
        return tf.reduce_mean(self.ramp * tf.square(error) + (1.0 - self.ramp) * tf.abs(error), axis=-1)


def last_step_only(y_true, y_pred):
    """The target of a sequence is compared with the last step."""
    return ops.mean(ops.square(y_true - y_pred[:, -1, :]), axis=-1)


def image_of_any_size(y_true, y_pred):
    """Sizes that are unknown while the graph is made are asked of the tensor."""
    pixels = tf.cast(tf.reduce_prod(tf.shape(y_true)[1:]), tf.float32)
    return tf.reduce_sum(tf.square(y_true - y_pred), axis=[1, 2, 3]) / pixels


def boxes_where_there_are_objects(y_true, y_pred):
    """Sums over the cells of an image, divided by how many hold an object."""
    cells = y_true[..., 4:]
    error = tf.reduce_sum(cells * tf.square(y_true[..., :4] - y_pred[..., :4]), axis=[1, 2, 3])
    return error / (tf.reduce_sum(cells, axis=[1, 2, 3]) + 1.0)


def transport_cost(y_true, y_pred):
    """Every pair of bins is used."""
    gap = ops.cumsum(y_true, axis=-1) - ops.cumsum(y_pred, axis=-1)
    return ops.sum(ops.abs(gap), axis=-1)


def class_mean_over_image(y_true, y_pred):
    """A soft maximum over the pixels, by hand, along the axes of the image."""
    shifted = ops.exp(y_pred - ops.max(y_pred, axis=(1, 2), keepdims=True))
    attention = shifted / ops.sum(shifted, axis=(1, 2), keepdims=True)
    return ops.mean(ops.square(ops.sum(attention * (y_pred - y_true), axis=(1, 2))), axis=-1)
