"""Real mistakes in our own words: each is found, and its mended twin is left in peace.

The folders have the format of the cases that `benchmarks/cases.py` measures. Those with `suite = false`, whose
mechanism others show as well, are left to it, unless the environment has LOSSDOCTOR_ALL_CASES. `KNOWN_MISSES` lists
what is not found yet, with its reason; a case that is found although it stands there fails, so that the list stays honest.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from lossdoctor.engine import check
from lossdoctor.findings import Finding, LossReport, at_or_above
from lossdoctor.session import Settings
from lossdoctor.worker.remote import WorkerPool

FOLDER = Path(__file__).parent
CASES = {path.parent.name: tomllib.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*/case.toml")}
RUN = sorted(name for name, case in CASES.items() if case.get("suite", True) or "LOSSDOCTOR_ALL_CASES" in os.environ)
SETTINGS = Settings(time_limit=120.0, mends=False)  # tests/rewrite tries mends
KNOWN_MISSES: dict[str, str] = {}

pytestmark = [pytest.mark.real, pytest.mark.slow]


def examined(name: str, which: str, pool: WorkerPool) -> LossReport:
    case = CASES[name]
    target = f"{FOLDER / name / which}.py:{case['target']}"
    specs = {key: case[key] for key in ("y_true", "y_pred", "formula") if key in case}
    report = check([target], **specs, settings=SETTINGS, pool=pool)
    assert not report.errors, report.errors
    return report.losses[0]


def hits(case: dict[str, Any], finding: Finding) -> bool:
    families = [case["family"], *case["also"]]
    near = any(abs(finding.location.line - line) <= 1 for line in case["lines"])
    return at_or_above(finding.severity, "warning") and finding.family in families and near


@pytest.mark.parametrize("name", RUN)
def test_the_mistake_is_found(name: str, pool: WorkerPool) -> None:
    loss = examined(name, "buggy", pool)
    found = any(hits(CASES[name], finding) for finding in loss.findings[:3])
    assert found != (name in KNOWN_MISSES), [(f.rule, f.location.line, f.message) for f in loss.findings]


@pytest.mark.parametrize("name", RUN)
def test_the_mended_twin_is_left_in_peace(name: str, pool: WorkerPool) -> None:
    loss = examined(name, "fixed", pool)
    assert not [(f.rule, f.location.line, f.message) for f in loss.findings if at_or_above(f.severity, "warning")]


def test_every_folder_is_a_whole_case() -> None:
    for name, case in CASES.items():
        assert case["id"] == name
        assert case["lines"], name
        assert (FOLDER / name / "buggy.py").read_text() != (FOLDER / name / "fixed.py").read_text()
