"""`explain` end to end: the formula of a loss, evaluated, is the loss; what is said of it is true."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossdoctor.cli.main import main
from lossdoctor.config import load_config
from lossdoctor.engine import explain
from lossdoctor.findings import ErrorItem, UsageError
from lossdoctor.report import View
from lossdoctor.report.parts.explanation import document, render
from lossdoctor.report.parts.plot import draw
from lossdoctor.symbols.reading import Explanation
from lossdoctor.worker.remote import WorkerPool

LOSSES = """\
import tensorflow as tf


def focal(y_true, y_pred, gamma=2.0):
    p = tf.clip_by_value(y_pred, 1e-7, 1.0 - 1e-7)
    p_t = tf.where(tf.equal(y_true, 1.0), p, 1.0 - p)
    return tf.reduce_mean(-tf.pow(1.0 - p_t, gamma) * tf.math.log(p_t), axis=-1)


def entropy(y_true, y_pred):
    return -tf.reduce_mean(y_true * tf.math.log(y_pred) + (1.0 - y_true) * tf.math.log(1.0 - y_pred), axis=-1)


def total(target, output):
    err = output - target
    data = tf.reduce_mean(tf.square(err), axis=-1)
    smooth = tf.reduce_mean(tf.abs(err), axis=-1)
    return data + 0.1 * smooth


def capped(y_true, y_pred):
    return tf.reduce_mean(tf.minimum(tf.square(y_true - y_pred), 4.0), axis=-1)


def weighted(y_true, y_pred):
    return -tf.reduce_sum(tf.constant([1.0, 2.0, 0.5]) * y_true * tf.nn.log_softmax(y_pred), axis=-1)


def dice(y_true, y_pred):
    t = tf.reshape(y_true, [tf.shape(y_true)[0], -1])
    p = tf.reshape(y_pred, [tf.shape(y_pred)[0], -1])
    both = tf.reduce_sum(t * p, axis=1)
    return 1.0 - (2.0 * both + 1.0) / (tf.reduce_sum(t, axis=1) + tf.reduce_sum(p, axis=1) + 1.0)


def ranks(y_true, y_pred):
    return tf.reduce_mean(tf.cumsum(tf.square(y_true - y_pred), axis=-1), axis=-1)


def spoken(y_true, y_pred):
    batch = tf.shape(y_pred)[0]
    lengths, rows = tf.fill([batch], 2), tf.repeat(tf.shape(y_pred)[1], batch)
    path = tf.nn.ctc_loss(y_true, y_pred, lengths, rows, logits_time_major=False, blank_index=-1)
    return 0.5 * path + 0.01 * tf.reduce_mean(tf.square(y_pred), axis=(1, 2))


def ahead(y_true, y_pred):
    batch = tf.shape(y_pred)[0]
    lengths, rows = tf.fill([batch], 2), tf.fill([batch], 6)
    return tf.nn.ctc_loss(y_true, tf.transpose(y_pred, [1, 0, 2]), lengths, rows, blank_index=2)
