"""Random losses against brute force: no proof is refuted, nothing plain is missed, every script shows its fault.

The full run is `python -m benchmarks.soundness --count 500`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.brute_force import brute_force, grid
from benchmarks.random_losses import KINDS, random_losses
from benchmarks.soundness import Outcome, examine, prove, scripts_that_fail, try_out, verdicts

from lossdoctor.spec import bounds, parse_spec

PROVED, EXAMINED, SEED = 30, 10, 40  # tracing and proving is faster than the whole examination


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    pytest.importorskip("tensorflow")
    folder: Path = tmp_path_factory.mktemp("losses")
    losses = random_losses(PROVED + EXAMINED, SEED)
    found = examine(losses[PROVED:], folder, note=lambda text: None)
    found += prove(losses[:PROVED], folder, note=lambda text: None)
    try_out(found, folder, SEED, xla=0, note=lambda text: None)
    return found


@pytest.mark.real
@pytest.mark.slow
class TestAgainstBruteForce:
    def test_all_are_examined(self, outcomes: list[Outcome]) -> None:
        assert [(outcome.loss.name, outcome.error, outcome.truth.raised) for outcome in outcomes
                if outcome.error or outcome.truth.raised] == []  # fmt: skip

    @pytest.mark.parametrize("kind", ["refuted", "miss"])
    def test_they_agree(self, outcomes: list[Outcome], kind: str) -> None:
        assert [
            (verdict.what, verdict.outcome.loss.source)
            for outcome in outcomes
            for verdict in verdicts(outcome)
            if verdict.kind == kind
        ] == []

    def test_there_is_something_to_refute_and_to_miss(self, outcomes: list[Outcome]) -> None:
        assert sum("finite-value" in outcome.proved for outcome in outcomes) >= PROVED // 3
        assert sum(outcome.truth.shows("value", "eager", "graph") is not None for outcome in outcomes) >= 3

    def test_scripts_show_the_fault(self, outcomes: list[Outcome]) -> None:
        number, failed = scripts_that_fail(outcomes, 3)
        assert number >= 1
        assert [(outcome.loss.source, finding.rule, status) for outcome, finding, status in failed] == []


@pytest.mark.parametrize("kinds", KINDS, ids="/".join)
def test_the_grid_holds_valid_inputs(kinds: tuple[str, str]) -> None:
    for kind, rows in zip(kinds, grid(kinds, 3, "log(p + 1e-7) * 4e5", np.random.default_rng(0), 64), strict=True):
        low, high = bounds(parse_spec(f"float32[B,3] {kind}"))
        assert rows.dtype == np.float32 and rows.min() >= np.float32(low) and rows.max() <= np.float32(high)
        if kind in ("onehot", "probability"):
            np.testing.assert_allclose(rows.astype(float).sum(axis=-1), 1.0, atol=1e-5)


@pytest.mark.real
def test_brute_force_finds_what_is_known() -> None:
    tf = pytest.importorskip("tensorflow")

    def logarithm(y_true, y_pred):
        return -tf.reduce_mean(y_true * tf.math.log(y_pred), axis=-1)

    def root(y_true, y_pred):
        return tf.reduce_mean(tf.sqrt(tf.square(y_true - y_pred)), axis=-1)

    def square(y_true, y_pred):
        return tf.reduce_mean(tf.square(y_true - y_pred))

    kinds = ("binary", "unit")
    assert brute_force(logarithm, kinds, 3, "", True, 0, False).shows("value", "eager") is not None
    found = brute_force(root, kinds, 3, "", True, 0, False)
    assert found.shows("value", "eager", "graph") is None and found.shows("gradient", "eager") is not None
    healthy = brute_force(square, kinds, 3, "", False, 0, False)
    assert healthy.found == {} and healthy.lowest == 0.0 and healthy.raised == ""
