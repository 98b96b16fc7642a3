"""When a loss in half precision is called wrong: most of it, by more than the rounding of its inputs explains."""

import numpy as np

from lossdoctor.engine.half import _Compared, _of_high_classes, _worst
from lossdoctor.session import Pair
from lossdoctor.spec import parse_contract

SOME = Pair(np.zeros(1), np.zeros(1))


def compared(*rows: tuple[list[float], list[float], list[float]]) -> list[_Compared]:
    """Inputs with the loss as it is, in float32, and in float32 nearby."""
    return [_Compared(SOME, *(np.array(part, np.float64) for part in row)) for row in rows]


def test_most_inputs_off_by_a_tenth_are_wrong() -> None:
    found = _worst(compared(([1.2], [1.0], [1.001]), ([1.5], [1.0], [1.001]), ([1.0], [1.0], [1.001])))
    assert found is not None and found[0].got[0] == 1.5


def test_many_samples_off_by_a_few_roundings_are_wrong_if_some_are_off_by_a_tenth() -> None:
    typical = ([10.5, 10.5, 10.0], [10.0, 10.0, 10.0], [10.01, 10.01, 10.01])
    assert _worst(compared(typical, typical)) is None
    assert _worst(compared(typical, ([12.0], [10.0], [10.01]))) is not None


def test_what_the_inputs_explain_is_right() -> None:
    """1 - x of an x next to 1: the rounding of x alone does that."""
    assert _worst(compared(([0.012], [0.010], [0.009]), ([0.014], [0.010], [0.011]))) is None


def test_one_step_among_many_inputs_is_right() -> None:
    right = ([1.0, 2.0], [1.004, 1.997], [1.002, 2.001])
    assert _worst(compared(right, right, right, ([2.0, 1.0], [1.0, 1.0], [1.001, 1.001]))) is None
    assert _worst([]) is None


def test_losses_of_all_sizes_are_wrong_each_by_itself() -> None:
    found = _worst(compared(([0.0], [1e-6], [1.01e-6]), ([0.0], [1.0], [1.01]), ([0.0], [100.0], [101.0])))
    assert found is not None
    assert _worst(compared(([0.0], [1e-6], [1.0001e-6]), ([1.0], [1.0], [1.01]), ([1.0], [1.0], [1.01]))) is None


def test_classes_without_a_number_are_tried() -> None:
    contract = parse_contract("int32[B] label(400)", "bfloat16[B,400] logit")
    pair = Pair(np.array([3, 4], np.int32), np.zeros((2, 400), np.float32))
    (tried,) = _of_high_classes(contract, [pair], 256)
    assert np.all(tried.y_true > 256) and np.all(tried.y_true % 2 == 1) and tried.y_true.dtype == np.int32
    few = parse_contract("int32[B] label(100)", "bfloat16[B,100] logit")
    assert not list(_of_high_classes(few, [pair], 256))
