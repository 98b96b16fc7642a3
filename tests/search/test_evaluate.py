"""What the evaluator remembers: compiled functions, refusals, too little memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lossdoctor.search.evaluate import Evaluator, leaves, rebuilt
from lossdoctor.session import Pair
from lossdoctor.spec import Contract, Spec

pytestmark = pytest.mark.real
SPECS = Contract(Spec("float32", ("B", 2)), Spec("float32", ("B", 2)))


def pair(rows: int, columns: int = 2) -> Pair:
    return Pair(np.zeros((rows, columns), "float32"), np.ones((rows, columns), "float32"))


class Counted:
    """A loss that counts its calls and does `behave` in each."""

    def __init__(self, behave: Any) -> None:
        self.calls = 0
        self._behave = behave

    def __call__(self, y_true: Any, y_pred: Any) -> Any:
        self.calls += 1
        return self._behave(y_true, y_pred)


def test_a_function_is_traced_once_for_all_sizes_of_named_dimensions() -> None:
    loss = Counted(lambda t, p: p - t)
    evaluate = Evaluator(loss, contract=SPECS)
    shapes = [found.value.shape for found in evaluate([pair(1), pair(3), pair(7)], "graph") if found.value is not None]
    assert shapes == [(1, 2), (3, 2), (7, 2)]
    assert loss.calls == 1
    evaluate([pair(1)], "eager")
    assert loss.calls == 2


def test_a_loss_that_cannot_be_traced_is_traced_once() -> None:
    def refuse(y_true: Any, y_pred: Any) -> Any:
        raise RuntimeError("no")

    loss = Counted(refuse)
    found = Evaluator(loss, contract=SPECS)([pair(1), pair(2), pair(3)], "graph")
    assert [one.raised.message for one in found if one.raised is not None] == ["no"] * 3
    assert loss.calls == 1


def test_what_was_too_large_is_not_tried_again() -> None:
    def greedy(y_true: Any, y_pred: Any) -> Any:
        if y_pred.shape[0] > 2:
            raise MemoryError
        return y_pred

    loss = Counted(greedy)
    found = Evaluator(loss)([pair(1), pair(4), pair(4), pair(5), pair(2)], "eager")
    assert [one.raised is None for one in found] == [True, False, False, False, True]
    assert loss.calls == 3


def test_missing_gradients_keep_their_place() -> None:
    import tensorflow as tf

    def loss(y_true: Any, y_pred: Any) -> Any:
        return tf.round(y_pred[0]) + 2.0 * y_pred[1]

    one = Pair(np.zeros(3, "float32"), (np.ones(3, "float32"), np.ones(3, "float32")))
    for execution in ("eager", "graph", "xla", "unoptimised"):
        (found,) = Evaluator(loss)([one], execution)
        first, second = found.gradients
        assert first is None, execution
        np.testing.assert_allclose(np.asarray(second), 2.0)


def test_unoptimised_leaves_the_options_as_they_were() -> None:
    import tensorflow as tf

    before = tf.config.optimizer.get_experimental_options()
    Evaluator(lambda t, p: p, contract=SPECS)([pair(1)], "unoptimised")
    assert tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False) is before.get(
        "disable_meta_optimizer", False
    )


def test_rebuilt_is_the_inverse_of_leaves() -> None:
    value = {"b": (1, 2), "a": {"d": 3, "c": 4}}
    assert leaves(value) == [4, 3, 1, 2]
    assert rebuilt(value, leaves(value)) == value
