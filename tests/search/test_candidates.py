"""Candidates are valid, deterministic, and hit what random draws miss."""

import numpy as np
import pytest

from lossdoctor.graph.ir import LossGraph
from lossdoctor.graph.parse import parse
from lossdoctor.search.candidates import candidates
from lossdoctor.search.leaves import make_pair, pair_arrays, pair_specs, valid
from lossdoctor.search.thresholds import crossings
from lossdoctor.session import Pair, Settings
from lossdoctor.spec import parse_contract

CONTRACTS = [
    ("float32[B] real", "float32[B,1] real"),
    ("float32[B,5] onehot", "float32[B,5] probability"),
    ("int32[B,6] label(20)", "float32[B,6,20] logit"),
    ("int32[B,3] label(5)", "float32[B,5] logit"),
    ("float32[B,T] real missing", "float32[B,T] real"),
    ("float32[B,4] sign", "float16[B,4] logit"),
    ("float32[B,H,W,1] binary", "float32[B,H,W,1] unit"),
    ("int64[B,1] binary", "float32[B,1] positive"),
    ('["float32[B,3] unit", "int32[B] label(4)"]', '{"b": "float32[B,3] logit", "a": "float32[B,2] real"}'),
    ("float32[] real", "float32[2] sign"),
]


def made(true: str, pred: str, graph: LossGraph | None = None, seed: int = 0) -> list[Pair]:
    contract = parse_contract(true, pred)
    return candidates(contract, graph, None, Settings(), np.random.default_rng(seed))


