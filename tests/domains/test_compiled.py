"""What XLA's simplifier makes of a graph, and the doubts that follow."""

from __future__ import annotations

import pytest

from lossdoctor.domains.compiled import compiled, under_xla
from lossdoctor.domains.intervals import ranges
from lossdoctor.graph.ir import LossGraph
from lossdoctor.graph.parse import parse
from lossdoctor.graph.verify import verify
from lossdoctor.spec import parse_contract

UNIT = parse_contract("float32[B,3] unit", "float32[B,3] unit")


def loss(*lines: str) -> LossGraph:
    last = lines[-1].split(":")[0]
    header = f"loss(%0 y_true: f32[B,3], %1 y_pred: f32[B,3]) -> {last}, gradients none"
    found = parse("\n".join([header, *(f"  {line}" for line in lines)]))
    assert isinstance(found, LossGraph)
    return found


def doubts(graph: LossGraph) -> list[str]:
    found = under_xla(graph, UNIT, 1e4, ranges(graph, UNIT).proof())
    return [] if found is None else [name for name, _ in found.doubts]


def quotient(least: float) -> LossGraph:
    """y_true * y / y / y, each of them finite."""
    return loss(
        f"%2: f32[] = constant {{{least}}}",
        "%3: f32[B,3] = maximum %1 %2",
        "%4: f32[B,3] = multiply %0 %2",
        "%5: f32[B,3] = divide %4 %3",
        "%6: f32[B,3] = divide %5 %3",
    )


def test_two_divisions_become_one_by_the_product() -> None:
    found = compiled(quotient(1e-20))
    assert found is not None
    verify(found)
    last = found[found.value]
    assert last.op == "divide" and found[last.args[1]].op == "multiply"


@pytest.mark.parametrize(("least", "doubted"), [(1e-20, ["finite-value"]), (1e-6, [])])
def test_a_product_that_vanishes_is_doubted(least: float, doubted: list[str]) -> None:
    assert ranges(quotient(least), UNIT).proof().finite_value
    assert doubts(quotient(least)) == doubted


def scaled(factor: float) -> LossGraph:
    """A small number times a constant, twice."""
    return loss(
        "%2: f32[] = constant {1e-35}",
        f"%3: f32[] = constant {{{factor}}}",
        "%4: f32[B,3] = minimum %1 %2",
        "%5: f32[B,3] = multiply %4 %3",
        "%6: f32[B,3] = multiply %5 %3",
    )


@pytest.mark.parametrize(("factor", "doubted"), [(1e30, ["finite-value"]), (1e15, []), (1e-30, [])])
def test_constants_that_overflow_together_are_doubted(factor: float, doubted: list[str]) -> None:
    assert ranges(scaled(factor), UNIT).proof().finite_value
    assert doubts(scaled(factor)) == doubted


@pytest.mark.parametrize(("epsilon", "doubted"), [(1e-30, ["finite-value"]), (1e-6, [])])
def test_an_epsilon_behind_a_difference_is_added_to_the_constant(epsilon: float, doubted: list[str]) -> None:
    complement = loss(
        "%2: f32[] = constant {1.0}",
        f"%3: f32[] = constant {{{epsilon}}}",
        "%4: f32[B,3] = subtract %2 %1",
        "%5: f32[B,3] = add %4 %3",
        "%6: f32[B,3] = log %5",
    )
    assert ranges(complement, UNIT).proof().finite_value
    assert doubts(complement) == doubted


def test_a_graph_without_such_shapes_stays_as_it_is() -> None:
    assert compiled(loss("%2: f32[B,3] = subtract %0 %1", "%3: f32[B,3] = square %2")) is None
