"""Windows of convolutions and pooling against the kernels of the op table, and E[x^2] - E[x]^2."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.domains.test_intervals import contract, of

import lossdoctor.ops as _rows
from lossdoctor.domains.intervals import domain as _domain
from lossdoctor.domains.intervals.enclosure import constant
from lossdoctor.domains.intervals.reductions import RULES
from lossdoctor.graph.ir import Graph, Node
from lossdoctor.ops.table import TABLE

assert _rows.TABLE is TABLE and _domain.Intervals.name == "intervals"  # the imports fill the tables

Array = NDArray[Any]
IMAGE, SMALL = (2, 6, 6, 2), (2, 3, 3, 2)
SAME = {"padding": "SAME", "data_format": "NHWC"}
VALID = {"padding": "VALID", "data_format": "NHWC"}
STEPS = {"strides": (1, 2, 2, 1), "dilations": (1, 1, 1, 1)}
POOL = {"ksize": (1, 3, 3, 1), "strides": (1, 2, 2, 1)}
KERNEL = np.random.default_rng(5).uniform(-1.0, 2.0, (3, 3, 2, 2)).astype(np.float32)
# The operation, which arguments are drawn (by shape) or known, its attributes.
CASES: list[tuple[str, list[tuple[int, ...] | Array], dict[str, Any]]] = [
    ("conv2d", [IMAGE, KERNEL], {**SAME, **STEPS}),
    ("conv2d", [IMAGE, np.abs(KERNEL)], {**VALID, **STEPS}),
    ("conv2d", [IMAGE, (3, 3, 2, 2)], {**SAME, **STEPS}),
    ("depthwise_conv2d", [IMAGE, KERNEL], {**VALID, **STEPS}),
    ("depthwise_conv2d", [IMAGE, np.abs(KERNEL)], {**SAME, **STEPS}),
    ("conv2d_input_grad", [KERNEL, SMALL], {**SAME, **STEPS, "shape": IMAGE}),
    ("depthwise_conv2d_input_grad", [KERNEL, (2, 3, 3, 4)], {**SAME, **STEPS, "shape": IMAGE}),
    ("conv2d_filter_grad", [IMAGE, SMALL], {**SAME, **STEPS, "shape": (3, 3, 2, 2)}),
    ("avg_pool", [IMAGE], {**SAME, **POOL}),
    ("avg_pool", [IMAGE], {**VALID, **POOL}),
    ("avg_pool_grad", [SMALL], {**SAME, **POOL, "shape": IMAGE}),
    ("max_pool", [IMAGE], {**SAME, **POOL}),
]


@pytest.mark.parametrize("ends", [(0.0, 1.0), (-3.0, 2.0), (0.5, 0.75), (-1e4, -1e3)])
@pytest.mark.parametrize(("name", "parts", "attrs"), CASES)
def test_windows_stay_inside(
    name: str, parts: list[tuple[int, ...] | Array], attrs: dict[str, Any], ends: tuple[float, float]
) -> None:
    nodes = tuple(
        Node(number, "constant", (), part.shape, "float32", constant=part)
        if isinstance(part, np.ndarray)
        else Node(number, "input", (), part, "float32")
        for number, part in enumerate(parts)
    )
    node = Node(len(nodes), name, tuple(range(len(nodes))), None, "float32", attrs)
    whole = [
        constant(float(part.min()), float(part.max())) if isinstance(part, np.ndarray) else constant(*ends)
        for part in parts
    ]
    found = RULES[name](node, whole, Graph((*nodes, node), (), (node.id,)))
    assert found is not None and not found.nan[0]
    value = TABLE.by_name[name].value
    assert value is not None
    rng = np.random.default_rng(7)
    seen: list[Array] = []
    for turn in range(20):
        picks = rng.choice(ends, size=200) if turn % 2 else rng.uniform(*ends, size=200)
        drawn = [part if isinstance(part, np.ndarray) else rng.choice(picks, part) for part in parts]
        seen.append(value(*(array.astype(np.float32) for array in drawn), **attrs))
    assert found.low[0] <= min(array.min() for array in seen)
    assert max(array.max() for array in seen) <= found.high[0]
    if ends == (0.0, 1.0) and isinstance(parts[-1], np.ndarray):
        assert found.high[0] - found.low[0] <= 3.0 * float(np.abs(KERNEL).sum((0, 1, 2)).max())


def test_a_convolution_of_infinities_can_be_anything() -> None:
    image, kernel = Node(0, "input", (), IMAGE, "float32"), Node(1, "constant", (), (3, 3, 2, 2), "float32",
                                                                  constant=KERNEL)  # fmt: skip
    node = Node(2, "conv2d", (0, 1), None, "float32", {**SAME, **STEPS})
    found = RULES["conv2d"](node, [constant(0.0, np.inf), constant(-1.0, 2.0)], Graph((image, kernel, node), (), (2,)))
    assert found is not None and found.nan[0]


VARIANCE = """
    %2: f32[B,8] = square %1
    %3: f32[B] = mean %2 axis=(-1,) keepdims=False
    %4: f32[B] = mean {of} axis=({axis},) keepdims=False
    %5: f32[B] = square %4
    %6: f32[B] = subtract %3 %5
    %7: f32[] = constant {{0.001}}
    %8: f32[B] = add %6 %7
    %9: f32[B] = reciprocal %8
"""


@pytest.mark.parametrize(("of_what", "finite"), [("%1", True), ("%0", False)])
def test_a_variance_is_not_negative_but_for_rounding(of_what: str, finite: bool) -> None:
    unit = contract("float32[B,8] unit", "float32[B,8] unit")
    found = of(
        VARIANCE.format(of=of_what, axis=-1),
        unit,
        "%0 y_true: f32[B,8], %1 y_pred: f32[B,8]",
    )
    assert found.finite(9) == finite
    assert found[6].low < 0.0


def test_rounding_of_large_numbers_can_make_a_variance_negative() -> None:
    real = contract("float32[B,8] real", "float32[B,8] real")
    found = of(VARIANCE.format(of="%1", axis=-1), real, "%0 y_true: f32[B,8], %1 y_pred: f32[B,8]")
    assert found[6].low < -1.0 and not found.finite(9)


def test_what_the_optimiser_makes_of_a_variance_plus_epsilon() -> None:
    found = of(
        """
    %2: f32[B,8] = square %1
    %3: f32[B] = mean %2 axis=(-1,) keepdims=False
    %4: f32[B] = mean %1 axis=(-1,) keepdims=False
    %5: f32[B] = square %4
    %6: f32[] = constant {0.001}
    %7: f32[B] = subtract %6 %5
    %8: f32[B] = add %3 %7
    %9: f32[B] = reciprocal %8
""",
        contract("float32[B,8] unit", "float32[B,8] unit"),
        "%0 y_true: f32[B,8], %1 y_pred: f32[B,8]",
    )
    assert found.finite(9)
