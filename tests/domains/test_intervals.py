"""Proofs of finiteness on small graphs, and traps in which a careless domain would prove too much."""

from __future__ import annotations

import numpy as np
import pytest

from lossdoctor.domains.intervals import Interval, Ranges, prove, ranges
from lossdoctor.domains.intervals.boxes import initial_cells
from lossdoctor.domains.intervals.enclosure import constant
from lossdoctor.domains.intervals.sizes import count, size
from lossdoctor.graph.ir import Graph, LossGraph, Node
from lossdoctor.graph.parse import parse
from lossdoctor.spec import Contract, parse_contract


def loss(body: str, shapes: str = "%0 y_true: f32[B,3], %1 y_pred: f32[B,3]") -> LossGraph:
    """A graph from its nodes; the last one is the value, nodes called `gradient` follow the last `;`."""
    forward, _, backward = body.partition(";")
    lines = [line for line in forward.split("\n") if line.strip()]
    behind = [line for line in backward.split("\n") if line.strip()]
    value = lines[-1].split(":")[0].strip()
    gradients = behind[-1].split(":")[0].strip() if behind else "none"
    found = parse("\n".join([f"loss({shapes}) -> {value}, gradients {gradients}", *lines, *behind]))
    assert isinstance(found, LossGraph)
    return found


def contract(y_true: str, y_pred: str, magnitude: float = 1e4) -> Contract:
    found = parse_contract(y_true, y_pred)
    return Contract(found.y_true, found.y_pred, magnitude=magnitude)


REAL = contract("float32[B,3] real", "float32[B,3] real")
UNIT = contract("float32[B,3] binary", "float32[B,3] unit")
LOGIT = contract("float32[B,3] binary", "float32[B,3] logit")
SIMPLEX = contract("float32[B,3] onehot", "float32[B,3] probability")


def of(body: str, given: Contract = REAL, shapes: str = "%0 y_true: f32[B,3], %1 y_pred: f32[B,3]") -> Ranges:
    return ranges(loss(body, shapes), given)


# Proofs.

MSE = """
    %2: f32[B,3] = subtract %0 %1
    %3: f32[B,3] = square %2
    %4: f32[B] = mean %3 axis=-1 keepdims=False
    ;
    %5: f32[] = constant {0.3333333432674408} ~%4
    %6: f32[] = constant {-2.0} ~%3
    %7: f32[B,3] = multiply %2 %6 ~%3
    %8: f32[B,3] = multiply %7 %5 ~%2
"""


def test_mean_squared_error_is_proved() -> None:
    proof = prove(loss(MSE), REAL)
    assert proof.finite_value and proof.finite_gradient and proof.nonnegative and not proof.limits
    assert proof.lower == 0.0 and proof.upper == pytest.approx(4e8, rel=1e-5)


def test_mean_squared_error_overflows_where_the_inputs_are_too_large() -> None:
    proof = prove(loss(MSE), contract("float32[B,3] real", "float32[B,3] real", magnitude=1e20))
    assert not proof.finite_value and proof.finite_gradient
    assert [node.op for node in proof.limits] == ["square"]


def bce(low: float, high: float) -> str:
    return f"""
    %2: f32[] = constant {{{low}}}
    %3: f32[] = constant {{{high}}}
    %4: f32[B,3] = maximum %1 %2
    %5: f32[B,3] = minimum %4 %3
    %6: f32[B,3] = log %5
    %7: f32[B,3] = multiply %0 %6
    %8: f32[] = constant {{1.0}}
    %9: f32[B,3] = subtract %8 %5
    %10: f32[B,3] = log %9
    %11: f32[B,3] = subtract %8 %0
    %12: f32[B,3] = multiply %11 %10
    %13: f32[B,3] = add %7 %12
    %14: f32[B,3] = negative %13
    %15: f32[B] = mean %14 axis=-1 keepdims=False
    ;
    %16: f32[B,3] = divide %0 %5 ~%6
    %17: f32[B,3] = divide %11 %9 ~%10
    %18: f32[B,3] = subtract %17 %16 ~%5
"""


def test_clipped_cross_entropy_is_proved_and_an_absorbed_clip_is_not() -> None:
    proof = prove(loss(bce(1e-7, 0.9999998807907104)), UNIT)
    assert proof.finite_value and proof.finite_gradient and proof.nonnegative
    # In float32 1 - 1e-8 is 1: the upper clip does nothing.
    proof = prove(loss(bce(1e-8, 1.0)), UNIT)
    assert not proof.finite_value and "log" in [node.op for node in proof.limits]


