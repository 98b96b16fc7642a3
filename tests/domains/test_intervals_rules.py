"""The rules of the interval domain against the op table, and corners where a rule once claimed too much."""

from __future__ import annotations

import numpy as np
import pytest
from tests.domains.test_intervals import contract, of

import lossdoctor.ops as _rows
from lossdoctor.domains.intervals import domain as _domain
from lossdoctor.domains.intervals.elementwise import CODOMAIN, EXACT, LOOSE, STRICT, transfer
from lossdoctor.domains.intervals.enclosure import Enclosure, constant
from lossdoctor.domains.intervals.moves import MOVES
from lossdoctor.domains.intervals.reductions import RULES
from lossdoctor.graph.ir import Node
from lossdoctor.ops.table import TABLE

assert _rows.TABLE is TABLE and _domain.Intervals.name == "intervals"  # the imports fill the tables


def test_every_rule_is_for_a_row_of_the_table() -> None:
    names = {*STRICT, *LOOSE, *RULES, *MOVES, *CODOMAIN, *EXACT}
    assert sorted(names - set(TABLE.by_name)) == []


def test_no_operation_has_two_kinds_of_rules() -> None:
    assert sorted((set(STRICT) | set(LOOSE)) & (set(RULES) | MOVES)) == []


@pytest.mark.parametrize(("rows", "finite"), [(False, True), (True, False)])
def test_a_condition_that_chooses_rows_guards_no_columns(rows: bool, finite: bool) -> None:
    found = of(
        f"""
    %2: f32[] = constant {{0.001}}
    %3: bool[3] = greater %0 %2
    %4: f32[3,3] = broadcast_to %0
    %5: f32[3,3] = reciprocal %4
    %6: f32[3,3] = zeros_like %5
    %7: f32[3,3] = where %3 %5 %6 rows={rows}
""",
        contract("float32[3] real", "float32[3] real"),
        "%0 y_true: f32[3], %1 y_pred: f32[3]",
    )
    assert found.finite(7) == finite


def test_space_to_batch_pads_with_zeros() -> None:
    found = of(
        """
    %2: f32[4*B,3,3,1] = space_to_batch %1 block=(2,2) paddings=((1,1),(1,1))
    %3: f32[4*B,3,3,1] = reciprocal %2
""",
        contract("float32[B,4,4,1] positive", "float32[B,4,4,1] positive"),
        "%0 y_true: f32[B,4,4,1], %1 y_pred: f32[B,4,4,1]",
    )
    assert 0.0 in found[2] and not found.finite(3)


@pytest.mark.parametrize(("magnitude", "finite"), [(1e4, True), (3e38, False)])
def test_quotients_by_a_sum_that_overflows_sum_to_nothing(magnitude: float, finite: bool) -> None:
    """a / sum(a) is 0 everywhere where the sum is infinite, so that its own sum may be 0."""
    found = of(
        """
    %2: f32[B,1] = sum %1 axis=-1 keepdims=True
    %3: f32[B,3] = divide %1 %2
    %4: f32[B] = sum %3 axis=-1 keepdims=False
    %5: f32[B] = log %4
""",
        contract("float32[B,3] positive", "float32[B,3] positive", magnitude),
    )
    assert found.finite(5) == finite


@pytest.mark.parametrize("op", ["relu_grad", "relu6_grad"])
def test_a_nan_feature_masks_the_gradient(op: str) -> None:
    nothing = np.array([np.inf]), np.array([-np.inf]), np.array([True])
    result = transfer(Node(2, op, (0, 1), (), "float32"), [constant(1.0, 2.0), Enclosure(*nothing)])
    assert result is not None
    assert (result.low[0], result.high[0], bool(result.nan[0])) == (0.0, 0.0, False)
    mixed = transfer(Node(2, op, (0, 1), (), "float32"), [constant(1.0, 2.0), constant(3.0, 4.0, nan=True)])
    assert mixed is not None and (mixed.low[0], mixed.high[0], bool(mixed.nan[0])) == (0.0, 2.0, False)


def test_what_is_taken_for_granted_is_said() -> None:
    body = "    %2: f32[B] = sum %1 axis=-1 keepdims=False"
    simplex = of(body, contract("float32[B,3] onehot", "float32[B,3] probability"))
    assert any("sum to 1 within 0.01" in text for text in simplex.assumptions)
    wide = of(body, contract("float32[B,3] positive", "float32[B,3] real", magnitude=100.0))
    assert "real numbers from -100 to 100" in wide.assumptions
    assert "positive numbers from 0.01 to 100" in wide.assumptions
    assert not any("sum to 1" in text for text in wide.assumptions)
