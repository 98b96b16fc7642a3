"""Where a non-finite value or gradient begins."""

from __future__ import annotations

import numpy as np

from lossdoctor.engine.blame import blames
from lossdoctor.graph.parse import parse
from lossdoctor.session import NodeStats, Observed, Pair

PAIR = Pair(np.zeros((1, 1), "float32"), np.zeros((1, 1), "float32"))
FINE = NodeStats(0, 0, 1, 0.0, 0.0, None)
BAD = NodeStats(1, 0, 1, 0.0, 0.0, (0,))

GRAPH = """\
loss(%0 y_true: f32[B,1], %1 y_pred: f32[B,1]) -> %6, gradients %8
  %2: f32[B,1] = log %1
  %3: bool[B,1] = greater %1 %0
  %4: f32[B,1] = where %3 %2 %0
  %5: f32[B,1] = sqrt %4
  %6: f32[B,1] = negative %5
  %7: f32[B,1] = reciprocal %5 ~%5
  %8: f32[B,1] = negative %7 ~%6
"""


def observed(*bad: int) -> Observed:
    return Observed("traced", {number: BAD if number in bad else FINE for number in (0, 1, 2, 4, 5, 6, 7, 8)})


def begins(symptom: str, *bad: int) -> list[tuple[int, tuple[int, ...], bool]]:
    found = blames(parse(GRAPH), observed(*bad), PAIR, symptom)  # type: ignore[arg-type]
    return [(blame.node, blame.chain, blame.backward) for blame in found]


def test_value_is_followed_back_to_where_it_begins() -> None:
    assert begins("nonfinite-value", 2, 4, 5, 6) == [(2, (2, 4, 5, 6), False)]


def test_a_value_that_where_hides_is_not_blamed() -> None:
    assert begins("nonfinite-value", 2, 5, 6) == [(5, (5, 6), False)]


def test_gradient_fault_belongs_to_the_forward_node() -> None:
    assert begins("nonfinite-gradient", 7, 8) == [(5, (7, 8), True)]


def test_missing_input_blames_the_operation_that_lets_it_through() -> None:
    assert begins("nonfinite-value", 1, 2, 4, 5, 6) == [(2, (1, 2, 4, 5, 6), False)]


def test_finite_results_blame_nothing() -> None:
    assert begins("nonfinite-value") == []
    assert begins("nonfinite-gradient", 2) == []
