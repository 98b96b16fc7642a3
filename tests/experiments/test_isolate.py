"""One planted fault: the term, the line, the smallest input, and the script of what is left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.composites import contract_of
from benchmarks.isolate import _SYMPTOMS, FAULTS, planted

from lossdoctor.experiments.reading import Culprit
from lossdoctor.worker.local import LocalSession
from tests.experiments.composites import COMPOSITES

pytestmark = pytest.mark.real
# One of each kind here; benchmarks/isolate.py runs all.
CHOSEN = ("wgan_gp", "conserved", "from_a_helper", "stacked", "reduced_at_the_end", "subtracted")


@pytest.fixture(scope="module")
def session() -> LocalSession:
    return LocalSession()


def isolated(session: LocalSession, path: Path, name: str) -> Culprit | None:
    contract = contract_of(*COMPOSITES[name][:2])
    session.load(f"{path}:{name}")
    session.trace(contract)
    return session.probe("experiments.isolation", contract)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault[0] in CHOSEN], ids=lambda fault: fault[0])
def test_term_and_line_are_those_of_the_fault(session: LocalSession, fault: tuple[str, ...], tmp_path: Path) -> None:
    name, old, new, term, symptom = fault
    text, lines = planted(name, old, new)
    path = tmp_path / "faulty.py"
    path.write_text(text)
    found = isolated(session, path, name)
    assert found is not None
    assert found.term == term
    assert found.symptom in _SYMPTOMS[symptom]
    assert found.calls[-1].line in lines
    if found.script:
        assert session.replay(found.script).status == 1


@pytest.mark.parametrize("name", ["subtracted", "conserved", "focal_dice"])
def test_sound_losses_are_not_blamed(session: LocalSession, name: str) -> None:
    from benchmarks.composites import PATH

    assert isolated(session, PATH, name) is None


TOTAL = """
import tensorflow as tf


def total(y_true, y_pred):
    fit = tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
    size = tf.sqrt(tf.reduce_sum(tf.square(y_pred), axis=-1))
    return fit + 0.1 * size
"""


def test_a_capture_is_reduced_to_one_number(tmp_path: Path) -> None:
    (tmp_path / "losses.py").write_text(TOTAL)
    predicted = np.ones((6, 3), np.float32)
    predicted[4] = 0.0
    np.savez(tmp_path / "capture.npz", y_true=np.ones((6, 3), np.float32), y_pred=predicted, step=317)
    command = [sys.executable, "-m", "lossdoctor", "isolate", "losses.py:total", "--capture", "capture.npz"]
    ran = subprocess.run([*command, "--format", "json"], cwd=tmp_path, capture_output=True, text=True, timeout=250)
    document: dict[str, Any] = json.loads(ran.stdout)
    assert ran.returncode == 1
    assert (document["term"], document["symptom"], document["line"]) == ("size", "nonfinite-gradient", 7)
    assert np.shape(document["witness"]["y_pred"])[0] == 1
    script = tmp_path / "reduced.py"
    script.write_text(document["reproduce"])
    assert subprocess.run([sys.executable, script], capture_output=True, timeout=250).returncode == 1
