"""Asserting in a test suite that a loss is healthy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lossdoctor.api import check


def assert_healthy(
    loss: Any, y_true: Any = None, y_pred: Any = None, *, allow: Iterable[str] = (), seed: int = 0
) -> None:
    """Fail, with the report as the message, unless a loss is healthy.

    Args:
        loss, y_true, y_pred, seed: as of `lossdoctor.check`.
        allow: rules that may find something: codes, beginnings of codes, names, families.

    Raises:
        AssertionError: an error or a warning was found, or the loss could not be examined.
        UsageError: unusable arguments.

    Example:
        >>> def test_dice():
        ...     assert_healthy(dice, "float32[B,8,8,1] binary", "float32[B,8,8,1] unit", allow=["scalar-return"])
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    report = check(loss, y_true, y_pred, seed=seed, ignore=allow)
    if report.errors or any(examined.verdict != "healthy" for examined in report.losses):
        raise AssertionError(f"the loss is not healthy\n\n{report.text()}")


def assert_replays_clean(file: str | Path, loss: Any = None) -> None:
    """Fail, with the report as the message, while a loss still breaks on the batch that a capture holds.

    Args:
        file: the capture.
        loss: the loss; by default the one that the capture names, imported in a process of its own.

    Raises:
        AssertionError: value or gradient are not finite on that batch, or something beside the loss broke.
        UsageError: it is no capture, or its loss cannot be loaded.

    Example:
        >>> def test_step_317():
        ...     assert_replays_clean("tests/captures/capture-000317.npz")
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    from lossdoctor.api import replay
    from lossdoctor.report import View
    from lossdoctor.report.parts.replay import render

    found = replay(file, loss, mends=False)
    if found.status in ("stands", "elsewhere"):
        raise AssertionError(f"the capture does not replay clean\n\n{render(found, View(width=80))}")
