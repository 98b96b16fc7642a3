"""The pages of the detectors are their tests: each bad log raises the alert, each good one none."""

from __future__ import annotations

import re
from collections.abc import Mapping
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


@pytest.mark.parametrize(
    ("page", "block"), BLOCKS, ids=lambda value: value.stem if isinstance(value, Path) else value[1]
)
def test_block(page: Path, block: re.Match[str]) -> None:
    space: dict[str, dict[str, np.ndarray]] = {}
    exec(block["code"], space)
    found = alerts_of(space["log"])
    if block["kind"] == "good":
        assert found == []
        return
    detector = next(one for one in all_detectors() if one.page() == page)
    assert [alert.detector for alert in found] == [detector.name]
    assert found[0].step >= int(block["onset"])
    assert found[0].since <= found[0].step


@pytest.mark.parametrize(
    ("page", "block"), BLOCKS, ids=lambda value: value.stem if isinstance(value, Path) else value[1]
)
def test_the_unit_of_the_loss_does_not_matter(page: Path, block: re.Match[str]) -> None:
    space: dict[str, dict[str, np.ndarray]] = {}
    exec(block["code"], space)
    log = space["log"]
    scaled = {name: values * 1024.0 if name != "learning_rate" else values for name, values in log.items()}
    assert [alert.kind for alert in alerts_of(scaled)] == [alert.kind for alert in alerts_of(log)]
