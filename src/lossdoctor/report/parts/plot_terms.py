"""Shares and conflict of the terms as a picture. matplotlib is optional, and imported only when something is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lossdoctor.experiments.reading import Decomposition
from lossdoctor.report.parts.figure import check_plot, figure, save

_VALUE, _GRADIENT = "#1f4e9c", "#d1690e"  # told apart without colour by their hatching
_NAME = 24


def draw(found: Decomposition, path: Path) -> None:
    """Draw the share of value and gradient of each term, and the cosines of their gradients.

    Raises:
        UsageError: matplotlib is missing, or the file has no ending that it knows.
        LossdoctorError: the file could not be written.
    """
    check_plot(path)
    names = [_short(term.name) for term in found.parts]
    with figure(9.0, max(1.6 + 0.45 * len(names), 2.8)) as made:
        _fill(made, found, names)
        save(made, path)


def _fill(made: Any, found: Decomposition, names: list[str]) -> None:
    left, right = made.subplots(1, 2)
    places = np.arange(len(names))
    values = [100 * term.measure.value_share for term in found.parts]
    slopes = [100 * term.measure.gradient_share for term in found.parts]
    left.barh(places - 0.19, values, 0.36, color=_VALUE, label="value")
    left.barh(places + 0.19, slopes, 0.36, color=_GRADIENT, hatch="///", edgecolor="white", label="gradient")
    for place, term, slope in zip(places, found.parts, slopes, strict=True):
        text = term.measure.gradient if term.measure.gradient in ("none", "zero") else f"{slope:.1f}"
        left.text(slope + 1.5, place + 0.19, text, va="center", fontsize=8)
    left.set_yticks(places, names)
    left.invert_yaxis()
    left.set_xlim(0, 112)
    left.set_xlabel("share of all terms, %")
    left.legend(loc="lower right", frameon=False, fontsize=8)
    left.spines[["top", "right"]].set_visible(False)
    cosines(made, right, found.measures.conflict, names)
    made.suptitle(_short(f"terms of {found.name}", 80))


def cosines(made: Any, axis: Any, conflict: Sequence[Sequence[float | None]], names: list[str]) -> None:
    """Fill a part of a figure with the cosines of the gradients of each two terms."""
    numbers = np.array([[np.nan if value is None else value for value in row] for row in conflict])
    drawn = axis.imshow(np.ma.masked_invalid(numbers), vmin=-1, vmax=1, cmap="RdBu", aspect="auto")
    axis.set_facecolor("#dddddd")
    for i, row in enumerate(numbers):
        for j, value in enumerate(row):
            text, dark = ("no gradient", False) if np.isnan(value) else (f"{value:.2f}", abs(value) > 0.6)
            size = 7 if np.isnan(value) and len(names) > 3 else 8
            axis.text(j, i, text, ha="center", va="center", fontsize=size, color="white" if dark else "black")
    axis.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axis.set_yticks(range(len(names)), names)
    axis.set_title("cosine of gradients", fontsize=9)
    made.colorbar(drawn, ax=axis, pad=0.02)


def _short(text: str, width: int = _NAME) -> str:
    """No markup: a dollar sign would begin mathematics."""
    text = text if len(text) <= width else text[: width - 1] + "…"
    return text.replace("$", r"\$")
