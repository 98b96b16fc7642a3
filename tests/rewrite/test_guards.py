"""Mends of guards without effect, before anything is tried."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.rewrite.sites import proposals

pytestmark = pytest.mark.real

DISCARDED = """\
def loss(y_true, y_pred):
    tf.clip_by_value(y_pred, 1e-7, 1.0)
    return -tf.reduce_sum(y_true * tf.math.log(y_pred), axis=-1)
"""
ABSORBED = """\
def loss(y_true, y_pred):
    p = tf.clip_by_value(y_pred, 1e-8, 1 - 1e-8)
    return -tf.reduce_sum(tf.math.log(1 - p), axis=-1)
"""


@pytest.mark.parametrize(
    ("code", "at", "rule", "line"),
    [
        (DISCARDED, "tf.clip_by_value(y_pred, 1e-7, 1.0)", "discarded-guard",
         "    y_pred = tf.clip_by_value(y_pred, 1e-7, 1.0)"),
        (ABSORBED, "1 - 1e-8", "absorbed-epsilon", "    p = tf.clip_by_value(y_pred, 1e-8, 1 - 1e-7)"),
    ],
)  # fmt: skip
def test_the_guard_itself_is_mended_first(code: str, at: str, rule: str, line: str, tmp_path: Path) -> None:
    proposal, text = proposals(tmp_path, code, at, rule=rule)[0]
    assert text.splitlines()[1] == line
    assert proposal.changes_values


def test_other_findings_at_such_a_place_are_no_business_of_these(tmp_path: Path) -> None:
    found = proposals(tmp_path, DISCARDED, "tf.clip_by_value(y_pred, 1e-7, 1.0)")
    assert not [text for _, text in found if "y_pred = tf.clip" in text]
