"""The trainings of an experiment in TensorBoard, read back with TensorBoard's own readers."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lossdoctor.experiments.outcomes import Experiment, Outcome, Run
from lossdoctor.report.parts.board import name_of, write

pytest.importorskip("tensorboard")
RUNS = (
    Run("tested", 0),
    Run("standard", 0),
    Run("tested", 1000, 0.01, optimizer="sgd"),
    Run("tested", 0, batch=4),
    Run("tested", 0, scale=100.0),
    Run("tested", 0, one_batch=True),
    Run("tested", 0, task="outliers"),
    Run("tested", 0, term="kl + recon[q=0.1]", factor=0.0),
    Run("tested", 0, term="kl + recon[q=0.1]", factor=10.0),
)


def experiment(outcomes: tuple[Outcome, ...]) -> Experiment:
    return Experiment(
        target="losses.py:vae", name="vae", path="losses.py", line=3, y_true="float32[B,2] real",
        y_pred="float32[B,2] real", origin="given", assumptions=(), task="regression", standard="mse",
        verdict="trains", firsts=(), outcomes=outcomes, comparison=None, findings=(), facts=(), gaps=(), seconds=1.0,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    outcomes = [Outcome(run, 1.0, 0.125, curve=(2.0, 0.5), steps=(0, 149)) for run in RUNS]
    outcomes[4] = Outcome(RUNS[4], math.nan, math.nan, curve=(1.0, math.inf), steps=(0, 149), finite=False)
    outcomes.append(Outcome(Run("tested", 7), problem="ValueError: no"))
    assert write(experiment(tuple(outcomes)), tmp_path / "board") == len(RUNS)
    return tmp_path / "board"


def test_every_training_has_a_name_of_its_own() -> None:
    assert len({name_of(run) for run in RUNS}) == len(RUNS)
    assert all(not set(name_of(run)) & set(" /[]") for run in RUNS)


def test_scalars_are_read_back(folder: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    reader: Any = EventAccumulator(str(folder / name_of(RUNS[0])))
    reader.Reload()
    read = {tag: [(one.step, float(make_ndarray(one.tensor_proto))) for one in reader.Tensors(tag)]
            for tag in ("loss", "error")}  # fmt: skip
    assert read == {"loss": [(0, 2.0), (149, 0.5)], "error": [(0, 1.0), (150, 0.125)]}


def groups(folder: Path) -> tuple[Any, Any]:
    """The columns and the rows of the dashboard of hyperparameters, as its own back end makes them."""
    from tensorboard import context
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    runs: Any = plugin_event_multiplexer.EventMultiplexer()
    runs.AddRunsFromDirectory(str(folder))
    runs.Reload()
    provider = data_provider.MultiplexerDataProvider(runs, str(folder))
    own: Any = backend_context.Context(base_plugin.TBContext(data_provider=provider))
    asked, messages = context.RequestContext(), (api_pb2,)
    made: Any = messages[0]
    table = own.hparams_metadata(asked, "0")
    columns = own.experiment_from_metadata(asked, "0", True, table, own.hparams_from_data_provider(asked, "0", 100))
    request = made.ListSessionGroupsRequest(
        start_index=0, slice_size=100, include_metrics=True, allowed_statuses=[
            made.STATUS_UNKNOWN, made.STATUS_RUNNING, made.STATUS_SUCCESS, made.STATUS_FAILURE,
        ],
    )  # fmt: skip
    rows: Any = list_session_groups.Handler(asked, own, "0", request).run()
    return columns, rows


def test_the_dashboard_shows_every_training_with_its_hyperparameters(folder: Path) -> None:
    columns, rows = groups(folder)
    assert {one.name for one in columns.hparam_infos} == {
        "loss", "seed", "learning_rate", "optimizer", "batch", "one_batch", "scale_of_targets", "task",
        "term", "factor",
    }  # fmt: skip
    assert {one.name.tag for one in columns.metric_infos} == {"loss", "error"}
    found = {group.name: group for group in rows.session_groups}
    assert set(found) == {name_of(run) for run in RUNS}
    without = found[name_of(RUNS[7])]
    assert without.hparams["term"].string_value == "kl + recon[q=0.1]"
    assert without.hparams["factor"].number_value == 0.0
    assert found[name_of(RUNS[1])].hparams["loss"].string_value == "standard"
    metrics = {one.name.tag: one.value for one in found[name_of(RUNS[0])].metric_values}
    assert metrics == {"loss": 0.5, "error": 0.125}


def test_a_second_time_replaces_the_first(folder: Path) -> None:
    outcomes = (Outcome(RUNS[0], 1.0, 0.25, curve=(3.0, 0.75), steps=(0, 149)),)
    write(experiment(outcomes), folder)
    _, rows = groups(folder)
    found = {group.name: group for group in rows.session_groups}
    metrics = {one.name.tag: one.value for one in found[name_of(RUNS[0])].metric_values}
    assert metrics["error"] == 0.25


@pytest.mark.real
def test_the_command_writes_them_without_tensorflow_in_its_own_process(tmp_path: Path) -> None:
    source = "import tensorflow as tf\n\n\ndef mse(t, p):\n    return tf.reduce_mean((t - p) ** 2, -1)\n"
    (tmp_path / "losses.py").write_text(source)
    options = ["--y-true", "float32[B,2] real", "--y-pred", "float32[B,2] real", "--tensorboard", "board"]
    code = (
        "import sys\nfrom lossdoctor.cli.main import main\n"
        f"status = main({['experiment', 'losses.py:mse', *options]!r})\n"
        "print('loaded', 'tensorflow' in sys.modules)\nsys.exit(status)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=250)
    assert ran.returncode == 0, ran.stderr
    assert "loaded False" in ran.stdout
    assert "wrote 10 runs to board" in ran.stderr
    _, rows = groups(tmp_path / "board")
    assert len(rows.session_groups) == 10
