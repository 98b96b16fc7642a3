"""A loss at one batch, line by line."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import lossdoctor
from lossdoctor.cli.main import main
from lossdoctor.engine.printing import emitted
from lossdoctor.findings import UsageError
from lossdoctor.readings.lines import Summary, Tensor
from lossdoctor.readings.trace import Row
from lossdoctor.report.parts.headings import shortened
from lossdoctor.results import Trace

HELPER = """\
import tensorflow as tf


def surprise(p):
    return tf.math.log(p)
"""
LOSS = """\
import tensorflow as tf

from tracing_helper import surprise


def loss(y_true, y_pred):
    logp = surprise(y_pred)
    scaled = logp * tf.constant([1.0, 2.0, 3.0])
    if tf.executing_eagerly():
        return -scaled
    total = tf.cond(tf.reduce_any(y_pred > 0.5), lambda: y_true * scaled, lambda: y_true)
    total += 0.0 * tf.cast(y_pred > 2.0, tf.float32)
    return -tf.reduce_sum(
        total, axis=-1
    )
"""
T = np.eye(3, dtype="float32")
P = np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0], [0.2, 0.2, 0.6]], "float32")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "tracing_helper.py").write_text(HELPER)
    (tmp_path / "tracing_losses.py").write_text(LOSS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "tracing_helper", raising=False)  # that of another test
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("tracing_losses", tmp_path / "tracing_losses.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.real
def test_values_gradients_and_the_first_nonfinite_line(module: ModuleType) -> None:
    found = lossdoctor.trace(module.loss, T, P, worst=2)
    (logp,) = found["logp"]
    assert np.array_equal(logp.values, np.log(P, where=P > 0, out=np.full_like(P, -np.inf)))
    assert (logp.value.inf, logp.value.first_bad, logp.calls[-1].line) == (2, (1, 1), 5)
    assert np.allclose(found["scaled"][0].slopes, -T)
    assert found.blamed is not None and (found.blamed.path, found.blamed.line) == ("tracing_helper.py", 5)
    assert not found.backward and found.agrees
    assert [one.index for one in found.worst] == [1, 2] and found.worst[0].nonfinite > 0
    marks = [mark for row in found.rows for mark in row.tensor.marks]
    assert "branch: then" in marks and "broadcast (3, 3) with (3,)" in marks and "cast from bool" in marks
    assert found[13][-1].shape == (3,)
    with pytest.raises(KeyError, match="There are: y_true, y_pred"):
        found["nothing"]
    text = found.text()
    assert ">   5 | return tf.math.log(p)" in text and "tracing_helper.py" in text
    assert max(map(len, text.splitlines())) <= 80
    assert max(map(len, found.text(width=120).splitlines())) <= 120
    assert "(called on line 7)" in text
    page = found.to_html()
    assert page.count('<tr class="line blamed">') == 1 and "tf.math.log(p)" in page and "called on line 7" in page
    assert "if tf.executing_eagerly()" not in page and "http" not in page  # lines with tensors only; nothing is loaded
    document = json.loads(found.to_json())
    assert document["blame"]["line"] == 5 and document["worst"][0]["loss"] == "nan"


@pytest.mark.real
def test_a_backward_pass_is_blamed_where_all_values_are_finite() -> None:
    import tensorflow as tf

    def distance(y_true, y_pred):
        squares = tf.reduce_sum(tf.square(y_true - y_pred), axis=-1)
        return tf.sqrt(squares)

    found = lossdoctor.trace(distance, np.ones((2, 3), "float32"), np.ones((2, 3), "float32"))
    assert found.backward and found.blamed is not None and "tf.sqrt" in found.blamed.tensor.text
    healthy = lossdoctor.trace(distance, np.ones((2, 3), "float32"), np.zeros((2, 3), "float32"))
    assert healthy.blamed is None and "every value and every gradient" in healthy.text()


@pytest.mark.real
def test_bodies_of_loops_and_branches_are_followed() -> None:
    import tensorflow as tf

    def rows(y_true, y_pred):
        def body(i, total):
            gap = tf.abs(y_true[:, i] - y_pred[:, i])
            half = tf.cond(i > 0, lambda: gap * 0.5, lambda: gap * 2.0)
            return i + 1, total + tf.math.log(half)

        total = tf.while_loop(lambda i, total: i < 3, body, [0, tf.zeros([tf.shape(y_pred)[0]])])[1]
        return tf.cond(tf.shape(y_pred)[0] > 3, lambda: total, lambda: total * 3.0)

    gaps = np.array([[1, 2, 4], [1, 0, 4]], "float32")
    found = lossdoctor.trace(rows, gaps, np.zeros((2, 3), "float32"))
    (gap,) = found["gap"]
    assert gap.inner and (gap.value.size, gap.value.low, gap.value.mean, gap.value.zeros) == (6, 0.0, 2.0, 1)
    inner = {row.tensor.text: row.tensor for row in found.rows if row.tensor.inner}
    assert (inner["gap * 0.5"].value.size, inner["gap * 2.0"].value.size) == (4, 2)
    assert "then branch" in inner["gap * 0.5"].marks
    assert inner["total * 3.0"].marks == () and "branch: else" in found["return"][-1].marks  # said once
    assert found.blamed is not None and found.blamed.tensor.text == "tf.math.log(half)"
    assert "first not finite in iteration 2" in found.blamed.tensor.marks


def row(text: str, low: float, shape: tuple[int, ...] = (4, 12, 12, 3)) -> Row:
    summary = Summary(1728, low, 0.5, 0.9, 1.0, 0, 0, 0)
    return Row(Tensor(1, "add", (), text, (), shape, "float32", summary, summary), "", "", 0)


@pytest.mark.parametrize("width", [80, 120])
def test_shapes_are_whole_and_numbers_do_not_touch(width: int) -> None:
    about = {"target": "l.py:a<b", "name": "a", "path": "l.py", "line": 1, "y_true": "t", "y_pred": "p"}
    rows = row("first < second", -0.0001234567), row("other", -0.0)
    found = Trace(
        **about, origin="given", assumptions=(), source="arrays", batch=4, rows=rows, result=1, agrees=True,
        calling="raw", blamed=None, backward=False, chain=(),
    )  # fmt: skip
    first, other = found.text(width=width).splitlines()[-2:]
    assert " f32[4,12,12,3] " in first and " -0.000123 " in first and " 0 " in other and " -0 " not in other
    page = found.to_html()
    assert "first &lt; second" in page and "l.py:a&lt;b" in page and "f32[4,12,12,3]" in page


@pytest.mark.parametrize(
    ("text", "parts", "room", "shown"),
    [
        ("f(a, 1) + g(b)", {"f(a, 1)", "g(b)"}, 14, "f(a, 1) + g(b)"),
        ("f(a, 1) + g(b)", {"f(a, 1)", "g(b)"}, 13, "f(a, 1) + …"),
        ("f(a, 1) + g(b)", {"f(a, 1)", "g(b)"}, 10, "… + g(b)"),
        ("f(a, 1) + g(b)", {"f(a, 1)", "g(b)"}, 5, "… + …"),
        ("-log(clip(p, eps))", {"log(clip(p, eps))", "clip(p, eps)"}, 12, "-log(…)"),
        ("(a + b + c) / (d + e)", {"a + b + c", "a + b", "d + e"}, 16, "(…) / (d + e)"),
        ("x[..., 0] * (a + b + c)", {"a + b + c"}, 16, "x[..., 0] * (…)"),
        ("long_name - b * c", {"long_name - b"}, 5, "long_name - b * c"),  # in it as text, no part of it
        ("größe(x) * y", {"größe(x)"}, 8, "… * y"),
        ("if x > 0.0:", {"x > 0.0"}, 4, "if x > 0.0:"),
    ],
)
def test_an_expression_is_shortened_at_its_parts(text: str, parts: set[str], room: int, shown: str) -> None:
    assert shortened(text, parts, room) == shown


@pytest.mark.real
def test_a_sample_has_its_own_shape_a_clip_two_bounds_and_a_helper_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clipping.py").write_text(
        "import tensorflow as tf\n\n\ndef log_of(p):\n    clipped = tf.clip_by_value(p, 0.0, 1.0)\n"
        "    return tf.math.log(clipped)\n\n\ndef loss(y_true, y_pred):\n    surprise = -log_of(y_pred)\n"
        "    return tf.reduce_sum(y_true * surprise, -1)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = lossdoctor.trace(importlib.import_module("clipping").loss, T, P, sample=1, worst=2)
    text = " ".join(found.text().split())
    assert "y_true float32[B,3] onehot" in text and "from the values given" not in text  # said once
    page = found.to_html()
    assert 'first non-finite value<span class="values">= 0, -inf, -inf</span></td>' in page
    assert '<tr class="bad"><td>1</td><td>nan</td>' in page  # of the worst
    assert [row.shown for row in found.chain] == ["log_of(…)", "surprise", "y_true * surprise", "return"]
    assert "33% of the batch at a bound of tf.clip_by_value" in text  # its one 1 and two 0
    assert " f32[3] " in text and " f32[] " in text and "f32[3,3]" not in text
    (clipped,) = found["clipped"]
    assert repr(clipped).endswith("clipping.py:5: float32[3,3], 0 to 1, |gradient| 1 nan and 1 inf of 9>")


@pytest.mark.real
def test_a_statement_is_one_heading_and_two_calls_of_a_helper_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("two_calls.py").write_text(
        "import tensorflow as tf\n\n\ndef scaled(x):\n    root = tf.sqrt(x)\n    return 2.0 * root\n\n\n"
        "def loss(y_true, y_pred):\n    gap = (\n        tf.square(y_true)\n        - tf.square(y_pred)\n"
        "        + (scaled(y_true) - scaled(y_pred))\n    )\n    silent = 0.0 * tf.exp(-tf.abs(gap))\n"
        "    return tf.reduce_sum(tf.square(gap) + silent, -1)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = lossdoctor.trace(importlib.import_module("two_calls").loss, T + 1.0, P + 1.0)
    text = found.text()
    heads = [line for line in text.splitlines() if " | " in line and line[:6].strip("> ").isdigit()]
    assert [line[:6].strip() for line in heads] == ["10", "5", "6", "5", "6", "10", "15", "16"]
    assert "(line 13: scaled(y_true))" in heads[1] and "(line 13: scaled(y_pred))" in heads[3]
    # Of the three tensors before it the gradient is zero because it is zero there.
    assert text.count("gradient exactly zero") == 1
    assert "(line 13: scaled" not in found.to_html() and "line 13: scaled(y_pred)" in found.to_html()


@pytest.mark.real
def test_the_command(module: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("batch.npz", y_true=T, y_pred=P)
    command = ["trace", "tracing_losses.py:loss", "--data", "batch.npz", "--sample", "0", "--emit", "copy.py"]
    assert main(command) == 1  # sample 0 is fine, the batch is not
    text = capsys.readouterr().out
    assert "= -0.6931, -1.386, -1.386" in text
    copy = Path("copy.py").read_text()
    assert "_trace_tf.print('tracing_losses.py:7 logp'" in copy and "return _returned" in copy
    assert main([*command[:3], "batch.npz", "--sample", "3"]) == 2
    capsys.readouterr()
    Path("fixed.py").write_text(
        "import tensorflow as tf\n\n\ndef fixed(y_true, y_pred):\n    return tf.reshape(y_true - y_pred, [32, 3])\n"
    )
    np.savez("seven.npz", y_true=np.ones((7, 3), "float32"), y_pred=np.ones((7, 3), "float32"))
    assert main(["trace", "fixed.py:fixed", "--data", "seven.npz"]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "fixed.py:5: `tf.reshape(y_true - y_pred, [32, 3])` raises InvalidArgumentError" in text


def test_a_printing_copy_is_python_and_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "losses.py"
    path.write_text(LOSS)
    copy = emitted(path, set(range(1, 20)))
    compile(copy, "copy.py", "exec")
    kept = [line for line in copy.splitlines() if "_trace_tf" not in line]
    assert kept[0] == "import tensorflow as tf" and "    logp = surprise(y_pred)" in kept
    assert copy.count("return _returned") == 2 and "        return _returned" in copy
    path.write_text("def f(:\n")
    with pytest.raises(UsageError, match="could not be read as Python"):
        emitted(path, {1})


@pytest.mark.real
def test_a_python_loop_is_shown_pass_by_pass() -> None:
    import tensorflow as tf

    def scales(y_true, y_pred):
        total = 0.0
        for power in range(3):
            gap = tf.abs(y_true - y_pred) - power
            total += tf.reduce_mean(tf.sqrt(gap))
        return total + sum(tf.reduce_max(y_pred * k) for k in (1.0, 2.0))

    found = lossdoctor.trace(scales, np.full((2, 2), 1.5, "float32"), np.zeros((2, 2), "float32"))
    assert [(one.turn, one.value.mean) for one in found["gap"]] == [((1, 3), 1.5), ((2, 3), 0.5), ((3, 3), -0.5)]
    assert [one.turn for one in found["y_pred * k"]] == [(1, 2), (2, 2)]
    assert [one.shape for one in found["total"]] == [(), (), ()]  # what is added to it has no name
    assert found.blamed is not None and found.blamed.tensor.turn == (3, 3)
    text = found.text()
    assert text.count("(pass 2 of 3)") == 2 and text.count("\n>") == 1 and "  nan" not in text
    assert json.loads(found.to_json())["tensors"][-1]["passes"] == 1


@pytest.mark.real
def test_what_is_returned_is_one_row() -> None:
    import keras

    found = lossdoctor.trace(keras.losses.CategoricalCrossentropy(), T, np.full((3, 3), 0.5, "float32"))
    assert [one.value.low for one in found["return"]] == [pytest.approx(np.log(3.0), rel=1e-6)]