"""
REAL = "float32[B,1] real", "float32[B,1] real"
UNIT = "float32[B,1] binary", "float32[B,1] unit"
pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "losses.py"
    path.write_text(LOSSES, encoding="utf-8")
    return path


def explained(target: str, specs: tuple[str, str], pool: WorkerPool) -> Explanation:
    name = target if ":" in target else f"losses.py:{target}"
    found = explain(name, config=load_config(), y_true=specs[0], y_pred=specs[1], pool=pool)
    assert not isinstance(found, ErrorItem), found
    return found


def held(found: Explanation) -> dict[str, bool | None]:
    return {one.name: one.holds for one in found.properties}


@pytest.mark.parametrize(
    ("target", "specs", "text"),
    [
        ("keras.losses:Huber", REAL,
         "mean(where(abs_error ≤ delta, 0.5 · error², abs_error − 0.5), last axis)"),
        ("keras.losses:BinaryCrossentropy(from_logits=True)", ("float32[B,2] binary", "float32[B,2] logit"),
         "mean(softplus(y_pred) − y_pred · y_true, last axis)"),
        ("keras.losses:SparseCategoricalCrossentropy(from_logits=True)", ("int32[B] label(4)", "float32[B,4] logit"),
         "logsumexp(y_pred, last axis) − sum(one_hot(y_true, 4) · y_pred, last axis)"),
        ("keras.losses:Hinge", ("float32[B,2] sign", "float32[B,2] real"),
         "mean(maximum(1 − y_true · y_pred, 0), last axis)"),
        ("keras.losses:Circle", ("int32[B] label(3)", "float32[B,4] real"), "log(1 + "),
        ("keras.losses:CTC", ("int32[B,3] label(5)", "float32[B,7,5] probability"),
         "ctc(y_true, y_pred, sum(y_true ≠ 0, last axis), input_length, 0)"),
        ("spoken", ("int32[B,2] label(3)", "float32[B,5,4] probability"), "0.5 · ctc(y_true, y_pred, 2, 5, 3) + 0.01"),
        ("ahead", ("int32[B,2] label(4)", "float32[B,6,4] probability"), "ctc(y_true, y_pred, 2, 6, 2)"),
        ("weighted", ("float32[B,3] onehot", "float32[B,3] logit"),
         "−sum([1, 2, 0.5] · y_true · log_softmax(y_pred), last axis)"),
        ("dice", ("float32[B,2,2,1] binary", "float32[B,2,2,1] unit"), "1 − (2 · both + 1)"),
    ],
)  # fmt: skip
def test_the_formula_evaluated_is_the_loss(target: str, specs: tuple[str, str], text: str, pool: WorkerPool) -> None:
    found = explained(target, specs, pool)
    assert found.agrees is True and found.checked >= 8
    assert found.statement.text.startswith(text)
    assert found.statement.formula is not None and not found.statement.outside


def test_a_sum_over_alignments_that_the_code_does_not_compute_is_not_called_equal(pool: WorkerPool) -> None:
    found = explained("spoken", ("int32[B,2] label(3)", "float32[B,5,4] logit"), pool)
    assert found.agrees is False  # TensorFlow's recursion departs above 700, and scores go up to 1e4
    assert "ctc(labels, scores, lengths, rows, blank)" in [one.name for one in found.statement.definitions]


def test_names_of_the_code_and_what_they_mean(pool: WorkerPool) -> None:
    found = explained("focal", UNIT, pool)
    assert found.statement.text == "−mean((1 − p_t)^gamma · log(p_t), last axis)"
    meanings = {one.name: one.text for one in found.statement.definitions}
    assert meanings == {"p": "clip(y_pred, 1e-7, 0.9999999)", "p_t": "where(y_true = 1, p, 1 − p)", "gamma": "2"}
    assert found.statement.latex.startswith(r"-\left(1 - p_{\mathrm{t}}\right)^{\gamma}")
    assert held(found)["proper"] is False  # the focal loss is not


def test_a_proper_loss_and_where_it_is_not_finite(pool: WorkerPool) -> None:
    found = explained("entropy", UNIT, pool)
    assert held(found)["proper"] is True and held(found)["non-negative"] is True
    assert held(found)["bounded gradient"] is False and held(found)["convex in y_pred"] is True
    assert [curve.title for curve in found.curves] == ["y_true = 0", "y_true = 1"]
    assert all(curve.nonfinite for curve in found.curves)
    assert found.surface is not None
    best = found.surface.x[np.nanargmin(found.surface.value[1:-1], axis=1)]
    np.testing.assert_allclose(best, found.surface.y[1:-1], atol=0.006)


def test_terms_with_weights_and_the_users_parameters(pool: WorkerPool) -> None:
    found = explained("total", REAL, pool)
    told = {(term.statement.text, term.weight) for term in found.terms}
    assert told == {("(output − target)²", 1.0), ("|output − target|", 0.1)}
    assert found.curves[0].label == "error output − target"
    first = found.examples[0]
    np.testing.assert_allclose(first.value, 0.25 + 0.05)  # at an error of -0.5
    np.testing.assert_allclose(np.asarray(first.gradient), [[-1.1]], rtol=1e-6)
    np.testing.assert_allclose(np.asarray(first.expected), [[-1.1]], rtol=1e-12)
    assert first.source == "formula"
    assert held(found)["symmetric"] is True and held(found)["zero at the target"] is True


def test_a_dead_region_is_found_and_drawn(pool: WorkerPool, tmp_path: Path) -> None:
    found = explained("capped", REAL, pool)
    (curve,) = found.curves
    np.testing.assert_allclose(curve.dead, [(-5.0, -2.0), (2.0, 5.0)], atol=0.051)  # points are 0.05 apart
    assert held(found)["convex in y_pred"] is False and held(found)["bounded gradient"] is True
    for name in ("curve.png", "curve.svg"):
        draw(found, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 5_000
    svg = (tmp_path / "curve.svg").read_bytes()
    draw(found, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == svg
    with pytest.raises(UsageError, match="`plot`"):
        draw(replace(found, curves=()), tmp_path / "nothing.png")
    text = render(found, View(width=80))
    assert "dead: -5 to" in text and all(len(line) <= 80 for line in text.splitlines())
    assert render(found, View(width=80, encoding="ascii")).isascii()


def test_what_the_grammar_lacks_is_said_and_differences_stand_in(pool: WorkerPool) -> None:
    found = explained("ranks", ("float32[B,3] real", "float32[B,3] real"), pool)
    assert found.agrees is None and found.statement.formula is None
    assert found.statement.outside == ("cumulative_sum",)
    assert any("cumulative_sum" in gap for gap in found.gaps)
    example = found.examples[0]
    assert example.source == "differences"
    np.testing.assert_allclose(np.asarray(example.gradient), np.asarray(example.expected), rtol=1e-5, atol=1e-6)


def test_the_document_is_json(pool: WorkerPool) -> None:
    found = explained("entropy", UNIT, pool)
    told = json.loads(json.dumps(document(found, {}), allow_nan=False))
    assert told["formula"]["grammar"] == found.statement.formula and told["agrees"] is True
    assert "inf" in told["curves"][0]["value"]


def test_mistakes_are_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    specs = ["--y-true", REAL[0], "--y-pred", REAL[1]]
    assert main(["explain", "losses.py:capped", *specs, "--plot", "curve.gif"]) == 2
    assert "Invalid value for `plot`. Expected a file that ends in .png" in capsys.readouterr().err
    assert main(["explain", "losses.py:capped", *specs, "--plot", "nowhere/curve.png"]) == 2
    assert "Invalid value for `plot`. Expected a file that can be written" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["explain", "losses.py:capped", *specs, "--plot", "curve.png"]) == 2
    assert 'pip install "lossdoctor[plots]"' in capsys.readouterr().err
    assert main(["explain", "losses.py:nothing", *specs]) == 2
    assert main(["explain", "losses.py", *specs]) == 2


def test_live_losses() -> None:
    import lossdoctor

    def halved(y_true: Any, y_pred: Any) -> Any:
        return 0.5 * (y_true - y_pred) ** 2

    found = lossdoctor.explain(halved, *REAL)
    assert found.formula == "0.5 · (y_true − y_pred)²" and found.agrees
    assert "computes  0.5 · (y_true − y_pred)²" in str(found)
    assert json.loads(found.to_json())["formula"]["grammar"] == "0.5*(y_true - y_pred)**2"
    with pytest.raises(UsageError):
        lossdoctor.explain(3)


def test_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["explain", "losses.py:capped", "--y-true", REAL[0], "--y-pred", REAL[1]]
    assert main([*arguments, "--plot", "curve.png"]) == 0
    text = capsys.readouterr().out
    assert "computes  mean(minimum((y_true − y_pred)², 4), last axis)" in text
    assert (tmp_path / "curve.png").exists()
