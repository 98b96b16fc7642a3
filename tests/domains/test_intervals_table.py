"""Enclosure over the op table: what an operation gives lies in the interval that is computed for it."""

from __future__ import annotations

import numpy as np
import pytest

import lossdoctor.ops as _rows
from lossdoctor.domains.intervals import bounds
from lossdoctor.domains.intervals.elementwise import known, transfer
from lossdoctor.domains.intervals.enclosure import Enclosure, constant, round_to, step_down, step_up
from lossdoctor.graph.ir import Node
from lossdoctor.ops.table import TABLE, Op

assert _rows.TABLE is TABLE
SPECIAL = (0.0, 1e-45, 1e-38, 1e-7, 0.5, 1 - 6e-8, 1.0, 2.0, 9.42, 88.72, 1e4, 3e38, np.inf)
BOOLEAN = {"logical_and", "logical_or", "logical_not"}
ROWS = [
    row for row in TABLE.by_name.values() if row.kind == "elementwise" and row.value is not None and known(row.name)
]


def _points(rng: np.random.Generator, dtype: str, count: int) -> np.ndarray:
    special = np.array([s for value in SPECIAL for s in (value, -value)])
    wide = np.exp(rng.uniform(-90, 88, count)) * rng.choice([-1.0, 1.0], count)
    near = rng.normal(0.0, 2.0, count)
    with np.errstate(over="ignore"):
        return rng.permutation(np.concatenate([special, wide, near])).astype(dtype)


