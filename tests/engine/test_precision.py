"""Which losses lose precision, with the machine in TensorFlow's place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lossdoctor.domains.machine import machine
from lossdoctor.engine.precision import precision
from lossdoctor.engine.precision_points import ORDINARY, points
from lossdoctor.graph.ir import Graph, LossGraph, Node
from lossdoctor.session import Evaluation, Pair
from lossdoctor.spec import leaves, parse_contract, validate

V = ("B",)


def node(place: int, op: str, *args: int, **facts) -> Node:
    return Node(place, op, args, facts.pop("shape", V), facts.pop("dtype", "float32"), **facts)


def constant(place: int, value: float) -> Node:
    return node(place, "constant", shape=(), constant=np.array(value, np.float32))


def loss(*nodes: Node) -> LossGraph:
    """A loss without gradient of y_true (node 0) and y_pred (node 1); its value is the last node."""
    inputs = (node(0, "input"), node(1, "input"))
    return LossGraph(Graph((*inputs, *nodes), (0, 1), (len(nodes) + 1,)), (0,), (1,), len(nodes) + 1, ())


class Machine:
    """A session that runs a graph in NumPy."""

    def __init__(self, graph: LossGraph) -> None:
        self.graph = graph

    def evaluate(self, pairs: Sequence[Pair], execution: str) -> list[Evaluation]:
        found = [machine(self.graph, {0: pair.y_true, 1: pair.y_pred}) for pair in pairs]
        return [Evaluation(reading[self.graph.value], ()) for reading in found]


def examined(graph: LossGraph, y_true: str, y_pred: str) -> Any:
    return precision(graph, parse_contract(y_true, y_pred), Machine(graph))  # type: ignore[arg-type]


def difference_of_squares(*, absorbed: float = 0.0) -> LossGraph:
    """(t - p)², or (t - ((p + c) - c))²."""
    return loss(
        constant(2, absorbed),
        node(3, "add", 1, 2),
        node(4, "subtract", 3, 2),
        node(5, "subtract", 0, 4),
        node(6, "square", 5),
    )


def test_an_absorbed_addend_is_found_at_its_operation() -> None:
    found = examined(difference_of_squares(absorbed=1e8), "float32[B] real", "float32[B] real").inaccuracies
    # The sum is as good as float32 can hold it; the difference is where nothing is left.
    assert [(each.output, each.node) for each in found] == [("value", 4)]
    assert found[0].relative > 0.1 and not found[0].minor and found[0].when == ("eager", "graph", "xla")


def test_a_difference_of_nearly_equal_inputs_is_healthy() -> None:
    found = examined(difference_of_squares(), "float32[B] real", "float32[B] real")
    assert found.inaccuracies == () and found.limit == "" and found.compared > 20


def log_of_rest(eps: float) -> LossGraph:
    """-log(1 - p + eps)."""
    return loss(
        constant(2, 1.0),
        constant(3, eps),
        node(4, "subtract", 2, 1),
        node(5, "add", 4, 3),
        node(6, "log", 5),
        node(7, "negative", 6),
    )


def test_one_minus_an_input_is_exact() -> None:
    assert examined(log_of_rest(1e-7), "float32[B] binary", "float32[B] unit").inaccuracies == ()


def test_what_the_inputs_rounding_explains_is_healthy() -> None:
    """sin(1e6 p) is off by percents, and so is it at the neighbours of p."""
    graph = loss(constant(2, 1e6), node(3, "multiply", 1, 2), node(4, "sin", 3))
    assert examined(graph, "float32[B] real", "float32[B] real").inaccuracies == ()


def test_tensorflow_has_the_last_word() -> None:
    graph = difference_of_squares(absorbed=1e8)
    wide = precision(graph, parse_contract("float32[B] real", "float32[B] real"), _Right(graph))  # type: ignore[arg-type]
    assert wide.inaccuracies == ()


class _Right(Machine):
    """A framework that computes (t - p)² as it should."""

    def evaluate(self, pairs: Sequence[Pair], execution: str) -> list[Evaluation]:
        return [Evaluation(np.square(p.y_true.astype(np.float64) - p.y_pred), ()) for p in pairs]


def test_an_unknown_operation_is_a_limit() -> None:
    graph = loss(node(2, "random_normal", shape=V), node(3, "subtract", 1, 2))
    found = examined(graph, "float32[B] real", "float32[B] real")
    assert found.inaccuracies == () and (found.limit, found.limit_node) == ("random_normal", 2)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_only_float32_is_looked_at(dtype: str) -> None:
    graph = difference_of_squares(absorbed=1e8)
    found = examined(graph, f"{dtype}[B] real", f"{dtype}[B] real")
    assert found.compared == 0 and found.inaccuracies == ()


@pytest.mark.parametrize(
    ("y_true", "y_pred"),
    [
        ("float32[B,4] real", "float32[B,4] real"),
        ("float32[B,3] binary", "float32[B,3] logit"),
        ("float32[B,4] onehot", "float32[B,4] probability"),
        ("int32[B] label(5)", "float32[B,5] logit"),
        ("float32[B,4] positive", "float32[B,4] positive"),
        ("float32[B,N] real missing", "float32[B,N] real"),
        ("float32[B] binary", "float32[B] unit"),
    ],
)
def test_points_are_valid_and_start_with_ordinary_ones(y_true: str, y_pred: str) -> None:
    contract = parse_contract(y_true, y_pred)
    pairs = points(contract)
    assert len(pairs) >= ORDINARY
    for pair in pairs:
        for structure, array in ((contract.y_true, pair.y_true), (contract.y_pred, pair.y_pred)):
            assert validate(array, leaves(structure)[0][1]) is None
    ordinary = [np.abs(pair.y_pred).max() for pair in pairs[:ORDINARY]]
    assert max(ordinary) < 20.0


def test_points_reach_saturation_and_large_offsets() -> None:
    logits = points(parse_contract("float32[B,3] binary", "float32[B,3] logit"))
    full = {(float(pair.y_pred.flat[0]), float(pair.y_true.flat[0])) for pair in logits if np.ptp(pair.y_pred) == 0}
    assert {(40.0, 0.0), (40.0, 1.0), (-40.0, 0.0), (-40.0, 1.0)} <= full
    real = points(parse_contract("float32[B,3] real", "float32[B,3] real"))
    assert any(pair.y_true.min() > 900 and pair.y_pred.min() > 900 for pair in real)
    assert any(0 < np.abs(pair.y_true - pair.y_pred).max() < 0.01 < np.abs(pair.y_true).max() for pair in real)


def test_points_stay_within_the_magnitude() -> None:
    contract = replace(parse_contract("float32[B,3] binary", "float32[B,3] logit"), magnitude=15.0)
    assert max(np.abs(pair.y_pred).max() for pair in points(contract)) <= 15.0
