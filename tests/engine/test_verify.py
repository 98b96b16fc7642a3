"""`verify` and `compare` end to end: what a loss is meant to compute, and which standard loss it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lossdoctor.cli.main import main
from lossdoctor.config import load_config
from lossdoctor.engine import check, compare
from lossdoctor.findings import ErrorItem, Report, UsageError
from lossdoctor.report.parts.overlay import draw
from lossdoctor.standards.reading import Comparison
from lossdoctor.worker.remote import WorkerPool

LOSSES = '''\
import lossdoctor
import numpy as np
import tensorflow as tf


def squared(y_true, y_pred):
    """The usual one.

    Formula:

    ```python
    loss = mean(square(y_true - y_pred), axis=-1)
    ```
    """
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


def huber_in_numpy(y_true, y_pred):
    size = np.abs(y_true - y_pred)
    return np.mean(np.where(size <= 1.0, 0.5 * size**2, size - 0.5), axis=-1)


def huber(y_true, y_pred):
    size = tf.abs(y_true - y_pred)
    inner = tf.minimum(size, 1.0)
    return tf.reduce_mean(inner * (size - 0.5 * inner), axis=-1)


def halved(y_true, y_pred):
    return 0.5 * tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


@lossdoctor.contract(y_true="float32[B,4] real", y_pred="float32[B,4] real", reference="losses.py:huber_in_numpy")
def doubled(y_true, y_pred):
    size = tf.abs(y_true - y_pred)
    inner = tf.minimum(size, 1.0)
    return 2.0 * tf.reduce_mean(inner * (size - 0.5 * inner), axis=-1)
'''
SPEC = "float32[B,4] real"
GIVEN = {"y_true": SPEC, "y_pred": SPEC}
pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lossdoctor.engine.verify.MANY", 60)  # what is tested shows at fewer inputs
    path = tmp_path / "losses.py"
    path.write_text(LOSSES, encoding="utf-8")
    return path


def verified(name: str, pool: WorkerPool, **meant: str) -> Report:
    specs = {} if name == "doubled" else GIVEN
    return check([f"losses.py:{name}"], config=load_config(), purpose="verify", pool=pool, **specs, **meant)


def test_the_docstring_counts_where_nothing_else_is_said(pool: WorkerPool) -> None:
    report = verified("squared", pool)
    assert not report.errors and not report.findings
    assert report.losses[0].verdict == "healthy"
    assert {fact.name for fact in report.losses[0].facts} == {"value", "algebra", "gradient"}


@pytest.mark.parametrize("reference", ["losses.py:huber_in_numpy", "Huber(delta=1.0)"])
def test_a_reference_is_agreed_with(reference: str, pool: WorkerPool) -> None:
    report = verified("huber", pool, reference=reference)
    assert not report.errors and not report.findings
    assert report.losses[0].verdict == "healthy"


def test_a_reference_is_refuted_with_a_counterexample(pool: WorkerPool) -> None:
    report = verified("squared", pool, reference="losses.py:huber_in_numpy")
    assert [finding.rule for finding in report.findings] == ["LD613"]
    finding = report.findings[0]
    assert finding.family == "wrong-math" and finding.severity == "error"
    assert finding.witness is not None and "expected" in finding.reproduce


def test_what_holds_instead_is_said(pool: WorkerPool) -> None:
    report = verified("halved", pool, formula=r"\frac{1}{n}\sum_{i=1}^{n}(y_i - \hat{y}_i)^2")
    assert [finding.rule for finding in report.findings] == ["LD611"]
    assert "0.5 times the formula" in report.findings[0].message


def test_branches_that_were_visited_are_named(pool: WorkerPool) -> None:
    formula = "mean(where(abs(t - p) <= 1, (t - p)**2/2, abs(t - p) - 1/2), axis=-1)"
    report = verified("huber", pool, formula=formula)
    told = {fact.name: fact.statement for fact in report.losses[0].facts}
    assert "abs(t - p) <= 1" in told["branches"]
    assert not report.losses[0].gaps


def test_the_decorator_may_name_a_reference_and_check_looks_at_it(pool: WorkerPool) -> None:
    for purpose in ("verify", "check"):
        report = check(["losses.py:doubled"], config=load_config(), purpose=purpose, pool=pool)
        assert [finding.rule for finding in report.findings if finding.severity == "error"] == ["LD613"]
        assert "2 times the reference" in report.findings[0].message


def test_a_declared_gradient(pool: WorkerPool) -> None:
    right = verified("squared", pool, gradient="(p - t)/2")
    assert not right.findings and right.losses[0].verdict == "healthy"
    wrong = verified("squared", pool, gradient="p - t")
    assert [finding.rule for finding in wrong.findings] == ["LD122"]
    assert "0.5 times the formula" in wrong.findings[0].message


def test_what_cannot_be_verified_is_no_agreement(pool: WorkerPool) -> None:
    nothing = verified("huber", pool)
    assert nothing.errors and "Nothing to verify against" in nothing.errors[0].message
    unknown = verified("huber", pool, reference="keras.losses.Hubre")
    assert unknown.errors
    with pytest.raises(UsageError, match="`reference`"):
        verified("huber", pool, reference="nowhere.py:loss")


def compared(target: str, other: str | None, pool: WorkerPool) -> Comparison:
    found = compare(target, other, config=load_config(), pool=pool, **GIVEN)
    assert not isinstance(found, ErrorItem)
    return found


def test_a_loss_is_recognised_up_to_a_factor(pool: WorkerPool) -> None:
    found = compared("losses.py:halved", "losses.py:squared", pool)
    assert found.other is not None
    assert (found.other.relation.kind, found.other.relation.scale) == ("scaled", 0.5)
    best = found.standards[0]
    assert (best.code, best.relation.kind, best.relation.scale) == ("MeanSquaredError", "scaled", 0.5)


def test_curves_of_the_nearest_are_drawn(pool: WorkerPool, tmp_path: Path) -> None:
    given = {"y_true": "float32[B,1] real", "y_pred": "float32[B,1] real"}
    found = compare("losses.py:huber", "losses.py:halved", config=load_config(), pool=pool, curves=True, **given)
    assert not isinstance(found, ErrorItem)
    (panel,) = found.panels
    assert [one.name for one in panel.others[:2]] == ["losses.py:halved", "Huber"]
    np.testing.assert_allclose(panel.others[0].value, 0.5 * panel.curve.x**2, rtol=1e-5)
    np.testing.assert_allclose(panel.others[1].value, panel.curve.value, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(panel.others[1].slope, panel.curve.slope, rtol=1e-5, atol=1e-6)
    draw(found, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(UsageError, match="`plot`"):
        draw(replace(found, panels=()), tmp_path / "nothing.png")


def test_the_first_pair_of_the_demo(pool: WorkerPool) -> None:
    import lossdoctor.examples

    path = Path(lossdoctor.examples.__file__).parent / "classic.py"
    found = compared(f"{path}:squared_by_hand", f"{path}:squared_by_library", pool)
    first, second = found.conclusion
    assert "is the same function as" in first and "with the same gradient" in first
    assert second == "both are mean squared error (MeanSquaredError)"


def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    specs = ["--y-true", SPEC, "--y-pred", SPEC]
    assert main(["compare", "losses.py:huber", "losses.py:squared", *specs, "--format", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["standards"][0]["code"] == "Huber" and told["other"]["relation"] == "different"
    assert main(["verify", "losses.py:huber", *specs, "--formula", "mean((t - p)**2, axis=-1)"]) == 1
    assert "LD611" in capsys.readouterr().out
    assert main(["verify", "losses.py:huber", *specs, "--formula", "mean((t - p)"]) == 2
    assert "Invalid value for `formula`" in capsys.readouterr().err
