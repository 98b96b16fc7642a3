"""The rows against TensorFlow: names, shapes, dtypes, values, errors and gradients."""

from __future__ import annotations

import inspect
from functools import cache

import numpy as np
import pytest

from lossdoctor.ops import TABLE, Op
from tests.ops.points import ELEMENTWISE, REAL, arity, draw
from tests.ops.recipes import RECIPES, Recipe

pytestmark = pytest.mark.real

GENERIC = [row for row in ELEMENTWISE if row.tf and row.name not in {TABLE.by_tf[r.tf].name for r in RECIPES}]


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


@cache
def ran(place: int):
    from tests.ops.run_tf import run

    return run(ALL[place])


def generic(row: Op) -> Recipe:
    """An elementwise operation at points of its domain, under its first name."""
    import tensorflow

    names = list(inspect.signature(getattr(tensorflow.raw_ops, row.tf[0])).parameters)[: arity(row)]
    columns = [column.astype(np.float32) for column in draw(row, 64, seed=11)]
    return Recipe(row.tf[0], dict(zip(names, columns, strict=True)), close=max(row.ulps, 2.0) * 4 * 2.0**-23)


ALL: list[Recipe] = list(RECIPES)


@pytest.mark.parametrize("name", sorted(TABLE.by_tf))
def test_framework_name_exists(tf, name: str) -> None:
    from tensorflow.python.framework import op_def_registry

    assert op_def_registry.get(name) is not None
