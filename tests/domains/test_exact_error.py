"""Which operation is blamed for lost bits."""

from __future__ import annotations

import numpy as np
import pytest

from lossdoctor.domains.exact import as_array, exact
from lossdoctor.domains.exact_error import deviation, flipped, lost
from lossdoctor.domains.machine import machine
from lossdoctor.graph.ir import Graph, LossGraph, Node


def node(place: int, op: str, *args: int, **facts) -> Node:
    return Node(place, op, args, (), facts.pop("dtype", "float32"), **facts)


def constant(place: int, value: float) -> Node:
    return node(place, "constant", constant=np.array(value, np.float32))


def loss(*nodes: Node) -> LossGraph:
    return LossGraph(Graph(nodes, (0,), (len(nodes) - 1,)), (), (0,), len(nodes) - 1, ())


def blamed(graph: LossGraph, x: float) -> tuple[str, float] | None:
    inputs = {0: np.array(x, np.float32)}
    truth = exact(graph, inputs, [graph.value])
    assert truth is not None
    found = lost(graph, inputs, machine(graph, inputs), truth, graph.value, "value")
    return None if found is None else (found.node.op, found.bits)


def test_the_difference_is_blamed_not_what_is_made_of_it() -> None:
    graph = loss(
        node(0, "input"),
        constant(1, 1.0),
        node(2, "sigmoid", 0),
        node(3, "subtract", 1, 2),
        node(4, "log", 3),
        node(5, "negative", 4),
    )
    found = blamed(graph, 16.0)
    assert found is not None
    op, bits = found
    assert op == "subtract" and 15 < bits <= 24


def test_no_operation_is_blamed_for_a_difference_of_inputs() -> None:
    graph = loss(node(0, "input"), constant(1, 1.0), node(2, "subtract", 0, 1), node(3, "square", 2))
    assert blamed(graph, 1.0 + 2.0**-20) is None


def test_an_error_that_is_multiplied_away_is_not_blamed() -> None:
    graph = loss(
        node(0, "input"),
        constant(1, 1e8),
        node(2, "add", 0, 1),
        node(3, "subtract", 2, 1),  # loses all, and is scaled to nothing
        constant(4, 1e-30),
        node(5, "multiply", 3, 4),
        constant(6, 1.0),
        node(7, "sigmoid", 0),
        node(8, "subtract", 6, 7),
        node(9, "add", 8, 5),
    )
    inputs = {0: np.array(19.0, np.float32)}
    truth = exact(graph, inputs, [9])
    assert truth is not None
    found = lost(graph, inputs, machine(graph, inputs), truth, 9, "value")
    assert found is not None and found.node.id == 8


def test_a_branch_that_rounding_flips() -> None:
    nodes = (
        node(0, "input"),
        constant(1, 1.0),
        node(2, "sigmoid", 0),
        node(3, "less", 2, 1, dtype="bool"),
        node(4, "where", 3, 0, 1),
    )
    for x, expected in ((2.0, False), (20.0, True)):
        graph, inputs = loss(*nodes), {0: np.array(x, np.float32)}
        truth = exact(graph, inputs, [4])
        assert truth is not None
        assert flipped(graph, machine(graph, inputs), truth, 4) is expected


def test_an_order_that_rounding_decides() -> None:
    nodes = (
        Node(0, "input", (), (2,), "float32"),
        Node(1, "sigmoid", (0,), (2,), "float32"),
        Node(2, "top_k", (1,), None, "tuple", attrs={"k": 2}),
        Node(3, "item", (2,), (2,), "int32", attrs={"index": 1}),
        Node(4, "astype", (3,), (2,), "float32", attrs={"dtype": "float32"}),
    )
    for x, expected in (([2.0, 3.0], False), ([20.0, 30.0], True)):  # both 1 in float32
        graph, inputs = loss(*nodes), {0: np.array(x, np.float32)}
        truth = exact(graph, inputs, [4])
        assert truth is not None
        assert flipped(graph, machine(graph, inputs), truth, 4) is expected


@pytest.mark.parametrize(("output", "relative"), [("value", 1.0), ("gradient", 1e-3)])
def test_a_gradient_is_one_vector_and_values_are_samples(output, relative: float) -> None:
    got, expected = np.array([1.0, 0.0]), np.array([1.0, 1e-3])
    found, absolute = deviation(got, expected, output)
    assert found == pytest.approx(relative) and absolute == pytest.approx(1e-3)


def test_infinite_elements_are_no_matter_of_precision() -> None:
    assert deviation(np.array([np.inf, 1.0]), np.array([1.0, 1.0]), "value") == (0.0, 0.0)


def test_an_error_where_the_exact_value_is_zero_has_no_bound() -> None:
    assert deviation(np.array([3.0, 1e10]), np.array([3.0, 0.0]), "value") == (1.0, 1e10)


def test_the_exact_value_of_a_node_in_between_is_known() -> None:
    graph = loss(node(0, "input"), node(1, "exp", 0), node(2, "log", 1))
    truth = exact(graph, {0: np.array(700.0, np.float32)}, [2])
    assert truth is not None
    between = as_array(truth[1])
    assert between is not None
    np.testing.assert_allclose(between, np.exp(700.0), rtol=1e-12)
