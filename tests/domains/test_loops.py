"""Loops, lists and spectra against TensorFlow: what is proved, what must not be, and values inside the ranges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lossdoctor.domains.intervals import ranges
from lossdoctor.session import Pair
from lossdoctor.spec import parse_contract, sample

pytestmark = pytest.mark.real
CONTRACT = parse_contract("float32[B,4] unit", "float32[B,4] unit")


def three_passes(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    start = (0, tf.zeros_like(y_pred))
    _, total = tf.while_loop(lambda i, _: i < 3, lambda i, a: (i + 1, a + tf.square(y_true - y_pred)), start)
    return tf.reduce_mean(total, axis=-1)


def as_many_as_samples(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    def halved(i: Any, a: Any) -> Any:
        return i + 1, 0.25 * a + 0.25 * tf.square(y_pred - y_true)

    _, total = tf.while_loop(lambda i, _: i < tf.shape(y_pred)[0], halved, (0, tf.zeros_like(y_pred)))
    return tf.reduce_mean(total, axis=-1)


def scanned(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    steps = tf.scan(lambda a, x: 0.9 * a + x, tf.transpose(tf.square(y_true - y_pred)))
    return tf.reduce_mean(steps, axis=0)


def mapped(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    return tf.map_fn(
        lambda row: tf.reduce_mean(tf.square(row[0] - row[1])), (y_true, y_pred), fn_output_signature=tf.float32
    )


def spectrum(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    return tf.reduce_mean(tf.abs(tf.signal.rfft(y_true) - tf.signal.rfft(y_pred)), axis=-1)


def there_and_back(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    product = tf.signal.fft(tf.cast(y_true, tf.complex64)) * tf.signal.fft(tf.cast(y_pred, tf.complex64))
    return tf.reduce_mean(tf.math.real(tf.signal.ifft(product)), axis=-1)


def accumulated(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    return tf.reduce_mean(tf.math.cumulative_logsumexp(y_pred, axis=-1) - y_true, axis=-1)


def squared_again_and_again(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    start = (0, y_true + y_pred)
    _, power = tf.while_loop(lambda i, _: i < 9, lambda i, a: (i + 1, a * a), start)
    return tf.reduce_mean(power, axis=-1)


def grown_with_the_batch(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    start = (0, y_true + y_pred)
    _, power = tf.while_loop(lambda i, _: i < tf.shape(y_pred)[0], lambda i, a: (i + 1, 2.0 * a), start)
    return tf.reduce_mean(power, axis=-1)


def never_written(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    rows = tf.TensorArray(tf.float32, size=3, element_shape=[None]).write(0, y_pred[:, 0] + 1.0)
    return tf.reduce_sum(tf.math.log(rows.stack()), axis=0) + y_true[:, 0]


@pytest.mark.parametrize(
    "loss", [three_passes, as_many_as_samples, scanned, mapped, spectrum, there_and_back, accumulated]
)
def test_finite_value_is_proved(loss: Callable[[Any, Any], Any]) -> None:
    from lossdoctor.graph.frontend_tf import trace

    live = trace(loss, CONTRACT)
    proof = ranges(live.traced, CONTRACT).proof()
    assert proof.finite_value
    rng = np.random.default_rng(0)
    for turn in range(6):
        sizes = {"B": 1 + turn}
        y_true, y_pred = (sample(spec, rng, sizes, 1.0, style="mixed") for spec in (CONTRACT.y_true, CONTRACT.y_pred))
        value = live.run([Pair(y_true, y_pred)], "unoptimised")[0].value
        assert value is not None
        assert proof.lower <= value.min() <= value.max() <= proof.upper


@pytest.mark.parametrize("loss", [squared_again_and_again, grown_with_the_batch, never_written])
def test_what_may_overflow_is_not(loss: Callable[[Any, Any], Any]) -> None:
    from lossdoctor.graph.frontend_tf import trace

    assert not ranges(trace(loss, CONTRACT).traced, CONTRACT).proof().finite_value
