"""Mends on the API side: other names, signs, arguments, constructors, batch sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.rewrite.sites import one, proposals

pytestmark = pytest.mark.real


def test_numpy_calls_become_tensorflow_calls(tmp_path: Path) -> None:
    code = """\
import numpy as np


def loss(y_true, y_pred):
    error = np.abs(y_true.numpy() - y_pred.numpy())
    return tf.constant(error.mean(axis=-1))
"""
    found = proposals(tmp_path, code, "y_pred.numpy()", "no-gradient")
    assert "    error = tf.abs(y_true - y_pred)\n    return tf.reduce_mean(error, axis=-1)\n" in found[0][1]
    # NumPy's sort has other arguments: nothing is offered for half of the function.
    assert not proposals(tmp_path, code.replace("np.abs", "np.sort"), "y_pred.numpy()", "no-gradient")


def test_a_branch_on_a_tensor_is_left_to_autograph(tmp_path: Path) -> None:
    code = """\
class Custom(keras.losses.Loss):
    def call(self, y_true, y_pred):
        if tf.reduce_sum(y_true) > 0:
            return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
        return tf.reduce_mean(tf.abs(y_pred), axis=-1)
"""
    at = "tf.reduce_sum(y_true) > 0"
    found = proposals(tmp_path, code, at, "graph-mode", name="Custom", rule="fails-in-graph")
    assert [text for _, text in found] == [code.replace("    def", "    @tf.function\n    def")]
    assert not proposals(tmp_path, code, at, "graph-mode", name="Custom", rule="frozen-random")


def test_names_of_tensorflow_1(tmp_path: Path) -> None:
    old = "tf.reduce_sum(tf.log(tf.to_float(y_pred)), reduction_indices=-1, keep_dims=True)"
    new = "tf.reduce_sum(tf.math.log(tf.cast(y_pred, tf.float32)), axis=-1, keepdims=True)"
    assert proposals(tmp_path, one(old), old, "crash")[0][1] == one(new)
    assert not proposals(tmp_path, one(new), new, "crash")


def test_a_loss_that_has_only_its_short_name_left(tmp_path: Path) -> None:
    old, new = "tf.keras.losses.mean_squared_error(y_true, y_pred)", "tf.keras.losses.mse(y_true, y_pred)"
    gone = "`keras._tf_keras.keras.losses.mean_squared_error` does not exist in this version"
    assert proposals(tmp_path, one(old), old, "keras-contract", message=gone)[0][1] == one(new)
    assert not proposals(tmp_path, one(old), old, "keras-contract")


@pytest.mark.parametrize(
    ("body", "head", "expected"),
    [
        ("K.mean(K.pow(y_pred, 2.0), axis=-1)", "from keras import ops", "ops.mean(ops.power(y_pred, 2.0), axis=-1)"),
        (
            "K.mean(y_pred, axis=-1) + K.epsilon()",
            "from keras import backend as K\nfrom keras import ops",
            "ops.mean(y_pred, axis=-1) + K.epsilon()",
        ),
        # The last axis in Keras 2, the first one in Keras 3.
        ("K.concatenate([y_true, y_pred])", None, None),
    ],
)
def test_functions_of_the_old_backend(body: str, head: str | None, expected: str | None, tmp_path: Path) -> None:
    code = "from keras import backend as K\n\n\ndef loss(y_true, y_pred):\n    return {}\n"
    message = "`keras.backend.mean` does not exist in this version"
    found = proposals(tmp_path, code.format(body), body, "crash", message=message, head="import keras\n")
    if expected is None:
        assert not found
    else:
        assert found[0][1] == code.replace("from keras import backend as K", head or "").format(expected)
    assert not proposals(tmp_path, code.format(body), body, "crash", head="import keras\n")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("-tf.reduce_mean(y_pred, axis=-1)", "tf.reduce_mean(y_pred, axis=-1)"),
        ("tf.reduce_mean(y_pred, axis=-1)", "-tf.reduce_mean(y_pred, axis=-1)"),
        (
            "tf.reduce_sum(y_pred, -1) / tf.reduce_sum(y_true, -1)",
            "1.0 - tf.reduce_sum(y_pred, -1) / tf.reduce_sum(y_true, -1)",
        ),
        ("-10.0 * y_pred[:, 0] / y_true[:, 0]", "10.0 * y_pred[:, 0] / y_true[:, 0]"),
        ("y_pred[:, 0] + y_true[:, 0]", "-(y_pred[:, 0] + y_true[:, 0])"),
    ],
)
def test_the_other_sign(body: str, expected: str, tmp_path: Path) -> None:
    code = "def loss(y_true, y_pred):\n    return {}\n"
    found = proposals(tmp_path, code.format(body), body, "wrong-direction", rule="wrong-direction")
    assert [text for _, text in found] == [code.format(expected)]
    assert found[0][0].changes_values


def test_the_other_sign_of_one_term(tmp_path: Path) -> None:
    code = "def loss(y_true, y_pred):\n    return {}\n"
    body = "y_true[:, 0] + y_pred[:, 0] - 2.0 * y_true[:, 1]"
    message = "as if a term had the wrong sign"
    found = proposals(tmp_path, code.format(body), body, "wrong-direction", rule="wrong-direction", message=message)
    assert [text for _, text in found] == [
        code.format("y_true[:, 0] + y_pred[:, 0] + 2.0 * y_true[:, 1]"),
        code.format("y_true[:, 0] - y_pred[:, 0] - 2.0 * y_true[:, 1]"),
        code.format(f"-({body})"),
    ]


def test_arguments_and_parameters_in_the_order_of_keras(tmp_path: Path) -> None:
    call = "keras.losses.categorical_crossentropy({}, {})"
    code = "def loss(y_true, y_pred):\n    return 0.9 * {}\n"
    wrong, right = call.format("y_pred", "y_true"), call.format("y_true", "y_pred")
    found = proposals(tmp_path, code.format(wrong), wrong, "wrong-direction", rule="log-of-labels")
    assert found[0][1] == code.format(right)
    code = "def loss(y_pred, y_true, margin=1.0):\n    return tf.reduce_mean(y_true * margin - y_pred, axis=-1)\n"
    found = proposals(tmp_path, code, "def loss", "keras-contract", rule="swapped-parameters")
    assert found[0][1] == code.replace("(y_pred, y_true,", "(y_true, y_pred,")


CLASS = """\
class Scaled(keras.losses.Loss):
    def __init__(self, scale=2.0):
        {}self.scale = scale

    def call(self, y_true, y_pred):
        return self.scale * tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)

    def get_config(self):
        return {{**super().get_config(), "scale": self.scale}}
