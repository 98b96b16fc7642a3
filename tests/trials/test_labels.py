"""Whether a loss of the user's picks an output by its label."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lossdoctor.trials.labels import takes_labels

pytestmark = pytest.mark.real
SCORES = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")


def by_one_hot(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    wanted = tf.one_hot(tf.reshape(tf.cast(y_true, tf.int32), [-1]), tf.shape(y_pred)[-1])
    return -tf.reduce_sum(wanted * tf.nn.log_softmax(y_pred), axis=-1)


def by_gather(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    return -tf.gather(tf.nn.log_softmax(y_pred), tf.reshape(tf.cast(y_true, tf.int32), [-1]), batch_dims=1)


def by_weighted_gather(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    places = tf.reshape(tf.cast(y_true, tf.int32), [-1])
    return by_gather(y_true, y_pred) * tf.gather(tf.constant([1.0, 2.0, 3.0, 4.0]), places)


def by_pairs(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    labels = tf.reshape(y_true, [-1])
    same = tf.cast(labels[:, None] == labels[None], tf.float32)
    return tf.reduce_mean(same * tf.reduce_sum(tf.square(y_pred[:, None] - y_pred[None]), -1), axis=-1)


def by_numbers(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    return tf.square(tf.cast(tf.reshape(y_true, [-1]), tf.float32) - tf.reduce_sum(y_pred, axis=-1))


@pytest.mark.parametrize("shape", [(12,), (12, 1)])
def test_a_loss_that_picks_by_the_label_is_known_also_if_all_labels_are_outside(shape: tuple[int, ...]) -> None:
    for labels in (np.arange(12) % 4, np.arange(12) % 6, np.arange(12) + 50):
        assert takes_labels(by_one_hot, labels.reshape(shape), SCORES)
        assert takes_labels(by_gather, labels.reshape(shape), SCORES)


def test_where_classes_weigh_differently_the_labels_that_fail_tell() -> None:
    assert takes_labels(by_weighted_gather, np.arange(12) % 6, SCORES)  # raises on a CPU
    assert not takes_labels(by_weighted_gather, np.arange(12) % 4, SCORES)  # nothing is outside, nothing to say


@pytest.mark.parametrize("loss", [by_pairs, by_numbers])
def test_labels_that_are_compared_or_counted_are_no_outputs(loss: Any) -> None:
    for labels in (np.arange(12) % 4, np.arange(12)):
        assert not takes_labels(loss, labels.reshape(-1, 1), SCORES)
