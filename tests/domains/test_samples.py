"""Which sample each row of a tensor belongs to."""

import pytest

from lossdoctor.domains.samples import Rows, samples
from lossdoctor.graph.ir import LossGraph
from lossdoctor.graph.parse import parse

MASKS = "ellipsis_mask=0 new_axis_mask=0 shrink_axis_mask=0"


def rows(line: str) -> Rows | None:
    """The rows of %2 in a loss of one more operation on y_true (%0) and y_pred (%1)."""
    graph = parse(f"""
    loss(%0 y_true: f32[B,4], %1 y_pred: f32[B,4]) -> %2, gradients none
      {line}
    """)
    assert isinstance(graph, LossGraph)
    return samples(graph)[2].rows


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%2: f32[B,4] = exp %0", Rows()),
        ("%2: f32[B,4] = subtract %0 %1", Rows()),
        ("%2: f32[B] = mean %0 axis=-1", Rows()),
        ("%2: f32[4] = mean %0 axis=0", None),
        ("%2: f32[B,4] = cumulative_sum %0 axis=-1", Rows()),
        ("%2: f32[B,4] = cumulative_sum %0 axis=0", None),
        ("%2: f32[4,B] = permute_dims %0 axes=(1,0)", None),
        ("%2: f32[B,B] = matmul %0 %1", None),
        ("%2: f32[B,4] = flip %0 axis=(0,)", Rows(reversed=True)),
        ("%2: f32[B,4] = flip %0 axis=(1,)", Rows()),
        (f"%2: f32[B-1,4] = strided_slice %0 begin=(1,) strides=(1,) begin_mask=0 {MASKS}", Rows(start=1)),
        (f"%2: f32[B-1,4] = strided_slice %0 begin=(0,) strides=(1,) begin_mask=1 {MASKS}", Rows()),
        (f"%2: f32[B,4] = strided_slice %0 begin=(0,) strides=(-1,) begin_mask=1 {MASKS}", Rows(reversed=True)),
        (f"%2: f32[?,4] = strided_slice %0 begin=(0,) strides=(2,) begin_mask=1 {MASKS}", None),
    ],
)
def test_rows_of_one_operation(line: str, expected: Rows | None) -> None:
    assert rows(line) == expected


def test_rows_of_different_samples_are_nobodys() -> None:
    graph = parse("""
    loss(%0 y_true: f32[B,4], %1 y_pred: f32[B,4]) -> %3, gradients none
      %2: f32[B,4] = flip %0 axis=(0,)
      %3: f32[B,4] = subtract %2 %1
    """)
    assert isinstance(graph, LossGraph)
    assert samples(graph)[3].rows is None
