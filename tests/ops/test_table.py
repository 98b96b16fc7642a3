"""The table as a table: facts that hold of every row."""

from __future__ import annotations

import inspect
import math
import subprocess
import sys

import numpy as np
import pytest
from tests.ops.points import ELEMENTWISE, arity, draw

from lossdoctor.ops import TABLE, Op
from lossdoctor.ops.table import Table

ROWS = list(TABLE.by_name.values())
MONOTONE = [row for row in ELEMENTWISE if row.value is not None and any(row.trend) and row.name != "astype"]


def test_a_name_has_one_row_and_a_framework_name_one_owner() -> None:
    table = Table()
    table.add(Op("add", "elementwise", tf=("Add",)))
    with pytest.raises(ValueError, match="two rows"):
        table.add(Op("add", "elementwise"))
    with pytest.raises(ValueError, match="claimed by 'add' and 'plus'"):
        table.add(Op("plus", "elementwise", tf=("Add",)))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_facts_are_well_formed(row: Op) -> None:
    assert row.flow and row.ulps >= 0
    assert set(row.trend) <= {-1, 0, 1}
    assert row.outputs >= 0
    if row.kind == "elementwise":
        assert row.trend, "an elementwise row says how it depends on each argument"
    if row.defined is not None:
        assert row.defined[0] < row.defined[1] and arity(row) == 1
    for case in row.cases:
        assert len(case) == arity(row) + 1


@pytest.mark.parametrize("row", [row for row in ROWS if row.value and row.params], ids=lambda row: row.name)
def test_value_takes_every_parameter(row: Op) -> None:
    assert row.value is not None
    accepted = inspect.signature(row.value).parameters
    free = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
    assert free or set(row.params.values()) <= set(accepted)


@pytest.mark.parametrize("row", MONOTONE, ids=lambda row: row.name)
def test_trend_is_true(row: Op) -> None:
    """With one argument raised, the value does not move against the trend."""
    assert row.value is not None
    columns = draw(row, 400, seed=5)
    if row.name.startswith("logical"):
        columns = [column > 0 for column in columns]
    if row.name == "where":
        columns[0] = columns[0] > 0
    rng = np.random.default_rng(6)
    for place, trend in enumerate(row.trend):
        if not trend:
            continue
        other = rng.permutation(columns[place])
        low, high = np.minimum(columns[place], other), np.maximum(columns[place], other)
        with np.errstate(all="ignore"):
            before, after = (
                np.asarray(row.value(*columns[:place], end, *columns[place + 1 :]), np.float64) for end in (low, high)
            )
        known = ~(np.isnan(before) | np.isnan(after))
        slack = 1e-12 * np.maximum(np.abs(before), 1.0)
        step = np.where(known & (before != after), after - before, 0.0)
        assert known.sum() > 100
        assert np.all(trend * step >= -slack)
        assert np.any(trend * step > 0)


@pytest.mark.parametrize("row", [row for row in ROWS if row.defined], ids=lambda row: row.name)
def test_nan_outside_the_domain_only(row: Op) -> None:
    assert row.defined is not None and row.value is not None
    low, high = row.defined
    outside = [x for x in (low - 1e-3, low - 5.0, high + 1e-3, high + 5.0) if math.isfinite(x)]
    inside = np.linspace(max(low, -50.0), min(high, 50.0), 101)
    with np.errstate(all="ignore"):
        assert np.all(np.isnan(row.value(np.array(outside))))
        assert not np.any(np.isnan(row.value(inside)))


def test_the_table_needs_no_tensorflow() -> None:
    code = (
        "import sys, lossdoctor.ops\n"
        "print(sorted({'tensorflow', 'keras', 'scipy', 'sympy', 'flint'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"
