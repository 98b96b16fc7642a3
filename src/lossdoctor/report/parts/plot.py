"""The curves of an explanation as a picture. matplotlib is optional, and imported only when something is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossdoctor.findings import UsageError
from lossdoctor.report.parts.figure import check_plot, figure, save
from lossdoctor.symbols.reading import Curve, Explanation, Surface

_WIDTH, _HEIGHT = 4.2, 3.4  # inches of one panel
VALUE, SLOPE, _DEAD, _BROKEN = "#1f4e9c", "#d1690e", "#8a8a8a", "#c0392b"  # told apart without colour by their dashes
_LONGEST = 90  # characters of a title line


def draw(found: Explanation, path: Path) -> None:
    """Draw value and slope along every slice, and the contours of the expected loss where there are some.

    Raises:
        UsageError: nothing can be drawn, or matplotlib is missing.
        LossdoctorError: the file could not be written.
    """
    check_plot(path)
    if not found.curves:
        raise UsageError(
            f"Invalid value for `plot`. Expected a loss with natural slices. Received: y_true {found.y_true}, "
            f"y_pred {found.y_pred}"
        )
    panels = len(found.curves) + (found.surface is not None)
    with figure(_WIDTH * panels + 0.5, _HEIGHT + 0.7, **{"axes.spines.top": False}) as made:
        _fill(made, found, panels)
        save(made, path)


def _fill(made: Any, found: Explanation, panels: int) -> None:
    made.get_layout_engine().set(w_pad=0.08)
    axes: list[Any] = list(np.atleast_1d(made.subplots(1, panels)).ravel())
    drawn: list[Any] = []
    for place, (axis, curve) in enumerate(zip(axes, found.curves, strict=False)):
        drawn += [axis, _curve(axis, curve, place == 0, place == len(found.curves) - 1)]
    if found.surface is not None:
        _surface(made, axes[-1], found.surface)
    text = found.statement.text
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    # User text is no markup: a dollar sign would begin mathematics.
    made.suptitle(f"{found.name}\n{text}".replace("$", r"\$"), fontsize=10)
    handles, labels = legend(drawn)
    made.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)


def legend(axes: list[Any], first: tuple[str, ...] = ("value", "slope")) -> tuple[list[Any], list[str]]:
    """Each label once, from whichever panel has it."""
    found: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    labels = sorted(found, key=lambda label: first.index(label) if label in first else len(first))
    return [found[label] for label in labels], labels


def _curve(axis: Any, curve: Curve, first: bool, last: bool) -> Any:
    """Draw one slice; returns the axis of the slope."""
    value, slope = finite(curve.value), finite(curve.slope)
    axis.plot(curve.x, value, color=VALUE, linewidth=1.8, label="value")
    axis.set_ylabel("value" if first else "", color=VALUE)
    axis.tick_params(axis="y", colors=VALUE)
    other = axis.twinx()
    other.plot(curve.x, slope, color=SLOPE, linewidth=1.4, linestyle="--", label="slope")
    other.set_ylabel("slope" if last else "", color=SLOPE)
    other.tick_params(axis="y", colors=SLOPE)
    other.spines["top"].set_visible(False)
    other.axhline(0.0, color=SLOPE, linewidth=0.5, alpha=0.5)
    for plotted, values in ((axis, value), (other, slope)):
        low, high = limits(values)
        plotted.set_ylim(low, high)
    step = float(curve.x[1] - curve.x[0]) if len(curve.x) > 1 else 1.0
    for runs, color, hatch, label in (
        (curve.dead, _DEAD, "///", "no gradient, value above its minimum"),
        (curve.nonfinite, _BROKEN, "xxx", "value or slope not finite"),
    ):
        for number, (low, high) in enumerate(runs):
            start, end = _wide_enough(low - step / 2, high + step / 2, float(curve.x[0]), float(curve.x[-1]))
            axis.axvspan(
                start,
                end,
                facecolor=color,
                edgecolor=color,
                alpha=0.22,
                hatch=hatch,
                linewidth=0,
                label=label if number == 0 else None,
            )
    axis.set_xlim(float(curve.x[0]), float(curve.x[-1]))
    axis.set_xlabel(curve.label.replace("$", r"\$"))
    axis.set_title(curve.title.replace("$", r"\$"), fontsize=9)
    axis.grid(True, alpha=0.25)
    axis.set_zorder(other.get_zorder() + 1)
    axis.patch.set_visible(False)
    return other


def _wide_enough(low: float, high: float, first: float, last: float) -> tuple[float, float]:
    """A region within the axis that can be seen, even if it is a single end."""
    low, high = max(low, first), min(high, last)
    least = 0.015 * (last - first)
    if high - low >= least:
        return low, high
    middle = min(max((low + high) / 2, first + least / 2), last - least / 2)
    return middle - least / 2, middle + least / 2


def _surface(figure: Any, axis: Any, surface: Surface) -> None:
    value = finite(surface.value)
    shown = np.ma.masked_invalid(value)
    sound = value[np.isfinite(value)]
    # A singular edge must not take all the levels.
    top = float(np.quantile(sound, 0.97)) if sound.size else 1.0
    low = float(sound.min()) if sound.size else 0.0
    low = 0.0 if abs(low) < 1e-6 * abs(top) else low  # no "-0.000" beside the colours
    levels = np.linspace(low, top if top > low else low + 1.0, 15)
    drawn = axis.contourf(surface.x, surface.y, shown, levels=levels, cmap="cividis", extend="max")
    axis.contour(surface.x, surface.y, shown, levels=levels[::2], colors="white", linewidths=0.4)
    sound = np.where(np.isfinite(value), value, np.inf)
    best = surface.x[np.argmin(sound, axis=1)]
    axis.plot(best, surface.y, color="white", linewidth=2.6)
    axis.plot(best, surface.y, color="black", linewidth=1.2, linestyle=":", label="lowest expected loss")
    if surface.x[0] == 0.0 and surface.x[-1] == 1.0:  # where a proper loss would be lowest
        axis.plot([0.0, 1.0], [0.0, 1.0], color="white", linewidth=0.8, linestyle="--", label="prediction = truth")
    axis.legend(loc="upper left", fontsize=7, facecolor="#9aa4b1", framealpha=0.9)
    axis.set_xlabel(surface.labels[0].replace("$", r"\$"))
    axis.set_ylabel(surface.labels[1].replace("$", r"\$"))
    axis.set_title(surface.title, fontsize=9)
    figure.colorbar(drawn, ax=axis, pad=0.02)


def finite(values: NDArray[Any]) -> NDArray[Any]:
    """NaN for what is not finite, so that a line has a gap there."""
    return np.where(np.isfinite(values), values, np.nan)


def limits(values: NDArray[Any]) -> tuple[float, float]:
    """Room for all, unless a few points at a singular end are far from the others."""
    sound = values[np.isfinite(values)]
    if not sound.size:
        return -1.0, 1.0
    low, high = float(sound.min()), float(sound.max())
    inner_low, inner_high = (float(np.quantile(sound, q)) for q in (0.03, 0.97))
    span = max(inner_high - inner_low, 1e-12)
    low = low if inner_low - low <= 3 * span else inner_low - span
    high = high if high - inner_high <= 3 * span else inner_high + span
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room
