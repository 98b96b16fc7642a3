"""Bytes of a tensor as a function of the batch size."""

from __future__ import annotations

import pytest

from lossdoctor.graph.ir import LossGraph
from lossdoctor.graph.parse import parse
from lossdoctor.rules.efficiency.memory import largest, said


def graph_of(text: str) -> LossGraph:
    graph = parse(text)
    assert isinstance(graph, LossGraph)
    return graph


GRAPH = graph_of(
    """\
loss(%0 y_true: f32[B,8], %1 y_pred: f32[B,8]) -> %4, gradients none
  %2: f32[B,B,8] = subtract %0 %1
  %3: f32[B,B] = sum %2 axis=-1
  %4: f32[B] = matrix_diag_part %3
"""
)


def test_the_largest_and_what_it_takes() -> None:
    heaviest = largest(GRAPH, range(5))
    assert heaviest is not None
    assert heaviest.id == 2
    assert said(heaviest) == "(B, B, 8) takes 32 KiB at B = 32, 32 MiB at 1024 and 2 GiB at 8192"
    assert said(GRAPH[4]) == "(B) takes 128 bytes at B = 32, 4 KiB at 1024 and 32 KiB at 8192"


@pytest.mark.parametrize("shape", ["[B,H]", "[?]"])
def test_nothing_is_said_of_unknown_axes(shape: str) -> None:
    graph = graph_of(
        f"loss(%0 y_true: f32{shape}, %1 y_pred: f32{shape}) -> %2, gradients none\n  %2: f32{shape} = subtract %0 %1\n"
    )
    assert said(graph[2]) == ""
    assert largest(graph, [2]) is None
