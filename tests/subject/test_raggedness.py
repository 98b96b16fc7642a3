"""Which losses take their arguments for ragged tensors."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from lossdoctor.subject.inference import infer

BOTH = ("float32[B,(T)] real", "float32[B,(T)] real")


def _first(tmp_path: Path, body: str) -> tuple[str, str]:
    lines = "import tensorflow as tf\n\n\ndef loss(y_true, y_pred):\n"
    file = tmp_path / "losses.py"
    file.write_text(lines + "".join(f"    {line}\n" for line in dedent(body).strip().splitlines()))
    contract = infer(f"{file}:loss")[0]
    return str(contract.y_true), str(contract.y_pred)


@pytest.mark.parametrize(
    "body",
    [
        "return tf.reduce_sum(y_true - y_pred, axis=1) / tf.cast(y_true.row_lengths(), tf.float32)",
        "return tf.reduce_mean(tf.square(y_true.values - y_pred.values))",
        "error = tf.square(y_true - y_pred)\nreturn tf.reduce_mean(error.to_tensor(), axis=1)",
        "loss = tf.ragged.map_flat_values(tf.math.squared_difference, y_true, y_pred)\nreturn tf.reduce_sum(loss, 1)",
    ],
)
def test_what_only_a_ragged_tensor_has(tmp_path: Path, body: str) -> None:
    assert _first(tmp_path, body) == BOTH


def test_the_kinds_are_those_of_the_code(tmp_path: Path) -> None:
    body = """
        target, score = y_true.flat_values, y_pred.flat_values
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=score)
        return tf.reduce_sum(y_pred.with_flat_values(losses), axis=1)
    """
    assert _first(tmp_path, body) == ("float32[B,(T)] binary", "float32[B,(T)] logit")


def test_lengths_alone_ask_for_a_plain_prediction(tmp_path: Path) -> None:
    body = "return tf.square(tf.cast(y_true.row_lengths(), tf.float32)[:, None] - y_pred)"
    assert _first(tmp_path, body) == ("float32[B,(T)] real", "float32[B,1] real")


@pytest.mark.parametrize(
    "body",
    [
        # made in the loss
        "y_true = tf.RaggedTensor.from_tensor(y_true)\nreturn tf.reduce_mean(y_true.to_tensor() - y_pred, axis=1)",
        "rows = tf.RaggedTensor.from_tensor(y_true)\nreturn tf.reduce_mean(rows.to_tensor() - y_pred, axis=1)",
        # asked for
        "if isinstance(y_true, tf.RaggedTensor):\n    y_true = y_true.to_tensor()\nreturn y_true - y_pred",
        # a sparse tensor, a table
        "return tf.reduce_sum(y_true.values) + tf.reduce_sum(tf.gather(y_pred, y_true.indices))",
        "return sum(y_true.values()) - sum(y_pred.values())",
    ],
)
def test_what_others_have_too(tmp_path: Path, body: str) -> None:
    assert "(T)" not in "".join(_first(tmp_path, body))
