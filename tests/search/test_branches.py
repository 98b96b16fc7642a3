"""Branch coverage from what nodes held."""

import numpy as np

from lossdoctor.domains.intervals import ranges
from lossdoctor.graph.ir import LossGraph
from lossdoctor.graph.parse import parse
from lossdoctor.search.branches import Branch, branches, coverage, missed, possible
from lossdoctor.search.branches import held as computed
from lossdoctor.search.candidates import candidates
from lossdoctor.session import Pair, Settings
from lossdoctor.spec import parse_contract

TEXT = """
loss(%0 y_true: f32[B], %1 y_pred: f32[B]) -> %8, gradients none
  %2: f32[B] = subtract %1 %0
  %3: f32[] = constant {1.0}
  %4: bool[B] = less %2 %3
  %5: f32[B] = abs %2
  %6: f32[B] = where %4 %5 %2
  %7: f32[B] = relu %0
  %8: f32[B] = maximum %6 %3
"""


def held(difference: float) -> dict[int, np.ndarray]:
    d = np.array([difference])
    where = np.where(d < 1, abs(d), d)
    return {2: d, 3: np.array(1.0), 4: d < 1, 5: abs(d), 6: where}


def test_branches_that_do_not_reach_the_value_do_not_count() -> None:
    graph = parse(TEXT)
    assert isinstance(graph, LossGraph)
    assert {branch.node for branch in branches(graph)} == {5, 6, 8}


def test_coverage_names_what_was_not_visited() -> None:
    graph = parse(TEXT)
    assert isinstance(graph, LossGraph)
    some = coverage(graph, [held(0.5), held(0.2)])
    assert set(some.missed) == {Branch(5, "negative"), Branch(6, "false"), Branch(8, "first larger")}
    assert some.describe(graph)[0] == "`abs`: negative" and not some.complete
    assert coverage(graph, [held(0.5), held(-3.0), held(2.0)]).complete


def test_unknown_values_are_not_misses() -> None:
    graph = parse(TEXT)
    assert isinstance(graph, LossGraph)
    blind = coverage(graph, [{2: None, 4: np.array([True])}])
    assert {branch.node for branch in blind.unknown} == {5, 8}
    assert blind.missed == (Branch(6, "false"),)


def test_branches_that_nothing_can_take_are_not_missed() -> None:
    """`abs` of a product of shares, a clip from below only, and the guard inside a hand-made logsumexp."""
    graph = parse("""
    loss(%0 y_true: f32[B], %1 y_pred: f32[B]) -> %12, gradients none
      %2: f32[B] = multiply %0 %1
      %3: f32[B] = abs %2
      %4: f32[] = constant {1.0}
      %5: f32[B] = minimum %3 %4
      %6: f32[] = constant {0.5}
      %7: f32[B] = maximum %5 %6
      %8: bool[B] = isfinite %7
      %9: bool[B] = logical_not %8
      %10: f32[B] = where %8 %7 %4
      %11: f32[B] = where %9 %4 %10
      %12: f32[B] = subtract %11 %1
    """)
    assert isinstance(graph, LossGraph)
    contract = parse_contract("float32[B] unit", "float32[B] unit")
    known = ranges(graph, contract)
    excluded = {branch for branch in branches(graph) if not possible(graph, branch, known)}
    assert excluded == {Branch(3, "negative"), Branch(5, "first larger"), Branch(10, "false"), Branch(11, "true")}
    half = Pair(np.full(1, 0.5, "float32"), np.full(1, 0.5, "float32"))
    full = Pair(np.ones(1, "float32"), np.ones(1, "float32"))
    assert missed(graph, contract, [half], known) == (Branch(7, "first larger"),)
    assert missed(graph, contract, [*[half] * 40, full], known) == ()


def test_candidates_visit_every_branch_of_a_narrow_loss() -> None:
    """Between 2.75 and 2.7500005 lies no random draw."""
    graph = parse("""
    loss(%0 y_true: f32[B,4], %1 y_pred: f32[B,4]) -> %10, gradients none
      %2: f32[B,4] = subtract %1 %0
      %3: f32[] = constant {2.75}
      %4: f32[] = constant {2.7500005}
      %5: bool[B,4] = greater_equal %2 %3
      %6: bool[B,4] = less %2 %4
      %7: bool[B,4] = logical_and %5 %6
      %8: f32[B,4] = square %2
      %9: f32[B,4] = where %7 %8 %2
      %10: f32[B] = mean %9 axis=-1
    """)
    assert isinstance(graph, LossGraph)
    contract = parse_contract("float32[B,4] real", "float32[B,4] real")
    pairs = candidates(contract, graph, None, Settings(), np.random.default_rng(0))
    assert coverage(graph, computed(graph, contract, pairs)).complete
    blind = candidates(contract, None, None, Settings(), np.random.default_rng(0))
    assert coverage(graph, computed(graph, contract, blind)).missed == (Branch(9, "true"),)
    zeros = Pair(np.zeros((1, 4), "float32"), np.zeros((1, 4), "float32"))
    assert coverage(graph, computed(graph, contract, [zeros])).missed == (Branch(9, "true"),)
