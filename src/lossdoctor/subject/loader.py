"""The Python source that brings a loss back in a fresh process, with TensorFlow and the user's file only."""

from __future__ import annotations

from lossdoctor.subject.realise import Made

_HEADER = """\
import functools
import importlib
import importlib.util
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import tensorflow as tf
from tensorflow import keras

"""

# A `Loss` is called by Keras itself.
_OF_INSTANCE = """

def loss(y_true, y_pred):
    return _loss.call(y_true, y_pred)


def keras_loss(y_true, y_pred, sample_weight=None):
    return _loss(y_true, y_pred, sample_weight=sample_weight)
"""

# A function is wrapped by `compile`, which casts y_true and squeezes (B,) against (B, 1).
_OF_FUNCTION = """

def loss(y_true, y_pred):
    return _loss(y_true, y_pred)


_model = keras.Model()
_model.compile(loss=_loss)


def keras_loss(y_true, y_pred, sample_weight=None):
    return _model.compute_loss(y=y_true, y_pred=y_pred, sample_weight=sample_weight)
"""


def loader_source(imports: str, name: str, made: Made, is_instance: bool) -> str:
    """Python source that defines `loss(y_true, y_pred)` and `keras_loss(y_true, y_pred, sample_weight=None)`.

    Args:
        imports: source that binds `_module`.
        name: dotted name of the object in that module.
        made: how the loss is made of the object.
        is_instance: whether the loss is an instance of `keras.losses.Loss`.
    """
    expression = made.expression.format(f"_module.{name}")
    return f"{_HEADER}{imports}_loss = {expression}\n{_OF_INSTANCE if is_instance else _OF_FUNCTION}"
