"""Which branch of `if from_logits:` a loss takes."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from lossdoctor.subject.inference import infer

SOURCES = {
    "argument": """
        import keras

        def loss(y_true, y_pred, from_logits=False):
            if from_logits:
                y_pred = keras.ops.sigmoid(y_pred)
            return keras.losses.binary_crossentropy(y_true, y_pred)
    """,
    "attribute": """
        import keras

        class loss(keras.losses.Loss):
            def __init__(self, *, from_logits=False):
                super().__init__()
                self._from_logits = from_logits

            def call(self, y_true, y_pred):
                if not self._from_logits:
                    return keras.losses.binary_crossentropy(y_true, y_pred)
                return keras.losses.binary_crossentropy(y_true, keras.ops.sigmoid(y_pred))
    """,
    "closure": """
        import keras

        def loss(from_logits=False):
            def inner(y_true, y_pred):
                if from_logits:
                    y_pred = keras.ops.sigmoid(y_pred)
                return keras.losses.binary_crossentropy(y_true, y_pred)

            return inner
    """,
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize(("arguments", "kind"), [("", "unit"), ("(from_logits=True)", "logit")])
def test_the_branch_that_the_option_takes_is_read(name: str, arguments: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "losses.py"
    path.write_text(textwrap.dedent(SOURCES[name]))
    prediction = infer(f"{path}:loss{arguments}")[0].y_pred
    assert getattr(prediction, "kind", None) == kind
