"""Mends as `check` offers them: applied to a copy, examined again, and offered only if they hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from lossdoctor.engine import check, mend
from lossdoctor.findings import Finding, Fix
from lossdoctor.rewrite import Proposal
from lossdoctor.rewrite.proposal import Site
from lossdoctor.worker.remote import WorkerPool

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def _enough_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mend, "_SECONDS", 60.0)
    monkeypatch.setattr(mend, "_SECONDS_A_LOSS", 240.0)


def examined(
    folder: Path, monkeypatch: pytest.MonkeyPatch, pool: WorkerPool, code: str, y_true: str, y_pred: str
) -> tuple[Finding, ...]:
    monkeypatch.chdir(folder)
    path = Path("losses.py")
    path.write_text(code, encoding="utf-8")
    report = check([f"{path}:loss"], y_true=y_true, y_pred=y_pred, pool=pool)
    assert not report.errors
    assert path.read_text(encoding="utf-8") == code
    return report.findings


def applied(code: str, fix: Fix | None) -> str:
    assert fix is not None
    lines = code.split("\n")
    for edit in sorted(fix.edits, key=lambda e: e.start, reverse=True):
        assert edit.path == "losses.py"
        (row, column), (last, end) = edit.start, edit.end
        joint = lines[row - 1][: column - 1] + edit.text + lines[last - 1][end - 1 :]
        lines[row - 1 : last] = joint.split("\n")
    return "\n".join(lines)


def test_two_logarithms_of_one_line_are_mended_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: WorkerPool
) -> None:
    code = """\
import tensorflow as tf


def loss(y_true, y_pred):
    return -tf.reduce_mean(y_true * tf.math.log(y_pred) + (1 - y_true) * tf.math.log(1 - y_pred), axis=-1)
"""
    first, *others = examined(tmp_path, monkeypatch, pool, code, "float32[B,3] binary", "float32[B,3] unit")
    assert not others
    assert first.fix is not None
    assert first.fix.verified
    assert first.fix.changes_values
    text = applied(code, first.fix)
    assert "y_true * tf.math.log(tf.maximum(y_pred, 1e-7)) + " in text
    assert "(1 - y_true) * tf.math.log(tf.maximum(1 - y_pred, 1e-7))" in text


def test_a_fault_in_a_neighbouring_module_is_mended_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: WorkerPool
) -> None:
    helper = (
        "import tensorflow as tf\n\nfrom settings import AXIS\n\n\ndef length(x):\n    return tf.norm(x, axis=AXIS)\n"
    )
    (tmp_path / "settings.py").write_text("AXIS = -1\n", encoding="utf-8")
    (tmp_path / "geometry.py").write_text(helper, encoding="utf-8")
    code = "from geometry import length\n\n\ndef loss(y_true, y_pred):\n    return length(y_true - y_pred)\n"
    (finding,) = examined(tmp_path, monkeypatch, pool, code, "float32[B,3] real", "float32[B,3] real")
    assert finding.location.path == "geometry.py"
    assert finding.fix is not None
    (edit,) = finding.fix.edits
    assert edit.path == "geometry.py"
    assert (edit.start, edit.end) == ((7, 12), (7, 33))
    assert edit.text == "tf.sqrt(tf.reduce_sum(tf.square(x), axis=AXIS) + 1e-12)"
    assert (tmp_path / "geometry.py").read_text(encoding="utf-8") == helper


def test_one_mend_for_two_findings_of_one_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: WorkerPool
) -> None:
    code = """\
import tensorflow as tf


def loss(y_true, y_pred):
    weights = tf.exp(y_pred)
    share = weights / tf.reduce_sum(weights, axis=-1, keepdims=True)
    return -tf.reduce_sum(y_true * tf.math.log(share + 1e-7), axis=-1)
"""
    findings = examined(tmp_path, monkeypatch, pool, code, "float32[B,3] onehot", "float32[B,3] logit")
    assert {finding.rule for finding in findings} == {"LD302", "LD303"}
    for finding in findings:
        text = applied(code, finding.fix)
        assert "\n    share = tf.nn.softmax(y_pred)\n    return" in text
        assert "weights" not in text


@pytest.mark.parametrize(
    ("expression", "y_true", "y_pred"),
    [
        # A ridge on a matrix that may be indefinite only moves the place where it is singular.
        ("tf.linalg.det(tf.linalg.inv(y_pred))[:, None] + y_true", "float32[B,3] real", "float32[B,2,2] real"),
        # exp of a bounded exponent is still squared to infinity, whatever the bound that leaves ordinary values alone.
        ("tf.pow(tf.exp(tf.square(y_pred)), 40.0)", "float32[B,3] real", "float32[B,3] real"),
    ],
)
def test_nothing_is_offered_that_does_not_hold(
    expression: str, y_true: str, y_pred: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: WorkerPool
) -> None:
    code = f"import tensorflow as tf\n\n\ndef loss(y_true, y_pred):\n    return tf.reduce_mean({expression}, axis=-1)\n"
    findings = examined(tmp_path, monkeypatch, pool, code, y_true, y_pred)
    assert any(finding.rule.startswith("LD3") for finding in findings)
    assert all(finding.fix is None or not finding.fix.edits for finding in findings)


def test_mends_that_there_was_no_time_for_are_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: WorkerPool
) -> None:
    code = """\
