"""Guards that guard nothing, as the source shows them."""

from __future__ import annotations

from textwrap import dedent, indent

from lossdoctor.source.guards import Guard, guards
from lossdoctor.source.module import SourceModule

IMPORTS = "import tensorflow as tf\nfrom keras import ops\n"


def found(body: str, before: str = "") -> tuple[Guard, ...]:
    code = f"{IMPORTS}{before}\n\ndef loss(y_true, y_pred, eps=1e-9):\n{indent(dedent(body).strip(), '    ')}\n"
    return guards(SourceModule(code, "losses.py")).found


def test_a_statement_of_its_own_is_discarded() -> None:
    (guard,) = found("""
        tf.clip_by_value(y_pred, 1e-7, 1.0)
        return y_true * tf.math.log(y_pred)""")
    assert (guard.kind, guard.subject, guard.name, guard.function) == ("discarded", "y_pred", "", "loss")
    assert guard.text == "tf.clip_by_value(y_pred, 1e-7, 1.0)"
    assert guard.column == 5
    assert guard.end_column == guard.column + len(guard.text)


def test_a_name_that_nothing_reads_afterwards_is_discarded() -> None:
    (unread,) = found("""
        safe = ops.maximum(y_pred, 1e-7)
        return ops.log(y_pred)""")
    assert unread.name == "safe"
    (late,) = found("""
        value = ops.log(y_pred)
        y_pred = ops.clip(y_pred, 1e-7, 1.0)
        return value""")
    assert late.name == "y_pred"


def test_the_subject_is_the_argument_that_is_no_number() -> None:
    (guard,) = found("""
        tf.maximum(1e-6, y_true)
        return y_true / y_pred""")
    assert guard.subject == "y_true"


def test_what_is_used_is_no_discarded_guard() -> None:
    assert not found("""
        y_pred = tf.clip_by_value(y_pred, 1e-7, 1.0)
        return tf.math.log(y_pred)""")
    assert not found("""
        safe = tf.maximum(y_pred, 1e-7)
        def inner():
            return tf.math.log(safe)
        return inner()""")
    assert not found("""
        total = 0.0
        for _ in range(3):
            total = total + y_pred
            y_pred = tf.maximum(y_pred - 1.0, 0.0)
        return total""")


def test_a_function_of_the_users_own_may_do_something() -> None:
    assert not found("""
        clip(y_pred)
        print(y_true)
        return y_pred""")


def test_sums_with_one_are_told_with_their_numbers() -> None:
    by_literal = found("return tf.clip_by_value(y_pred, 1e-8, 1 - 1e-8)")
    assert [(g.kind, g.text, g.terms) for g in by_literal] == [("absorbed", "1 - 1e-8", (1.0, -1e-8))]
    by_default = found("return tf.math.log(1.0 + eps - y_pred)")
    assert [(g.text, g.terms) for g in by_default] == [("1.0 + eps", (1.0, 1e-9))]
    by_constant = found("return tf.minimum(y_pred, 1.0 - EPS)", before="EPS = 1e-10\n")
    assert [(g.text, g.terms) for g in by_constant] == [("1.0 - EPS", (1.0, -1e-10))]
    by_local = found("""
        tiny = 1e-12
        return tf.maximum(y_pred, -1.0 + tiny)""")
    assert [(g.text, g.terms) for g in by_local] == [("-1.0 + tiny", (-1.0, 1e-12))]


def test_a_name_that_is_bound_twice_is_no_number() -> None:
    assert not found("""
        tiny = 1e-12
        tiny = y_true
        return 1.0 - tiny""")
    assert not found("""
        eps = y_true
        return 1.0 - eps""")


def test_sums_of_other_numbers_are_left_alone() -> None:
    assert not found("return y_pred * (2.0 - 1.0) + (3.0 - 1e-8)")
