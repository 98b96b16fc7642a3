"""The rows against TensorFlow: names, shapes, dtypes, values, errors and gradients."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import numpy as np
import pytest
from tests.ops.points import ELEMENTWISE, REAL, arity, draw
from tests.ops.recipes import RECIPES, Recipe

from lossdoctor.ops import TABLE, Op

pytestmark = pytest.mark.real

COVERED = {TABLE.by_tf[recipe.tf].name for recipe in RECIPES}
GENERIC = [row for row in ELEMENTWISE if row.tf and row.value and row.name not in COVERED]
# A rounding error moves these from one side of a jump to the other.
JUMPS = ("floor_divide", "truncate_divide", "remainder", "fmod")
# Errors relative to the arguments: a difference of rounded parts.
PARTS = ("tanh_grad", "selu_grad")
NO_RECIPE = ("opaque", "random", "input", "control")


@pytest.fixture(scope="module")
def ran():
    """Runs a recipe once for all tests of it."""
    pytest.importorskip("tensorflow")
    from tests.ops.run_tf import run

    return cache(lambda place: run(RECIPES[place])), cache(lambda name: run(generic(TABLE.by_name[name])))


def generic(row: Op) -> Recipe:
    """An elementwise operation at points of its domain, under its first name."""
    import tensorflow

    names = list(inspect.signature(getattr(tensorflow.raw_ops, row.tf[0])).parameters)[: arity(row)]
    columns = [column.astype(np.float32) for column in draw(row, 64, seed=11)]
    return Recipe(
        row.tf[0], dict(zip(names, columns, strict=True)), close=min(max(row.ulps, 2.0), 512.0) * 4 * 2.0**-23
    )


def same(expected: np.ndarray, found: object, close: float) -> None:
    assert isinstance(found, np.ndarray), "the machine has no answer"
    assert found.shape == expected.shape and found.dtype == expected.dtype
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    exact = expected.dtype.kind in "iub"
    np.testing.assert_allclose(
        found.astype(wide), expected.astype(wide), rtol=0 if exact else close, atol=0 if exact else close
    )


def flows(row: Op, gradients: dict[int, np.ndarray | None]) -> None:
    for place, gradient in gradients.items():
        flow = row.flows(place)
        if gradient is None:
            assert flow in ("none", "stop"), f"argument {place}: TensorFlow gives None"
        elif not np.any(gradient):
            assert flow == "zero", f"argument {place}: TensorFlow gives zeros"
        else:
            assert flow in ("smooth", "kink"), f"argument {place}: TensorFlow gives a gradient"


@pytest.mark.parametrize("name", sorted(TABLE.by_tf))
def test_framework_name_exists(name: str) -> None:
    pytest.importorskip("tensorflow")
    from tensorflow.python.framework import op_def_registry

    assert op_def_registry.get(name) is not None


@pytest.mark.parametrize("name", sorted(TABLE.by_tf))
def test_parameters_and_attributes_exist(name: str) -> None:
    pytest.importorskip("tensorflow")
    from tensorflow.python.framework import op_def_registry

    row = TABLE.by_tf[name]
    siblings: list[Any] = [op_def_registry.get(other) for other in row.tf]
    known = {attr.name for sibling in siblings for attr in sibling.attr}
    assert set(row.attrs) <= known | {
        "explicit_paddings",
        "half_pixel_centers",
        "extrapolation_value",
        "exponential_avg_factor",
    }
    assert all(place < max(len(sibling.input_arg) for sibling in siblings) for place in row.params)


@pytest.mark.parametrize("place", range(len(RECIPES)), ids=lambda place: f"{RECIPES[place]}-{place}")
def test_value_shape_and_dtype(ran, place: int) -> None:
    result = ran[0](place)
    meant = slice(RECIPES[place].results)
    for expected, found in list(zip(result.expected, result.found, strict=True))[meant]:
        same(expected, found, RECIPES[place].close)


@pytest.mark.parametrize("row", GENERIC, ids=lambda row: row.name)
def test_elementwise_value_shape_and_dtype(ran, row: Op) -> None:
    result = ran[1](row.name)
    same(result.expected[0], result.found[0], generic(row).close)


@pytest.mark.parametrize("place", range(len(RECIPES)), ids=lambda place: f"{RECIPES[place]}-{place}")
def test_flow(ran, place: int) -> None:
    result = ran[0](place)
    if result.expected[RECIPES[place].output].dtype.kind in "iub" and RECIPES[place].tf == "Cast":
        assert set(result.gradients.values()) == {None}  # whatever the row says, as the table states
        return
    flows(TABLE.by_tf[RECIPES[place].tf], result.gradients)


@pytest.mark.parametrize("row", GENERIC, ids=lambda row: row.name)
def test_elementwise_flow(ran, row: Op) -> None:
    flows(row, ran[1](row.name).gradients)


@pytest.mark.parametrize(
    "row", [row for row in REAL if row in GENERIC and row.name not in JUMPS], ids=lambda row: row.name
)
def test_error_bound(row: Op) -> None:
    """TensorFlow's float32 kernel is within `ulps` of the true value (float64 here, itself checked to 400 bits)."""
    pytest.importorskip("tensorflow")
    from tests.ops.run_tf import evaluate

    assert row.value is not None
    columns = draw(row, 4000, seed=13)
    computed = evaluate(row.tf[0], [column.astype(np.float32) for column in columns])
    with np.errstate(all="ignore"):
        truth = np.asarray(row.value(*columns))
    if computed.dtype == bool:
        np.testing.assert_array_equal(computed, truth)
        return
    usable = np.isfinite(truth) & (np.abs(truth) < 3e38) & (np.abs(truth) > 2.0**-120)
    assert usable.sum() > 500
    with np.errstate(all="ignore"):
        unit = np.spacing(np.abs(truth[usable]).astype(np.float32)).astype(np.float64)
        if row.name in PARTS:
            size = np.max(np.abs([column[usable] for column in columns]), axis=0)
            unit = np.maximum(unit, np.spacing(size.astype(np.float32)))
        excess = np.abs(computed[usable].astype(np.float64) - truth[usable]) - row.absolute * 2.0**-23
    worst = int(np.argmax(excess / unit))
    point = [float(column[usable][worst]) for column in columns]
    assert excess[worst] <= row.ulps * unit[worst], f"{row.name}{tuple(point)} is {(excess / unit)[worst]:.2f} off"


def test_cholesky_of_an_indefinite_matrix_is_nan() -> None:
    tensorflow = pytest.importorskip("tensorflow")
    matrix = np.array([[[4, 2], [2, 9]], [[1, 2], [2, 1]]], np.float32)
    expected = tensorflow.raw_ops.Cholesky(input=matrix).numpy()
    row = TABLE.by_name["linalg.cholesky"]
    assert row.value is not None
    lower = np.tril_indices(2)  # TensorFlow leaves the other triangle of a failure as it found the memory
    for ours, theirs in zip(row.value(matrix), expected, strict=True):
        np.testing.assert_allclose(ours[lower], theirs[lower], rtol=1e-6)


def test_every_row_with_a_value_is_tried() -> None:
    tried = COVERED | {row.name for row in GENERIC}
    rows = {row.name for row in TABLE.by_name.values() if row.value and row.tf and row.kind not in NO_RECIPE}
    assert sorted(rows - tried) == []
