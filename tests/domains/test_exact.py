"""The exact domain encloses what a graph means in real numbers, as the program is written."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from lossdoctor.domains.exact import as_array, exact
from lossdoctor.domains.exact_double import widened
from lossdoctor.domains.machine import UNKNOWN, machine
from lossdoctor.graph.ir import Graph, Node
from lossdoctor.ops import TABLE
from lossdoctor.ops.arrays import Array


def node(
    place: int, op: str, *args: int, shape: tuple[int | str, ...] | None = (), dtype: str = "float32", **facts
) -> Node:
    return Node(place, op, args, shape, dtype, **facts)


def constant(place: int, value: float) -> Node:
    return node(place, "constant", constant=np.array(value, np.float32))


def read(nodes: Sequence[Node], *inputs: Array) -> Array | None:
    """The last node's exact value at these inputs (the first nodes)."""
    graph = Graph(tuple(nodes), tuple(range(len(inputs))), (len(nodes) - 1,))
    reading = exact(graph, dict(enumerate(inputs)), [len(nodes) - 1])
    return None if reading is None else as_array(reading[len(nodes) - 1])


def vector(*values: float) -> Array:
    return np.array(values, np.float32)


V = ("n",)


def test_nothing_is_absorbed() -> None:
    nodes = [node(0, "input"), constant(1, 1e8), node(2, "add", 0, 1), node(3, "subtract", 2, 1)]
    found = read(nodes, np.array(0.1, np.float32))
    assert found == np.float64(np.float32(0.1))


def test_one_minus_sigmoid_keeps_its_digits() -> None:
    nodes = [node(0, "input"), constant(1, 1.0), node(2, "sigmoid", 0), node(3, "subtract", 1, 2)]
    found = read(nodes, np.array(100.0, np.float32))
    assert found is not None
    np.testing.assert_allclose(found, np.exp(-100.0), rtol=1e-14)


def test_constants_are_the_float32_numbers_of_the_program() -> None:
    nodes = [node(0, "input"), constant(1, 0.1), node(2, "multiply", 0, 1)]
    assert read(nodes, np.array(3.0, np.float32)) == float(3 * Fraction(float(np.float32(0.1))))


def test_variance_by_squares_is_exact() -> None:
    x = vector(1000.25, 1001.5, 999.125)
    nodes = [
        node(0, "input", shape=V),
        node(1, "multiply", 0, 0, shape=V),
        node(2, "mean", 1, attrs={"axis": (0,)}),
        node(3, "mean", 0, attrs={"axis": (0,)}),
        node(4, "square", 3),
        node(5, "subtract", 2, 4),
    ]
    numbers = [Fraction(float(e)) for e in x]
    mean = sum(numbers) / 3
    assert read(nodes, x) == float(sum((e - mean) ** 2 for e in numbers) / 3)


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "vector_norm", "mean"])
@pytest.mark.parametrize("attrs", [{"axis": (1,)}, {"axis": (0, -1), "keepdims": True}, {}])
def test_reductions_agree_with_the_machine(name: str, attrs: dict) -> None:
    x = np.arange(1, 7, dtype=np.float32).reshape(2, 3) / 4
    graph = Graph((node(0, "input", shape=(2, 3)), node(1, name, 0, shape=None, attrs=attrs)), (0,), (1,))
    reading = exact(graph, {0: x}, [1])
    assert reading is not None
    expected = machine(graph, {0: x})[1]
    found = as_array(reading[1])
    assert found is not None and found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_huge_differences(name: str) -> None:
    found = read([node(0, "input", shape=V), node(1, name, 0, shape=V)], vector(0.0, 90.0, -300.0))
    assert found is not None
    # log(1 + exp(-90)) is below the last digit of the others
    expected = np.array([-90.0, 0.0, -390.0])
    if name == "softmax":
        np.testing.assert_allclose(found, np.exp(expected), rtol=1e-12)
    else:
        np.testing.assert_allclose(found[[0, 2]], expected[[0, 2]], rtol=1e-12)
        np.testing.assert_allclose(found[1], -np.exp(-90.0), rtol=1e-12)


