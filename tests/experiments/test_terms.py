"""The terms of composite losses: names, weights, sum, and what each is as a loss."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.composites import ROUNDING, same, taken_apart

from lossdoctor.worker.local import LocalSession
from tests.experiments.composites import COMPOSITES

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def session() -> LocalSession:
    return LocalSession()


@pytest.mark.parametrize("name", COMPOSITES)
def test_the_terms_are_those_that_the_user_named_and_add_up(session: LocalSession, name: str) -> None:
    found, residual = taken_apart(session, name, COMPOSITES[name], 8)
    assert same(found, COMPOSITES[name][2]), found
    assert residual <= ROUNDING


@pytest.fixture(scope="module")
def vae() -> tuple[Any, Any, Any, Any]:
    """A decomposition of live objects on arrays, with the loss and the arrays."""
    import lossdoctor as ld
    from tests.experiments.composites import beta_vae

    rng = np.random.default_rng(3)
    true = rng.random((5, 6), dtype=np.float32)
    predicted = [rng.random((5, size), dtype=np.float32) for size in (6, 3, 3)]
    return ld.decompose(beta_vae, true, predicted), beta_vae, true, predicted


def test_terms_are_losses_that_add_up_to_the_loss(vae: tuple[Any, Any, Any, Any]) -> None:
    found, loss, true, predicted = vae
    total = sum(np.asarray(term(true, predicted)) for term in found.terms.values())
    assert np.allclose(total, np.asarray(loss(true, predicted)), rtol=1e-6)
    for k, part in enumerate(found.parts):
        alone = float(np.sum(np.asarray(found.terms[part.name](true, predicted))))
        assert alone == pytest.approx(found.measures.terms[k].value, rel=1e-5)


def test_a_term_has_its_own_gradient(vae: tuple[Any, Any, Any, Any]) -> None:
    import tensorflow as tf

    found, _, true, predicted = vae
    parts = [tf.constant(x) for x in predicted]
    with tf.GradientTape() as tape:
        tape.watch(parts)
        value = found.terms["kl_divergence"](true, parts)
    slopes = tape.gradient(value, parts)
    assert slopes[0] is None
    # d(4 · KL)/d mu = 4 · mu
    assert np.allclose(slopes[1], 4 * predicted[1], rtol=1e-5)


def test_shares_are_those_of_the_arrays(vae: tuple[Any, Any, Any, Any]) -> None:
    found, _, true, predicted = vae
    values = {name: float(np.sum(np.asarray(term(true, predicted)))) for name, term in found.terms.items()}
    total = sum(values.values())
    for part in found.parts:
        assert part.measure.value_share == pytest.approx(values[part.name] / total, rel=1e-5)
    assert sum(part.measure.gradient_share for part in found.parts) == pytest.approx(1.0)
    assert found.parts[0].measure.reaches == ("0",)
    assert found.parts[1].measure.reaches == ("1", "2")


def test_a_term_is_examined_with_the_users_lines(vae: tuple[Any, Any, Any, Any]) -> None:
    import lossdoctor as ld

    found = vae[0]
    report = ld.check(
        found.terms["kl_divergence"],
        y_true="float32[B,6] unit",
        y_pred=["float32[B,6] unit", "float32[B,3] real", "float32[B,3] real"],
        select="LD303",
    )
    (finding,) = report.findings
    assert finding.location.path.endswith("composites.py")
    assert "tf.exp(logvar)" in finding.message


SILENT = """
import tensorflow as tf


def total(y_true, y_pred):
    data = tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
    accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.round(y_pred), y_true), tf.float32), axis=-1)
    direction = tf.reduce_mean(tf.sign(y_pred), axis=-1)
    drowned = 1e-6 * tf.reduce_mean(tf.abs(y_pred), axis=-1)
    return data - 0.5 * accuracy + 0.1 * direction + drowned
"""


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], int]:
    """The JSON document of the command line, and its exit status."""
    folder = tmp_path_factory.mktemp("silent")
    (folder / "losses.py").write_text(SILENT)
    spec = "float32[B,4] real"
    command = [sys.executable, "-m", "lossdoctor", "decompose", "losses.py:total", "--format", "json"]
    ran = subprocess.run(
        [*command, "--y-true", spec, "--y-pred", spec], cwd=folder, capture_output=True, text=True, timeout=200
    )
    return json.loads(ran.stdout), ran.returncode


def test_terms_that_train_nothing_are_findings(silent: tuple[dict[str, Any], int]) -> None:
    document, status = silent
    found = {finding["rule"]: (finding["line"], finding["severity"]) for finding in document["findings"]}
    assert found["LD101"][1] == "error"
    assert found["LD101"][0] == 7
    assert found["LD112"] == (8, "error")
    assert found["LD711"] == (9, "warning")
    assert status == 1


def test_the_document_has_what_it_promises(silent: tuple[dict[str, Any], int]) -> None:
    document, _ = silent
    terms = {term["name"]: term for term in document["terms"]}
    assert list(terms) == ["data", "accuracy", "direction", "drowned"]
    assert [terms[name]["gradient"] for name in terms] == ["finite", "none", "zero", "finite"]
    assert terms["accuracy"]["weight"] == -0.5
    assert terms["data"]["formula"] == "mean((y_true − y_pred)², last axis)"
    assert document["conflict"][0][1] is None
    assert document["conflict"][0][0] == pytest.approx(1.0)
    assert document["residual"] < ROUNDING
    assert document["draws"] == 1000


def test_a_loss_that_is_no_sum_is_one_term(tmp_path: Path) -> None:
    import tensorflow as tf

    import lossdoctor as ld

    def product(y_true: Any, y_pred: Any) -> Any:
        return tf.reduce_mean(tf.square(y_true - y_pred), -1) * tf.reduce_mean(tf.exp(y_pred), -1)

    found = ld.decompose(product, "float32[B,2] real", "float32[B,2] real")
    assert [part.name for part in found.parts] == ["product"]
    assert found.gaps
