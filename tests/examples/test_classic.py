"""The bundled examples, under other names in another file: the verdicts come from the losses, not from the names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lossdoctor.config import load_config
from lossdoctor.engine import check
from lossdoctor.findings import LossReport, at_or_above
from lossdoctor.session import Settings

EXAMPLES = Path(__file__).parents[2] / "src/lossdoctor/examples"
NAMES = {
    "squared_by_hand": "a1",
    "squared_by_library": "a2",
    "distance_reshaped": "b2",
    "distance": "b1",
    "steep_rewritten": "c2",
    "steep": "c1",
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LossReport]:
    folder = tmp_path_factory.mktemp("renamed")
    for name, target in (("classic.py", "other.py"), ("lossdoctor.toml", "other.toml")):
        text = (EXAMPLES / name).read_text(encoding="utf-8").replace("classic.py", "other.py")
        for old, new in NAMES.items():
            text = re.sub(rf"\b{old}\b", new, text)
        (folder / target).write_text(text, encoding="utf-8")
    config = load_config(folder / "other.toml", folder)
    report = check([entry.target for entry in config.losses], config=config, settings=Settings())
    assert not report.errors
    return {loss.target.rpartition(":")[2]: loss for loss in report.losses}


def codes(loss: LossReport) -> list[tuple[str, str]]:
    return [(finding.severity, finding.rule) for finding in loss.findings]


@pytest.mark.real
@pytest.mark.parametrize("name", ["a1", "a2"])
def test_squared_error_is_right_and_returns_a_scalar(reports: dict[str, LossReport], name: str) -> None:
    loss = reports[name]
    assert codes(loss) == [("warning", "LD221")]
    proved = {fact.name for fact in loss.facts if fact.evidence == "proved"}
    assert {"finite-value", "finite-gradient"} <= proved


@pytest.mark.real
def test_distance_broadcasts_the_targets(reports: dict[str, LossReport]) -> None:
    loss = reports["b1"]
    first = loss.findings[0]
    assert (first.severity, first.rule) == ("error", "LD201")
    assert "1 or 10" in first.message
    assert not any(fact.name == "finite-value" and fact.evidence == "proved" for fact in loss.facts)


@pytest.mark.real
def test_reshaped_distance_runs_and_compares_one_target_with_ten_outputs(reports: dict[str, LossReport]) -> None:
    loss = reports["b2"]
    assert ("info", "LD202") in codes(loss)
    assert not any(at_or_above(finding.severity, "error") for finding in loss.findings)
    assert "10 outputs" in next(f.message for f in loss.findings if f.rule == "LD202")


@pytest.mark.real
@pytest.mark.parametrize(("name", "limit"), [("c1", "9.42"), ("c2", "88.7")])
def test_exponentials_overflow_from_where_they_do(reports: dict[str, LossReport], name: str, limit: str) -> None:
    first = reports[name].findings[0]
    assert first.rule == "LD303"
    assert f"|y_pred| > {limit}" in first.message
    assert first.witness is not None
    assert first.witness.value == "inf"
