"""Specs of real data, and reading data from files."""

import numpy as np
import pytest

from lossdoctor.findings import UsageError
from lossdoctor.spec import contract_from_arrays, format_structure, from_array, load_data, parse_spec, validate

F = np.float32


@pytest.mark.parametrize(
    ("data", "role", "spec"),
    [
        (np.array([[1, 0], [0, 1]], F), "y_true", "float32[B,2] onehot"),
        (np.array([[1, 1], [0, 1]], F), "y_true", "float32[B,2] binary"),
        (np.array([1, 0, 1]), "y_true", "int64[B] binary"),
        (np.array([True, False]), "y_true", "bool[B] binary"),
        (np.array([3, 0, 1]), "y_true", "int64[B] label(4)"),
        (np.array([3, 0, 1]), "y_pred", "int64[B] real"),
        (np.array([-1, 1], F), "y_true", "float32[B] sign"),
        (np.array([[0.25, 0.75]], F), "y_pred", "float32[B,2] probability"),
        (np.array([[0.25, 0.5]], F), "y_pred", "float32[B,2] unit"),
        (np.array([[0.5, np.nan], [-2, 1.5]], F), "y_true", "float32[B,2] real missing"),
        (np.array([[1, np.nan], [0, 1]], F), "y_true", "float32[B,2] binary missing"),
        (np.array([[0.5, np.nan], [-2, 1.5]], F), "y_pred", "float32[B,2] real"),
        (np.arange(1, 10) + 0.5, "y_true", "float64[B] positive"),
        (np.array([1.5, 2.5]), "y_true", "float64[B] real"),  # two signs are no evidence
        ([[0.5], [3.0], [-1.0]], "y_true", "float32[B,1] real"),
        ([1, 2], "y_pred", "int32[B] real"),
        (np.float32(0.5), "y_true", "float32[] unit"),
        (np.full((2, 3), np.nan, F), "y_true", "float32[B,3] real missing"),
        (
            {"a": np.ones((2, 3), F), "b": (np.zeros(2),)},
            "y_true",
            '{"a": "float32[B,3] binary", "b": ["float64[B] binary"]}',
        ),
    ],
)
def test_the_spec_of_data(data, role, spec):
    assert format_structure(from_array(data, role)) == spec


@pytest.mark.parametrize("data", [np.array(["a"]), None, np.array([]), [[1], [1, 2]], np.array([1j])])
def test_what_is_no_data(data):
    with pytest.raises(UsageError, match="Invalid value for `y_true`"):
        from_array(data)


def test_labels_get_the_classes_of_the_predictions():
    scores = np.random.default_rng(0).normal(size=(3, 10)).astype(F)
    contract = contract_from_arrays(np.array([1, 0, 4]), scores)
    assert (str(contract.y_true), str(contract.y_pred)) == ("int64[B] label(10)", "float32[B,10] logit")
    assert contract.origin == "data"
    column = contract_from_arrays(np.array([[1], [0], [0]]), scores)
    assert str(column.y_true) == "int64[B,1] label(10)"


def test_integers_that_index_nothing_are_numbers():
    ages = np.array([[34], [51], [8]])
    contract = contract_from_arrays(ages, ages.astype(F) + 0.25)
    assert contract.y_true.kind == "real"


def test_predictions_of_a_regression_are_not_taken_for_probabilities():
    contract = contract_from_arrays(np.array([[2.5], [-1.0]], F), np.array([[0.2], [0.3]], F))
    assert contract.y_pred.kind == "real"


def test_the_range_grows_with_the_data():
    assert contract_from_arrays(np.array([[2.5e6]], F), np.array([[0.2]], F)).magnitude == 1e7
    assert contract_from_arrays(np.array([[2.5]], F), np.array([[0.2]], F)).magnitude == 1e4


@pytest.mark.parametrize(
    ("array", "spec", "fault"),
    [
        (np.array([0.5], F), "float32[B] unit", None),
        (np.array([1.5], F), "float32[B] unit", "1.5 at [0], expected values in [0, 1]"),
        (np.array([0.5]), "float32[B] unit", "dtype float64 instead of float32"),
        (np.zeros((2, 3), F), "float32[B,4]", "shape (2, 3) with 3 instead of 4 on axis 1"),
        (np.zeros((2, 3), F), "float32[B,B]", "shape (2, 3) with 3 instead of 2 on axis 1"),
        (np.zeros((2, 3), F), "float32[B]", "shape (2, 3) instead of [B]"),
        (np.array([0, 5], np.int32), "int32[B] label(5)", "5 at [1], expected whole numbers from 0 to 4"),
        (np.array([0.0], F), "float32[B] positive", "0 at [0], expected values above 0"),
        (np.array([0.0], F), "float32[B] sign", "0 at [0], expected -1 or 1"),
        (np.array([[0.5, 0.6]], F), "float32[B,2] probability", "the last axis sums to 1.1 at [0], expected 1"),
        (np.array([[1, 1]], F), "float32[B,2] onehot", "the last axis sums to 2 at [0], expected 1"),
        (np.array([np.nan], F), "float32[B]", "NaN at [0]"),
        (np.array([np.nan, 1], F), "float32[B] binary missing", None),
        (np.array([np.nan, 2], F), "float32[B] binary missing", "2 at"),
        (np.array([np.inf], F), "float32[B]", "inf at [0], expected finite numbers"),
        (np.array([1e6], F), "float32[B]", None),
    ],
)
def test_what_is_wrong_with_an_array(array, spec, fault):
    found = validate(array, parse_spec(spec))
    assert (found is None) if fault is None else (fault in (found or ""))


def test_all_faults_are_said_at_once():
    found = validate(np.array([[1.5]]), parse_spec("float32[B] unit"))
    assert found is not None
    assert found.count(";") == 2


def test_data_from_a_file(tmp_path):
    np.savez(tmp_path / "batch.npz", y_true=np.zeros((3, 1), F), y_pred=np.ones((3, 2), F))
    y_true, y_pred = load_data(tmp_path / "batch.npz")
    assert y_true.shape == (3, 1)
    assert (y_pred == 1).all()


def test_structured_data_from_a_file(tmp_path):
    entries = {"y_true.0": np.zeros(3), "y_true.1": np.ones(3), "y_pred.boxes": np.zeros((3, 4))}
    np.savez(tmp_path / "batch.npz", **entries)
    y_true, y_pred = load_data(tmp_path / "batch.npz")
    assert [array.tolist() for array in y_true] == [[0, 0, 0], [1, 1, 1]]
    assert list(y_pred) == ["boxes"]


def test_data_that_cannot_be_read(tmp_path):
    np.save(tmp_path / "one.npy", np.zeros(3))
    np.savez(tmp_path / "lacking.npz", y_true=np.zeros(3))
    np.savez(tmp_path / "objects.npz", y_true=np.array([{}]), y_pred=np.zeros(1))
    np.savez(tmp_path / "batches.npz", y_true=np.zeros(3), y_pred=np.zeros(4))
    np.savez(tmp_path / "text.npz", y_true=np.array(["a"]), y_pred=np.zeros(1))
    (tmp_path / "broken.npz").write_bytes((tmp_path / "lacking.npz").read_bytes()[:60])
    expected = {
        "absent.npz": "no such file",
        ".": "a folder",
        "one.npy": "use np.savez",
        "lacking.npz": "an entry `y_pred`",
        "objects.npz": "arrays of numbers",
        "batches.npz": "one batch size",
        "text.npz": "an array of numbers",
        "broken.npz": "an .npz file",
    }
    for name, message in expected.items():
        with pytest.raises(UsageError, match=message):
            load_data(tmp_path / name)
