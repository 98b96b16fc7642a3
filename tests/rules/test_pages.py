"""Every page is a test: all rules run on every block, and find exactly what its comments announce."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.rules.pages import Block, blocks, pages
from tests.rules.programs import examined

from check_docs import HEADINGS
from lossdoctor.engine import check
from lossdoctor.findings import SEVERITIES, at_or_above
from lossdoctor.rules.registry import all_rules
from lossdoctor.session import Settings
from lossdoctor.worker.remote import WorkerPool

SETTINGS = Settings(mends=False)  # tests/rewrite tries mends
ALL = [block for page in pages() for block in blocks(page)]
OF_LOSSES = [block for block in ALL if block.subject == "loss"]
# A program that stands on several pages runs once.
OF_PROGRAMS = list({block.code: block for block in ALL if block.subject != "loss"}.values())


def test_every_rule_has_a_page_with_all_headings() -> None:
    for rule in all_rules():
        text = rule.page.read_text(encoding="utf-8")
        assert text.startswith(f"# {rule.code} {rule.name}\n"), rule.page
        headings = tuple(line[3:] for line in text.splitlines() if line.startswith("## "))
        assert headings == HEADINGS, rule.page


def test_codes_and_names_are_unique_and_well_formed() -> None:
    rules = all_rules()
    assert len({rule.code for rule in rules}) == len({rule.name for rule in rules}) == len(rules)
    assert all(rule.severity in SEVERITIES for rule in rules)
    assert all(rule.name == rule.name.lower() and " " not in rule.name for rule in rules)


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
def test_bad_blocks_show_the_rule_and_good_ones_show_nothing_of_it(rule) -> None:
    own = [block for block in ALL if block.page == rule.page]
    bad = [block for block in own if block.kind == "bad"]
    good = [block for block in own if block.kind == "good"]
    assert bad and good, "a page needs a bad and a good block"
    assert all(rule.code in {code for _, code in block.expected} for block in bad)
    assert all(rule.code not in {code for _, code in block.expected} for block in good)


@pytest.mark.real
@pytest.mark.parametrize("block", OF_LOSSES, ids=lambda block: block.name)
def test_block(block: Block, pool: WorkerPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("losses.py").write_text(block.code, encoding="utf-8")
    report = check(["losses.py"], y_true=block.y_true, y_pred=block.y_pred, settings=SETTINGS, pool=pool)
    assert not report.errors
    found = {(f.location.line, f.rule) for f in report.findings if at_or_above(f.severity, "info")}
    assert found == block.expected
    for finding in report.findings:
        assert finding.severity != "error" or finding.reproduce


@pytest.mark.real
@pytest.mark.parametrize("block", OF_PROGRAMS, ids=lambda block: block.name)
def test_block_of_a_program(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    report = examined(block, tmp_path)
    assert not report.errors
    found = {(f.location.line, f.rule) for f in report.findings if at_or_above(f.severity, "info")}
    assert found == block.expected, report
    assert (report.blame.party == "none") == all(f.severity == "info" for f in report.findings)