def test_cross_entropy_without_a_clip_is_not_proved() -> None:
    body = """
    %2: f32[B,3] = log %1
    %3: f32[B,3] = multiply %0 %2
    %4: f32[B] = sum %3 axis=-1 keepdims=False
    """
    found = of(body, UNIT)
    assert not found.finite(4) and not found.finite(2)
    # y = 0 makes 0 * -inf, which is nan, and y = 1 makes -inf.
    assert found[3].nan and found[3].low == -np.inf and found[3].high == 0.0
    places = found.boxes_where(2, lambda interval: interval.low == -np.inf)
    assert places and all(low == 0.0 and high < 1e-6 for low, high in (place["y_pred"] for place in places))


def test_cross_entropy_from_logits_is_proved() -> None:
    body = """
    %2: f32[] = constant {0.0}
    %3: f32[B,3] = maximum %1 %2
    %4: f32[B,3] = multiply %0 %1
    %5: f32[B,3] = abs %1
    %6: f32[B,3] = negative %5
    %7: f32[B,3] = exp %6
    %8: f32[B,3] = log1p %7
    %9: f32[B,3] = subtract %3 %4
    %10: f32[B,3] = add %9 %8
    ;
    %11: f32[] = constant {1.0}
    %12: f32[B,3] = add %11 %7 ~%8
    %13: f32[B,3] = divide %7 %12 ~%8
    %14: f32[B,3] = subtract %13 %0 ~%4
    """
    proof = prove(loss(body), LOGIT)
    assert proof.finite_value and proof.finite_gradient


def test_normalising_by_the_sum_needs_a_sum_that_cannot_be_zero() -> None:
    body = """
    %2: f32[B,1] = sum %1 axis=-1 keepdims=True
    %3: f32[B,3] = divide %1 %2
    """
    assert not prove(loss(body), UNIT).finite_value
    proof = prove(loss(body), SIMPLEX)
    assert proof.finite_value and (proof.lower, proof.upper) == (0.0, 1.0)


ROOT = """
    %2: f32[B,3] = subtract %0 %1
    %3: f32[B,3] = square %2
    %4: f32[B] = sum %3 axis=-1 keepdims=False
    %5: f32[] = constant {{{eps}}}
    %6: f32[B] = add %4 %5
    %7: f32[B] = sqrt %6
    ;
    %8: f32[] = constant {{1.0}} ~%7
    %9: f32[B] = sqrt_grad %7 %8 ~%7
"""


def test_the_gradient_of_a_root_at_zero_is_not_proved() -> None:
    proof = prove(loss(ROOT.format(eps=0.0)), REAL)
    assert proof.finite_value and not proof.finite_gradient
    assert [node.op for node in proof.limits] == ["sqrt_grad"]
    assert prove(loss(ROOT.format(eps=1e-12)), REAL).finite_gradient


# where.

WHERE = """
    %2: f32[] = constant {{0.0}}
    %3: f32[B,3] = greater %1 %2
    %4: f32[] = constant {{1.0}}
    %5: f32[B,3] = where %3 %1 %4
    %6: f32[B,3] = log %{argument}
    %7: f32[B,3] = where %3 %6 %2
    ;
    %8: f32[B,3] = where %3 %4 %2 ~%6
    %9: f32[B,3] = divide %8 %{argument} ~%6
"""


def test_where_masks_the_value_and_only_the_double_where_masks_the_gradient() -> None:
    single = prove(loss(WHERE.format(argument=1).replace("%3: f32", "%3: bool")), UNIT)
    assert single.finite_value and not single.finite_gradient
    double = prove(loss(WHERE.format(argument=5).replace("%3: f32", "%3: bool")), UNIT)
    assert double.finite_value
    assert double.finite_gradient


def test_the_double_where_is_told_from_a_reduction_too() -> None:
    body = """
    %2: f32[B,3] = square %1
    %3: f32[B] = sum %2 axis=-1 keepdims=False
    %4: f32[] = constant {0.0}
    %5: bool[B] = greater %3 %4
    %6: f32[] = constant {1.0}
    %7: f32[B] = where %5 %3 %6
    %8: f32[B] = sqrt %7
    %9: f32[B] = where %5 %8 %4
    ;
    %10: f32[B] = where %5 %6 %4 ~%8
    %11: f32[B] = sqrt_grad %8 %10 ~%8
    %12: f32[B] = where %5 %11 %4 ~%7
    """
    proof = prove(loss(body), REAL)
    assert proof.finite_value and proof.finite_gradient


