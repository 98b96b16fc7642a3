"""Changes of a text: applied, composed, and where a place is afterwards."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossdoctor.graph.ir import Span
from lossdoctor.rewrite.text import Change, Source, apply, composed, moved
from lossdoctor.source.module import SourceModule


def changes_of(draw: st.DrawFn, text: str) -> list[Change]:
    ends = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6, unique=True)))
    return [
        Change(start, end, draw(st.text("xyz", max_size=4))) for start, end in zip(ends[::2], ends[1::2], strict=False)
    ]


@st.composite
def two_sets(draw: st.DrawFn) -> tuple[str, list[Change], list[Change]]:
    text = draw(st.text("abc\n", max_size=20))
    first = changes_of(draw, text)
    return text, first, changes_of(draw, apply(text, first))


@given(two_sets())
def test_composed_changes_do_what_one_after_the_other_do(case: tuple[str, list[Change], list[Change]]) -> None:
    text, first, second = case
    expected = apply(apply(text, first), second)
    try:
        both = composed(first, second, text)
    except ValueError:  # two changes of the second set meet in one of the first: there is no need to handle it
        return
    assert apply(text, both) == expected


def test_a_place_behind_a_change_moves_and_one_before_it_stays() -> None:
    changes = [Change(2, 4, "long text"), Change(6, 6, "!")]
    text = "0123456789"
    assert apply(text, changes)[moved(8, changes)] == "8"
    assert moved(1, changes) == 1
    assert moved(3, changes) == 2


def test_overlapping_changes_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        apply("0123456789", [Change(0, 5, ""), Change(4, 6, "")])


def test_columns_count_characters_also_behind_letters_of_several_bytes() -> None:
    source = Source(SourceModule("def f(x):\n    return 'äö', g(x)\n"))
    call = source.at(Span("f.py", 2, 18, 2, 22))
    assert isinstance(call, ast.Call)
    assert source.of(call) == "g(x)"
    assert source.position(source.region(call)[0]) == (2, 18)


def test_a_statement_is_removed_with_its_line_unless_it_shares_it_or_its_block_would_be_empty() -> None:
    source = Source(SourceModule("def f(x):\n    y = 1\n    z = 2; w = 3\n    if x:\n        v = 4\n    return x\n"))
    statements = {ast.unparse(node): node for node in ast.walk(source.module.tree) if isinstance(node, ast.Assign)}
    removal = source.removed(statements["y = 1"])
    assert removal is not None
    assert "y = 1" not in apply(source.text, [removal])
    ast.parse(apply(source.text, [removal]))
    assert source.removed(statements["z = 2"]) is None
    assert source.removed(statements["v = 4"]) is None
