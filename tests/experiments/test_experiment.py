"""What trains and what does not; kept, resumed and repeated trainings give the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossdoctor.experiments.outcomes import Experiment, Outcome, Run
from lossdoctor.experiments.store import Store
from lossdoctor.experiments.tasks import error_of, task_of
from lossdoctor.spec import parse_contract


@pytest.mark.parametrize(
    ("y_true", "y_pred", "name"),
    [
        ("float32[B,3] real", "float32[B,3] real", "regression"),
        ("float32[B] real", "float32[B,1] real", "regression"),
        ("float32[B,2] positive", "float32[B,2] positive", "regression"),
        ("float32[B,3] binary", "float32[B,3] unit", "binary"),
        ("float32[B,3] binary", "float32[B,3] logit", "binary"),
        ("float32[B,4] onehot", "float32[B,4] probability", "classes"),
        ("int32[B] label(4)", "float32[B,4] logit", "classes"),
        ("float32[B,8,8,1] binary", "float32[B,8,8,1] unit", "binary"),
        ("float32[B,1] sign", "float32[B,1] real", "margin"),
        ("int32[B] label(3)", "float32[B,8] real", "embedding"),
        ("float32[B,6] unit", '["float32[B,6] unit", "float32[B,2] real"]', "free"),
    ],
)
def test_the_answer_of_a_task_has_no_error_and_others_have(y_true: str, y_pred: str, name: str) -> None:
    task = task_of(parse_contract(y_true, y_pred), 3)
    assert task.name == name
    if task.answer is None:
        return
    assert error_of(task, task.answer) == pytest.approx(0.0, abs=1e-12)
    for wrong, prediction in task.wrong.items():
        assert error_of(task, np.asarray(prediction)) > (0.2 if "half" not in wrong else 0.1), wrong


def test_an_outcome_survives_the_store(tmp_path: Path) -> None:
    run = Run("tested", 7, one_batch=True)
    outcome = Outcome(run, 1.0, 0.25, curve=(1.0, float("inf")), steps=(0, 9), finite=False)
    store = Store(tmp_path / "run", "loss")
    store.add([outcome])
    store.close()
    again = Store(tmp_path / "run", "loss")
    assert again.get(run).to_json() == outcome.to_json()
    assert again.get(run).curve == (1.0, float("inf"))
    assert again.get(Run("tested", 8)) is None
    assert Store(tmp_path / "run", "another loss").get(run) is None


SPEC = "float32[B,2] real"


@pytest.fixture(scope="module")
def loss() -> Any:
    import tensorflow as tf

    def mse(y_true: Any, y_pred: Any) -> Any:
        return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)

    return mse


@pytest.fixture(scope="module")
def plain(loss: Any) -> Any:
    import lossdoctor as ld

    return ld.experiment(loss, SPEC, SPEC)


@pytest.mark.real
def test_a_sound_loss_trains(plain: Any) -> None:
    assert plain.verdict == "trains"
    assert not plain.findings
    assert plain.comparison.tested < 0.2
    assert {fact.name for fact in plain.facts} >= {"known-answer", "trains"}


@pytest.mark.real
def test_an_interrupted_experiment_goes_on_and_gives_the_same_numbers(plain: Any, loss: Any, tmp_path: Path) -> None:
    import lossdoctor as ld

    stopped = ld.experiment(loss, SPEC, SPEC, run_dir=tmp_path, limit=1e-9)
    assert len(stopped.outcomes) < len(plain.outcomes)
    assert stopped.gaps
    resumed = ld.experiment(loss, SPEC, SPEC, run_dir=tmp_path)
    assert [one.to_json() for one in resumed.outcomes] == [one.to_json() for one in plain.outcomes]


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda tf: lambda t, p: -tf.reduce_mean(tf.square(t - p), -1), "LD601"),
        (lambda tf: lambda t, p: tf.square(tf.reduce_mean(t) - tf.reduce_mean(p)), "LD201"),
        (lambda tf: lambda t, p: tf.reduce_mean(tf.cast(tf.abs(t - p) > 0.5, tf.float32), -1), "LD101"),
        (lambda tf: lambda t, p: tf.reduce_mean(tf.square(t - tf.sign(p)), -1), "LD111"),
        (lambda tf: lambda t, p: tf.reduce_mean(tf.square(2.0 * t - p), -1), "LD601"),
    ],
    ids=["sign", "pairs", "metric", "dead", "scale"],
)
@pytest.mark.real
def test_what_trains_wrongly_is_found_with_its_cause_first(make: Any, rule: str) -> None:
    import tensorflow as tf

    import lossdoctor as ld

    found = ld.experiment(make(tf), SPEC, SPEC)
    assert found.verdict == "trains wrongly"
    assert found.findings[0].rule == rule


SOURCE = "import tensorflow as tf\n\n\ndef mse(t, p):\n    return tf.reduce_mean(tf.square(t - p), -1)\n"


@pytest.mark.real
@pytest.mark.slow
def test_a_cluster_gives_the_same_numbers(tmp_path: Path) -> None:
    distributed: Any = pytest.importorskip("distributed")
    import joblib

    from lossdoctor import engine

    (tmp_path / "losses.py").write_text(SOURCE)
    target = f"{tmp_path / 'losses.py'}:mse"
    alone = engine.experiment(target, y_true=SPEC, y_pred=SPEC)
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, distributed.Client(cluster), joblib.parallel_config(backend="dask"):
        far = engine.experiment(target, y_true=SPEC, y_pred=SPEC, jobs=2)
    assert isinstance(alone, Experiment)
    assert isinstance(far, Experiment)
    assert [one.to_json() for one in alone.outcomes] == [one.to_json() for one in far.outcomes]


@pytest.mark.real
@pytest.mark.slow
def test_trainings_at_the_same_time_give_the_same_numbers(tmp_path: Path) -> None:
    from lossdoctor import engine

    (tmp_path / "losses.py").write_text(SOURCE)
    target = f"{tmp_path / 'losses.py'}:mse"
    alone = engine.experiment(target, y_true=SPEC, y_pred=SPEC)
    together = engine.experiment(target, y_true=SPEC, y_pred=SPEC, jobs=2)
    assert [one.to_json() for one in alone.outcomes] == [one.to_json() for one in together.outcomes]
