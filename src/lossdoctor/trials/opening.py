"""Python source that brings a program and its batch back in a fresh process: TensorFlow and the user's files only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_IMPORTS = """\
import importlib
import importlib.util
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
import tensorflow as tf
from tensorflow import keras

"""
_TAKEN = """\


def taken(value):
    return None if value is None else tf.nest.map_structure(lambda one: tf.constant(np.asarray(one)[rows]), value)
"""
# The variables that the file's own names reach; those of an optimizer are not the step's to change.
_VARIABLES = """\
variables = {}
for held in vars(_module).values():
    if isinstance(held, (keras.layers.Layer, tf.Variable)):
        variables |= {id(one): one for one in getattr(held, "trainable_variables", [held])}
variables = list(variables.values())
if not variables:
    raise RuntimeError("no variable was found")
"""
_TENSORS = """\
batch = tf.nest.map_structure(lambda one: tf.constant(one) if isinstance(one, np.ndarray) else one, batch)
tf.config.run_functions_eagerly(True)
"""


def of_model(loader: str, model: str, arrays: Mapping[str, str], rows: Sequence[int], seed: int) -> str:
    """Source that binds `model`, `x`, `y`, `sample_weight`, the `rows` that run, and `taken(value)`: these rows of it.

    Args:
        loader: source that binds what `model` names.
        model: an expression.
        arrays: expressions, by "x", "y", "sample_weight".
    """
    lines = [f"{name} = {arrays.get(name, 'None')}" for name in ("x", "y", "sample_weight")]
    first = next((place for place, row in enumerate(rows) if row != place), len(rows))
    further = "".join(f", {row}" for row in rows[first:])
    chosen = f"rows = np.r_[0:{first}{further}]"
    text = f"{_IMPORTS}{loader}model = {model}\n" + "\n".join([*lines, chosen]) + "\n" + _TAKEN
    return f"{text}\n\nkeras.utils.set_random_seed({seed})\n"


def of_step(loader: str, step: str, batch: str) -> str:
    """Source that binds `step`, its arguments `batch`, and the trainable `variables` of the file.

    Args:
        loader: source that binds `_module`.
        step, batch: expressions.
    """
    return f"{_IMPORTS}{loader}step = {step}\nbatch = {batch}\n{_TENSORS}{_VARIABLES}"


def loaded(data: str) -> str:
    """Source that binds `_data` to the arrays of an .npz file."""
    return f"_data = np.load({data!r}, allow_pickle=False)\n"


def held(role: str, value: Any) -> str:
    """The expression for what `load_batch` gives for a name: an array, or a table or list of arrays."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: _data[{f'{role}.{key}'!r}]" for key in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(f"_data[{f'{role}.{place}'!r}]" for place in range(len(value))) + "]"
    return f"_data[{role!r}]"
