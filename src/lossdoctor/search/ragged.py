"""What a reproduction script adds to a loader where the loss is given ragged tensors."""

from __future__ import annotations

from lossdoctor.spec.model import Ragged

# How a script makes the loss of padded rows, after the loader. {true} and {pred} are the arguments of the loss.
_SOURCE = """

# The rows of y_true and y_pred are padded to one length; `present` says which places a row has.
def _rows(padded, present):
    lengths = tf.reduce_sum(tf.cast(present, tf.int64), axis=1)
    return tf.RaggedTensor.from_row_lengths(tf.boolean_mask(padded, present), lengths)


def _padded(value, length):
    return value.to_tensor(shape=[None, length]) if isinstance(value, tf.RaggedTensor) else value


_loss_of_rows, _keras_loss_of_rows = loss, keras_loss


def loss(y_true, y_pred):
    y_true, *present = y_true
    return _padded(_loss_of_rows({true}, {pred}), {length})


def keras_loss(y_true, y_pred, sample_weight=None):
    y_true, *present = y_true
    return _keras_loss_of_rows({true}, {pred}, sample_weight)
"""


def source(ragged: Ragged | None) -> str:
    """What a script adds to a loader so that `loss` and `keras_loss` take padded rows."""
    if ragged is None:
        return ""
    true, pred = (
        name if which is None else f"_rows({name}, present[{which}])"
        for name, which in zip(("y_true", "y_pred"), ragged.cuts, strict=True)
    )
    length = "tf.shape(y_true)[1]" if ragged.cuts[0] is not None else "tf.shape(y_pred)[1]"
    return _SOURCE.format(true=true, pred=pred, length=length)
