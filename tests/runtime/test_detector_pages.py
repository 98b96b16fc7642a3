"""The pages of the detectors are their tests: each bad log raises the alert, each good one none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.bank import DetectorBank
from lossdoctor.runtime.detectors.detector import all_detectors

_BLOCK = re.compile(r"^```python (?P<kind>bad|good)(?: onset=(?P<onset>\d+))?\n(?P<code>.*?)^```$", re.M | re.S)
PAGES = [detector.page() for detector in all_detectors()]
BLOCKS = [(page, match) for page in PAGES for match in _BLOCK.finditer(page.read_text(encoding="utf-8"))]


def alerts_of(log: Mapping[str, np.ndarray]) -> list[Alert]:
    bank = DetectorBank()
    rows = len(log["loss"])
    found = [
        alert
        for row in range(rows)
        for alert in bank.update(row, {name: float(values[row]) for name, values in log.items()})
    ]
    return [*found, *bank.finish()]


def test_every_page_has_a_bad_and_a_good_log() -> None:
    for page in PAGES:
        kinds = {match["kind"] for path, match in BLOCKS if path == page}
        assert kinds == {"bad", "good"}, page


def test_every_page_names_its_parameters() -> None:
    for detector in all_detectors():
        text = detector.page().read_text(encoding="utf-8")
        assert [name for name in detector.parameters() if f"`{name}`" not in text] == [], detector.code


@cache
def log_of(code: str) -> dict[str, np.ndarray]:
    space: dict[str, dict[str, np.ndarray]] = {}
    exec(code, space)
    return space["log"]


@cache
def alerts_of_page(code: str) -> list[Alert]:
    return alerts_of(log_of(code))


def named(value: Path | re.Match[str]) -> str:
    return value.stem if isinstance(value, Path) else value[1]


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=named)
def test_block(page: Path, block: re.Match[str]) -> None:
    found = alerts_of_page(block["code"])
    if block["kind"] == "good":
        assert found == []
        return
    detector = next(one for one in all_detectors() if one.page() == page)
    assert [alert.detector for alert in found] == [detector.name]
    assert found[0].step >= int(block["onset"])
    assert found[0].since <= found[0].step


@pytest.mark.parametrize(("page", "block"), [pair for pair in BLOCKS if pair[1]["kind"] == "bad"], ids=named)
def test_the_unit_of_the_loss_does_not_matter(page: Path, block: re.Match[str]) -> None:
    scaled = {
        name: values * 1024.0 if name != "learning_rate" else values for name, values in log_of(block["code"]).items()
    }
    kinds = [alert.kind for alert in alerts_of(scaled)]
    # ln 10 is the loss of guessing in one unit only: in another it takes more rows to be sure.
    assert kinds == [alert.kind for alert in alerts_of_page(block["code"])], page