def test_missing_targets_are_masked_by_isnan() -> None:
    given = contract("float32[B,3] real missing", "float32[B,3] real")
    body = """
    %2: bool[B,3] = isnan %0
    %3: f32[] = constant {0.0}
    %4: f32[B,3] = subtract %1 %0
    %5: f32[B,3] = where %2 %3 %4
    %6: f32[B] = mean %5 axis=-1 keepdims=False
    """
    assert prove(loss(body), given).finite_value
    assert not prove(loss(body.replace("where %2 %3 %4", "add %4 %3")), given).finite_value


def test_an_equality_with_the_label_is_a_mask_for_labels() -> None:
    given = contract("int32[B] label(4)", "float32[B] unit")
    body = """
    %2: i32[] = constant {0}
    %3: bool[B] = not_equal %0 %2
    %4: f32[B] = astype %3 dtype=float32
    %5: f32[] = sum %4 axis=0 keepdims=False
    %6: f32[] = constant {1.0}
    %7: f32[] = maximum %5 %6
    %8: f32[B] = multiply %1 %4
    %9: f32[] = sum %8 axis=0 keepdims=False
    %10: f32[] = divide %9 %SUM
    """
    shapes = "%0 y_true: i32[B], %1 y_pred: f32[B]"
    assert not prove(loss(body.replace("SUM", "5"), shapes), given).finite_value
    assert prove(loss(body.replace("SUM", "7"), shapes), given).finite_value


# Relations.


def test_a_difference_with_itself_is_zero_and_a_product_is_a_square() -> None:
    found = of("""
    %2: f32[B,3] = stop_gradient %1
    %3: f32[B,3] = subtract %1 %2
    %4: f32[B,3] = multiply %1 %1
    %5: f32[B,3] = add %3 %4
    """)
    assert found[3] == Interval(0.0, 0.0) and found[4].low == 0.0


def test_log_sum_exp_after_subtraction_of_the_maximum_is_proved() -> None:
    body = """
    %2: f32[B,1] = max %1 axis=-1 keepdims=True
    %3: f32[B,1] = stop_gradient %2
    %4: f32[B,3] = subtract %1 %3
    %5: f32[B,3] = exp %4
    %6: f32[B,1] = sum %5 axis=-1 keepdims=True
    %7: f32[B,1] = log %6
    %8: f32[B,3] = subtract %4 %7
    ;
    %9: f32[B,3] = divide %5 %6 ~%5
    """
    found = of(body)
    assert found[4].high == 0.0 and found[6].low == pytest.approx(1.0)
    assert found.proof().finite_value and found.proof().finite_gradient and found[9].high == 1.0
    # The maximum over another axis is none of these elements.
    other = of(
        body.replace("%2: f32[B,1] = max %1 axis=-1", "%2: f32[1,3] = max %1 axis=0").replace(
            "%3: f32[B,1]", "%3: f32[1,3]"
        )
    )
    assert not other.proof().finite_value


def test_a_maximum_laid_along_another_axis_is_no_bound() -> None:
    body = """
    %2: f32[B] = max %1 axis=-1 keepdims=False
    %3: f32[B,B] = subtract %1 %2
    """
    given = contract("float32[B,B] real", "float32[B,B] unit")
    found = of(body, given, "%0 y_true: f32[B,B], %1 y_pred: f32[B,B]")
    assert found[3] == Interval(-1.0, 1.0)
    column = body.replace("%2: f32[B] = max %1 axis=-1 keepdims=False", "%2: f32[B,1] = max %1 axis=-1 keepdims=True")
    assert of(column, given, "%0 y_true: f32[B,B], %1 y_pred: f32[B,B]")[3] == Interval(-1.0, 0.0)


def test_comparisons_with_nan_are_false() -> None:
    given = contract("float32[B,3] unit missing", "float32[B,3] real")
    body = """
    %2: f32[] = constant {2.0}
    %3: bool[B,3] = less %0 %2
    %4: bool[B,3] = not_equal %0 %2
    """
    found = of(body, given)
    assert found[3] == Interval(0.0, 1.0) and found[4] == Interval(1.0, 1.0)


def test_a_weighted_mean_lies_between_the_values() -> None:
    body = """
    %2: f32[] = constant {0.001}
    %3: f32[B,3] = maximum %1 %2
    %4: f32[B,3] = multiply %0 %3
    %5: f32[B] = sum %4 axis=-1 keepdims=False
    %6: f32[B] = log %5
    """
    assert prove(loss(body), SIMPLEX).finite_value
    assert not prove(loss(body), UNIT).finite_value  # no label may be set
    # Summed over the other axis, a class may not occur.
    columns = body.replace("axis=-1", "axis=0").replace("f32[B] =", "f32[3] =").replace("[B,3]", "[4,3]")
    given = contract("float32[4,3] onehot", "float32[4,3] probability")
    assert not prove(loss(columns, "%0 y_true: f32[4,3], %1 y_pred: f32[4,3]"), given).finite_value


