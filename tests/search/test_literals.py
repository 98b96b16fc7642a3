"""Arrays as text give back the same numbers."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lossdoctor.search.literals import number, source, witness_value


def back(text: str) -> np.ndarray:
    return np.asarray(eval(text, {"np": np}))  # our own text


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        st.sampled_from(["float16", "float32", "float64", "int64", "bool"]),
        arrays.array_shapes(min_dims=0, max_dims=3, max_side=6),
    )
)
def test_source_gives_back_the_array(array: np.ndarray) -> None:
    nan = np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool)
    array = np.where(nan, np.asarray(math.nan, array.dtype), array) if nan.any() else array
    again = back(source(array))
    assert again.dtype == array.dtype and again.shape == array.shape
    np.testing.assert_array_equal(again, array)
    np.testing.assert_array_equal(np.signbit(again[~nan]), np.signbit(array[~nan])) if array.dtype.kind == "f" else None


@settings(max_examples=100, deadline=None)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_numbers_are_the_shortest_that_do(value: float) -> None:
    element = np.float32(value)
    plain = number(element)
    assert np.float32(plain) == element
    assert len(repr(plain)) <= len(repr(float(element)))


def test_json_of_special_values() -> None:
    value = {"a": np.array([np.nan, np.inf, -np.inf, 0.1], "float32"), "b": (np.array(3, "int32"), None)}
    assert witness_value(value) == {"a": ["nan", "inf", "-inf", 0.1], "b": [3, None]}
    json.dumps(witness_value(value), allow_nan=False)


def test_large_arrays_are_expressions() -> None:
    sparse = np.zeros((1, 8, 8, 3), "float32")
    sparse[0, 1, 2, 0] = 2.5
    rows = np.tile(np.array([1, 0, 0], "float32"), (1, 8, 8, 1))
    assert witness_value(np.zeros((1, 8, 8, 3), "float32")) == 'np.zeros((1, 8, 8, 3), "float32")'
    assert witness_value(np.full((12, 12), 0.1, "float32")) == 'np.full((12, 12), 0.1, "float32")'
    for array in (sparse, rows, np.arange(300.0)):
        assert same(back(witness_value(array)), array)
    assert len(source(sparse)) < 100 and len(source(rows)) < 80


def test_negative_zero_is_not_zero() -> None:
    assert same(back(source(np.full((11, 11), -0.0, "float32"))), np.full((11, 11), -0.0, "float32"))


def test_structures_keep_their_form() -> None:
    value = (np.zeros(1, "float32"), {"x": [np.ones(2, "int32")]})
    assert source(value) == '(np.array([0.0], "float32"), {\'x\': [np.array([1, 1], "int32")]})'
    assert source((np.zeros(1),)).endswith(",)")


def test_bfloat16_round_trips() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.array([0.1, 3.0, -1e30], ml_dtypes.bfloat16)
    assert same(back(source(array)), array)
    assert witness_value(array)[0] == 0.1
