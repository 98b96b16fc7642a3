"""`watch` on two workers of a cluster, each a process with a time limit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.runtime import fitted, workers

import lossdoctor as ld
from lossdoctor.runtime.capture import load

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]
SECONDS = 240.0


def test_weights_are_the_same_with_and_without_it(tmp_path: Path) -> None:
    plain, watched = (workers.trained(tmp_path, kind, SECONDS) for kind in ("plain", "watched"))
    assert len({found["weights"] for found in (*plain, *watched)}) == 1
    assert [(found["steps"], found["notes"], found["alerts"]) for found in watched] == [([workers.STEPS], [], [])] * 2


def test_the_worker_whose_batch_breaks_keeps_it(tmp_path: Path) -> None:
    first, second = workers.trained(tmp_path, "bad", SECONDS)
    assert second["alerts"] == [["non-finite", workers.BAD_STEP]]
    (file,) = second["saved"]
    about = load(file).about
    assert (Path(file).parent.name, about.step, about.replica) == ("worker-1", workers.BAD_STEP, 1)
    replayed = ld.replay(file, fitted.log_of_target, mends=False)
    assert replayed.status == "stands" and replayed.samples == (workers.BAD_SAMPLE,)
    (finding,) = replayed.findings
    assert "tf.math.log(y_true)" in Path(finding.location.path).read_text().splitlines()[finding.location.line - 1]
    # What came of it reaches the other worker with the weights, a step later.
    assert first["alerts"] == [["non-finite", workers.BAD_STEP + 1]]
    assert np.isnan(load(first["saved"][0]).y_pred).any()