def test_softmax_lies_in_the_unit_interval_and_may_be_zero() -> None:
    found = of("""
    %2: f32[B,3] = softmax %1
    %3: f32[B,3] = log %2
    """)
    assert found[2] == Interval(0.0, 1.0) and not found.finite(3)
    assert of("%2: f32[B,3] = log_softmax %1\n").finite(2)


# Traps.


def test_two_columns_of_one_input_are_not_the_same() -> None:
    column = "strided_slice %1 begin=(0,{}) end=(0,{}) strides=(1,1) begin_mask=1 end_mask=1 shrink_axis_mask=2"
    body = f"""
    %2: f32[B] = {column.format(0, 1)}
    %3: f32[B] = {column.format(1, 2)}
    %4: f32[B] = subtract %2 %3
    %5: f32[B] = square %4
    %6: f32[] = constant {{1.0}}
    %7: f32[B] = divide %6 %5
    """
    found = of(body)
    assert found[4] == Interval(-20000.0, 20000.0) and not found.finite(7)


def test_views_through_the_same_moves_are_the_same() -> None:
    # log(p) flattened, times p flattened: cut along one leaf.
    body = """
    %2: f32[3*B] = reshape %1 shape=(3*B,)
    %3: f32[3*B] = xlogy %2 %2
    """
    found = of(body, UNIT)
    assert found.finite(3)


def test_pairwise_differences_of_one_input_are_not_zero() -> None:
    body = """
    %2: f32[B,1] = expand_dims %1 axis=-1
    %3: f32[B,B] = subtract %2 %1
    %4: f32[B,B] = abs %3
    %5: f32[B,B] = log %4
    """
    given = contract("float32[B] real", "float32[B] unit")
    found = of(body, given, "%0 y_true: f32[B], %1 y_pred: f32[B]")
    assert found[3] == Interval(-1.0, 1.0) and not found.finite(5)


def test_cutting_pairs_into_boxes_keeps_both_elements_apart() -> None:
    # 1 / (1 + x_i - x_j) has a pole at x_i = 0, x_j = 1 although it has none for i = j.
    body = """
    %2: f32[B,1] = expand_dims %1 axis=-1
    %3: f32[B,B] = subtract %2 %1
    %4: f32[] = constant {1.0}
    %5: f32[B,B] = add %3 %4
    %6: f32[B,B] = reciprocal %5
    """
    given = contract("float32[B] real", "float32[B] unit")
    assert not of(body, given, "%0 y_true: f32[B], %1 y_pred: f32[B]").finite(6)
    aligned = body.replace("%2: f32[B,1] = expand_dims %1 axis=-1", "%2: f32[B] = multiply %1 %1").replace(
        "[B,B]", "[B]"
    )
    assert of(aligned, given, "%0 y_true: f32[B], %1 y_pred: f32[B]").finite(6)


def test_an_extreme_over_the_batch_is_not_that_of_the_element() -> None:
    body = """
    %2: f32[] = max %1 axis=(0,1) keepdims=False
    %3: f32[B,3] = subtract %2 %1
    %4: f32[B,3] = reciprocal %3
    """
    found = of(body, UNIT)
    assert not found.finite(4)


def test_one_minus_p_plus_eps_depends_on_the_order() -> None:
    kept = """
    %2: f32[] = constant {1.0}
    %3: f32[] = constant {9.99999993922529e-09}
    %4: f32[B,3] = subtract %2 %1
    %5: f32[B,3] = add %4 %3
    %6: f32[B,3] = log %5
    """
    assert of(kept, UNIT).finite(6)
    moved = kept.replace("subtract %2 %1", "add %2 %3").replace(
        "%5: f32[B,3] = add %4 %3", "%5: f32[B,3] = subtract %4 %1"
    )
    moved = moved.replace("%4: f32[B,3]", "%4: f32[]")
    assert not of(moved, UNIT).finite(6)


