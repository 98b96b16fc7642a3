"""The texts of a run, as Markdown for TensorBoard: the source with its latest statistics, shapes, alerts."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.readout import Measured
from lossdoctor.runtime.statistics import Line
from lossdoctor.subject.locate import source_of

_SENTENCE = re.compile(r"(?<=\.) (?=[A-Z])")
_LONGEST = 60  # characters of a line of code beside numbers
_AROUND = 1  # lines of source before and after those that compute something


def source_page(measured: Sequence[Measured], step: int) -> str:
    """Each line of the loss with the range of what it computes and the norm of the gradient that flows into it."""
    values: dict[tuple[str, int], list[Measured]] = {}
    gradients: dict[tuple[str, int], float] = {}
    for one in measured:
        span = one.line.span
        if span is None or not one.values["size"]:  # a branch that was not taken
            continue
        place = (span.path, span.line)
        if one.line.kind == "value":
            values.setdefault(place, []).append(one)
        elif one.line.kind == "gradient":
            gradients[place] = max(gradients.get(place, 0.0), one.values["norm"])
    parts: list[str] = []
    for path in dict.fromkeys(path for path, _ in values):
        numbers = [line for other, line in values if other == path]
        source = source_of(path)
        lines = source.lines if source is not None else ()
        parts.append(f"**{html.escape(Path(path).name)}**, step {step}\n\n{_HEAD}")
        for number in _extent(lines, numbers):
            # The outermost expression of the line is what the line is known by; a body lies within.
            found = sorted(values.get((path, number), []), key=lambda one: not one.line.inside)
            shown = _cells(found[-1], gradients.get((path, number))) if found else " | | | | "
            bad = sum(one.values["nan"] + one.values["inf"] for one in found)
            parts.append(f"| {number} | `{_code(_clipped(lines[number - 1]))}` | {shown} | {bad:g} |" if lines else "")
    return "\n".join(parts)


def _extent(lines: Sequence[str], numbers: Sequence[int]) -> range:
    """The lines that compute something, with those around them; what follows the function is none of them."""
    last = end = min(len(lines), max(numbers))
    margin = min((_indent(lines[number - 1]) for number in numbers if number <= len(lines)), default=0)
    while last < min(len(lines), end + _AROUND) and lines[last].strip() and _indent(lines[last]) >= margin:
        last += 1
    return range(max(1, min(numbers) - _AROUND), last + 1)


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


# TensorBoard breaks words anywhere where a table is too wide: short heads, three digits, no long code.
_HEAD = "| | code | min | mean | max | gradient | not finite |\n|---|---|---|---|---|---|---|"


def _cells(one: Measured, gradient: float | None) -> str:
    whole = one.values["size"] > one.values["nan"] + one.values["inf"]
    numbers = [f"{one.values[name]:.3g}" if whole else "" for name in ("min", "mean", "max")]
    return " | ".join([*numbers, "" if gradient is None else f"{gradient:.3g}"])


def _clipped(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _code(text: str) -> str:
    """Code in a cell of a table: no bars, no backquotes, indentation kept."""
    return "\u00a0" * _indent(text) + text.strip().replace("|", "\u2223").replace("`", "'") or " "


def shapes_page(lines: Sequence[Line], signature: str) -> str:
    """Shape and dtype of each intermediate, as traced."""
    rows = [
        f"| `{_code(line.name)}` | {line.span.line if line.span else ''} | {line.dtype} | {_dims(line)} |"
        for line in lines
        if line.kind == "value"
    ]
    return f"{_code(signature)}\n\n| name | line | dtype | shape |\n|---|---|---|---|\n" + "\n".join(rows)


def _dims(line: Line) -> str:
    return "?" if line.dims is None else "[" + ", ".join(str(dim) for dim in line.dims) + "]"


def alerts_page(alerts: Sequence[Alert]) -> str:
    """A table of the alerts, in the order in which they were raised; each has a text of its own."""
    rows = [
        f"| {alert.step} | {alert.since} | {alert.kind} | {_code(alert.series)} | {_code(said)} |"
        for alert in alerts
        for said in _SENTENCE.split(alert.message)[:1]
    ]
    return "| step | since | kind | series | what |\n|---|---|---|---|---|\n" + "\n".join(rows)


def alert_document(alert: Alert) -> Mapping[str, object]:
    """An alert as plain values."""
    names = ("detector", "kind", "severity", "series", "step", "since", "strength", "message")
    return {name: getattr(alert, name) for name in names}