def test_cross_entropy_of_a_label_that_is_zero_is_silent() -> None:
    labels = np.array([[0.0, 1.0]], np.float32)
    nodes = [
        node(0, "input", shape=(1, 2)),
        node(1, "input", shape=(1, 2)),
        node(2, "softmax_cross_entropy", 0, 1, shape=None, dtype="tuple"),
        node(3, "item", 2, shape=(1,), attrs={"index": 0}),
    ]
    found = read(nodes, np.array([[1.0, 3.0]], np.float32), labels)
    assert found is not None
    np.testing.assert_allclose(found, np.log1p(np.exp(-2.0)), rtol=1e-14)


def test_comparison_is_decided_and_selects() -> None:
    # sqrt(2)² > 2 would be true in float32; in truth the two are equal, which balls cannot decide.
    nodes = [
        node(0, "input"),
        constant(1, 1.0),
        node(2, "greater", 0, 1, dtype="bool"),
        node(3, "where", 2, 0, 1),
    ]
    assert read(nodes, np.array(3.0, np.float32)) == 3.0
    assert read(nodes, np.array(0.5, np.float32)) == 1.0
    square = [
        node(0, "input"),
        node(1, "sqrt", 0),
        node(2, "square", 1),
        node(3, "greater", 2, 0, dtype="bool"),
        node(4, "where", 3, 0, 1),
    ]
    assert read(square, np.array(2.0, np.float32)) is None


def test_a_close_comparison_takes_more_bits() -> None:
    nodes = [
        node(0, "input"),
        constant(1, 1.0),
        node(2, "sigmoid", 0),
        node(3, "less", 2, 1, dtype="bool"),
        node(4, "where", 3, 0, 1),
    ]
    # 1 - sigmoid(400) = 2^-577
    assert read(nodes, np.array(400.0, np.float32)) == 400.0


def test_the_maximum_equals_one_of_its_elements() -> None:
    """The gradient of a maximum compares it with each element, also where these are balls."""
    nodes = [
        node(0, "input", shape=V),
        node(1, "exp", 0, shape=V),
        node(2, "max", 1, shape=(1,), attrs={"axis": (0,), "keepdims": True}),
        node(3, "equal", 1, 2, shape=V, dtype="bool"),
        node(4, "astype", 3, shape=V, attrs={"dtype": "float32"}),
    ]
    found = read(nodes, vector(0.5, 2.5, -1.0))
    assert found is not None
    np.testing.assert_array_equal(found, [0.0, 1.0, 0.0])


def test_casts_to_integers_truncate() -> None:
    nodes = [
        node(0, "input", shape=V),
        node(1, "astype", 0, shape=V, dtype="int32", attrs={"dtype": "int32"}),
        node(2, "astype", 1, shape=V, attrs={"dtype": "float32"}),
    ]
    found = read(nodes, vector(1.9, -1.9, 0.0))
    assert found is not None
    np.testing.assert_array_equal(found, [1.0, -1.0, 0.0])


def test_order_of_top_k() -> None:
    nodes = [
        node(0, "input", shape=V),
        node(1, "exp", 0, shape=V),
        node(2, "top_k", 1, shape=None, dtype="tuple", attrs={"k": 2}),
        node(3, "item", 2, shape=(2,), dtype="int32", attrs={"index": 1}),
        node(4, "astype", 3, shape=(2,), attrs={"dtype": "float32"}),
    ]
    found = read(nodes, vector(0.5, 2.5, 1.0))
    assert found is not None
    np.testing.assert_array_equal(found, [1.0, 2.0])