def test_a_sum_over_the_batch_may_overflow() -> None:
    body = """
    %2: f32[B,3] = square %1
    %3: f32[] = sum %2 axis=(0,1) keepdims=False
    """
    given = contract("float32[B,3] real", "float32[B,3] real", magnitude=1e17)
    found = of(body, given)
    assert found.finite(2) and not found.finite(3)
    # Per sample there are three terms only.
    assert of(body.replace("axis=(0,1)", "axis=-1").replace("%3: f32[]", "%3: f32[B]"), given).finite(3)


def test_a_mean_over_an_axis_that_may_be_empty_is_not_proved() -> None:
    body = """
    %2: f32[B,H-1] = slice %1 begin=(0,1) size=(-1,-1)
    %3: f32[B] = mean %2 axis=-1 keepdims=False
    """
    given = contract("float32[B,H] real", "float32[B,H] real")
    assert not of(body, given, "%0 y_true: f32[B,H], %1 y_pred: f32[B,H]").finite(3)


def test_denormals_are_taken_as_zero() -> None:
    body = """
    %2: f32[] = constant {1e-30}
    %3: f32[B,3] = multiply %1 %2
    %4: f32[] = constant {0.0}
    %5: f32[] = constant {1e-10}
    %6: f32[B,3] = add %1 %5
    %7: f32[B,3] = multiply %6 %2
    %8: f32[B,3] = log %7
    """
    found = of(body, UNIT)
    assert not found.finite(8)  # 1e-40 is flushed


def test_an_operation_without_a_rule_is_a_gap() -> None:
    body = """
    %2: f32[B,3] = tf.Mystery %1
    %3: f32[B,3] = square %2
    """
    found = of(body)
    assert [(gap.node, gap.op) for gap in found.gaps] == [(2, "tf.Mystery")]
    assert not found.finite(3) and found[3].low == 0.0 and found[3].nan
    assert [node.op for node in found.proof().limits] == ["tf.Mystery"]


def test_branches_are_joined() -> None:
    argument = Node(0, "input", (), ("B", 3), "float32", {"role": "argument", "index": 0})
    one = Graph((argument, Node(1, "log", (0,), ("B", 3), "float32")), (0,), (1,))
    other = Graph((argument, Node(1, "square", (0,), ("B", 3), "float32")), (0,), (1,))
    nodes = (
        Node(0, "input", (), ("B", 3), "float32", {"role": "y_true"}),
        Node(1, "input", (), ("B", 3), "float32", {"role": "y_pred"}),
        Node(2, "constant", (), (), "bool", constant=np.array(True)),
        Node(3, "cond", (2, 1), ("B", 3), "float32", bodies=(one, other)),
    )
    graph = LossGraph(Graph(nodes, (0, 1), (3,)), (0,), (1,), 3, (None,))
    found = ranges(graph, contract("float32[B,3] real", "float32[B,3] positive"))
    assert found.finite(3) and found[3].low == pytest.approx(np.log(1e-4), rel=1e-4)
    assert not ranges(graph, REAL).finite(3)


# Parts.


def test_cells_cover_every_number_of_the_dtype() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 200_000, dtype=np.uint64).astype(np.uint32)
    with np.errstate(invalid="ignore"):  # signalling NaN
        values = bits.view(np.float32).astype(np.float64)
    with np.errstate(invalid="ignore"):
        normal = np.isfinite(values) & (np.abs(values) >= 2.0**-126)  # denormals are flushed
    values = np.concatenate([values[normal], rng.random(1000).astype(np.float32), [0.0, 1.0, -1.0, 1e4]])
    for low, high in ((0.0, 1.0), (-1e4, 1e4), (1e-4, 1e4), (-np.inf, np.inf)):
        inside = values[(values >= low) & (values <= high)]
        first, last, nan = initial_cells(constant(low, high), "float32")
        covered = np.zeros(inside.size, bool)
        for a, b in zip(first[~nan], last[~nan], strict=True):
            covered |= (a <= inside) & (inside <= b)
        assert covered.all()


def test_sizes_of_dimensions() -> None:
    assert size("B") == (1, 2**20) and size("H") == (1, 4096) and size(7) == (7, 7)
    assert size("H-1") == (0, 4095) and size("3*B") == (3, 3 * 2**20)
    assert count(("B", "H", 3)) == (3, 3 * 2**20 * 4096) and count(("B", 3), (-1,)) == (3, 3)


def test_an_interval_reads_well() -> None:
    assert str(Interval(0.0, 1.0)) == "[0, 1]" and str(Interval(-np.inf, 2.5, True)) == "[-inf, 2.5] or nan"
    assert 0.5 in Interval(0.0, 1.0) and np.nan not in Interval(0.0, 1.0) and np.nan in Interval(0.0, 1.0, True)
