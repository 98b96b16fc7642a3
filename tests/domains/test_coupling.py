"""Losses that relate the samples of a batch on purpose, told from ratios of sums over it."""

import pytest

from lossdoctor.domains.axes import broadcasts
from lossdoctor.domains.coupling import relation_of_samples
from lossdoctor.graph.ir import LossGraph
from lossdoctor.graph.parse import parse

PAIRS = """
loss(%0 y_true: f32[B,4], %1 y_pred: f32[B,4]) -> %3, gradients none
  %2: f32[B,B] = matmul %1 %1 transpose_b=True
  %3: f32[] = mean %2
"""
COVARIANCE_OF_FEATURES = """
loss(%0 y_true: f32[B,4], %1 y_pred: f32[B,4]) -> %3, gradients none
  %2: f32[4,4] = matmul %1 %1 transpose_a=True
  %3: f32[] = mean %2
"""
RISK_SETS = """
loss(%0 y_true: f32[B], %1 y_pred: f32[B]) -> %3, gradients none
  %2: f32[B] = cumulative_logsumexp %1 axis=0
  %3: f32[] = mean %2
"""
CORRELATION = """
loss(%0 y_true: f32[B,1], %1 y_pred: f32[B,1]) -> %7, gradients none
  %2: f32[] = mean %0
  %3: f32[] = mean %1
  %4: f32[B,1] = subtract %0 %2
  %5: f32[B,1] = subtract %1 %3
  %6: f32[B,1] = multiply %4 %5
  %7: f32[] = sum %6
"""
RATIO = """
loss(%0 y_true: f32[B,4], %1 y_pred: f32[B,4]) -> %6, gradients none
  %2: f32[B,4] = multiply %0 %1
  %3: f32[] = sum %2
  %4: f32[] = sum %1
  %5: f32[] = sum %0
  %6: f32[] = divide %3 %4
"""
STANDARDISED = """
loss(%0 y_true: f32[B,1], %1 y_pred: f32[B,1]) -> %5, gradients none
  %2: f32[] = mean %1
  %3: f32[B,1] = subtract %1 %2
  %4: f32[B,1] = multiply %3 %3
  %5: f32[] = mean %4
"""
SCORES_OF_STEPS = """
loss(%0 y_true: f32[B,6], %1 y_pred: f32[B,6]) -> %3, gradients none
  %2: f32[B,6] = cumulative_sum %1 axis=1
  %3: f32[] = mean %2
"""
ACCIDENT = """
loss(%0 y_true: f32[B], %1 y_pred: f32[B,1]) -> %3, gradients none
  %2: f32[B,B] = subtract %0 %1
  %3: f32[] = mean %2
"""


def found(text: str) -> int | None:
    graph = parse(text)
    assert isinstance(graph, LossGraph)
    node = relation_of_samples(graph, broadcasts(graph))
    return None if node is None else node.id


@pytest.mark.parametrize(("text", "node"), [(PAIRS, 2), (COVARIANCE_OF_FEATURES, 2), (RISK_SETS, 2), (CORRELATION, 6)])
def test_relations(text: str, node: int) -> None:
    assert found(text) == node


@pytest.mark.parametrize("text", [RATIO, STANDARDISED, SCORES_OF_STEPS, ACCIDENT])
def test_no_relation(text: str) -> None:
    assert found(text) is None
