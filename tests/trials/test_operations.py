"""Which operation tears a gradient off, and which is the first to give NaN."""

from __future__ import annotations

from typing import Any

import pytest

from lossdoctor.trials.operations import operations

pytestmark = pytest.mark.real


def run(function: Any, start: list[float]) -> tuple[Any, Any, Any]:
    """What `function` ran, its result, and a question whether a tensor has a gradient to the variable it was given."""
    import tensorflow as tf

    variable = tf.Variable(start)
    with operations() as ran, tf.GradientTape(persistent=True) as tape:
        result = function(variable)
        with tape.stop_recording():
            gradient = tape.gradient(result, variable)
    return (ran, result if gradient is None else gradient, lambda one: tape.gradient(one, variable) is not None)


def test_the_nearest_operation_without_gradient_is_found() -> None:
    import tensorflow as tf

    def chosen(variable: Any) -> Any:
        bent = tf.square(variable) + tf.round(variable) * 0.0
        best = tf.argmax(bent)  # here
        return tf.cast(best, tf.float32) * 2.0

    ran, result, alive = run(chosen, [1.0, 2.0])
    found = ran.tear(result, lambda one: one.dtype.is_floating and alive(one))
    assert found is not None and found.kind == "ArgMax"
    assert [call.text for call in found.calls] == ["tf.argmax(bent)"]


def test_what_only_has_the_shape_of_a_tensor_tears_nothing() -> None:
    import tensorflow as tf

    def hits(variable: Any) -> Any:
        answers = tf.sigmoid(variable)
        share = tf.equal(tf.ones_like(answers), tf.round(answers))
        return tf.reduce_sum(tf.cast(share, tf.float32)) / tf.cast(tf.size(answers), tf.float32)

    ran, result, alive = run(hits, [1.0, -2.0])
    found = ran.tear(result, lambda one: one.dtype.is_floating and alive(one))
    assert found is not None and found.kind == "Round"


def test_an_assignment_is_followed_and_a_later_one_is_not() -> None:
    import tensorflow as tf

    store = tf.Variable([0.0])

    def stored(variable: Any) -> Any:
        store.assign(variable * 3.0)
        return tf.convert_to_tensor(store) * 2.0

    ran, result, alive = run(stored, [1.0])
    found = ran.tear(result, lambda one: one.dtype.is_floating and alive(one))
    assert found is not None and found.kind == "AssignVariableOp"

    def stored_afterwards(variable: Any) -> Any:
        result = tf.convert_to_tensor(store) * 2.0
        store.assign(variable * 3.0)
        return result

    ran, result, alive = run(stored_afterwards, [1.0])
    assert ran.tear(result, lambda one: one.dtype.is_floating and alive(one)) is None


@pytest.mark.parametrize(("kind", "start"), [("Log", [0.0, 1.0]), ("Sqrt", [0.0, 4.0]), ("RealDiv", [0.0, 1.0])])
def test_a_derivative_is_told_by_its_operation(kind: str, start: list[float]) -> None:
    import tensorflow as tf

    parts = {
        "Log": lambda one: tf.where(one > 0.0, tf.math.log(one), 0.0),
        "Sqrt": lambda one: tf.sqrt(one) * 2.0,
        "RealDiv": lambda one: tf.where(one > 0.0, (one + 1.0) / one, 0.0),
    }
    ran, gradient, _ = run(lambda variable: tf.reduce_sum(parts[kind](variable)), start)
    found = ran.wrong([gradient])
    assert found is not None and found.kind == kind and found.derives is None


def test_what_is_finite_has_no_first_and_what_a_mask_hides_spoils_nothing() -> None:
    import tensorflow as tf

    def guarded(variable: Any) -> Any:
        safe = tf.where(variable > 0.0, variable, 1.0)
        unused = tf.math.log(variable)
        return tf.reduce_sum(tf.where(variable > 0.0, tf.math.log(safe), 0.0)) + 0.0 * tf.reduce_sum(
            tf.zeros_like(unused)
        )

    ran, gradient, _ = run(guarded, [0.0, 2.0])
    assert ran.wrong([gradient]) is None
