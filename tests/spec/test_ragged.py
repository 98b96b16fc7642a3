"""Specs of ragged rows, and the padded arrays that stand for them."""

from __future__ import annotations

import numpy as np
import pytest

from lossdoctor.findings import UsageError
from lossdoctor.spec import Contract, Spec, parse_contract, parse_spec, sample
from lossdoctor.spec.ragged import given_rows, lowered, shown_gradient, shown_rows


def test_a_ragged_axis_is_written_as_tensorflow_does() -> None:
    spec = parse_spec("float32[B, ( T ), 4] real")
    assert spec.dims == ("B", "(T)", 4)
    assert parse_spec(str(spec)) == spec


def test_padded_rows_stand_for_ragged_ones() -> None:
    found = lowered(parse_contract("int32[B,(T)] label(4)", "float32[B,(T),4] logit"))
    assert found.y_true == (
        Spec("int32", ("B", "T"), "label", 4),
        Spec("bool", ("B", "T"), "binary", present=True),
    )
    assert found.y_pred == Spec("float32", ("B", "T", 4), "logit")
    assert found.ragged is not None
    assert found.ragged.cuts == (0, 0)
    assert found.shown == ("int32[B,(T)] label(4)", "float32[B,(T),4] logit")
    assert lowered(found) is found


def test_a_plain_contract_stays_as_it_is() -> None:
    contract = parse_contract("float32[B,T] real", "float32[B,T] real")
    assert lowered(contract) is contract
    assert contract.shown == ("float32[B,T] real", "float32[B,T] real")


def test_rows_of_other_lengths_have_places_of_their_own() -> None:
    found = lowered(parse_contract("float32[B,(T)] real", "float32[B,(S)] real"))
    assert isinstance(found.y_true, tuple)
    assert [spec.dims for spec in found.y_true if isinstance(spec, Spec)] == [("B", "T"), ("B", "T"), ("B", "S")]
    assert found.ragged is not None
    assert found.ragged.cuts == (0, 1)


def test_a_dense_axis_of_the_same_name_is_another_one() -> None:
    found = lowered(parse_contract("float32[B,(T)] real", "float32[B,T] real"))
    assert isinstance(found.y_true, tuple)
    assert found.y_true[0] == Spec("float32", ("B", "T_"))
    assert found.y_pred == Spec("float32", ("B", "T"))
    assert found.ragged is not None
    assert found.ragged.cuts == (0, None)


@pytest.mark.parametrize("specs", [("float32[B,4,(T)] real", "float32[B,4] real"), ("float32[(B)] real", "float32[B]")])
def test_only_the_second_axis_may_be_ragged(specs: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match="second axis"):
        lowered(parse_contract(*specs))


def test_structures_of_ragged_rows_are_refused() -> None:
    with pytest.raises(UsageError, match="single arguments"):
        lowered(parse_contract(["float32[B,(T)] real", "float32[B] real"], "float32[B,(T)] real"))


def test_data_are_padded_and_shown_as_they_came() -> None:
    y_true, y_pred = [[1.0, 2.0], [], [-3.5]], [[0.5, 0.25], [], [1.5]]
    contract, (true, pred) = given_rows(y_true, y_pred, 1e4)
    assert contract.shown == ("float32[B,(T)] real", "float32[B,(T)] real")
    np.testing.assert_array_equal(true[0], np.array([[1, 2], [0, 0], [-3.5, 0]], "float32"))
    np.testing.assert_array_equal(true[1], [[True, True], [False, False], [True, False]])
    shown = shown_rows(contract, true, pred)
    assert [[row.tolist() for row in part] for part in shown] == [y_true, y_pred]
    assert [row.tolist() for row in shown_gradient(contract, true, pred)] == y_pred


def test_data_with_rows_that_do_not_match_say_so() -> None:
    contract, _ = given_rows([[1.0, 2.0], [3.0]], [[1.0], [3.0, 1.5]], 1e4)
    assert contract.shown == ("float32[B,(T)] real", "float32[B,(S)] real")
    assert "not as long as" in contract.assumptions[-1]


def test_a_dense_prediction_stands_beside_ragged_rows() -> None:
    contract, (true, pred) = given_rows([[1.0, 2.0], [3.5]], np.array([[0.5], [2.5]], "float32"), 1e4)
    assert contract.shown == ("float32[B,(T)] real", "float32[B,1] real")
    assert len(true) == 2
    assert pred.shape == (2, 1)


@pytest.mark.parametrize(
    ("y_true", "y_pred", "said"),
    [
        ([[1.0], [2.0, 1.0]], [[1.0, 2.0], [1.0], [2.0, 3.0]], "one batch size"),
        ([["a"], ["b", "c"]], [[1.0], [1.0, 2.0]], "numbers"),
    ],
)
def test_what_cannot_be_rows_is_refused(y_true: object, y_pred: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        given_rows(y_true, y_pred, 1e4)


def test_rows_of_every_length_are_drawn() -> None:
    contract: Contract = lowered(parse_contract("float32[B,(T)] real", "float32[B,(T)] real"))
    rng = np.random.default_rng(0)
    mixed = sample(contract.y_true, rng, {"B": 400, "T": 3})[1]
    assert set(mixed.sum(axis=1)) == {0, 1, 2, 3}
    usual = sample(contract.y_true, rng, {"B": 400, "T": 3}, style="realistic")[1]
    assert set(usual.sum(axis=1)) == {1, 2, 3}  # an empty row is an edge
