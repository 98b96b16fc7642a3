"""Shrinking: small, plain, valid, bounded, deterministic."""

import numpy as np

from lossdoctor.search.leaves import pair_arrays, pair_specs, valid
from lossdoctor.search.shrink import complexity, shrink
from lossdoctor.session import Pair
from lossdoctor.spec import Contract, parse_contract, sample


def drawn(contract: Contract, batch: int = 4, seed: int = 0) -> Pair:
    rng = np.random.default_rng(seed)
    sizes = {"B": batch, "T": 5}
    return Pair(sample(contract.y_true, rng, sizes), sample(contract.y_pred, rng, sizes))


def test_the_simplest_number_above_a_threshold() -> None:
    contract = parse_contract("float32[B,3] onehot", "float32[B,3] logit")
    pair = drawn(contract)
    pair.y_pred[2, 1] = 523.17

    def overflows(pairs: list[Pair]) -> list[bool]:
        with np.errstate(over="ignore"):
            return [bool(np.isinf(np.exp(p.y_pred)).any()) for p in pairs]

    small = shrink(pair, contract, overflows)
    assert small.y_pred.tolist() == [[90.0, 90.0, 90.0]]
    assert small.y_true.shape == (1, 3)


def test_only_what_matters_stays() -> None:
    contract = parse_contract("float32[B,T] real", "float32[B,T] real")
    pair = drawn(contract)
    pair.y_pred[1, 3] = pair.y_true[1, 3]

    def tie_among_others(pairs: list[Pair]) -> list[bool]:
        return [bool((p.y_true == p.y_pred).any() and (p.y_true != p.y_pred).any()) for p in pairs]

    small = shrink(pair, contract, tie_among_others, budget=3000)
    assert small.y_true.shape[0] == 1 and small.y_true.shape[1] == 2
    assert set(np.concatenate([small.y_true, small.y_pred]).ravel().tolist()) <= {0.0, 1.0}


def test_rows_that_sum_to_one_stay_valid_and_every_proposal_is() -> None:
    contract = parse_contract("float32[B,4] probability", "float32[B,4] probability")
    pair = drawn(contract)
    pair.y_pred[0] = [0.0, 0.25, 0.5, 0.25]
    asked: list[Pair] = []

    def zero_where_target(pairs: list[Pair]) -> list[bool]:
        asked.extend(pairs)
        return [bool(((p.y_pred == 0) & (p.y_true > 0)).any()) for p in pairs]

    small = shrink(pair, contract, zero_where_target, budget=300)
    assert sorted(small.y_pred[0].tolist()) == [0.0, 0.0, 0.0, 1.0] and len(small.y_pred) == 1
    assert len(asked) <= 300
    assert all(valid(pair_arrays(contract, p), pair_specs(contract)) for p in asked)


def test_the_budget_bounds_and_zero_changes_nothing() -> None:
    contract = parse_contract("float32[B,T] real", "float32[B,T] real")
    pair = drawn(contract)
    count = 0

    def always(pairs: list[Pair]) -> list[bool]:
        nonlocal count
        count += len(pairs)
        return [True] * len(pairs)

    kept = shrink(pair, contract, always, budget=0)
    assert all(map(np.array_equal, pair_arrays(contract, kept), pair_arrays(contract, pair))) and count == 0
    small = shrink(pair, contract, always, budget=50)
    specs = pair_specs(contract)
    assert count <= 50
    assert complexity(pair_arrays(contract, small), specs) < complexity(pair_arrays(contract, pair), specs)


def test_it_is_deterministic_and_keeps_what_does_not_shrink() -> None:
    contract = parse_contract("float32[B,3] real missing", "float32[B,3] unit")
    pair = drawn(contract)

    def nothing_else(pairs: list[Pair]) -> list[bool]:
        return [False] * len(pairs)

    kept = shrink(pair, contract, nothing_else, budget=100)
    np.testing.assert_array_equal(kept.y_pred, pair.y_pred)


def test_missing_entries_and_integers() -> None:
    contract = parse_contract("float32[B,3] real missing", "int32[B,3] label(9)")
    pair = Pair(np.array([[1.7, np.nan, 2.2]], "float32"), np.array([[3, 8, 5]], "int32"))

    def has_gap(pairs: list[Pair]) -> list[bool]:
        return [bool(np.isnan(p.y_true).any() and (p.y_pred >= 4).any()) for p in pairs]

    small = shrink(pair, contract, has_gap)
    assert np.isnan(small.y_true).any()
    assert small.y_pred.max() == 4 and small.y_pred.dtype == np.int32


def test_scalars_have_nothing_to_cut() -> None:
    contract = parse_contract("float32[] real", "float32[] real")
    pair = Pair(np.float32(0.377), np.float32(7.123))
    small = shrink(pair, contract, lambda pairs: [bool(p.y_pred > 3) for p in pairs])
    assert float(small.y_true) == 0.0 and float(small.y_pred) == 4.0
