"""What a trace shows of a loss that raises: every line until then, and the one that raises with what it was given."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import lossdoctor
from lossdoctor.cli.main import main

T = np.linspace(-1.0, 1.0, 12, dtype="float32").reshape(4, 3)
P = np.cos(np.arange(12, dtype="float32")).reshape(4, 3)


def static(y_true: Any, y_pred: Any) -> Any:
    scale = ops.mean(ops.abs(y_true))
    error = y_true - y_pred
    weight = ops.ones((2, 7))
    return ops.mean(ops.matmul(error * scale, weight), axis=-1)


def at_run_time(y_true: Any, y_pred: Any) -> Any:
    error = ops.abs(y_true - y_pred)
    folded = ops.reshape(error, (-1, 5))
    return ops.mean(folded, axis=-1)


def asserted(y_true: Any, y_pred: Any) -> Any:
    error = ops.abs(y_true - y_pred)
    tf.debugging.assert_less(error, 0.5)
    return ops.mean(error, axis=-1)


def keyed(y_true: Any, y_pred: Any) -> Any:
    error = y_true - y_pred
    weights = {"a": 1.0}
    return ops.mean(error * weights["b"], axis=-1)


def mistyped(y_true: Any, y_pred: Any) -> Any:
    error = y_true - y_pred
    return ops.mean(error * "2", axis=-1) + len(None)  # type: ignore[arg-type]


def nothing(y_true: Any, y_pred: Any) -> Any:
    error = ops.mean(y_true - y_pred)
    assert error is not None


def gathered(y_true: Any, y_pred: Any) -> Any:
    index = ops.cast(y_true[:, 0] * 0.0, "int32") + 5
    return tf.gather(tf.reduce_sum(y_pred, axis=0), index)


def logs(y_true: Any, y_pred: Any) -> Any:
    small = ops.log(y_pred * 0.0)
    return tf.debugging.check_numerics(ops.mean(small, axis=-1), "no number")


class Strict(keras.losses.Loss):
    def __init__(self) -> None:
        super().__init__()
        self.weight = np.ones((2, 2), "float32")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        error = y_true - y_pred
        return self.weighted(error)

    def weighted(self, error: Any) -> Any:
        return ops.mean(error @ self.weight, axis=-1)


def looped(y_true: Any, y_pred: Any) -> Any:
    def body(i: Any, total: Any) -> Any:
        gap = y_pred[:, i] - y_true[:, i]
        part = tf.gather(gap, i + 2)
        return i + 1, total + part

    start = tf.reduce_mean(y_pred)
    return tf.while_loop(lambda i, _: i < 3, body, [0, start])[1]


def nested(y_true: Any, y_pred: Any) -> Any:
    def outer(i: Any, total: Any) -> Any:
        def inner(j: Any, part: Any) -> Any:
            gap = y_pred[i, j] - y_true[i, j]
            return j + 1, part + tf.gather(tf.stack([gap, gap]), i * j)

        return i + 1, total + tf.while_loop(lambda j, _: j < 3, inner, [0, 0.0])[1]

    return tf.while_loop(lambda i, _: i < 3, outer, [0, 0.0])[1]


def loop_that_cannot_be_traced(y_true: Any, y_pred: Any) -> Any:
    start = tf.zeros([3])

    def body(i: Any, total: Any) -> Any:
        gap = y_pred[0] - y_true[0] + total
        return i + 1, tf.matmul(gap[None, :], tf.ones([2, 3]))[0]

    return tf.while_loop(lambda i, _: i < 3, body, [0, start])[1]


def backwards(y_true: Any, y_pred: Any) -> Any:
    @tf.custom_gradient
    def strange(x: Any) -> Any:
        return x * 2.0, lambda up: tf.reshape(up, (5, -1)) * 0.0 + tf.zeros_like(x)

    twice = strange(y_pred)
    return ops.mean(twice - y_true, axis=-1)


def in_passes(y_true: Any, y_pred: Any) -> Any:
    total = ops.zeros_like(y_pred)
    for size in (3, 4, 5):
        total = total + ops.reshape(ops.reshape(y_pred, (size, -1)), ops.shape(y_pred))
    return ops.mean(total - y_true, axis=-1)


def of(found: Any, name: str) -> Any:
    (tensor,) = found[name]
    return tensor


def line(loss: Any, offset: int) -> int:
    return loss.__code__.co_firstlineno + offset


def test_a_shape_mismatch_that_tracing_finds() -> None:
    found = lossdoctor.trace(static, T, P)
    raised = found.raised
    assert (raised.type, raised.line, raised.text) == (
        "ValueError",
        line(static, 4),
        "ops.matmul(error * scale, weight)",
    )
    assert [(one.text, one.shape) for one in raised.given] == [("error * scale", (4, 3)), ("weight", (2, 7))]
    assert np.allclose(of(found, "error").values, T - P) and of(found, "scale").shape == ()
    assert np.allclose(of(found, "error * scale").values, (T - P) * np.abs(T).mean(), rtol=1e-5)
    assert all(row.tensor.gradient is None and not row.tensor.graded for row in found.rows)
    assert found.blamed is None


def test_a_shape_mismatch_at_run_time() -> None:
    found = lossdoctor.trace(at_run_time, T, P)
    raised = found.raised
    assert (raised.type, raised.line) == ("InvalidArgumentError", line(at_run_time, 2))
    assert [(one.text, one.dtype, one.shape) for one in raised.given] == [("error", "float32", (4, 3))]
    assert np.allclose(of(found, "error").values, np.abs(T - P), rtol=1e-6)
    assert "folded" not in [row.name for row in found.rows]


@pytest.mark.parametrize(
    ("loss", "kind", "offset", "given"),
    [
        (asserted, "InvalidArgumentError", 2, [("error", (4, 3), None)]),
        (keyed, "KeyError", 3, []),
        (mistyped, "TypeError", 2, [("error", (4, 3), None)]),
        (
            gathered,
            "InvalidArgumentError",
            2,
            [("tf.reduce_sum(y_pred, axis=0)", (3,), None), ("index", (4,), [5] * 4)],
        ),
        (logs, "InvalidArgumentError", 2, [("ops.mean(small, axis=-1)", (4,), None)]),
    ],
)
def test_what_raises_is_named_with_what_it_was_given(loss: Any, kind: str, offset: int, given: Any) -> None:
    found = lossdoctor.trace(loss, T, P)
    raised = found.raised
    assert (raised.type, raised.line) == (kind, line(loss, offset))
    said = [(one.text, one.shape, None if one.values is None else one.values.tolist()) for one in raised.given]
    assert said == given
    assert len(found.rows) > 2 and not raised.backward


def test_a_value_that_is_not_finite_before_it_raises_is_blamed() -> None:
    found = lossdoctor.trace(logs, T, P)
    assert found.blamed is not None and found.blamed.name == "small"
    text = found.text()
    assert "blame " in text and "raises " in text


def test_a_loss_that_returns_nothing() -> None:
    found = lossdoctor.trace(nothing, T, P)
    assert found.raised.type == "NotATensor" and found.raised.line == 0 and of(found, "error").shape == ()
    assert "raises NotATensor: the loss returned None" in found.text() and "line 0" not in found.to_html()


def test_in_a_method_of_a_loss() -> None:
    found = lossdoctor.trace(Strict(), T, P)
    assert found.raised.line == line(Strict.weighted, 1)
    assert [(one.text, one.shape) for one in found.raised.given] == [("error", (4, 3)), ("self.weight", (2, 2))]
    assert np.allclose(found["error"][0].values, T - P)


def test_in_a_loop_the_turns_until_then_are_shown() -> None:
    found = lossdoctor.trace(looped, T, P)
    raised = found.raised
    assert (raised.line, raised.iteration) == (line(looped, 3), (3,))
    assert [(one.text, one.shape) for one in raised.given] == [("gap", (4,)), ("i + 2", ())]
    assert raised.given[1].values == 4
    gaps = (P - T).T
    gap = of(found, "gap")
    assert [one.number for one in gap.iterations] == [(1,), (2,), (3,)]
    assert np.allclose([one.values for one in gap.iterations], gaps, rtol=1e-6)
    assert [float(one.values) for one in of(found, "part").iterations] == pytest.approx([gaps[0][2], gaps[1][3]])
    assert of(found, "start").value.mean == pytest.approx(P.mean())


def test_in_nested_loops_the_turn_of_each_is_told() -> None:
    raised = lossdoctor.trace(nested, T, P).raised
    assert raised.iteration == (2, 3) and "tf.gather" in raised.text


def test_in_a_body_that_cannot_be_traced_the_first_turn_is_shown() -> None:
    found = lossdoctor.trace(loop_that_cannot_be_traced, T, P)
    assert found.raised.type == "ValueError" and found.raised.iteration == (1,)
    assert np.allclose(of(found, "gap").values, P[0] - T[0]) and of(found, "gap").inner
    assert (found.raised.given[0].text, found.raised.given[0].shape) == ("gap[None, :]", (1, 3))


def test_in_a_branch_that_cannot_be_traced_its_lines_are_shown() -> None:
    def branching(y_true: Any, y_pred: Any) -> Any:
        def far() -> Any:
            gap = y_true - y_pred
            return gap @ tf.ones([2, 1])

        return tf.cond(tf.reduce_mean(y_pred) > 9.0, far, lambda: y_true)

    found = lossdoctor.trace(branching, T, P)
    gap = of(found, "gap")
    assert np.allclose(gap.values, T - P) and gap.marks == ("then branch",) and found.raised.iteration == ()
    assert [(one.text, one.shape) for one in found.raised.given] == [("gap", (4, 3))]
    assert tf.debugging.is_traceback_filtering_enabled()


def test_in_a_loop_that_autograph_converts_and_in_a_scan() -> None:
    @tf.function
    def converted(y_true: Any, y_pred: Any) -> Any:
        total = 0.0
        for i in tf.range(5):
            gap = y_pred[:, 0] - y_true[:, 0]
            total += tf.gather(gap, i)
        return total

    def scanned(y_true: Any, y_pred: Any) -> Any:
        return tf.scan(lambda a, e: a + tf.gather(e, [0, 1, 7]), y_pred - y_true)[-1]

    raised = lossdoctor.trace(converted, T, P).raised
    assert raised.iteration == (5,) and [(one.text, one.shape) for one in raised.given] == [("gap", (4,)), ("i", ())]
    found = lossdoctor.trace(scanned, T, P)
    assert [(one.text, one.shape) for one in found.raised.given] == [("e", (3,))]
    assert not any("tf.scan" in row.tensor.text for row in found.rows)  # it is not done


def test_what_python_raises_in_the_graph_is_told_without_its_traceback() -> None:
    def outside(y_true: Any, y_pred: Any) -> Any:
        def look(error: Any) -> Any:
            raise KeyError("nothing there")

        error = y_true - y_pred
        return tf.reduce_mean(tf.py_function(look, [error], tf.float32))

    raised = lossdoctor.trace(outside, T, P).raised
    assert raised.message == "KeyError: 'nothing there'" and [one.text for one in raised.given] == ["error"]


def test_the_variables_of_a_loss_that_raises_are_left_as_they_were() -> None:
    count = tf.Variable(0.0)

    def counting(y_true: Any, y_pred: Any) -> Any:
        count.assign_add(1.0)
        gap = (y_true - y_pred) * count
        return tf.reshape(gap, [5, -1])

    found = lossdoctor.trace(counting, T, P)
    assert np.allclose(of(found, "gap").values, T - P) and float(count) == 0.0


def test_a_gradient_that_raises_leaves_the_values() -> None:
    found = lossdoctor.trace(backwards, T, P)
    assert found.raised.backward and "its gradient raises" in found.text()
    assert np.allclose(of(found, "twice").values, 2 * P)
    assert of(found, "return").shape == (4,)


def test_the_passes_before_it_are_shown() -> None:
    found = lossdoctor.trace(in_passes, T, P)
    assert found.raised.line == line(in_passes, 3)
    assert len(found["total"]) == 3  # the zeros, and after two passes
    assert "reshape" in found.raised.text
    # The graph optimiser drops a reshape that is undone at once, and never gets to know.
    assert not found.agrees and "does not raise: there the graph optimiser does more" in " ".join(found.text().split())


HELPER = """\
def aligned(a, b):
    centred = a - 1.0
    return centred @ b
