"""One loss on one batch: its value by sample, and its gradient to the prediction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lossdoctor.graph.spans import raised
from lossdoctor.readings.model import Array, Flow, TermRun
from lossdoctor.subject.frames import is_user_file
from lossdoctor.subject.kinds import is_loss

_TRIES = 64  # samples that are tried one by one where the loss gives one number for all


def by_sample(loss: Any) -> Callable[[Any, Any], Any]:
    """The loss as `compile` calls it, without reduction: y_true cast, and (B,) squeezed against (B,1)."""
    import keras

    if is_loss(loss):

        def call(y_true: Any, y_pred: Any) -> Any:
            prediction = keras.ops.cast(y_pred, loss.dtype)
            return loss.call(keras.ops.cast(y_true, loss.dtype), prediction)

        return call
    return _wrapper()(loss, reduction=None)


def _wrapper() -> Any:
    """Keras's class for a loss that is a function, which has no public name."""
    from keras.src.losses.losses import LossFunctionWrapper

    return LossFunctionWrapper


def weighted(loss: Any, y_true: Any, y_pred: Any, weight: Any) -> Any:
    """The loss as `compile` reduces it: one number."""
    if is_loss(loss):
        return loss(y_true, y_pred, sample_weight=weight)
    return _wrapper()(loss, reduction="sum_over_batch_size")(y_true, y_pred, sample_weight=weight)


def term(name: str, loss: Any, y_true: Any, y_pred: Array, weight: Any, rows: Sequence[int]) -> TermRun:
    """Run a loss on the predictions of a batch.

    Args:
        name: of the output.
        y_true: tensor.
        y_pred: what the model gave.
        weight: tensor or None.
        rows: what the caller calls the samples.
    """
    import tensorflow as tf

    prediction = tf.constant(y_pred)
    try:
        with tf.GradientTape() as tape:
            tape.watch(prediction)
            value = weighted(loss, y_true, prediction, weight)
        gradient = tape.gradient(value, prediction)
        number = float(value)
    except Exception as problem:
        return TermRun(name, None, "unknown", raised=raised(problem, is_user_file))
    flow = flow_of(gradient)
    samples = _samples(loss, y_true, prediction)
    bad: tuple[int, ...] = ()
    what: Any = ""
    if samples is not None and not np.isfinite(samples).all():
        bad, what = _rows(~np.isfinite(samples), rows), "value"
    elif flow == "nonfinite":
        array = np.asarray(tf.convert_to_tensor(gradient), np.float64)
        own = _gradients_alone(loss, y_true, prediction) if samples is not None else None
        shown = array if own is None else own
        wrong = np.asarray(~np.isfinite(shown.reshape(len(shown), -1)).all(axis=1))
        bad, what = _rows(wrong, rows), "gradient"
    squashed = bool(bad) and _finite_squashed(loss, y_true, prediction, weight)
    return TermRun(name, number, flow, bad, what, samples, squashed=squashed)


def _finite_squashed(loss: Any, y_true: Any, y_pred: Any, weight: Any) -> bool:
    """Whether the loss is finite once predictions outside [0, 1] are put through a sigmoid."""
    import tensorflow as tf

    if bool(tf.reduce_all((y_pred >= 0) & (y_pred <= 1))):
        return False
    try:
        return bool(np.isfinite(float(weighted(loss, y_true, tf.sigmoid(y_pred), weight))))
    except Exception:
        return False


def flow_of(gradient: Any) -> Flow:
    """What a gradient of a tape is like."""
    import tensorflow as tf

    if gradient is None:
        return "none"
    array = np.asarray(tf.convert_to_tensor(gradient), np.float64)
    if not np.isfinite(array).all():
        return "nonfinite"
    return "fine" if array.any() else "zero"


def _rows(wrong: Array, rows: Sequence[int]) -> tuple[int, ...]:
    return tuple(rows[int(place)] for place in np.flatnonzero(wrong) if place < len(rows))


def _samples(loss: Any, y_true: Any, y_pred: Any) -> Array | None:
    """The loss of each sample; one by one where the loss gives one number for all; None where it fails for one."""
    count = int(y_pred.shape[0])
    call = by_sample(loss)
    try:
        found = np.asarray(call(y_true, y_pred), np.float64)
        if found.ndim and len(found) == count:
            return found.reshape(count, -1).mean(axis=1)
        if found.ndim or count > _TRIES:
            return None
        return np.array([float(np.mean(call(y_true[row : row + 1], y_pred[row : row + 1]))) for row in range(count)])
    except Exception:
        return None


def _gradients_alone(loss: Any, y_true: Any, y_pred: Any) -> Array | None:
    """The gradient of each sample's own loss, so that one bad sample does not spoil the others; None where it fails."""
    import tensorflow as tf

    count = min(int(y_pred.shape[0]), _TRIES)
    found: list[Array] = []
    for row in range(count):
        prediction = tf.constant(y_pred[row : row + 1])
        try:
            with tf.GradientTape() as tape:
                tape.watch(prediction)
                value = tf.reduce_sum(by_sample(loss)(y_true[row : row + 1], prediction))
            gradient = tape.gradient(value, prediction)
        except Exception:
            return None
        if gradient is None:
            return None
        found.append(np.asarray(tf.convert_to_tensor(gradient), np.float64)[0])
    return np.stack(found)