"""


def test_a_constructor_calls_that_of_its_base(tmp_path: Path) -> None:
    code = CLASS.format("")
    made = code.replace("        self.scale", "        super().__init__()\n        self.scale", 1)
    assert proposals(tmp_path, code, "class Scaled", "keras-contract", name="Scaled")[0][1] == made


def test_a_constructor_takes_what_its_configuration_holds(tmp_path: Path) -> None:
    code = CLASS.format('super().__init__(name="scaled")\n        ')
    found = proposals(tmp_path, code, "def __init__", "keras-contract", name="Scaled", rule="reload-fails")
    assert (
        'def __init__(self, scale=2.0, name="scaled", **kwargs):\n        super().__init__(name=name, **kwargs)'
        in (found[0][1])
    )


@pytest.mark.parametrize(
    ("old", "new", "family", "rule"),
    [
        ("tf.squeeze(y_pred)", "tf.squeeze(y_pred, axis=-1)", "shape", "squeezed-batch"),
        ("int(y_pred.shape[0])", "tf.shape(y_pred)[0]", "graph-mode", "fails-in-graph"),
        ("tf.one_hot(y_true, 5)", "tf.one_hot(tf.cast(y_true, tf.int32), 5)", "dtype", "needs-integer-labels"),
        (
            "keras.losses.binary_crossentropy(y_true, y_pred)",
            "keras.losses.binary_crossentropy(y_true, y_pred, from_logits=True)",
            "keras-contract",
            "logits-mismatch",
        ),
        (
            "keras.losses.binary_crossentropy(y_true, y_pred, from_logits=True)",
            "keras.losses.binary_crossentropy(y_true, y_pred, from_logits=False)",
            "keras-contract",
            "logits-mismatch",
        ),
        (
            "tf.linalg.diag_part(tf.matmul(y_true, y_pred, transpose_b=True))",
            "tf.reduce_sum(y_true * y_pred, axis=-1)",
            "efficiency",
            "unused-pairs",
        ),
    ],
)
def test_one_call(old: str, new: str, family, rule: str, tmp_path: Path) -> None:
    code = "def loss(y_true, y_pred):\n    return tf.reduce_mean(y_pred) * {}\n"
    at = "tf.matmul(y_true, y_pred, transpose_b=True)" if "diag_part" in old else old
    if old.startswith(("int(", "tf.one_hot")):
        code = "def loss(y_true, y_pred):\n    return tf.reduce_mean(y_pred) * tf.cast({}, tf.float32)\n"
    labels = "int32[B] label(5)" if "one_hot" in old else "float32[B,3] real"
    found = proposals(tmp_path, code.format(old), at, family, y_true=labels, rule=rule)
    assert found[0][1] == code.format(new)


@pytest.mark.parametrize(
    ("short", "kept"),
    [
        ("tf.reduce_sum(y_true, axis=-1)", "tf.reduce_sum(y_true, axis=-1, keepdims=True)"),
        ("y_true[:, 0]", "y_true[:, 0:1]"),
    ],
)
def test_the_axis_is_kept_where_it_was_lost(short: str, kept: str, tmp_path: Path) -> None:
    code = "def loss(y_true, y_pred):\n    return tf.abs({} - y_pred)\n"
    found = proposals(tmp_path, code.format(short), f"{short} - y_pred", "broadcast", y_pred="float32[B,1] real")
    assert found[0][1] == code.format(kept)
