"""On a busy machine the worker is given more time, within bounds."""

from __future__ import annotations

import os

import pytest

from lossdoctor.worker.patience import patience


@pytest.mark.parametrize(("load", "expected"), [(0.5, 1.0), (8.0, 2.0), (400.0, 3.0)])
def test_the_limit_grows_with_the_load_of_each_cpu(
    load: float, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert patience() == expected


def test_a_system_that_tells_no_load_is_not_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "getloadavg", raising=False)
    assert patience() == 1.0
