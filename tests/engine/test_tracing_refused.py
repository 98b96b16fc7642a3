"""What a trace says of a loss that raises, that draws random numbers, and of arguments that it cannot use."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import lossdoctor
from lossdoctor.cli.main import main
from lossdoctor.findings import UsageError

T = np.linspace(-1.0, 1.0, 6, dtype="float32").reshape(3, 2)
P = T[::-1].copy()


def folded(y_true: Any, y_pred: Any) -> Any:
    error = y_true - y_pred
    return ops.mean(ops.reshape(error, (-1, 5)), axis=-1)


def strict(y_true: Any, y_pred: Any) -> Any:
    if y_pred.shape[-1] != 7:
        raise ValueError("seven wanted")
    return ops.mean(y_true - y_pred, axis=-1)


def scaled(scale: float, truth: Any, scores: Any) -> Any:
    return ops.mean((scale * (truth - scores)) ** 2, axis=-1)


def noisy(y_true: Any, y_pred: Any) -> Any:
    return ops.mean((y_true - y_pred - tf.random.normal(tf.shape(y_pred))) ** 2, axis=-1)


def noisy_in_turns(y_true: Any, y_pred: Any) -> Any:
    def body(i: Any, total: Any) -> Any:
        return i + 1, total + tf.random.uniform((2,)) * y_pred

    _, total = tf.while_loop(lambda i, _: i < 4, body, (0, tf.zeros_like(y_pred)))
    return ops.mean((y_true - total) ** 2, axis=-1)


def fixed(y_true: Any, y_pred: Any) -> Any:
    noise = tf.random.stateless_normal(tf.shape(y_pred), seed=(1, 2))
    return ops.mean((y_true - y_pred - noise) ** 2, axis=-1)


COUNT = tf.Variable(0.0)


def counting(y_true: Any, y_pred: Any) -> Any:
    COUNT.assign_add(1.0)
    return ops.mean((y_true - y_pred) ** 2, axis=-1) * COUNT


def both(y_true: Any, y_pred: Any) -> Any:
    return ops.mean((y_true - y_pred[0]) ** 2 + (y_true - y_pred[1]) ** 2, axis=-1)


def named(y_true: Any, scores: Any) -> Any:
    return ops.mean((y_true - scores["box"]) ** 2, axis=-1)


@pytest.mark.parametrize(
    ("loss", "source"),
    [(folded, "ops.reshape(error, (-1, 5))"), (strict, 'raise ValueError("seven wanted")')],
)
def test_the_line_that_raises_is_named_with_its_text(loss: Any, source: str) -> None:
    raised = lossdoctor.trace(loss, T, P).raised
    assert raised is not None
    assert (raised.line, raised.text) == (loss.__code__.co_firstlineno + 2, source)
    assert raised.message.count("\n") == 0


def test_the_command_shows_the_line_that_cannot_be_traced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "refusing.py").write_text(
        "import tensorflow as tf\n\n\ndef loss(y_true, y_pred):\n    e = y_true - y_pred\n"
        "    for row in e:\n        e = e + row\n    return e\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["trace", "refusing.py:loss", "--y-true", "float32[B,2]", "--y-pred", "float32[B,2]"]) == 1
    text = capsys.readouterr().out
    assert ">   6 | for row in e:" in text and "given e f32[4,2]" in text and "   5 | e = y_true - y_pred" in text


def test_inputs_of_a_partial_are_the_parameters_that_are_left() -> None:
    rows = lossdoctor.trace(functools.partial(scaled, 2.0), T, P).rows
    assert [row.name for row in rows[:2]] == ["truth", "scores"]


@pytest.mark.parametrize(
    ("loss", "varies"),
    [(noisy, "random"), (noisy_in_turns, "random"), (counting, "state"), (fixed, ""), (both, "")],
)
def test_why_two_runs_differ(loss: Any, varies: str) -> None:
    found = lossdoctor.trace(loss, T, [P, P] if loss is both else P)
    text = str(found)
    assert found.varies == varies
    assert "optimiser" not in text
    assert ("draws random numbers" in text) is (varies == "random")
    assert ("keeps state" in text) is (varies == "state")
    assert ("random numbers" in found.to_html()) is (varies == "random")


def test_parts_of_structures_are_named_as_in_python() -> None:
    assert [row.name for row in lossdoctor.trace(both, T, [P, P]).rows[:3]] == ["y_true", "y_pred[0]", "y_pred[1]"]
    assert [row.name for row in lossdoctor.trace(named, T, {"box": P}).rows[:2]] == ["y_true", "scores['box']"]


@pytest.mark.parametrize("given", [{"sample": -1}, {"sample": True}, {"sample": 1.0}, {"worst": -1}, {"sample": 3}])
def test_samples_that_there_are_not_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="Invalid value for"):
        lossdoctor.trace(fixed, T, P, **given)


def test_a_single_number_is_named_as_what_stands_in_the_way() -> None:
    with pytest.raises(UsageError, match="Invalid value for `y_true`") as raised:
        lossdoctor.trace(lambda y_true, y_pred: ops.sum(y_true, axis=-1) + y_pred, 1.0, 2.0)
    assert str(raised.value).count("\n") == 0
    assert lossdoctor.trace(lambda y_true, y_pred: (y_true - y_pred) ** 2, 1.0, 2.0).blamed is None
