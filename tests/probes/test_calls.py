"""Finding a way to call the loss: once for all probes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.probes.fakes import REAL, contract, subject_of

from lossdoctor.probes.calls import caller
from lossdoctor.probes.draws import pair

pytestmark = pytest.mark.real

SOURCE = """\
import tensorflow as tf

ran = []


def loss(y_true, y_pred):
    ran.append(y_pred.shape)
    if len(y_pred.shape) != 2:
        raise ValueError("two axes")
    return tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1)
"""


def test_what_works_is_found_once(tmp_path: Path) -> None:
    path = tmp_path / "losses.py"
    path.write_text(SOURCE)
    subject = subject_of(path, "loss")
    ran: list[object] = subject.object.__globals__["ran"]
    draws = [np.random.default_rng(0), np.random.default_rng(0)]
    first, again = (caller(subject, REAL, rng) for rng in draws)
    assert first is not None
    assert again is not None
    assert first.sizes == again.sizes
    assert len(ran) == 1
    # What is drawn next is the same as if it had been tried.
    one, other = (pair(REAL, rng, first.sizes) for rng in draws)
    np.testing.assert_array_equal(one.y_pred, other.y_pred)
    assert caller(subject, REAL, np.random.default_rng(1)) is not None
    assert caller(subject, REAL, np.random.default_rng(0), batch=1) is not None
    assert len(ran) == 3


def test_that_nothing_works_is_found_once(tmp_path: Path) -> None:
    path = tmp_path / "losses.py"
    path.write_text(SOURCE)
    subject = subject_of(path, "loss")
    ran: list[object] = subject.object.__globals__["ran"]
    flat = contract("float32[B] real", "float32[B] real")
    assert caller(subject, flat, np.random.default_rng(0)) is None
    tried = len(ran)
    assert tried > 1
    assert caller(subject, flat, np.random.default_rng(0)) is None
    assert len(ran) == tried
