"""The source lines above the rows of a trace."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

import lossdoctor

T = np.linspace(-1.0, 1.0, 6, dtype="float32").reshape(3, 2)
P = T[::-1].copy()


def written_long(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(
        ops.square(y_true - y_pred),
        axis=-1,
    )


def helped(y_true: Any, y_pred: Any) -> Any:
    return ops.mean((y_true - y_pred) ** 2, axis=-1)


def helping(y_true: Any, y_pred: Any) -> Any:
    error = helped(y_true, y_pred)
    return error * 2.0


class Delegating(keras.losses.Loss):  # type: ignore[misc]
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return helped(y_true, y_pred)


def test_an_expression_of_several_lines_stands_on_one() -> None:
    found = lossdoctor.trace(written_long, T, P)
    expected = "return ops.mean(ops.square(y_true - y_pred), axis=-1)"
    assert f"| {expected}\n" in str(found)
    assert f"  {expected}</td>" in found.to_html()


def test_the_call_of_a_helper_is_told_where_it_is_not_all_that_there_is() -> None:
    assert "called on line" in str(lossdoctor.trace(helping, T, P))
    assert "called on line" not in str(lossdoctor.trace(Delegating(), T, P))
    assert "called on line" not in lossdoctor.trace(keras.losses.MeanSquaredError(), T, P).to_html()


def test_the_page_tells_what_was_assumed() -> None:
    assert "assumed: y_true is taken as" in lossdoctor.trace(helped).to_html()
