"""A loss and the standard losses nearest to it as a picture: their values, and below them their slopes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lossdoctor.findings import UsageError
from lossdoctor.report.parts.figure import check_plot, figure, save
from lossdoctor.report.parts.plot import VALUE, finite, legend, limits
from lossdoctor.session import Array
from lossdoctor.standards.reading import Comparison, Panel

_WIDTH, _HEIGHT = 4.0, 2.5  # inches of one panel
# Told apart without colour by their dashes; the loss itself is wide, so that an equal one is seen on top of it.
_STYLES = (("#d1690e", "--"), ("#3a7d44", "-."), ("#7b3fa0", ":"), ("#555555", (0, (5, 1, 1, 1, 1, 1))))
_LONGEST = 55  # characters of a line of the title above one panel, and of the legend


def draw(found: Comparison, path: Path) -> None:
    """Draw value and slope along every slice, this loss beside the others.

    Raises:
        UsageError: nothing can be drawn, or matplotlib is missing.
        LossdoctorError: the file could not be written.
    """
    check_plot(path)
    if not found.panels:
        raise UsageError(
            f"Invalid value for `plot`. Expected a loss with natural slices. Received: y_true {found.y_true}, "
            f"y_pred {found.y_pred}"
        )
    columns = len(found.panels)
    spines = {"axes.spines.top": False, "axes.spines.right": False}
    with figure(_WIDTH * columns + 0.8, 2 * _HEIGHT + 1.0, **spines) as made:
        _fill(made, found, columns)
        save(made, path)


def _fill(made: Any, found: Comparison, columns: int) -> None:
    name = found.target.rpartition(":")[2] or found.target
    axes: Any = np.reshape(made.subplots(2, columns, sharex="col"), (2, columns))
    for column, panel in enumerate(found.panels):
        _panel(axes[0, column], axes[1, column], panel, name, first=column == 0)
    title = textwrap.fill(found.conclusion[0], _LONGEST * columns, max_lines=3, placeholder=" …")
    made.suptitle(title.replace("$", r"\$"), fontsize=10)
    handles, labels = legend(list(axes.ravel()), first=(name,))
    made.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 2), frameon=False, fontsize=8)


def _panel(above: Any, below: Any, panel: Panel, name: str, *, first: bool) -> None:
    curve = panel.curve
    for axis, mine, theirs in (
        (above, curve.value, [one.value for one in panel.others]),
        (below, curve.slope, [one.slope for one in panel.others]),
    ):
        axis.plot(curve.x, finite(mine), color=VALUE, linewidth=3.2, alpha=0.55, label=_short(name))
        for number, (one, values) in enumerate(zip(panel.others, theirs, strict=True)):
            color, dashes = _STYLES[number % len(_STYLES)]
            label = _short(one.name)
            axis.plot(curve.x, finite(values), color=color, linewidth=1.3, linestyle=dashes, label=label)
        axis.set_ylim(*_room(mine, theirs))
        axis.set_xlim(float(curve.x[0]), float(curve.x[-1]))
        axis.grid(True, alpha=0.25)
    above.set_title(curve.title.replace("$", r"\$"), fontsize=9)
    below.set_xlabel(curve.label.replace("$", r"\$"))
    below.axhline(0.0, color="black", linewidth=0.5, alpha=0.5)
    if first:
        above.set_ylabel("value")
        below.set_ylabel("slope that training uses")


def _room(mine: Array, theirs: Sequence[Array]) -> tuple[float, float]:
    """Limits for this loss, and for others as far as they do not make a flat line of it."""
    low, high = limits(finite(mine))
    span = high - low
    flat = bool(np.nanmax(finite(mine), initial=0.0) == np.nanmin(finite(mine), initial=0.0))
    for values in theirs:
        bottom, top = limits(finite(values))
        low = min(low, bottom if flat else max(bottom, low - span))
        high = max(high, top if flat else min(top, high + span))
    return low, high


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
