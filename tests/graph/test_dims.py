"""Dimensions are solved from sizes and evaluated back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossdoctor.graph import dims

ONE = {"B": 7, "H": 11, "W": 17}
TWO = {"B": 13, "H": 19, "W": 29}
LATER = {"B": 101, "H": 64, "W": 31}


@pytest.mark.parametrize(
    "dim", [0, 5, "B", "3*B", "B*H", "2*B*H*W", "B*B", "H-1", "H-10", "W+2", "B*B-1", "B+H"]
)  # fmt: skip
def test_solve_finds_what_evaluate_computes(dim: int | str) -> None:
    found = dims.solve([dims.evaluate(dim, ONE), dims.evaluate(dim, TWO)], [ONE, TWO])
    assert found == dim


@given(st.integers(1, 40), st.sampled_from(["B", "H", "W", "B*B", "B*H", "H*W"]))
def test_a_solution_holds_at_other_sizes(coefficient: int, names: str) -> None:
    def value(sizes: dict[str, int]) -> int:
        result = coefficient
        for name in names.split("*"):
            result *= sizes[name]
        return result

    found = dims.solve([value(ONE), value(TWO)], [ONE, TWO])
    assert dims.evaluate(found, LATER) == value(LATER)


def test_halves_have_no_solution() -> None:
    assert dims.solve([11 // 2, 19 // 2], [ONE, TWO]) == "?"


def test_one_size_decides_nothing() -> None:
    with pytest.raises(ValueError, match="two assignments"):
        dims.solve([7], [ONE])


@pytest.mark.parametrize("text", ["?", "", "B**2", "B H", "B/2"])
def test_no_polynomial_has_no_value(text: str) -> None:
    with pytest.raises(ValueError, match="not a dimension"):
        dims.evaluate(text, ONE)


def test_a_name_without_a_size() -> None:
    with pytest.raises(KeyError):
        dims.evaluate("B*N", ONE)


def test_broadcast_keeps_names_and_owns_up_to_clashes() -> None:
    assert dims.broadcast(("B",), ("B", 1)) == ("B", "B")
    assert dims.broadcast(("B", 3), (3,)) == ("B", 3)
    assert dims.broadcast(("B",), ("B", 10)) == ("B", "?")
    assert dims.broadcast(("H", 1), (1, 1)) == ("H", 1)
