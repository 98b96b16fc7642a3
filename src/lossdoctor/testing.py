"""Asserting in a test suite that a loss is healthy."""

from __future__ import annotations

from collections.abc import Iterable
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
