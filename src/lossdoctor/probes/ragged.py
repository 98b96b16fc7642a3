"""A loss of ragged tensors as a loss of padded rows.

The ragged tensors are made of what `spec.ragged` draws: rows of one length, and which places of them a row has.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from lossdoctor.spec.model import Ragged


def of_rows(subject: Any, ragged: Ragged | None) -> Any:
    """The subject, called with padded rows; itself where nothing is ragged.

    It is `padded`; its `given` are the arguments of the loss for padded ones, and `inner` is the loss that takes these.
    """
    if ragged is None:
        return subject
    given = arguments(ragged)

    def call(y_true: Any, y_pred: Any) -> Any:
        value = subject.call(*given(y_true, y_pred))
        return _padded(value, y_true[0] if ragged.cuts[0] is not None else y_pred)

    def keras_call(y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return subject.keras_call(*given(y_true, y_pred), sample_weight)

    made: Any = copy.copy(subject)
    made.call, made.keras_call, made.given, made.inner, made.padded = call, keras_call, given, subject, True
    return made


def arguments(ragged: Ragged) -> Callable[[Any, Any], tuple[Any, Any]]:
    """What the loss is given, for padded rows."""

    def given(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        padded, *present = y_true
        true, pred = (
            value if which is None else _rows(value, present[which])
            for value, which in zip((padded, y_pred), ragged.cuts, strict=True)
        )
        return true, pred

    return given


def _rows(padded: Any, present: Any) -> Any:
    import tensorflow as tf

    lengths = tf.reduce_sum(tf.cast(present, tf.int64), axis=1)
    # Lengths of truth values are never negative, and their sum is the number of values.
    ragged: Any = tf.RaggedTensor
    return ragged.from_row_lengths(tf.boolean_mask(padded, present), lengths, validate=False)


def _padded(value: Any, rows: Any) -> Any:
    """A loss for each element, as an array with zeros for what a row has not."""
    import tensorflow as tf

    return value.to_tensor(shape=[None, tf.shape(rows)[1]]) if isinstance(value, tf.RaggedTensor) else value
