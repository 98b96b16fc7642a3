"""Scripts that look at the traced graph or at settings: status 1 for a loss with the fault, 0 for its healthy twin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lossdoctor.search.reproduce import script
from lossdoctor.search.settings import SETTINGS
from lossdoctor.search.tracings import TRACINGS
from lossdoctor.spec import parse_contract
from lossdoctor.worker.local import LocalSession

SOURCE = """\
import keras
import numpy as np
import tensorflow as tf

PAST = []


def rows(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


def looped(y_true, y_pred):
    return tf.map_fn(lambda pair: rows(*pair), (y_true, y_pred), fn_output_signature=tf.float32)


def dealt(y_true, y_pred):
    return tf.reduce_mean(tf.reshape(y_true - y_pred, [3, -1]), axis=0)


def transposed(y_true, y_pred):
    return tf.reduce_mean(tf.transpose(y_true - y_pred), axis=0)


def itself(y_true, y_pred):
    score = y_pred[:, 0]
    return rows(y_true, y_pred) + tf.reduce_mean(tf.abs(score[:, None] - score[:, None]), axis=1)


def pairs(y_true, y_pred):
    score = y_pred[:, 0]
    return rows(y_true, y_pred) + tf.reduce_mean(tf.abs(score[:, None] - score[None, :]), axis=1)


def wide(y_true, y_pred):
    return tf.cast(rows(tf.cast(y_true, tf.float64), tf.cast(y_pred, tf.float64)), tf.float32)


def rounded(y_true, y_pred):
    share = tf.reduce_mean(tf.cast(y_true > 0.0, tf.int32), axis=-1)
    return (1.0 + tf.cast(share, tf.float32)) * rows(y_true, y_pred)


def truncated(y_true, y_pred):
    return rows(y_true, tf.cast(tf.cast(y_pred, tf.int32), tf.float32))


def noisy(y_true, y_pred):
    return rows(y_true, y_pred + tf.random.stateless_normal(tf.shape(y_pred), seed=(1, 2)))


def retracing(y_true, y_pred):
    return tf.function(rows)(y_true, y_pred)


def collecting(y_true, y_pred):
    PAST.append(rows(y_true, y_pred))
    return rows(y_true, y_pred)


def drawn(y_true, y_pred, noise=np.random.normal()):
    return rows(y_true, y_pred) + noise


def powered(power=2.0):
    return lambda y_true, y_pred: tf.reduce_mean(tf.abs(y_true - y_pred) ** power, axis=-1)


def unpowered(power=2.0):
    return rows


class Kept(keras.losses.Loss):
    def __init__(self, reduction="sum_over_batch_size"):
        super().__init__(reduction=reduction)

    def call(self, y_true, y_pred):
        return rows(y_true, y_pred)


class Lost(Kept):
    def __init__(self, reduction="sum_over_batch_size"):
        super().__init__()
"""
CASES: list[tuple[str, str, str, dict[str, Any]]] = [
    # symptom, loss with the fault, healthy twin, arguments
    ("operations-left", "looped", "rows", {"types": ("While", "StatelessWhile"), "count": 1}),
    ("operation-on-shapes", "dealt", "transposed", {"types": ("Reshape",), "shapes": (("B", 3),), "result": (3, "B")}),
    ("operation-on-shapes", "itself", "pairs", {"types": ("Sub",), "shapes": (("B", 1), ("B", 1))}),
    ("in-double", "wide", "rows", {}),
    ("share-rounded", "rounded", "rows", {}),
    ("cast-to-integer", "truncated", "rows", {"count": 1}),
    ("seeded-alike", "noisy", "rows", {}),
    ("traced-again", "retracing", "rows", {}),
    ("setting-unused", "unpowered", "powered", {"makes": ("...(power=2.0)", "...(power=1.0)")}),
    ("setting-lost", "Lost", "Kept", {"argument": "reduction", "value": "sum"}),
    ("drawn-at-import", "drawn", "rows", {"function": "..."}),
    ("list-grows", "collecting", "rows", {"name": "PAST", "holder": "attribute"}),
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("user") / "tracings.py"
    path.write_text(SOURCE)
    return path


def test_each_has_a_case() -> None:
    assert {case[0] for case in CASES} == {*TRACINGS, *SETTINGS}


@pytest.mark.real
@pytest.mark.parametrize(("symptom", "faulty", "healthy", "arguments"), CASES, ids=lambda value: str(value)[:20])
def test_the_fault_and_its_twin(
    symptom: str, faulty: str, healthy: str, arguments: dict[str, Any], session: LocalSession, file: Path
) -> None:
    contract = parse_contract("float32[B,3] real", "float32[B,3] real")
    for name, status in ((faulty, 1), (healthy, 0)):
        given = {key: _named(value, name) for key, value in arguments.items()}
        replay = session.replay(script(session.load(f"{file}:{name}"), symptom, None, contract, **given))
        assert replay.status == status, replay.output


def _named(value: Any, name: str) -> Any:
    """Arguments with the name of the loss in place of three dots."""
    if isinstance(value, tuple):
        return tuple(_named(each, name) for each in value)
    return value.replace("...", name) if isinstance(value, str) else value
