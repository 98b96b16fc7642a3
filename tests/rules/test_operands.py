"""What messages say of an operand."""

from __future__ import annotations

import numpy as np

from lossdoctor.graph.ir import Graph, LossGraph, Node, Span
from lossdoctor.rules.operands import misplaced_epsilon, named, why_zero


def span(text: str) -> tuple[Span, ...]:
    return (Span("losses.py", 5, 1, 5, 1 + len(text), text),)


def node(number: int, op: str, *args: int, text: str = "", **facts: object) -> Node:
    return Node(number, op, args, ("B", 3), "float32", calls=span(text) if text else (), **facts)  # type: ignore[arg-type]


def loss(*nodes: Node) -> LossGraph:
    return LossGraph(Graph(nodes, (0,), (nodes[-1].id,)), (), (0,), nodes[-1].id, (None,))


PREDICTION = node(0, "input", attrs={"role": "y_pred"})


def test_an_input_has_its_name_and_a_result_its_expression() -> None:
    graph = loss(PREDICTION, node(1, "square", 0, text="tf.square(y_pred)"), node(2, "log", 1, text="f(y_pred)"))
    assert named(graph, 0, graph[2]) == "`y_pred`"
    assert named(graph, 1, graph[2]) == "`tf.square(y_pred)`"


def test_an_operand_inside_the_same_call_is_named_by_its_operation() -> None:
    graph = loss(PREDICTION, node(1, "sum", 0, text="tf.norm(y_pred)"), node(2, "sqrt", 1, text="tf.norm(y_pred)"))
    assert named(graph, 1, graph[2]) == "the result of sum"


def test_underflow_is_told_through_sums_only() -> None:
    graph = loss(PREDICTION, node(1, "exp", 0, text="tf.exp(y_pred)"), node(2, "sum", 1), node(3, "multiply", 2, 0))
    assert why_zero(graph, 2) == "; `tf.exp(y_pred)` underflows to 0 for large negative arguments"
    assert why_zero(graph, 3) == ""
    assert why_zero(graph, 0) == ""


def test_an_epsilon_beside_the_result_is_misplaced() -> None:
    def with_constant(value: float) -> LossGraph:
        epsilon = node(2, "constant", constant=np.array(value, np.float32))
        return loss(PREDICTION, node(1, "log", 0), epsilon, node(3, "add", 1, 2))

    graph = with_constant(1e-6)
    assert "the 1e-06 is added to the result" in misplaced_epsilon(graph, graph[1])
    assert misplaced_epsilon(graph, graph[0]) == ""
    far = with_constant(1.0)
    assert misplaced_epsilon(far, far[1]) == ""
