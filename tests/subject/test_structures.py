"""Arguments of several tensors, as the code takes them apart."""

import textwrap

import pytest

from lossdoctor.spec import format_structure
from lossdoctor.subject.inference import infer

HEAD = "import tensorflow as tf\nfrom tensorflow import keras\n"


def first(tmp_path, text):
    path = tmp_path / "losses.py"
    path.write_text(HEAD + textwrap.dedent(text), encoding="utf-8")
    contract = infer(f"{path}:f")[0]
    return format_structure(contract.y_true), format_structure(contract.y_pred), contract.assumptions


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ("a, b, c = y_pred", '["float32[B,4] real", "float32[B,4] real", "float32[B,4] real"]'),
        ("[a, b, c] = y_pred", '["float32[B,4] real", "float32[B,4] real", "float32[B,4] real"]'),
        ('a, b, c = y_pred["m"], y_pred["s"], 1.0', '{"m": "float32[B,4] real", "s": "float32[B,4] real"}'),
    ],
)
def test_unpacked(tmp_path, taken, expected):
    true, pred, assumed = first(tmp_path, f"def f(y_true, y_pred):\n    {taken}\n    return y_true - a * b * c")
    assert (true, pred) == ("float32[B,4] real", expected)
    assert "Keras would hand it one output at a time" in assumed[0]


@pytest.mark.parametrize("taken", ["a, *b = y_pred", "a, b = tf.split(y_pred, 2, axis=-1)", "a, b = y_pred.shape, 1.0"])
def test_one_tensor(tmp_path, taken):
    _, pred, _ = first(tmp_path, f"def f(y_true, y_pred):\n    {taken}\n    return y_true - a")
    assert pred.startswith("float32")


def test_a_compiled_loss_is_given_one_tensor(tmp_path):
    text = """
    def f(y_true, y_pred):
        a, b = y_pred
        return y_true - a * b

    model.compile(loss=f)
    """
    assert first(tmp_path, text)[1].startswith("float32")