@pytest.mark.parametrize(("true", "pred"), CONTRACTS)
def test_all_are_valid_different_and_the_same_for_a_seed(true: str, pred: str) -> None:
    contract = parse_contract(true, pred)
    pairs, again = made(true, pred), made(true, pred)
    arrays = [pair_arrays(contract, pair) for pair in pairs]
    assert 40 <= len(pairs) <= 600
    assert all(valid(parts, pair_specs(contract)) for parts in arrays)
    assert len({tuple((a.shape, a.tobytes()) for a in parts) for parts in arrays}) == len(pairs)
    for one, other in zip(arrays, (pair_arrays(contract, pair) for pair in again), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_edges_of_both_sides_meet() -> None:
    pairs = made("float32[B,2] binary", "float32[B,2] unit")
    seen = {(float(pair.y_true.flat[0]), float(pair.y_pred.flat[0])) for pair in pairs}
    assert {(t, p) for t in (0.0, 1.0) for p in (0.0, 1.0, 0.5)} <= seen


def test_ties_and_opposites_occur() -> None:
    pairs = made("float32[B,3] real", "float32[B,3] real")
    equal = [pair for pair in pairs if np.array_equal(pair.y_true, pair.y_pred)]
    assert any(len(np.unique(pair.y_true)) > 1 for pair in equal)
    labels = made("int32[B] label(4)", "float32[B,4] logit")
    confident = [p for p in labels if p.y_pred.max() >= 100 and p.y_pred.argmax(-1)[0] == p.y_true[0]]
    assert confident
    tagged = made("int32[B,2] label(8)", "float32[B,8] logit")  # several labels a sample
    assert any(p.y_pred.max() >= 100 and p.y_pred[0, p.y_true[0]].min() >= 100 > p.y_pred[0].min() for p in tagged)


def test_all_but_one_and_a_single_entry_missing_occur() -> None:
    pairs = made("float32[B,60] real missing", "float32[B,60] real")
    assert {0, 1, 59, 60} <= {int(np.isnan(pair.y_true).sum()) for pair in pairs if len(pair.y_true) == 1}


def test_batches_of_several_samples_occur() -> None:
    sizes = {len(pair.y_pred) for pair in made("float32[B,2] real", "float32[B,2] real")}
    assert {1, 2, 3} <= sizes


def test_a_tie_fills_a_packet_of_the_vectorised_kernels() -> None:
    """They round otherwise than single elements do: log_cosh with sqrt(square(error)) is NaN from 8 numbers on."""
    pairs = made("float32[B,2] real", "float32[B,2] real")
    assert any(pair.y_pred.size >= 16 and np.array_equal(pair.y_true, pair.y_pred) for pair in pairs)


HUBER = """
loss(%0 y_true: f32[B,4], %1 y_pred: f32[B,4]) -> %8, gradients none
  %2: f32[B,4] = subtract %1 %0
  %3: f32[B,4] = abs %2
  %4: f32[] = constant {2.75}
  %5: bool[B,4] = less_equal %3 %4
  %6: f32[B,4] = square %2
  %7: f32[B,4] = where %5 %6 %3
  %8: f32[B] = mean %7 axis=-1
"""


def test_a_threshold_is_met_from_both_sides() -> None:
    graph = parse(HUBER)
    assert isinstance(graph, LossGraph)
    assert {crossing.value for crossing in crossings(graph, 1.0)} >= {3.75, -1.75}
    errors = {float(abs(p.y_pred - p.y_true).flat[0]) for p in made("float32[B,4] real", "float32[B,4] real", graph)}
    below, above = np.nextafter(np.float32(2.75), np.float32(0)), np.nextafter(np.float32(2.75), np.float32(9))
    assert {2.75, float(below), float(above)} <= errors


def test_a_product_with_the_target_is_carried_back() -> None:
    graph = parse("""
    loss(%0 y_true: f32[B], %1 y_pred: f32[B]) -> %6, gradients none
      %2: f32[] = constant {1.5}
      %3: f32[B] = multiply %0 %1
      %4: f32[B] = subtract %2 %3
      %5: f32[] = constant {0.0}
      %6: f32[B] = maximum %4 %5
    """)
    assert isinstance(graph, LossGraph)
    assert [crossing.value for crossing in crossings(graph, -1.0)] == [-1.5]
    assert crossings(graph, 0.0) == ()


def test_leaves_go_back() -> None:
    contract = parse_contract(*CONTRACTS[-2])
    pair = candidates(contract, None, None, Settings(), np.random.default_rng(0))[7]
    again = make_pair(contract, pair_arrays(contract, pair))
    assert set(again.y_pred) == {"a", "b"} and isinstance(again.y_true, tuple)
    np.testing.assert_array_equal(again.y_pred["b"], pair.y_pred["b"])


def test_regions_that_the_intervals_name_are_tried() -> None:
    """y_true / (y_pred - 0.25): a pole at no edge value, and at no constant that anything is compared with."""
    from lossdoctor.domains.intervals import ranges

    graph = parse("""
    loss(%0 y_true: f32[B], %1 y_pred: f32[B]) -> %4, gradients none
      %2: f32[] = constant {0.25}
      %3: f32[B] = subtract %1 %2
      %4: f32[B] = divide %0 %3
    """)
    assert isinstance(graph, LossGraph)
    contract = parse_contract("float32[B] unit", "float32[B] unit")
    known = ranges(graph, contract)
    pairs = candidates(contract, graph, known, Settings(), np.random.default_rng(0))
    without = candidates(contract, graph, None, Settings(), np.random.default_rng(0))

    def nearest(tried: list[Pair]) -> float:
        return min(float(np.min(np.abs(pair.y_pred.astype(np.float64) - 0.25))) for pair in tried)

    assert nearest(pairs) < 0.1 * nearest(without)


def test_samples_that_are_compared_lie_far_apart_too() -> None:
    graph = parse("""
loss(%0 y_true: f32[B,1], %1 y_pred: f32[B,1]) -> %4, gradients none
  %2: f32[1,B] = transpose %1
  %3: f32[B,B] = subtract %1 %2
  %4: f32[B] = mean %3 axis=1
""")
    assert isinstance(graph, LossGraph)
    far = [p for p in made("float32[B,1] binary", "float32[B,1] real", graph) if np.ptp(p.y_pred) >= 200.0]
    assert any(p.y_true[0] != p.y_true[1] and p.y_pred[0] > p.y_pred[1] for p in far)
    assert any(p.y_true[0] != p.y_true[1] and p.y_pred[0] < p.y_pred[1] for p in far)
