"""TensorFlow, Keras and the internals that the recorder needs, as `Any`: the one module of `runtime` that imports them.

The internals are few: a variable that no distribution strategy turns into one of its own, a stop for tapes, whether a
graph is compiled by XLA, an attribute of conditionals, and what Keras wraps around a function given as a loss.
"""

from __future__ import annotations

import inspect
from typing import Any

import keras as _keras
import tensorflow as _tensorflow
from keras.src import backend as _backend
from keras.src.losses.losses import LossFunctionWrapper as _LossFunctionWrapper
from tensorflow.core.framework import attr_value_pb2 as _attr_value_pb2
from tensorflow.python.eager import record as _record
from tensorflow.python.framework import ops as _ops
from tensorflow.python.ops import control_flow_util as _control_flow_util
from tensorflow.python.ops.resource_variable_ops import ResourceVariable as _ResourceVariable

tf: Any = _tensorflow
keras: Any = _keras
ResourceVariable: Any = _ResourceVariable
record: Any = _record
autograph: Any = _tensorflow.__internal__.autograph
do_not_convert: Any = _tensorflow.autograph.experimental.do_not_convert
ops: Any = _ops
control_flow_util: Any = _control_flow_util
_messages: Any = _attr_value_pb2  # made at run time, unknown to type checkers
AttrValue: Any = _messages.AttrValue
_masks: Any = _backend
_Wrapper: Any = _LossFunctionWrapper


def function_loss(function: Any, **settings: Any) -> Any:
    """The Keras loss that `compile` makes of a function; before Keras 3.4 it took no dtype."""
    if "dtype" not in inspect.signature(_Wrapper.__init__).parameters:
        settings.pop("dtype", None)
    return _Wrapper(function, **settings)


def dtype_policy(loss: Any) -> Any:
    """What a Keras loss was given as its dtype; before Keras 3.5 it kept the name only."""
    return getattr(loss, "_dtype_policy", None) or loss.dtype


def keras_mask(tensor: Any) -> Any:
    """The mask that layers left on a tensor, None for none."""
    known = getattr(_masks, "get_keras_mask", None)  # since Keras 3.6
    return getattr(tensor, "_keras_mask", None) if known is None else known(tensor)


def set_keras_mask(tensor: Any, mask: Any) -> None:
    """Leave a mask on a tensor, as layers do."""
    known = getattr(_masks, "set_keras_mask", None)  # since Keras 3.6
    if known is None:
        tensor._keras_mask = mask
    else:
        known(tensor, mask)
