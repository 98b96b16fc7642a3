"""Where the elementwise functions are tried: for each argument an interval to draw from."""

from __future__ import annotations

import numpy as np

from lossdoctor.ops import TABLE, Op

Box = tuple[tuple[float, float], ...]
WIDE = (-20.0, 20.0)
UNIT = (0.0, 1.0)
BOXES: dict[str, Box] = {
    "exp": ((-80.0, 80.0),),
    "sinh": ((-80.0, 80.0),),
    "cosh": ((-80.0, 80.0),),
    "sin": ((-100.0, 100.0),),
    "cos": ((-100.0, 100.0),),
    "pow": ((0.0, 20.0), (-8.0, 8.0)),
    "xlogy": (WIDE, (0.0, 20.0)),
    "xlog1py": (WIDE, (-1.0, 20.0)),
    "erf": ((-4.0, 4.0),),
    "erfc": ((-4.0, 4.0),),
    "lgamma": ((0.1, 60.0),),
    "digamma": ((0.1, 60.0),),
    "polygamma": ((1.0, 3.0), (0.5, 20.0)),
    "zeta": ((1.5, 10.0), (0.5, 20.0)),
    "igamma": ((0.5, 10.0), (0.1, 20.0)),
    "igammac": ((0.5, 10.0), (0.1, 20.0)),
    "betainc": ((0.5, 8.0), (0.5, 8.0), UNIT),
    "sigmoid_grad": (UNIT, WIDE),
    "tanh_grad": ((-1.0, 1.0), WIDE),
    "sqrt_grad": ((0.1, 20.0), WIDE),
    "clip": (WIDE, (-20.0, 0.0), (0.0, 20.0)),
    "elu_grad": (WIDE, (-1.0, 20.0)),
    "selu_grad": (WIDE, (-1.75, 20.0)),
}
WHOLE = ("polygamma",)  # the first argument is an integer


def arity(row: Op) -> int:
    return 3 if row.name == "add_n" else len(row.trend)


def box(row: Op) -> Box:
    if row.name in BOXES:
        return BOXES[row.name]
    if row.defined is not None:
        low, high = row.defined
        return ((max(low, -20.0), min(high, 20.0)),)
    return (WIDE,) * arity(row)


def draw(row: Op, count: int, seed: int = 0) -> list[np.ndarray]:
    """`count` points for each argument, float32 numbers in float64; the first ones are the corners of the box."""
    rng = np.random.default_rng(seed)
    columns = []
    for low, high in box(row):
        column = rng.uniform(low, high, count)
        column[: count // 4] *= 10.0 ** rng.uniform(-6, 0, count // 4) if low <= 0 <= high else 1.0
        columns.append(np.clip(column, low, high))
    corners = np.array(np.meshgrid(*box(row))).reshape(len(columns), -1)
    for column, values in zip(columns, corners, strict=True):
        column[: len(values)] = values
    if row.name in WHOLE:
        columns[0] = np.round(columns[0])
    return [column.astype(np.float32).astype(np.float64) for column in columns]


ELEMENTWISE = [row for row in TABLE.by_name.values() if row.kind == "elementwise"]
REAL = [row for row in ELEMENTWISE if row.real is not None and row.value is not None]
# Results of these are true or false; nothing is rounded.
LOGICAL = ("equal", "less", "less_equal", "greater", "greater_equal", "where")
