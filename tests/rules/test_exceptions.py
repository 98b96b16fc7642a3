"""Exceptions of losses, as TensorFlow, Keras and Python word them, and the families that they belong to."""

from __future__ import annotations

import pytest

from lossdoctor.rules.exceptions import family_of, missing_symbol, reason, removed_symbol
from lossdoctor.session import Raised


@pytest.mark.parametrize(
    ("kind", "message", "family"),
    [
        (
            "TypeError",
            "Value passed to parameter 'indices' has DataType float32 not in list of allowed values",
            "dtype",
        ),
        ("InvalidArgumentError", "cannot compute Sub as input #1 was expected to be a double tensor but is a", "dtype"),
        ("TypeError", "`x` and `y` must have the same dtype, got tf.float32 != tf.int32.", "dtype"),
        ("TypeError", "Cannot convert 0.01 to EagerTensor of dtype int32", "dtype"),
        ("InvalidArgumentError", "Incompatible shapes: [4,3] vs. [4]", "shape"),
        ("ValueError", "slice index 2 of dimension 0 out of bounds.", "shape"),
        ("AttributeError", "module 'tensorflow' has no attribute 'log'", "keras-contract"),
        ("AttributeError", "module 'numpy' has no attribute 'product'", "crash"),
        ("TypeError", "LogRatio.call() missing 1 required positional argument: 'mask'", "keras-contract"),
        ("NameError", "name 'alpha' is not defined", "crash"),
        ("RuntimeError", "Incompatible shapes of my own", "crash"),
    ],
)
def test_the_family_of_an_exception(kind: str, message: str, family: str) -> None:
    assert family_of(Raised(kind, message)) == family


def test_a_removed_name_is_told_in_full() -> None:
    captured = Raised("ValueError", "A KerasTensor cannot be used as input to a TensorFlow function. A Kera…")
    assert family_of(captured) == "graph-mode"
    gone = Raised("AttributeError", "module 'keras.backend' has no attribute 'sum'")
    assert removed_symbol(gone) == "keras.backend.sum"
    assert removed_symbol(Raised("AttributeError", "'Tensor' object has no attribute 'numpy'")) == ""


def test_a_name_that_never_was_is_a_slip_and_no_removed_api() -> None:
    slip = Raised("AttributeError", "module 'tensorflow' has no attribute 'reduce_avg'")
    assert removed_symbol(slip) == "" and family_of(slip) == "crash"
    gone = Raised("AttributeError", "module 'tensorflow' has no attribute 'to_float'")
    assert family_of(gone) == "keras-contract"
    assert missing_symbol(slip) == "tensorflow.reduce_avg"


def test_what_the_failing_call_is_given_decides_its_family() -> None:
    given = Raised("TypeError", "Tensor is unhashable.", callee="keras.src.losses.losses.Huber.__init__")
    assert family_of(given) == "keras-contract" and "`Huber()(…)`" in reason(given)
    own = Raised("TypeError", "Tensor is unhashable.", callee="losses.Weights.__init__")
    assert family_of(own) == "crash"
    unset = Raised("ValueError", "Attempt to convert a value (None) …", left_out="mask")
    assert family_of(unset) == "keras-contract" and "`mask`, which nobody gives" in reason(unset)
    ambiguous = "The truth value of an array with more than one element is ambiguous."
    decided = Raised("ValueError", ambiguous, callee="tensorflow.python.ops.cond.cond_for_tf_v2")
    assert family_of(decided) == "shape" and family_of(Raised("ValueError", ambiguous)) == "crash"
