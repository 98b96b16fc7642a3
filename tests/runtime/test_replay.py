"""Captures: written whole, read without pickles, and replayed to the sample and the line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossdoctor as ld
from lossdoctor.cli.main import main
from lossdoctor.findings import UsageError
from lossdoctor.runtime.capture import About, Capture, load, save

LOSS = """\
import tensorflow as tf


def log_ratio(y_true, y_pred):
    ratio = y_true / {divisor}
    return tf.reduce_mean(tf.abs(tf.math.log1p(ratio)), axis=-1)
"""


def about(**more: Any) -> About:
    values: dict[str, Any] = {
        "target": "", "name": "log_ratio", "step": 317, "epoch": 2, "replica": 1, "replicas": 2, "reason": "non-finite",
        "loss": float("nan"), "gradient_norm": float("nan"), "scale": 1.0, "executions": ("graph",), "dtype": "float32",
        "squeezes": True, "rows": 3,
    }  # fmt: skip
    return About(**{**values, **more})


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A capture of a loss in a file: the third sample has a prediction of 0."""
    source = tmp_path / "losses.py"
    source.write_text(LOSS.format(divisor="y_pred"))
    y_pred = np.array([[1.0, 0.5], [0.25, 0.5], [0.75, 0.0]], "float32")
    told = about(target=f"{source}:log_ratio", sources={str(source): source.read_text()})
    return save(Capture(told, np.ones((3, 2), "int64"), y_pred), tmp_path / "capture.npz")


def test_a_capture_reads_back(tmp_path: Path) -> None:
    structured = Capture(
        about(sources={"a.py": "x = 1\n"}, indices=(4, 2, 9)),
        {"boxes": np.zeros((3, 4)), "more": (np.ones(3), np.arange(3))},
        np.ones((3, 1), "float16"),
        np.array([1.0, np.nan, 0.0]),
    )
    found = load(save(structured, tmp_path / "deep" / "c.npz"))
    same = {"loss": 0.0, "gradient_norm": 0.0}  # of which NaN equals nothing
    assert replace(found.about, **same) == replace(structured.about, **same)
    assert np.isnan(found.about.loss) and found.x is None
    np.testing.assert_array_equal(found.y_true["more"][1], np.arange(3))
    assert found.y_pred.dtype == np.float16 and np.isnan(found.sample_weight[1])
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["c.npz"]


@pytest.mark.parametrize("content", [None, b"text", "pickle"])
def test_what_is_no_capture_is_told(content: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.npz"
    if content == "pickle":
        np.savez(file, about=np.array([object()], dtype=object))
    elif content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match="Expected a capture"):
        load(file)
    assert main(["replay", str(file)]) == 2
    assert "Invalid value for `file`" in capsys.readouterr().err


@pytest.mark.real
def test_replaying_names_sample_and_line_until_the_loss_is_mended(
    capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(capture), "--format", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["status"], told["samples"], told["smallest"], told["step"]) == ("stands", [2], 1, 317)
    (finding,) = told["findings"]
    assert finding["path"].endswith("losses.py") and finding["line"] == 5
    assert finding["family"] == "nonfinite-value" and finding["witness"]["value"] in (["inf"], ["nan"])
    source = capture.parent / "losses.py"
    source.write_text(LOSS.format(divisor="tf.maximum(y_pred, 1e-3)"))
    assert main(["replay", str(capture)]) == 0
    assert "mended" in capsys.readouterr().out
    ld.testing.assert_replays_clean(capture)


@pytest.mark.real
def test_faults_beside_the_loss_are_told_apart(tmp_path: Path) -> None:
    def mean_square(y_true: Any, y_pred: Any) -> Any:
        return (y_true - y_pred) ** 2

    ones = np.ones((3, 1), "float32")
    broken = ones * np.array([[1.0], [np.nan], [1.0]], "float32")
    cases = {
        "the model": (Capture(about(), ones, broken), "elsewhere", "y_pred itself"),
        "sample_weight": (Capture(about(), ones, ones, broken[:, 0]), "elsewhere", "sample_weight is not finite"),
        "the gradient that arrives": (Capture(about(scale=np.inf), ones, ones), "elsewhere", "to blame"),
        "y_true": (Capture(about(), broken, ones), "stands", "y_true is not finite in sample 1"),
        "places in the data": (
            Capture(about(replicas=1, indices=(70, 80, 90)), broken, ones),
            "stands",
            "y_true is not finite in sample 1 (80 of the data set)",
        ),
        "places of all replicas": (Capture(about(indices=(70,) * 6), broken, ones), "stands", "in sample 1"),
        "a place that is not known": (Capture(about(indices=(70, -1, 90)), broken, ones), "stands", "in sample 1"),
        "an alert": (Capture(about(reason="spike"), ones, ones), "finite", "for spike"),
        "broken beside an alert": (Capture(about(reason="spike"), broken, ones), "stands", "y_true is not finite"),
        "same source": (Capture(about(), ones, ones), "not-reproduced", "same source"),
    }
    for name, (captured, status, words) in cases.items():
        file = save(captured, tmp_path / "c.npz")
        found = ld.replay(file, mean_square, mends=False)
        assert ("of the data set" in found.statement) == (name == "places in the data"), name
        assert (found.status, words in found.statement) == (status, True), name
    ld.testing.assert_replays_clean(save(cases["an alert"][0], tmp_path / "c.npz"), mean_square)
    with pytest.raises(AssertionError, match="does not replay clean"):
        ld.testing.assert_replays_clean(save(cases["y_true"][0], tmp_path / "c.npz"), mean_square)
