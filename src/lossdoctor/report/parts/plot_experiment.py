"""Curves, errors and predictions of an experiment as a picture. matplotlib is optional, imported when drawing."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lossdoctor.experiments.outcomes import Experiment, Outcome, Shares
from lossdoctor.report.parts.figure import check_plot, figure, image, save
from lossdoctor.report.parts.plot_terms import cosines

_TESTED, _STANDARD = "#d1690e", "#1f4e9c"  # told apart without colour by their dashes


def draw(found: Experiment, path: Path) -> None:
    """Draw training curves with bands over the seeds, errors, and predictions against the known answer.

    Raises:
        UsageError: matplotlib is missing, or the file has no ending that it knows.
        LossdoctorError: the file could not be written.
    """
    check_plot(path)
    with _drawn(found) as made:
        save(made, path)


def png(found: Experiment, stream: Any) -> None:
    """Write the same picture to a stream, as PNG."""
    with _drawn(found) as made:
        image(made, stream)


@contextmanager
def _drawn(found: Experiment) -> Generator[Any]:
    with figure(11.0, 3.6 if found.shares is None else 6.8) as made:
        _fill(made, found)
        yield made


def _fill(made: Any, found: Experiment) -> None:
    if found.shares is None:
        curves, errors, points = made.subplots(1, 3)
    else:
        grid = made.add_gridspec(2, 3)
        curves, errors, points = (made.add_subplot(grid[0, k]) for k in range(3))
        names = [_short(term) for term in found.shares.terms]
        _along(made.add_subplot(grid[1, 0]), found.shares, found.shares.values, names, "value")
        _along(made.add_subplot(grid[1, 1]), found.shares, found.shares.gradients, names, "gradient")
        cosines(made, made.add_subplot(grid[1, 2]), found.shares.conflict, names)
    tested, standard = _runs(found, "tested"), _runs(found, "standard")
    _band(curves, tested, found.name)
    _errors(errors, tested, standard, found.name)
    _points(points, tested, standard, found.name)
    made.suptitle(f"{found.name}: {found.verdict}".replace("$", r"\$"))


def _along(axis: Any, found: Shares, rows: tuple[tuple[float, ...], ...], names: list[str], what: str) -> None:
    """The shares of the terms along a training, one above the other."""
    axis.stackplot(found.steps, 100 * np.array(rows).T, labels=names, alpha=0.85)
    axis.set_title(f"share of the {what}, %", fontsize=9)
    axis.set_xlabel("step")
    axis.set_xlim(found.steps[0], found.steps[-1])
    axis.set_ylim(0, 100)
    if what == "value":
        axis.legend(loc="upper right", fontsize=8)


def _runs(found: Experiment, loss: str) -> list[Outcome]:
    rates = [one.run.rate for one in found.outcomes if one.run.loss == loss and not one.run.one_batch]
    return [
        one
        for one in found.outcomes
        if one.run.loss == loss
        and not one.run.one_batch
        and not one.problem
        and not one.run.varied
        and one.run.rate == rates[0]
        and one.run.scale == 1.0
        and one.run.optimizer == "adam"
        and one.run.batch == 24
    ]


def _band(axis: Any, runs: list[Outcome], name: str) -> None:
    axis.set_title("the loss in training, all seeds", fontsize=9)
    axis.set_xlabel("step")
    if not runs:
        return
    values = np.array([one.curve for one in runs], dtype=float)
    values = np.where(np.isfinite(values), values, np.nan)
    steps = runs[0].steps
    if np.all(np.isnan(values)):
        axis.text(0.5, 0.5, "nowhere finite", ha="center", transform=axis.transAxes)
        return
    axis.fill_between(steps, np.nanmin(values, axis=0), np.nanmax(values, axis=0), color=_TESTED, alpha=0.25, lw=0)
    axis.plot(steps, np.nanmedian(values, axis=0), color=_TESTED, label=_short(name))
    axis.grid(True, alpha=0.25)


def _errors(axis: Any, tested: list[Outcome], standard: list[Outcome], name: str) -> None:
    """Error before and after, a line for each seed."""
    axis.set_title("error of the predictions", fontsize=9)
    for runs, color, style, label in (
        (tested, _TESTED, "-", name),
        (standard, _STANDARD, "--", "standard loss"),
    ):
        for number, one in enumerate(runs):
            ends = [value if np.isfinite(value) else np.nan for value in (one.start, one.end)]
            axis.plot(
                [0, 1], ends, style, color=color, marker="o", ms=3, lw=1.2, label=_short(label) if number == 0 else None
            )
    axis.set_xticks([0, 1], ["before", "after"])
    axis.set_xlim(-0.2, 1.2)
    axis.set_ylim(bottom=0)
    axis.grid(True, alpha=0.25)
    if tested or standard:
        axis.legend(frameon=False, fontsize=8)


def _points(axis: Any, tested: list[Outcome], standard: list[Outcome], name: str) -> None:
    axis.set_title("predictions against the known answer", fontsize=9)
    axis.set_xlabel("known answer")
    axis.set_ylabel("prediction")
    for runs, color, marker, label in ((standard, _STANDARD, "x", "standard loss"), (tested, _TESTED, "o", name)):
        if runs and runs[0].answer:
            one = runs[0]
            axis.plot(one.answer, one.predicted, marker, color=color, ms=4, alpha=0.7, label=_short(label))
    if tested and tested[0].answer:
        ends = [min(tested[0].answer), max(tested[0].answer)]
        axis.plot(ends, ends, color="#888888", lw=0.8)
        axis.legend(frameon=False, fontsize=8)
    else:
        axis.text(0.5, 0.5, "no answer is known", ha="center", transform=axis.transAxes)
    axis.grid(True, alpha=0.25)


def _short(text: str) -> str:
    return (text if len(text) <= 24 else text[:23] + "…").replace("$", r"\$")
