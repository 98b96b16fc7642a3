"""The full Jacobian: exact to 1e-7 where it is right, and wrong by a millionth is seen."""

from __future__ import annotations

import numpy as np
import pytest

from lossdoctor.probes.jacobian import check

pytestmark = pytest.mark.real


def inputs(batch: int = 8, outputs: int = 10) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(batch, outputs)), rng.normal(size=(batch, outputs)), rng


def test_a_loss_of_single_samples() -> None:
    import tensorflow as tf

    t, p, rng = inputs()
    found = check(lambda t, p: tf.reduce_mean(tf.math.softplus(p) * t, axis=-1), t, p, rng)
    assert found.per_sample and found.entries == 80 and found.within(1e-7)


def test_several_values_a_sample_and_a_coupled_batch() -> None:
    import tensorflow as tf

    t, p, rng = inputs(4, 5)
    rows = check(lambda t, p: tf.math.log1p((p - t) ** 2), t, p, rng)
    assert rows.per_sample and rows.entries == 4 * 5 * 5 and rows.within(1e-7)
    whole = check(lambda t, p: tf.reduce_mean((p - t) ** 2) * tf.reduce_sum(p), t, p, rng)
    assert not whole.per_sample and whole.entries == 20 and whole.within(1e-7)


def test_kinks_are_left_out_and_not_accused() -> None:
    import tensorflow as tf

    t, p, rng = inputs()
    p[0, :] = t[0, :] + 1e-5  # so near to the kink of the absolute value that differences straddle it
    found = check(lambda t, p: tf.reduce_mean(tf.abs(t - p), axis=-1), t, p, rng)
    assert 10 <= found.skipped <= 14 and found.within(1e-7)


@pytest.mark.parametrize("factor", [1.0 + 1e-6, 2.0, -1.0, 0.0])
def test_a_wrong_gradient_is_seen(factor: float) -> None:
    import tensorflow as tf

    @tf.custom_gradient
    def square(x):
        return tf.square(x), lambda upstream: factor * upstream * 2.0 * x

    t, p, rng = inputs()
    found = check(lambda t, p: tf.reduce_mean(square(p - t), axis=-1), t, p, rng)
    assert found.applicable and not found.within(1e-7)


def test_lower_precision_inside_is_not_judged() -> None:
    import tensorflow as tf

    t, p, rng = inputs()
    found = check(lambda t, p: tf.reduce_mean(tf.cast(p - t, tf.float32) ** 2, axis=-1), t, p, rng)
    assert not found.applicable and "precision" in found.reason
