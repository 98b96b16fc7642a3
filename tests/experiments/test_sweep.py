"""Terms left out and with other weights; batch sizes and scales that a loss minds and the standard loss does not."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lossdoctor.experiments import plan
from lossdoctor.experiments.judge import charges, sensitive, sensitivities, sweeps
from lossdoctor.experiments.outcomes import Outcome, Run


def outcomes(changes: dict[str, Any], tested: float, standard: float) -> list[Outcome]:
    """The usual trainings, ending at 0.1, and those of another setting."""
    made: list[Outcome] = []
    for seed in range(4):
        noise = 0.005 * (seed - 1.5)
        for loss, end in (("tested", tested), ("standard", standard)):
            made.append(Outcome(Run(loss, seed), 1.0, 0.1 + noise))
            made.append(Outcome(Run(loss, seed, **changes), 1.0, end - noise))
    return made


@pytest.mark.parametrize(
    ("changes", "tested", "standard", "words"),
    [
        ({"batch": 4}, 0.8, 0.1, "with batches of 4 "),
        ({"scale": 100.0}, math.inf, 0.1, "with targets 100 times as large "),
        ({"scale": 0.01}, 0.9, 0.15, "with targets 0.01 times as large "),
        ({"batch": 4}, 0.12, 0.1, ""),  # too little to be felt
        ({"batch": 4}, 0.8, 0.75, ""),  # the standard loss minds too
        ({"rate": 0.1}, 0.9, 0.1, ""),  # neither a batch size nor a scale
        ({"batch": 4}, 0.05, 0.1, ""),
    ],
)
def test_a_setting_is_told_if_the_standard_loss_does_not_mind(
    changes: dict[str, Any], tested: float, standard: float, words: str
) -> None:
    found = [charge.message for charge in sensitivities(outcomes(changes, tested, standard), False)]
    assert len(found) == bool(words)
    assert all(words in message for message in found)


def test_without_a_known_answer_nothing_is_said_of_settings() -> None:
    made = outcomes({"batch": 4}, math.nan, math.nan)
    made = [replace(one, start=math.nan, end=math.nan) for one in made if one.run.loss == "tested"]
    assert charges([], made) == ([], None)


def test_a_sweep_is_compared_with_the_loss_as_it_is_seed_by_seed() -> None:
    made = [Outcome(Run("tested", seed), 1.0, 0.2 + 0.01 * seed) for seed in range(4)]
    made += [Outcome(Run("tested", seed, term="kl", factor=0.0), 1.0, 0.1 + 0.01 * seed) for seed in range(4)]
    made += [Outcome(Run("tested", seed, term="kl", factor=10.0), 1.0, math.inf, finite=False) for seed in range(4)]
    left_out, larger = sweeps(made, False)
    assert (left_out.term, left_out.factor, left_out.finite) == ("kl", 0.0, True)
    assert left_out.difference == pytest.approx(-0.1)
    assert left_out.high == pytest.approx(-0.1)  # the same for every seed
    assert (larger.factor, larger.finite) == (10.0, False)


def test_other_terms_and_data_are_not_counted_among_the_batch_sizes() -> None:
    made = outcomes({"batch": 4}, 0.2, 0.1)
    made += [
        Outcome(Run("tested", 0, term="kl", factor=0.0), 1.0, 5.0),
        Outcome(Run("tested", 0, task="boxes"), 1.0, 5.0),
    ]
    assert "the loss by batch size: 4: 0.2, 24: 0.1" in list(sensitive(made))
    assert not [charge for charge in charges([], made)[0] if "5" in charge.message]


def test_a_loss_of_one_term_is_not_swept() -> None:
    assert not list(plan.sweep(0, ["mse"]))
    assert len(list(plan.sweep(0, ["fit", "size"]))) == 2 * len(plan.FACTORS) * plan.SEEDS


@pytest.mark.real
@pytest.mark.slow
def test_the_thorough_experiment_says_which_term_does_what(tmp_path: Path) -> None:
    import tensorflow as tf

    import lossdoctor as ld

    def total(y_true: Any, y_pred: Any) -> Any:
        fit = tf.reduce_mean(tf.square(y_true - y_pred), -1)
        size = tf.reduce_mean(tf.square(y_pred), -1)
        return fit + 0.3 * size

    spec = "float32[B,2] real"
    found = ld.experiment(total, spec, spec, thorough=True)
    table = {(one.term, one.factor): one for one in found.swept}
    assert set(table) == {(term, factor) for term in ("fit", "size") for factor in plan.FACTORS}
    assert table["fit", 0.0].low > 0.3  # nothing is left but to predict zero
    assert table["size", 10.0].low > 0.1
    assert table["size", 0.0].high < 0.0  # what pulls to zero costs accuracy here
    assert json.loads(found.to_json())["terms"][0]["term"] == "fit"
    assert "left out" in str(found)
    assert found.shares is not None
    assert (found.shares.terms, found.shares.steps[0], found.shares.steps[-1]) == (("fit", "size"), 0, 150)
    for row in (*found.shares.values, *found.shares.gradients):
        assert sum(row) == pytest.approx(1.0)
    assert found.shares.gradients[0][0] > 0.9 > found.shares.gradients[-1][0]  # at the end both pull as strongly
    assert found.shares.conflict[0][1] == pytest.approx(-1.0, abs=0.1)  # and against each other
    found.plot(tmp_path / "curves.svg")
    assert "share of the gradient" in (tmp_path / "curves.svg").read_text()
