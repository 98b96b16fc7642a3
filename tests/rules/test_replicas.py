"""What two replicas and a weight of zero do to a loss, measured in a worker, which has two logical CPUs."""

from __future__ import annotations

from pathlib import Path

import pytest

from lossdoctor.engine import check
from lossdoctor.readings import Replicas
from lossdoctor.session import Settings
from lossdoctor.spec import parse_contract
from lossdoctor.worker.remote import WorkerPool

pytestmark = pytest.mark.real

SPEC = "float32[B,3] real"
CLASS = """class loss(keras.losses.Loss):
    def __init__(self):
        super().__init__(reduction={!r})

    def call(self, y_true, y_pred):
        return tf.reduce_mean(tf.square(y_true - y_pred){})
"""


def function(body: str) -> str:
    return f"def loss(y_true, y_pred):\n    return {body}\n"


def reading(pool: WorkerPool, folder: Path, source: str) -> Replicas:
    path = folder / "losses.py"
    path.write_text(f"import keras\nimport tensorflow as tf\n\n\n{source}")
    with pool.session() as session:
        session.load(f"{path}:loss")
        return session.probe("replicas", parse_contract(SPEC, SPEC))


@pytest.mark.parametrize(
    ("source", "keras", "loop", "kept"),
    [
        pytest.param(function("tf.reduce_mean(tf.square(y_true - y_pred))"), 2.0, 2.0, 0.75, id="mean"),
        pytest.param(function("tf.reduce_sum(tf.square(y_true - y_pred))"), 1.0, 1.0, 0.75, id="sum"),
        # A Keras loss inside divides by the number of replicas itself, though it gives one number.
        pytest.param(function("keras.losses.MeanSquaredError()(y_true, y_pred)"), 1.0, 1.0, 0.75, id="inner"),
        # A loop that differentiates losses by sample adds them up, so that the batch is one sum.
        pytest.param(function("tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)"), 1.0, 1.0, 0.0, id="rows"),
        *(
            pytest.param(CLASS.format(reduction, axis), ratio, ratio, kept, id=f"{reduction}{axis}")
            for reduction in ("sum_over_batch_size", "sum", "none", "mean_with_sample_weight")
            for axis, ratio, kept in (("", 2.0, 0.75), (", -1", 1.0, 0.0))
            # With the sum as divisor the sole number is weighted by 3/4 of 4 and divided by 3.
            if not (reduction == "mean_with_sample_weight" and not axis)
        ),
    ],
)
def test_the_step_of_two_replicas_and_of_a_weight_of_zero(
    source: str, keras: float, loop: float, kept: float, pool: WorkerPool, tmp_path: Path
) -> None:
    found = reading(pool, tmp_path, source)
    assert found.keras is not None and found.loop is not None, found.reason
    assert (found.keras.ratio, found.loop.ratio) == pytest.approx((keras, loop), rel=1e-4)
    assert found.keras.scatter < 1e-4
    if "'none'" not in source:
        assert found.zero_weight == pytest.approx(kept, abs=1e-4)


def test_statistics_of_the_batch_give_another_direction(pool: WorkerPool, tmp_path: Path) -> None:
    found = reading(pool, tmp_path, function("tf.norm(y_true - y_pred) + tf.reduce_max(y_pred)"))
    assert found.keras is not None
    assert found.keras.differs and not found.keras.multiplied


def test_a_loss_that_does_not_run_says_why(pool: WorkerPool, tmp_path: Path) -> None:
    found = reading(pool, tmp_path, function("tf.reduce_mean(tf.reshape(y_true - y_pred, [7, 3]))"))
    assert found.keras is None and found.loop is None
    assert "does not run" in found.reason


@pytest.mark.parametrize(
    ("body", "said"),
    [("tf.reduce_mean(tf.square(y_true - y_pred))", True), ("keras.losses.MeanSquaredError()(y_true, y_pred)", False)],
)
def test_replicas_stand_in_a_finding_only_where_they_matter(
    body: str, said: bool, pool: WorkerPool, tmp_path: Path
) -> None:
    path = tmp_path / "losses.py"
    path.write_text(f"import keras\nimport tensorflow as tf\n\n\n{function(body)}")
    report = check([f"{path}:loss"], y_true=SPEC, y_pred=SPEC, settings=Settings(mends=False), pool=pool)
    (finding,) = report.findings
    assert finding.rule == "LD221"
    assert ("replicas" in finding.when) == said == ("2.0 times" in finding.message)
    assert "keeps 75% of its gradient" in finding.message
    assert "keras_loss" in finding.reproduce
