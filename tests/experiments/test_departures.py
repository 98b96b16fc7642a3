"""Lost precision, another value than meant, and divergence: one term, one line, and a script that shows it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from benchmarks.composites import PATH
from benchmarks.isolate import planted
from benchmarks.isolate_departures import FAULTS, isolated

from lossdoctor.findings import UsageError
from lossdoctor.session import Settings
from lossdoctor.worker.remote import WorkerPool

pytestmark = pytest.mark.real
# Some of each kind here; benchmarks/isolate_departures.py runs all.
CHOSEN = {
    "precision-loss": ("stacked", "table_of_functions"),
    "differs": ("focal_dice", "conserved", "library_losses"),
    "divergence": ("subtracted", "averaged"),
}


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(1, Settings()) as made:
        yield made


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault[0] in CHOSEN[fault[4]]], ids=lambda f: f[4])
def test_term_line_and_script_are_those_of_the_fault(fault: tuple[str, ...], tmp_path: Path, pool: WorkerPool) -> None:
    name, old, new, term, symptom = fault
    text, lines = planted(name, old, new)
    (tmp_path / "faulty.py").write_text(text)
    found = isolated(tmp_path / "faulty.py", name, symptom, pool)
    assert found.culprit is not None, found.gaps
    assert (found.culprit.term, found.culprit.symptom) == (term, symptom)
    assert found.at in lines
    assert found.shown


@pytest.mark.parametrize("symptom", ["precision-loss", "differs", "divergence"])
@pytest.mark.parametrize("name", ["subtracted", "focal_dice"])
def test_sound_losses_are_not_blamed(name: str, symptom: str, pool: WorkerPool) -> None:
    found = isolated(PATH, name, symptom, pool)
    assert found.culprit is None
    nothing = "nothing differs at the inputs that were compared" if symptom == "differs" else f"no {symptom} showed"
    (gap,) = found.gaps
    # A busy machine compares fewer inputs with float64 in the time for it, and says so.
    assert gap == nothing or (symptom == "precision-loss" and gap.startswith("no precision is lost in "))


LOSSES = """
import tensorflow as tf


def total(y_true, y_pred):
    fit = -tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
    size = tf.reduce_mean(tf.abs(y_pred), axis=-1)
    return fit + 0.1 * size
"""


def test_the_trainings_of_an_experiment_are_taken_up(tmp_path: Path, pool: WorkerPool) -> None:
    from lossdoctor import engine

    (tmp_path / "losses.py").write_text(LOSSES)
    target = f"{tmp_path / 'losses.py'}:total"
    given: Any = {"y_true": "float32[B,2] real", "y_pred": "float32[B,2] real", "pool": pool}
    engine.experiment(target, folder=tmp_path / "run", **given)
    found = engine.isolate(target, wanted={"run_dir": tmp_path / "run"}, **given)
    assert found.culprit is not None
    assert (found.culprit.term, found.culprit.symptom, found.at, found.shown) == ("fit", "divergence", 6, True)


@pytest.mark.slow
def test_a_mended_script_says_so(tmp_path: Path, pool: WorkerPool) -> None:
    chosen = ("library_losses", "differs")  # whose weight is 0.2 instead of 0.1
    name, old, new, _, symptom = next(fault for fault in FAULTS if (fault[0], fault[4]) == chosen)
    text, _ = planted(name, old, new)
    (tmp_path / "faulty.py").write_text(text)
    found = isolated(tmp_path / "faulty.py", name, symptom, pool)
    assert found.culprit is not None
    script = found.culprit.script
    assert "0.2" in script
    assert "Squared" not in script  # the other term is gone
    for text, status in ((script, 1), (script.replace("0.2", "0.1", 1), 0)):
        (tmp_path / "reduced.py").write_text(text)
        ran = subprocess.run([sys.executable, tmp_path / "reduced.py"], capture_output=True, timeout=250)
        assert ran.returncode == status, ran.stderr.decode()


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"symptom": "nan"}, "Invalid value for `symptom`"),
        ({"symptom": "no-gradient", "reference": "Huber"}, "Invalid value for `reference`. Expected it with"),
        ({"symptom": "differs", "run_dir": Path("runs")}, "Invalid value for `run_dir`. Expected it with"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(wanted: Any, message: str) -> None:
    from lossdoctor import engine

    with pytest.raises(UsageError, match=message):
        engine.isolate(f"{PATH}:subtracted", wanted=wanted)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"symptom": "differs"}, "Nothing to differ from"),
        ({"run_dir": Path("nowhere")}, "Expected a directory with experiment.sqlite"),
        ({"reference": "no_such.py:loss"}, "no_such.py"),
    ],
)
def test_what_is_not_there_is_said(wanted: Any, message: str, pool: WorkerPool) -> None:
    from lossdoctor import engine
    from lossdoctor.findings import ErrorItem

    spec = "float32[B,2] real"
    found = engine.isolate(f"{PATH}:subtracted", wanted=wanted, y_true=spec, y_pred=spec, pool=pool)
    assert isinstance(found, ErrorItem)
    assert message in found.message
