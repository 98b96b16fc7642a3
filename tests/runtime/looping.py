"""Losses with loops and branches, and the same without."""

from __future__ import annotations

from typing import Any

TURNS = 4


def looped(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    def body(turn: Any, total: Any, state: Any) -> Any:
        difference = state - y_true
        square = tf.square(difference)
        total = total + tf.reduce_mean(square, -1)
        state = 0.5 * tf.sin(state)
        return turn + 1, total, state

    start = (0, tf.zeros_like(y_pred[:, 0]), y_pred)
    _, total, _ = tf.while_loop(lambda turn, *_: turn < TURNS, body, start, maximum_iterations=TURNS + 2)
    return total


def unrolled(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    state, total = y_pred, tf.zeros_like(y_pred[:, 0])
    for _ in range(TURNS):
        difference = state - y_true
        square = tf.square(difference)
        total = total + tf.reduce_mean(square, -1)
        state = 0.5 * tf.sin(state)
    return total


def nested(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    def inner(turn: Any, value: Any) -> Any:
        doubled = value * 2.0
        return turn + 1, doubled

    def outer(turn: Any, value: Any) -> Any:
        _, grown = tf.while_loop(lambda turn, *_: turn < 2, inner, (0, value), maximum_iterations=2)

        def even() -> Any:
            halved = grown / 2.0
            return tf.identity(halved)

        return turn + 1, tf.cond(tf.equal(turn % 2, 0), even, lambda: grown)

    _, value = tf.while_loop(lambda turn, *_: turn < 3, outer, (0, y_pred), maximum_iterations=3)
    return tf.reduce_mean(tf.square(value - y_true), -1)


def flat(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    value = y_pred
    for turn in range(3):
        for _ in range(2):
            doubled = value * 2.0
            value = doubled
        if turn % 2 == 0:
            halved = value / 2.0
            value = halved
    return tf.reduce_mean(tf.square(value - y_true), -1)


def converted(y_true: Any, y_pred: Any) -> Any:
    """What AutoGraph makes a loop and a branch of."""
    import tensorflow as tf

    total = tf.zeros_like(y_pred[:, 0])
    for turn in tf.range(3):
        if turn > 0:
            part = tf.square(y_true - y_pred)
        else:
            part = tf.abs(y_true - y_pred)
        total = total + tf.reduce_mean(part, -1)
    return total


def root_in_body(y_true: Any, y_pred: Any) -> Any:
    """Its gradient is infinite where a prediction equals its target."""
    import tensorflow as tf

    def body(turn: Any, total: Any) -> Any:
        distance = tf.abs(y_true - y_pred)
        root = tf.sqrt(distance)
        return turn + 1, total + tf.reduce_mean(root, -1)

    start = (0, tf.zeros_like(y_pred[:, 0]))
    return tf.while_loop(lambda turn, *_: turn < 3, body, start, maximum_iterations=3)[1]


def log_in_branch(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    def yes() -> Any:
        logarithm = tf.math.log(y_true)
        return tf.reduce_mean(tf.square(logarithm - y_pred), -1)

    return tf.cond(tf.size(y_true) > 0, yes, lambda: tf.reduce_mean(y_pred, -1))


def scanned(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    def one(pair: Any) -> Any:
        gap = pair[0] - pair[1]
        return tf.reduce_mean(tf.square(gap))

    return tf.map_fn(one, (y_true, y_pred), fn_output_signature=tf.float32)
