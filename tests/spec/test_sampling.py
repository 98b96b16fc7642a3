"""Drawing arrays, and the values at the edges of a kind."""

import numpy as np
import pytest

from lossdoctor.findings import UsageError
from lossdoctor.spec import (
    boundary_values,
    bounds,
    discrete_values,
    hard_values,
    parse_spec,
    parse_structure,
    sample,
    validate,
)

SPECS = [
    "float32[B,4] real",
    "float16[B,4] real",
    "float64[B,4] positive",
    "float32[B,4] unit",
    "float32[B,4] probability",
    "float16[B,40] probability",
    "float32[B,4] logit",
    "float32[B,4] binary",
    "int64[B,4] binary",
    "bool[B,4] binary",
    "float32[B,4] onehot",
    "bool[B,4] onehot",
    "int32[B] label(5)",
    "float32[B,1] label(5)",
    "uint8[B] label(200)",
    "float32[B,4] sign",
    "int8[B] sign",
    "int8[B] real",
    "uint16[B] positive",
    "float32[B,24] real missing",
    "float32[B,4] onehot missing",
    "float32[] unit",
    "float32[B,B] real",
]
BATCH = 200


@pytest.mark.parametrize("style", ["mixed", "realistic"])
@pytest.mark.parametrize("text", SPECS)
def test_draws_are_valid(text, style):
    spec = parse_spec(text)
    for batch in (1, 3, BATCH):
        array = sample(spec, np.random.default_rng(batch), {"B": batch}, style=style)
        assert validate(array, spec) is None


@pytest.mark.parametrize("text", ["float32[B,4] unit", "float32[B,4] probability", "float16[B,4] unit"])
def test_both_ends_are_drawn_exactly(text):
    array = sample(parse_spec(text), np.random.default_rng(0), {"B": BATCH})
    assert (array == 0).any()
    assert (array == 1).any()
    assert ((array > 0) & (array < 1)).any()


def test_real_draws_are_of_all_sizes_and_mostly_usual():
    array = sample(parse_spec("float32[B,4] real"), np.random.default_rng(0), {"B": 2000})
    assert np.abs(array).max() == 1e4
    assert 0.4 < (np.abs(array) < 3).mean() < 0.9
    assert (array == 0).any()
    usual = sample(parse_spec("float32[B,4] real"), np.random.default_rng(0), {"B": 2000}, style="realistic")
    assert abs(usual.std() - 1) < 0.1


def test_no_draw_is_denormal():
    array = sample(parse_spec("float16[B,40] probability"), np.random.default_rng(0), {"B": 500})
    assert not ((array != 0) & (np.abs(array) < np.finfo(np.float16).smallest_normal)).any()


def test_missing_entries_are_drawn_and_not_everywhere():
    array = sample(parse_spec("float32[B,24] real missing"), np.random.default_rng(0), {"B": BATCH})
    gaps = np.isnan(array)
    assert 0.05 < gaps.mean() < 0.5
    assert gaps.all(axis=1).any()
    assert (~gaps).all(axis=1).any()


def test_ties_occur():
    array = sample(parse_spec("float32[B,4] unit"), np.random.default_rng(0), {"B": BATCH})
    assert (array == array[:, :1]).all(axis=1).any()


def test_a_structure_shares_its_sizes():
    structure = parse_structure({"a": "float32[B,N] real", "b": ["int32[N] label(3)"]})
    arrays = sample(structure, np.random.default_rng(0), {"B": 2, "N": 5})
    assert arrays["a"].shape == (2, 5)
    assert arrays["b"][0].shape == (5,)


def test_a_size_is_lacking():
    with pytest.raises(UsageError, match="a size for `H`"):
        sample(parse_spec("float32[B,H]"), np.random.default_rng(0), {"B": 2})


def test_bounds_are_what_the_dtype_can_hold():
    assert bounds(parse_spec("float32[B]"), 1e4) == (-1e4, 1e4)
    assert bounds(parse_spec("float16[B]"), 1e6) == (-65504, 65504)
    assert bounds(parse_spec("int8[B]"), 1e4) == (-128, 127)
    low, high = bounds(parse_spec("float32[B] positive"), 1e4)
    assert low == np.float32(1e-4)
    assert high == 1e4
    assert bounds(parse_spec("int32[B] label(5)")) == (0, 4)


def test_discrete_kinds_are_enumerated():
    assert discrete_values(parse_spec("float32[B] sign")) == (-1, 1)
    assert discrete_values(parse_spec("int32[B] label(3)")) == (0, 1, 2)
    assert discrete_values(parse_spec("float32[B] unit")) is None


@pytest.mark.parametrize("text", SPECS)
@pytest.mark.parametrize("values", [boundary_values, hard_values])
def test_edges_lie_within_the_bounds(text, values):
    spec = parse_spec(text)
    found = values(spec, 1e4).astype(np.float64)
    present = found[~np.isnan(found)]
    low, high = bounds(spec, 1e4)
    assert present.min() == low
    assert present.max() == high
    assert (np.diff(present) > 0).all()
    assert np.isnan(found).any() == spec.missing


def test_the_edges_of_the_unit_interval():
    found = boundary_values(parse_spec("float32[B] unit")).tolist()
    assert {0.0, 1.0, 0.5, float(np.finfo(np.float32).tiny), 1 - 2.0**-24} <= set(found)


def test_hard_values_reach_where_exp_overflows_on_both_sides():
    found = hard_values(parse_spec("float32[B] real")).astype(np.float64)
    with np.errstate(over="ignore"):
        finite = np.isfinite(np.exp(found.astype(np.float32)))
    limit = np.log(np.finfo(np.float32).max)
    assert found[finite].max() > 0.98 * limit
    assert found[~finite].min() < 1.02 * limit
    tiny = np.finfo(np.float32).tiny
    assert not ((found != 0) & (np.abs(found) < tiny)).any()
