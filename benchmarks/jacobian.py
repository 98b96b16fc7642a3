"""How fast and how exact the check of a full Jacobian is, beside `tf.test.compute_gradient`.

    python benchmarks/jacobian.py

Batch 32, 100 outputs, float64, several losses; the time of ours includes tracing. Exits 1 below 20 times the speed
or where an entry differs by more than 1e-7 of the largest derivative of its value.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from lossdoctor.probes.jacobian import check

BATCH, OUTPUTS = 32, 100
RTOL, FASTER = 1e-7, 20.0


def cross_entropy(t: Any, p: Any) -> Any:
    return tf.nn.softmax_cross_entropy_with_logits(t, p)


def squared_error(t: Any, p: Any) -> Any:
    return tf.reduce_mean(tf.math.squared_difference(t, p), axis=-1)


def log_cosh(t: Any, p: Any) -> Any:
    d = p - t
    return tf.reduce_mean(d + tf.nn.softplus(-2.0 * d) - np.log(2.0), axis=-1)


def huber(t: Any, p: Any) -> Any:
    size = tf.abs(t - p)
    return tf.reduce_mean(tf.where(size <= 1.0, 0.5 * size**2, size - 0.5), axis=-1)


@tf.custom_gradient
def _scaled(x: Any) -> Any:
    return tf.square(x), lambda upstream: upstream * 2.0 * x * (1.0 + 1e-6)


def nearly_right(t: Any, p: Any) -> Any:
    """Its gradient is wrong by one part in a million."""
    return tf.reduce_mean(_scaled(t - p), axis=-1)


def main() -> int:
    rng = np.random.default_rng(0)
    t = np.eye(OUTPUTS)[rng.integers(OUTPUTS, size=BATCH)]
    p = rng.normal(size=(BATCH, OUTPUTS))
    ratios: list[float] = []
    worst = 0.0
    losses: tuple[Callable[[Any, Any], Any], ...] = (cross_entropy, squared_error, log_cosh, huber)
    check(squared_error, t[:2], p[:2], rng)  # TensorFlow's own first call
    for loss in losses:
        started = time.perf_counter()
        found = check(loss, t, p, rng)
        ours = time.perf_counter() - started
        started = time.perf_counter()
        theirs = tf.test.compute_gradient(lambda x, loss=loss: loss(tf.constant(t), x), [tf.constant(p)])
        slow = time.perf_counter() - started
        error = float(np.max(np.abs(theirs[0][0] - theirs[1][0])) / np.max(np.abs(theirs[0][0])))
        ratios.append(slow / ours)
        worst = max(worst, found.worst)
        print(
            f"{loss.__name__:14} ours {ours:.3f} s, {found.entries} entries ({found.skipped} at kinks), worst "
            f"{found.worst:.1e}; tf.test.compute_gradient {slow:.2f} s, worst {error:.1e}; {slow / ours:.0f} times",
            flush=True,
        )
    planted = check(nearly_right, t, p, rng).worst
    print(f"a gradient wrong by 1e-6 is found: {planted > RTOL} ({planted:.1e})")
    print(f"{min(ratios):.0f} to {max(ratios):.0f} times faster (median {statistics.median(ratios):.0f})")
    return 0 if min(ratios) >= FASTER and worst <= RTOL and planted > RTOL else 1


if __name__ == "__main__":
    sys.exit(main())
