"""What is made of the values of a loss at the known answer and at worse predictions."""

from __future__ import annotations

from lossdoctor.experiments.judge import barely_beating, charges
from lossdoctor.experiments.outcomes import First


def first(**values: float) -> First:
    return First(0, "regression", "mse", norm=1.0, standard_norm=1.0, values={"answer": 0.0, "far": 2.0, **values})


def test_a_clearly_better_prediction_is_held_against_the_loss() -> None:
    assert [charge.kind for charge in charges([first(half=-0.5)], [])[0]] == ["wrong-direction"]


def test_a_slightly_better_prediction_is_not_and_is_named() -> None:
    close = [first(half=-0.01, fresh=-0.3)]
    assert charges(close, [])[0] == [] and barely_beating(close) == ("half", -0.01, 0.0)
    assert barely_beating([first(half=0.01, fresh=-0.3), first(half=-1e-10)]) is None
