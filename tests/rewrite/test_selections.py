"""Mends of what is not there (selections that are empty, targets that are missing) and of half precision."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.rewrite.sites import one, proposals

pytestmark = pytest.mark.real

HALF = "float16[B,3] real"


def test_the_mean_of_a_selection_is_zero_where_it_is_empty(tmp_path: Path) -> None:
    code = """\
def loss(y_true, y_pred):
    picked = tf.boolean_mask(y_pred, y_true > 0.5)
    return tf.reduce_mean(tf.square(1.0 - picked)) + tf.reduce_mean(y_pred, axis=-1)
"""
    at = "tf.reduce_mean(tf.square(1.0 - picked))"
    found = proposals(tmp_path, code, at, rule="empty-reduction")
    expected = "tf.math.divide_no_nan(tf.reduce_sum(tf.square(1.0 - picked)), tf.cast(tf.size(picked), tf.float32))"
    assert expected in found[0][1]
    assert not found[0][0].changes_values
    assert not proposals(tmp_path, code, at, rule="log-of-zero")


def test_a_missing_target_counts_as_no_error(tmp_path: Path) -> None:
    code, at = one("tf.square(y_true - y_pred)"), "y_true - y_pred"
    found = proposals(tmp_path, code, at, y_true="float32[B,3] real missing")
    assert found[0][1] == one("tf.square(tf.where(tf.math.is_nan(y_true), 0.0, y_true - y_pred))")
    assert not proposals(tmp_path, code, at)  # these targets are all there


def test_inputs_of_half_precision_are_cast_first(tmp_path: Path) -> None:
    code = one("tf.square(y_true - y_pred)")
    at = "tf.square(y_true - y_pred)"
    found = proposals(tmp_path, code, at, "low-precision", HALF, HALF, rule="half-overflow")
    assert found[0][1].splitlines()[1:3] == [
        "    y_true = tf.cast(y_true, tf.float32)",
        "    y_pred = tf.cast(y_pred, tf.float32)",
    ]
    assert not found[0][0].changes_values
    assert not proposals(tmp_path, code, at, "low-precision", rule="half-overflow")  # they are float32


def test_constants_whose_reciprocal_squared_half_precision_cannot_hold_grow(tmp_path: Path) -> None:
    code = "TINY = 1e-6\n" + one("y_true / (y_pred + TINY)")
    found = proposals(tmp_path, code, "y_true / (y_pred + TINY)", "low-precision", HALF, HALF, rule="half-overflow")
    grown = [(proposal, text) for proposal, text in found if "TINY = 1e-2" in text]
    assert grown
    assert grown[0][0].changes_values
    assert "y_pred = tf.cast(y_pred, tf.float32)" in grown[0][1]
    code = one("tf.math.l2_normalize(y_pred, axis=-1)")
    at = "tf.math.l2_normalize(y_pred, axis=-1)"
    found = proposals(tmp_path, code, at, "low-precision", HALF, HALF, rule="half-overflow")
    assert any("tf.math.l2_normalize(y_pred, axis=-1, epsilon=1e-4)" in text for _, text in found)


def test_casts_of_the_function_itself_are_widened(tmp_path: Path) -> None:
    code = """\
def loss(y_true, y_pred):
    small = tf.cast(y_pred, tf.float16) + ops.cast(y_true, "float16")
    return tf.reduce_mean(tf.cast(tf.square(small), tf.float32), axis=-1)
"""
    found = proposals(tmp_path, code, "tf.square(small)", "low-precision", rule="half-overflow")
    assert 'tf.cast(y_pred, tf.float32) + ops.cast(y_true, "float32")' in found[0][1]
    assert found[0][0].rounding == "float16"


def test_a_mask_value_that_half_precision_holds(tmp_path: Path) -> None:
    code = one("y_pred + (1.0 - y_true) * -1e9")
    at = "y_pred + (1.0 - y_true) * -1e9"
    found = proposals(tmp_path, code, at, "low-precision", "float16[B,3] binary", HALF, rule="mask-overflow")
    assert found[0][1] == one("y_pred + (1.0 - y_true) * -1e4")
    assert all("-1e4" in text or "-1e9" in text for _, text in found)
    both = found[1][1]
    assert "tf.cast(y_pred, tf.float32)" in both
    assert "-1e4" in both


def test_a_name_is_guarded_where_it_is_made_when_several_powers_read_it(tmp_path: Path) -> None:
    code = """\
def loss(y_true, y_pred):
    mu = tf.abs(y_pred)
    return tf.reduce_mean(y_true * mu ** -0.5 + mu ** 0.5, axis=-1)
"""
    found = proposals(tmp_path, code, "mu ** -0.5")
    assert "mu = tf.maximum(tf.abs(y_pred), 1e-7)\n" in found[0][1]
    twice = code.replace("    return", "    mu = mu + 0.0\n    return")
    assert "mu = tf.abs(y_pred)\n" in proposals(tmp_path, twice, "mu ** -0.5")[0][1]