def _boxes(row: Op, rng: np.random.Generator, dtype: str, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Low and high of each argument, ordered; one in four degenerate, one in four from 0."""
    found = []
    for argument in range(_arity(row)):
        if row.name in BOOLEAN or (row.name in ("where", "where_rows") and argument == 0):
            ends = np.sort(rng.integers(0, 2, (2, count)), axis=0).astype(np.float64)
        else:
            ends = np.sort(np.stack([rng.choice(_points(rng, dtype, 64), count) for _ in range(2)]), axis=0)
            kind = rng.integers(0, 4, count)
            ends[1] = np.where(kind == 0, ends[0], ends[1])
            ends[0] = np.where((kind == 1) & (ends[1] > 0), 0.0, ends[0])
        found.append((ends[0], ends[1]))
    return found


def _arity(row: Op) -> int:
    return 3 if row.name == "add_n" else len(row.trend)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_results_lie_in_the_interval(row: Op, dtype: str) -> None:
    if row.name in ("lgamma", "conj", "real") or (row.name == "astype"):
        pytest.skip("has a dtype of its own")
    rng = np.random.default_rng(len(row.name) * 7919 + len(dtype))
    boxes = _boxes(row, rng, dtype, 200)
    result_dtype = "bool" if row.flow == ("none",) and row.name in _TRUTHS else dtype
    node = Node(9, row.name, tuple(range(len(boxes))), (), result_dtype)
    args = [Enclosure(low.astype(float), high.astype(float), np.zeros(low.size, bool)) for low, high in boxes]
    with np.errstate(all="ignore"):
        result = transfer(node, args)
        assert result is not None and row.value is not None
        for _ in range(12):
            share = rng.choice([0.0, 1.0, rng.random()], (len(boxes), boxes[0][0].size))
            points = []
            for (low, high), s in zip(boxes, share, strict=True):
                inner = np.where(s == 0.0, low, np.where(s == 1.0, high, low + (high - low) * s))
                inner = np.where(np.isfinite(inner), inner, low).astype(dtype)
                truth = row.name in BOOLEAN or (row.name in ("where", "where_rows") and not points)
                points.append(np.clip(inner, low, high).astype(bool if truth else dtype))
            got = np.asarray(row.value(*points)).astype(np.float64)
            inside = np.where(np.isnan(got), result.nan, (result.low <= got) & (got <= result.high))
            worst = np.flatnonzero(~inside)
            assert not worst.size, [
                (p[worst[0]], "in", low[worst[0]], high[worst[0]])
                for p, (low, high) in zip(points, boxes, strict=True)
            ] + [got[worst[0]], np.broadcast_to(result.low, got.shape)[worst[0]],
                 np.broadcast_to(result.high, got.shape)[worst[0]]]  # fmt: skip


_TRUTHS = {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "isnan", "isinf", "isfinite",
           "logical_and", "logical_or", "logical_not"}  # fmt: skip


@pytest.mark.parametrize("row", [row for row in TABLE.by_name.values() if row.cases and known(row.name)],
                         ids=lambda row: row.name)  # fmt: skip
def test_known_tight_intervals(row: Op) -> None:
    for *args, expected in row.cases:
        low, high = bounds(row.name, *(_interval(arg) for arg in args))
        want = _interval(expected)
        slack = 1e-5 * max(1.0, *(abs(v) for v in want if np.isfinite(v)), 1.0)
        assert low <= want[0] and high >= want[1], (args, low, high)
        if row.name not in _LOOSE:
            assert low >= want[0] - slack and high <= want[1] + slack, (args, low, high, expected)


_LOOSE = {"sin", "cos", "atan2", "rsqrt"}  # -0.0 has the reciprocal root -inf


def _interval(text: str) -> tuple[float, float]:
    low, high = text.strip("[]").split(",")
    return float(low), float(high)


def test_the_operations_of_common_losses_have_rules() -> None:
    names = (
        "add add_n subtract multiply divide divide_no_nan square squared_difference sqrt rsqrt reciprocal pow abs sign "
        "negative maximum minimum clip exp expm1 log log1p sigmoid softplus tanh erf erfc where less less_equal equal "
        "greater greater_equal not_equal isnan isinf isfinite logical_and logical_or logical_not astype relu relu_grad "
        "sigmoid_grad tanh_grad sqrt_grad rsqrt_grad reciprocal_grad softplus_grad xlogy xlog1py floor ceil round cos "
        "sin acos asin atan cosh sinh stop_gradient identity zeros_like ones_like elu elu_grad"
    )
    assert not [name for name in names.split() if not known(name)]


def test_a_range_that_reaches_the_denormals_reaches_zero() -> None:
    assert bounds("multiply", (1e-30, 1e-30), (1e-15, 1.0)) == (0.0, pytest.approx(1e-30))
    assert bounds("multiply", (-1e-30, -1e-30), (1e-15, 1.0))[1] == 0.0
    assert bounds("divide", (1.0, 1.0), (1e37, 3e38)) == (0.0, pytest.approx(1e-37))


def test_overflow_is_infinite_in_the_dtype_of_the_node() -> None:
    assert bounds("square", (0.0, 300.0), dtype="float16") == (0.0, np.inf)
    assert bounds("square", (0.0, 300.0), dtype="float32") == (0.0, 90000.0)
    assert bounds("exp", (0.0, 89.0)) == (pytest.approx(1.0), np.inf)
    assert bounds("exp", (0.0, 88.0))[1] < np.inf
    assert bounds("exp", (0.0, 100.0), dtype="bfloat16")[1] == np.inf


def test_the_rounding_of_one_minus_p_plus_eps_is_the_machines() -> None:
    # 1 - p + 1e-8 in float32: the epsilon is absorbed by 1 but not by 0.
    low, high = bounds("add", bounds("subtract", (1.0, 1.0), (0.0, 1.0)), (1e-8, 1e-8))
    assert (low, high) == (pytest.approx(1e-8), 1.0)
    # Re-associated as (1 + eps) - p, the constant is 1 and the result reaches 0.
    one = bounds("add", (1.0, 1.0), (1e-8, 1e-8))
    assert bounds("subtract", one, (0.0, 1.0)) == (0.0, 1.0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_steps_move_at_least_one_number_of_the_dtype(dtype: str) -> None:
    values = round_to(np.array([0.0, 1.0, -1.0, 1e-5, -3.7, 1000.0]), dtype)
    up, down = step_up(values, dtype, 1), step_down(values, dtype, 1)
    assert (up > values).all() and (down < values).all()
    assert (round_to(up, dtype) == up).all() and (up - values <= np.maximum(np.abs(values) * 0.02, 1e-7)).all()


def test_integers_that_leave_their_range_wrap_around() -> None:
    assert bounds("multiply", (0, 2.0**20), (0, 2.0**20), dtype="int32") == (-(2.0**31), 2.0**31 - 1)
    assert bounds("multiply", (0, 100), (0, 100), dtype="int32") == (0.0, 10000.0)


def test_an_unknown_operation_can_give_anything() -> None:
    assert bounds("tf.Mystery", (0.0, 1.0)) == (-np.inf, np.inf)
    assert transfer(Node(1, "tf.Mystery", (0,), (), "float32"), [constant(0.0, 1.0)]) is None
