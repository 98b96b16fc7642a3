"""One pool of one worker process for all tests of this folder, and a file of losses that behave badly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lossdoctor.session import Settings
from lossdoctor.spec import Contract, Spec
from lossdoctor.worker.remote import WorkerPool

LOSSES = """\
import os
import signal
import sys

import numpy as np
import tensorflow as tf


def good(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


def integer(y_true, y_pred):
    return tf.reduce_mean(y_true * y_pred, axis=-1)


def half(y_true, y_pred):
    if tf.reduce_sum(y_pred) > 0.0:
        return tf.reduce_sum(y_pred, axis=-1)
    return tf.reduce_sum(y_true, axis=-1)


def hangs(y_true, y_pred):
    while True:
        pass
    return y_pred


def leaves(y_true, y_pred):
    os._exit(3)


def exits(y_true, y_pred):
    sys.exit("done")


def crashes(y_true, y_pred):
    os.kill(os.getpid(), signal.SIGSEGV)


def greedy(y_true, y_pred):
    return y_pred + tf.reduce_sum(np.zeros(100 * 2**30 // 4, np.float32))


def raises(y_true, y_pred):
    raise RuntimeError("not today")


def prints(y_true, y_pred):
    print("secret" * 10)
    os.write(1, b"raw")
    return y_pred


def nothing(y_true, y_pred):
    y_pred + y_true


def text(y_true, y_pred):
    return "low"


def pair(y_true, y_pred):
    return y_pred, tf.reduce_sum(y_true)


def slow(y_true, y_pred):
    import time

    time.sleep(600.0)
    return y_pred


def greedy_tensor(y_true, y_pred):
    return y_pred + tf.reduce_sum(tf.zeros([100 * 2**30 // 4]))
"""


@pytest.fixture(scope="session")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(settings=Settings(time_limit=60.0, memory_limit=1.0)) as made:
        yield made


@pytest.fixture
def losses(tmp_path: Path) -> str:
    path = tmp_path / "losses.py"
    path.write_text(LOSSES)
    return str(path)


@pytest.fixture
def contract() -> Contract:
    return Contract(Spec("float32", ("B", 3)), Spec("float32", ("B", 3)))
