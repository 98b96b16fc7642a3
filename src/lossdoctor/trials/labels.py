"""Whether a loss takes its target for the number of an output: measured, not read from its name."""

from __future__ import annotations

from typing import Any

import numpy as np

from lossdoctor.readings.model import Array
from lossdoctor.trials.losses import weighted

_ALIKE = 1e-4  # relative; permuted sums are added in another order


def takes_labels(loss: Any, y_true: Array | None, y_pred: Array | None) -> bool:
    """Whether a loss picks an output by the label, or fails for labels that are no output and for no others.

    Such a loss does not mind if labels and outputs are renumbered together, and minds if the labels alone are; a loss
    that compares the labels of two samples minds neither.

    Args:
        y_true: of the samples that `y_pred` is of.
        y_pred: shape (B, …, classes).
    """
    if y_true is None or y_pred is None or y_true.dtype.kind not in "iu" or y_pred.ndim < 2 or y_pred.shape[-1] < 2:
        return False
    shape, classes = y_pred.shape, y_pred.shape[-1]
    if y_true.shape not in (shape[:-1], (*shape[:-1], 1)):
        return False
    labels = (np.arange(y_true.size) % classes).reshape(y_true.shape)
    turned = (labels + 1) % classes
    drawn = np.exp(np.random.default_rng(0).normal(size=shape))  # probabilities, and scores as well
    drawn = (drawn / drawn.sum(axis=-1, keepdims=True)).astype(y_pred.dtype)
    moved = np.roll(drawn, 1, axis=-1)
    first, both, alone = (_value(loss, *pair) for pair in ((labels, drawn), (turned, moved), (turned, drawn)))
    if (
        first is not None
        and both is not None
        and alone is not None
        and _alike(first, both)
        and not _alike(first, alone)
    ):
        return True
    inside = ((y_true >= 0) & (y_true < classes)).reshape(len(y_true), -1).all(axis=1)
    if inside.all() or not inside.any():
        return False
    return _value(loss, y_true, y_pred) is None and _value(loss, y_true[inside], y_pred[inside]) is not None


def _alike(one: float, other: float) -> bool:
    return bool(np.isclose(one, other, rtol=_ALIKE))


def _value(loss: Any, y_true: Array, y_pred: Array) -> float | None:
    """The loss of a batch; None where it raises or is not finite."""
    import tensorflow as tf

    try:
        number = float(weighted(loss, tf.constant(y_true), tf.constant(y_pred), None))
    except Exception:
        return None
    return number if np.isfinite(number) else None