IMAGE, FILTER = (1, 4, 4, 2), (2, 2, 2, 3)
WINDOW = {"strides": (1, 1, 1, 1), "padding": "VALID"}
POOL = {"ksize": (1, 2, 2, 1), "strides": (1, 2, 2, 1), "padding": "SAME"}
PATCH = {"ksizes": (1, 2, 2, 1), "strides": (1, 1, 1, 1), "rates": (1, 1, 1, 1), "padding": "VALID"}


@pytest.mark.parametrize(
    ("name", "shapes", "result", "attrs"),
    [
        ("extract_patches", (IMAGE,), (1, 3, 3, 8), PATCH),
        ("avg_pool", (IMAGE,), (1, 2, 2, 2), POOL),
        ("avg_pool_grad", ((1, 2, 2, 2),), IMAGE, {**POOL, "shape": IMAGE}),
        ("conv2d", (IMAGE, FILTER), (1, 3, 3, 3), WINDOW),
        ("conv2d_input_grad", (FILTER, (1, 3, 3, 3)), IMAGE, {**WINDOW, "shape": IMAGE}),
        ("conv2d_filter_grad", (IMAGE, (1, 3, 3, 3)), FILTER, {**WINDOW, "shape": FILTER}),
        ("depthwise_conv2d", (IMAGE, FILTER), (1, 3, 3, 6), WINDOW),
        ("depthwise_conv2d_input_grad", (FILTER, (1, 3, 3, 6)), IMAGE, {**WINDOW, "shape": IMAGE}),
        ("depthwise_conv2d_filter_grad", (IMAGE, (1, 3, 3, 6)), FILTER, {**WINDOW, "shape": FILTER}),
        ("space_to_depth", (IMAGE,), (1, 2, 2, 8), {"block": 2}),
        ("depth_to_space", ((1, 2, 2, 8),), IMAGE, {"block": 2}),
    ],
)
def test_windows_of_images_agree_with_float64(name: str, shapes: tuple, result: tuple, attrs: dict) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    nodes = [node(i, "input", shape=shape) for i, shape in enumerate(shapes)]
    nodes.append(node(len(nodes), name, *range(len(shapes)), shape=result, attrs=attrs))
    found = read(nodes, *arrays)
    value = TABLE.by_name[name].value
    assert found is not None and value is not None
    expected = value(*(array.astype(np.float64) for array in arrays), **attrs)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


SEGMENTS = ("segment_sum", "segment_mean", "segment_prod", "unsorted_segment_sum", "unsorted_segment_prod")


@pytest.mark.parametrize("name", SEGMENTS)
def test_segments_agree_with_float64(name: str) -> None:
    rows, ids = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32), np.array([0, 0, 1, 2, 2])
    number = {"num": 3} if name.startswith("unsorted") else {}
    inputs = [node(0, "input", shape=(5, 2)), node(1, "input", shape=(5,), dtype="int64")]
    found = read([*inputs, node(2, name, 0, 1, shape=(3, 2), attrs=number)], rows, ids)
    value = TABLE.by_name[name].value
    assert found is not None and value is not None
    expected = value(rows.astype(np.float64), ids, **number)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_an_operation_without_rule_is_unknown() -> None:
    nodes = [node(0, "input", shape=V), node(1, "round", 0, shape=V), node(2, "exp", 0, shape=V)]
    graph = Graph(tuple(nodes), (0,), (2,))
    reading = exact(graph, {0: vector(0.5)}, [2])
    assert reading is not None and reading[1] is UNKNOWN
    assert [gap.op for gap in reading.gaps] == ["round"]
    assert exact(graph, {0: vector(0.5)}, [1]) is None


def test_widened_computes_in_float64() -> None:
    nodes = [node(0, "input"), constant(1, 1e8), node(2, "add", 0, 1), node(3, "subtract", 2, 1)]
    graph = Graph(tuple(nodes), (0,), (3,))
    assert machine(graph, {0: np.array(0.25, np.float32)})[3] == 0.0
    found = machine(widened(graph), {0: np.array(0.25)})[3]
    assert found.dtype == np.float64 and found == 0.25