import tensorflow as tf


def loss(y_true, y_pred):
    return -tf.reduce_mean(tf.math.log(y_pred), axis=-1)
"""
    monkeypatch.chdir(tmp_path)
    Path("losses.py").write_text(code, encoding="utf-8")
    given = {"y_true": "float32[B,3] binary", "y_pred": "float32[B,3] unit", "pool": pool}
    (loss,) = check(["losses.py:loss"], **given).losses
    assert loss.findings[0].fix is not None
    assert not [gap for gap in loss.gaps if gap.limits == "mends"]
    for name in ("_SECONDS_A_LOSS", "_EXAMINATIONS_A_LOSS"):
        monkeypatch.setattr(mend, name, 0.0)
    (loss,) = check(["losses.py:loss"], **given).losses
    assert loss.findings[0].fix is None
    assert [(gap.path, gap.line) for gap in loss.gaps if gap.limits == "mends"] == [("losses.py", 5)]


def test_a_guard_that_leaves_the_fault_is_not_put_around_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: WorkerPool
) -> None:
    asked: list[str] = []

    def around(site: Site) -> Iterator[Proposal]:
        assert isinstance(site.expr, ast.Call)
        asked.append(site.source.of(site.expr))
        inner = site.expr.args[0]
        yield Proposal("abs", (site.source.replace(inner, f"tf.abs({site.source.of(inner)})"),))

    monkeypatch.setattr(mend, "propose", around)
    body = "return -tf.reduce_mean(tf.math.log(y_pred), axis=-1)"
    code = f"import tensorflow as tf\n\n\ndef loss(y_true, y_pred):\n    {body}\n"
    examined(tmp_path, monkeypatch, pool, code, "float32[B,3] binary", "float32[B,3] unit")
    assert asked == ["tf.math.log(y_pred)"]


@pytest.mark.parametrize(
    ("text", "changes"), [("tf.abs(y_pred)", False), ("tf.abs(y_pred)", True), ("nothing(", False)]
)
def test_a_mend_that_computes_something_else_is_not_offered(
    text: str, changes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: WorkerPool
) -> None:
    def wrong(site: Site) -> Iterator[Proposal]:
        assert site.expr is not None
        yield Proposal(text, (site.source.replace(site.expr, text),), changes_values=changes)

    monkeypatch.setattr(mend, "propose", wrong)
    body = "return -tf.reduce_mean(tf.math.log(y_pred), axis=-1)"
    code = f"import tensorflow as tf\n\n\ndef loss(y_true, y_pred):\n    {body}\n"
    findings = examined(tmp_path, monkeypatch, pool, code, "float32[B,3] binary", "float32[B,3] unit")
    assert findings
    assert all(finding.fix is None for finding in findings)


def test_what_an_efficient_form_gains_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: WorkerPool
) -> None:
    code = """\
import tensorflow as tf


def largest(pair):
    return tf.reduce_max(tf.abs(pair[0] - pair[1]))


def loss(y_true, y_pred):
    return tf.map_fn(largest, (y_true, y_pred), fn_output_signature=tf.float32)
"""
    spec = "float32[B,6] real"
    (finding,) = examined(tmp_path, monkeypatch, pool, code, spec, spec)
    assert finding.family == "efficiency" and finding.fix is not None
    ratio, _, rest = finding.fix.measured.partition(" ")
    assert float(ratio) > 2.0 and rest == "times as fast with 256 samples"  # the loop makes 256 steps, the mend one
    assert finding.fix.title.endswith(f"({finding.fix.measured})")


def test_a_numerical_mend_is_not_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: WorkerPool) -> None:
    code = "import tensorflow as tf\n\n\ndef loss(y_true, y_pred):\n    return tf.math.log(tf.exp(y_pred[:, 0]))\n"
    found = examined(tmp_path, monkeypatch, pool, code, "float32[B,2] real", "float32[B,2] real")
    fixes = [f.fix for f in found if f.fix is not None]
    assert fixes and not any(fix.measured for fix in fixes)
