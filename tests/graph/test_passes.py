"""In which pass over its expression a node was made."""

from __future__ import annotations

from lossdoctor.graph.ir import Node, Span
from lossdoctor.graph.passes import passes


def turns(*places: tuple[tuple[int, int, int], ...]) -> list[int]:
    """Of nodes made in this order, each of frames (line, column, end column)."""
    calls = [tuple(Span("a.py", line, start, line, end) for line, start, end in place) for place in places]
    nodes = [Node(i, "add", (), (), "float32", calls=each) for i, each in enumerate(calls)]
    return list(passes(nodes).values())


def test_nodes_in_a_row_are_of_one_pass() -> None:
    whole = ((1, 1, 20),)
    assert turns(whole, whole, whole) == [1, 1, 1]


def test_parts_and_what_is_called_do_not_end_a_pass() -> None:
    whole, part, helper = ((1, 1, 20),), ((1, 5, 10),), ((1, 1, 20), (9, 1, 5))
    assert turns(whole, part, whole, helper, whole) == [1, 1, 1, 1, 1]


def test_another_statement_ends_it() -> None:
    first, second = ((1, 1, 20),), ((2, 1, 20),)
    assert turns(first, second, first, second) == [1, 1, 2, 2]


def test_a_loop_of_one_line_is_told_by_its_parts() -> None:
    whole, part = ((1, 1, 20),), ((1, 5, 10),)
    assert turns(part, whole, part, whole, part, whole) == [1, 1, 2, 2, 3, 3]


def test_calls_from_different_lines_are_no_passes() -> None:
    assert turns(((1, 1, 9), (9, 1, 5)), ((2, 1, 9), (9, 1, 5))) == [1, 1]