"""
LOSS = """\
from raising_helper import aligned


def loss(y_true, y_pred):
    error = y_true - y_pred
    return aligned(error, y_pred)
"""


def test_in_a_helper_of_another_module_and_as_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "raising_helper.py").write_text(HELPER)
    (tmp_path / "raising_losses.py").write_text(LOSS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "raising_helper", raising=False)
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("raising_losses", tmp_path / "raising_losses.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = lossdoctor.trace(module.loss, T, P)
    assert (found.raised.path, found.raised.line) == ("raising_helper.py", 3)
    assert [(one.text, one.shape) for one in found.raised.given] == [("centred", (4, 3)), ("b", (4, 3))]
    command = ["trace", "raising_losses.py:loss", "--y-true", "float32[B,3]", "--y-pred", "float32[B,3]"]
    assert main([*command, "--worst", "2"]) == 1
    text = capsys.readouterr().out
    assert ">   3 | return centred @ b" in text and "\nraising_helper.py" not in text and "raising_helper.py" in text
    assert text.count("without gradients") == 1 and "given centred f32[4,3], b f32[4,3]" in " ".join(text.split())
    assert "|gradient|" not in text.partition("the worst")[0] and "finite    every" not in text
    assert main([*command, "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["raised"]["path"] == "raising_helper.py" and document["raised"]["line"] == 3
    assert document["raised"]["given"][0] == {"text": "centred", "dtype": "float32", "shape": [4, 3], "values": None}
    assert [one["name"] for one in document["tensors"]] == ["y_true", "y_pred", "error", "centred"]
    assert document["tensors"][-1]["gradient"] is None
    assert main([*command, "--format", "html"]) == 1
    page = capsys.readouterr().out
    assert "given centred f32[4,3], b f32[4,3]" in page and page.count('<tr class="line blamed">') == 1


def test_a_healthy_loss_has_nothing_of_it() -> None:
    def healthy(y_true: Any, y_pred: Any) -> Any:
        return ops.mean((y_true - y_pred) ** 2, axis=-1)

    found = lossdoctor.trace(healthy, T, P)
    text = found.text()
    assert found.raised is None and "every value and every gradient" in text and "|gradient|" in text
    assert json.loads(found.to_json())["raised"] is None and "raises" not in text + found.to_html()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("loss", [static, looped, asserted])
def test_it_fits_the_width(loss: Any, width: int) -> None:
    assert max(map(len, lossdoctor.trace(loss, T, P).text(width=width).splitlines())) <= width
