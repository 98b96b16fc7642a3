"""The text of a graph reads back as the same graph, and a broken graph is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lossdoctor.graph.ir import Graph, LossGraph, Node, Span
from lossdoctor.graph.parse import parse
from lossdoctor.graph.text import same, show
from lossdoctor.graph.verify import verify

HERE = Span("/home/me/focal.py", 14, 5, 14, 20, "ops.log(y_pred)", "focal")


def loop() -> Node:
    argument = Node(0, "input", (), ("B", 3), "float32", {"role": "argument", "index": 0})
    condition = Node(1, "constant", (), (), "bool", constant=np.array(True))
    step = Node(1, "negative", (0,), ("B", 3), "float32")
    bodies = (Graph((argument, condition), (0,), (1,)), Graph((argument, step), (0,), (1,)))
    return Node(6, "while", (3,), ("B", 3), "float32", bodies=bodies)


def graph() -> LossGraph:
    nodes = (
        Node(0, "input", (), ("B", 3), "float32", {"role": "y_true", "key": "boxes.1"}),
        Node(1, "input", (), ("B", 3), "float32", {"role": "y_pred"}),
        Node(2, "log", (1,), ("B", 3), "float32", calls=(HERE,), name="Log"),
        Node(3, "multiply", (0, 2), ("B", 3), "float32"),
        Node(4, "constant", (), (2,), "float32", constant=np.array([1e-7, np.inf], np.float32)),
        Node(5, "constant", (), (4, 4), "float32", constant=np.arange(16, dtype=np.float32).reshape(4, 4)),
        loop(),
        Node(7, "sum", (6,), ("B",), "float32", {"axis": (1,), "keepdims": False}),
        Node(8, "dims", (), (2,), "int32", {"value": ("B", 3)}, role="gradient"),
        Node(9, "tf.Odd", (8,), None, "tuple", {"how": "ij,jk -> ik", "pad": "SAME", "x": None, "low": -1.5}),
        Node(10, "divide", (3, 1), ("B", 3), "float32", role="gradient", forward=2),
    )
    return LossGraph(Graph(nodes, (0, 1), (7, 10)), (0,), (1,), 7, (10,))


def test_the_text_shows_nodes_types_places_and_gradients() -> None:
    lines = show(graph()).splitlines()
    assert lines[0] == "loss(%0 y_true/boxes.1: f32[B,3], %1 y_pred: f32[B,3]) -> %7, gradients %10"
    assert lines[1].split("#")[0].strip() == "%2: f32[B,3] = log %1"
    assert lines[1].endswith("# focal.py:14 ops.log(y_pred)")
    assert lines[-1].strip() == "%10: f32[B,3] = divide %3 %1 ~%2"


def test_parse_gives_the_same_graph() -> None:
    found = parse(str(graph()))
    assert same(found, graph())
    assert isinstance(found, LossGraph)
    assert found[7].attrs == {"axis": (1,), "keepdims": False}
    assert found[9].attrs == graph()[9].attrs
    assert found[6].bodies[1].nodes[1].op == "negative"
    assert np.array_equal(found[4].constant, graph()[4].constant)  # type: ignore[arg-type]


def test_big_constants_differ_by_their_digest() -> None:
    original = graph()
    nodes = list(original.nodes)
    nodes[5] = replace(nodes[5], constant=np.zeros((4, 4), np.float32))
    assert not same(original, replace(original, graph=replace(original.graph, nodes=tuple(nodes))))


@pytest.mark.parametrize("text", ["", "loss()", "loss() -> %0, gradients none\n  %0: f32[] log %1"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        parse(text + "\n  %1 = broken")


def test_a_sound_graph_passes() -> None:
    verify(graph())


@pytest.mark.parametrize(
    ("position", "change", "message"),
    [
        (3, {"args": (0, 5)}, "not before it"),
        (3, {"id": 9}, "has id 9"),
        (10, {"forward": 99}, "names no node"),
        (10, {"forward": 8}, "has a gradient as forward"),
        (2, {"forward": 0}, "is not a gradient"),
    ],
)
def test_verify_names_the_first_broken_node(position: int, change: dict[str, object], message: str) -> None:
    original = graph()
    nodes = list(original.nodes)
    nodes[position] = replace(nodes[position], **change)  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match=message) as caught:
        verify(replace(original, graph=replace(original.graph, nodes=tuple(nodes))))
    assert len(str(caught.value).splitlines()) >= 6


def test_verify_checks_the_shape_of_elementwise_nodes() -> None:
    original = graph()
    nodes = list(original.nodes)
    nodes[3] = replace(nodes[3], shape=("B", 4))
    with pytest.raises(AssertionError, match="has shape"):
        verify(replace(original, graph=replace(original.graph, nodes=tuple(nodes))))
