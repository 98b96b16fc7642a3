"""Where a loss under `tf.function` raises: the same expression as without the decorator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from lossdoctor.graph.spans import raised

pytestmark = pytest.mark.real


def mismatch(x: Any, y: Any) -> Any:
    return tf.exp(x) + tf.matmul(x, y)


def mismatched(x: Any, y: Any) -> Any:
    total = tf.reduce_sum(x)
    return total * 2.0 + tf.reduce_sum(tf.add(x, y))


def helped(x: Any, y: Any) -> Any:
    return tf.reduce_mean(x + mismatch(x, y))


def lacking(x: Any, y: Any) -> Any:
    table = {"x": x}
    return tf.reduce_sum(table["x"]) + tf.reduce_sum(table["y"] * y)


def in_branch(x: Any, y: Any) -> Any:
    total = tf.reduce_sum(x)
    for _ in range(2):
        if total > -1e9:
            total = total + tf.reduce_sum(x) + tf.reduce_sum(tf.multiply(x, y))
    return total


def refuses(x: Any, y: Any) -> Any:
    try:
        return mismatched(x, y)
    except ValueError:
        raise RuntimeError("no such loss") from None


def out_of_range(x: Any, y: Any) -> Any:
    doubled = tf.exp(x) * 2.0
    return doubled + tf.gather(tf.reshape(y, [-1]), tf.cast(x, tf.int32) + 100)


def told(loss: Any) -> Any:
    x, y = tf.ones([4, 3]), tf.ones([5, 2])
    with pytest.raises(Exception) as caught:
        loss(x, y)
    return raised(caught.value, lambda path: path == __file__)


@pytest.mark.parametrize(
    ("loss", "kind", "text", "message"),
    [
        (mismatched, "ValueError", "tf.add(x, y)", "Dimensions must be equal, but are 4 and 5"),
        (helped, "ValueError", "tf.matmul(x, y)", "Dimensions must be equal, but are 3 and 5"),
        (lacking, "KeyError", 'table["y"]', "'y'"),
        (in_branch, "ValueError", "tf.multiply(x, y)", "Dimensions must be equal, but are 4 and 5"),
        (refuses, "RuntimeError", 'raise RuntimeError("no such loss") from None', "no such loss"),
    ],
)
def test_an_exception_in_converted_code(loss: Callable[..., Any], kind: str, text: str, message: str) -> None:
    found = told(tf.function(loss))
    assert found.calls[-1].text == text
    assert found.calls[-1].function == ("mismatch" if loss is helped else loss.__name__)
    assert found.message.startswith(message)
    assert found.type == kind


def test_the_frames_are_those_of_the_plain_loss() -> None:
    def texts(loss: Any) -> list[str]:
        return [span.text for span in told(loss).calls if span.function != "told"]

    assert texts(tf.function(helped)) == texts(helped) == ["mismatch(x, y)", "tf.matmul(x, y)"]


def test_an_operation_that_raises_when_it_runs() -> None:
    """TensorFlow says of it in which line it was made."""
    found = told(tf.function(out_of_range))
    assert found.calls[-1].text == "return doubled + tf.gather(tf.reshape(y, [-1]), tf.cast(x, tf.int32) + 100)"
    assert found.message.startswith("indices[0,0] = 101 is not in [0, 10)")


def test_an_eager_operation_that_raises_has_its_expression() -> None:
    assert told(out_of_range).calls[-1].text == "tf.gather(tf.reshape(y, [-1]), tf.cast(x, tf.int32) + 100)"


def test_a_decorated_helper_is_looked_into() -> None:
    helper: Any = tf.function(out_of_range)

    def outer(x: Any, y: Any) -> Any:
        return helper(x, y) * 2.0

    assert told(outer).calls[-1].line == told(helper).calls[-1].line


def test_who_has_lossdoctor_call_the_loss_is_no_part_of_it() -> None:
    import lossdoctor

    report = lossdoctor.check(tf.function(out_of_range), y_true="float32[4,3] real", y_pred="float32[4,3] real")
    finding = report.findings[0]
    assert (finding.family, finding.location.line) == ("crash", out_of_range.__code__.co_firstlineno + 2)
