"""Whether two nodes are the same computation."""

from __future__ import annotations

import numpy as np

from lossdoctor.graph.identical import identical
from lossdoctor.graph.ir import Graph, Node


def graph(*nodes: tuple[str, tuple[int, ...]], axis: dict[int, int] | None = None) -> Graph:
    """Nodes of an operation and its arguments; "constant" is 2."""
    made: list[Node] = []
    for number, (op, args) in enumerate(nodes):
        attrs = {"axis": (axis[number],)} if axis and number in axis else {}
        constant = np.array(2.0, np.float32) if op == "constant" else None
        made.append(Node(number, op, args, ("B", 3), "float32", attrs=attrs, constant=constant))
    return Graph(tuple(made), (0,), (len(made) - 1,))


def test_the_same_operations_of_the_same_values() -> None:
    found = graph(
        ("input", ()),
        ("constant", ()),
        ("constant", ()),
        ("multiply", (0, 1)),
        ("multiply", (0, 2)),
        ("add", (3, 0)),
        ("add", (4, 0)),
        ("sum", (5,)),
        ("sum", (6,)),
        axis={7: 1, 8: 0},
    )
    assert identical(found, 3, 4) and identical(found, 5, 6) and identical(found, 0, 0)
    assert not identical(found, 7, 8) and not identical(found, 3, 5) and not identical(found, 0, 1)


def test_random_numbers_and_unknown_operations_are_others_each_time() -> None:
    found = graph(
        ("input", ()), ("random_uniform", (0,)), ("random_uniform", (0,)), ("tf.Mystery", (0,)), ("tf.Mystery", (0,))
    )
    assert not identical(found, 1, 2) and not identical(found, 3, 4)
