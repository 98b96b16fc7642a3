"""`value` and `real` say the same function, up to a few units in the last place of float64."""

from __future__ import annotations

import numpy as np
import pytest
from tests.ops.ball_namespace import precise
from tests.ops.points import LOGICAL, REAL, draw

from lossdoctor.ops import Op

ROWS = [row for row in REAL if row.name not in LOGICAL]
# Units in the last place of float64 that NumPy or our own method may be off; where the value passes through zero
# (lgamma at 1, digamma at 1.46) the error is absolute, of the size of 1.
LOOSE = {"polygamma": 300.0, "zeta": 300.0, "igamma": 2000.0, "igammac": 2000.0, "betainc": 2000.0, "erfinv": 300.0,
         "ndtri": 300.0, "digamma": 64.0, "lgamma": 32.0, "bessel_i0": 300.0, "bessel_i1": 300.0, "bessel_i0e": 300.0,
         "bessel_i1e": 300.0}  # fmt: skip
ABSOLUTE = ("lgamma", "digamma", "ndtri", "erfinv", "elu", "selu")
# Products and differences of rounded parts: errors relative to the parts, not to the result.
PARTS = {"subtract", "add_n", "squared_difference", "remainder", "fmod", "selu_grad", "tanh_grad", "elu_grad", "add",
         "sigmoid_grad"}  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_value_agrees_with_the_mathematics(row: Op) -> None:
    assert row.value is not None and row.real is not None
    columns = draw(row, 60, seed=3)
    with np.errstate(all="ignore"):
        computed = np.asarray(row.value(*columns), np.float64)
    compared = 0
    for *point, found in zip(*columns, computed, strict=True):
        exact = precise(row.real, *point)
        if not exact.is_finite() or exact.rad() > abs(exact.mid()) * 1e-30 + 1e-300:
            continue  # outside the domain, or at a jump
        truth = float(exact.mid())
        if not np.isfinite(truth):
            continue
        scale = max(abs(truth), 1.0) if row.name in ABSOLUTE else abs(truth)
        if row.name == "erfinv":  # rounding (1 + x) / 2 costs this much close to 1
            scale *= float(np.exp(truth * truth))
        if row.name in PARTS:
            scale = max(scale, *map(abs, point))
        bound = LOOSE.get(row.name, 4.0) * np.spacing(max(scale, 1e-300))
        assert abs(found - truth) <= bound, f"{row.name}{tuple(point)} = {truth!r}, computed {found!r}"
        compared += 1
    assert compared >= 15


@pytest.mark.parametrize(
    ("name", "point", "expected"),
    [
        ("log", (0.0,), -np.inf),
        ("log", (-1.0,), np.nan),
        ("log1p", (-1.0,), -np.inf),
        ("rsqrt", (0.0,), np.inf),
        ("rsqrt", (-0.0,), -np.inf),
        ("reciprocal", (-0.0,), -np.inf),
        ("divide_no_nan", (np.nan, 0.0), 0.0),
        ("multiply_no_nan", (np.inf, 0.0), 0.0),
        ("xlogy", (0.0, 0.0), 0.0),
        ("xdivy", (0.0, 0.0), 0.0),
        ("xlog1py", (0.0, -1.0), 0.0),
        ("pow", (0.0, -1.0), np.inf),
        ("pow", (-8.0, 1 / 3), np.nan),
        ("floor_divide", (np.inf, 1.0), np.inf),
        ("lgamma", (0.0,), np.inf),
        ("lgamma", (-1.0,), np.inf),
        ("digamma", (-1.0,), np.nan),
        ("digamma", (-2.5,), 1.1031566406452431872),
        ("erfinv", (1.0,), np.inf),
        ("erfinv", (1.5,), np.nan),
        ("ndtri", (0.0,), -np.inf),
        ("igamma", (2.0, 0.0), 0.0),
        ("igamma", (-1.0, 1.0), np.nan),
        ("betainc", (2.0, 3.0, 1.0), 1.0),
        ("zeta", (1.0, 2.0), np.inf),
        ("sigmoid", (-800.0,), 0.0),
        ("softplus", (-800.0,), 0.0),
        ("softplus", (800.0,), 800.0),
        ("round", (2.5,), 2.0),
        ("sqrt_grad", (0.0, 1.0), np.inf),
        ("relu_grad", (np.inf, -1.0), np.nan),
        ("maximum", (np.nan, 1.0), np.nan),
    ],
)
def test_value_at_the_edge(name: str, point: tuple[float, ...], expected: float) -> None:
    from lossdoctor.ops import TABLE

    row = TABLE.by_name[name]
    assert row.value is not None
    with np.errstate(all="ignore"):
        found = float(row.value(*(np.float64(x) * np.ones(()) for x in point)))
    np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize("name", ["exp", "log", "sigmoid", "erf", "digamma", "rsqrt", "multiply", "softplus"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_value_keeps_the_dtype(name: str, dtype: str) -> None:
    from lossdoctor.ops import TABLE

    row = TABLE.by_name[name]
    assert row.value is not None
    arguments = [np.array([0.25, 0.5, 2.0], dtype)] * len(row.trend)
    result = row.value(*arguments)
    assert result.dtype == dtype
    wide = np.asarray(row.value(*(x.astype(np.float64) for x in arguments)))
    np.testing.assert_allclose(result.astype(np.float64), wide, rtol=4 * float(np.finfo(dtype).eps))
