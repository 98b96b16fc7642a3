"""What LD516 says of an argument that stands where `from_logits` does."""

from __future__ import annotations

from pathlib import Path

import pytest

from lossdoctor.engine import check
from lossdoctor.session import Settings
from lossdoctor.worker.remote import WorkerPool

LOSS = """\
import keras


def smoothed(y_true, y_pred):
    return keras.losses.binary_crossentropy(y_true, y_pred, {})
"""


@pytest.mark.real
@pytest.mark.parametrize(("third", "said"), [("0.1", True), ("from_logits=True", False)])
def test_what_is_passed_for_from_logits(third: str, said: bool, pool: WorkerPool, tmp_path: Path) -> None:
    path = tmp_path / "losses.py"
    path.write_text(LOSS.format(third), encoding="utf-8")
    specs = {"y_true": "float32[B,4] binary", "y_pred": "float32[B,4] unit"}
    report = check([f"{path}:smoothed"], **specs, settings=Settings(mends=False), pool=pool)
    (finding,) = [finding for finding in report.findings if finding.rule == "LD516"]
    assert ("`0.1` is passed for `from_logits`" in finding.message) is said
