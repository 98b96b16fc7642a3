"""Alerts over a log: for a person, and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from rich.text import Text

from lossdoctor.findings import SEVERITIES, Severity
from lossdoctor.report import View
from lossdoctor.report.parts.finding import STYLES
from lossdoctor.report.parts.sheet import INDENT, Sheet
from lossdoctor.report.parts.sparkline import sparkline
from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.detector import all_detectors
from lossdoctor.runtime.logs.monitor import Monitored
from lossdoctor.runtime.logs.table import LogTable

# What is not looked for where a log lacks a series.
_NEEDS = {
    "grad_norm": "vanishing and exploding gradients",
    "learning_rate": "a learning rate that collapses",
    "val_loss": "overfitting",
}

_MANY = 6  # series with one prefix, above which they are not named one by one


def render(runs: Sequence[Monitored], view: View) -> str:
    """Each run with its alerts: a curve of the series with the place marked, what it means and what to do."""
    sheet = Sheet(view)
    for run in runs:
        _add_run(sheet, run)
        sheet.gap()
    if sheet.lines and not sheet.lines[-1].plain:
        sheet.lines.pop()
    return sheet.text()


def _add_run(sheet: Sheet, run: Monitored) -> None:
    table, dash = run.table, sheet.rule
    name = sheet.clip(sheet.one_line(table.name), sheet.width - 24)
    count = len(run.alerts)
    verdict = f"{count} alert{'s' if count != 1 else ''}" if count else "no alert"
    style = STYLES[_gravest(run.alerts)] if count else "green"
    left = Text.assemble((dash * 2 + " ", "dim"), (name, "bold"), " ")
    sheet.add(sheet.spread(left, Text.assemble(" ", (verdict, style), (f" {dash * 2}", "dim")), fill=dash))
    span = f"{table.unit}s {table.steps[0]} to {table.steps[-1]}" if table.steps else "no rows"
    sheet.add(*sheet.field("log", f"{len(table.rows)} rows, {span}: {_series(table)}", limit=3))
    for number, note in enumerate(table.notes):
        sheet.add(*sheet.field("" if number else "note", note))
    missing = [what for series, what in _NEEDS.items() if series not in table.series()]
    if missing:
        without = [series for series in _NEEDS if series not in table.series()]
        sheet.add(*sheet.field("not seen", f"{_listed(missing)}: the log has no {_listed(without, 'or')}", style="dim"))
    for alert in run.alerts:
        sheet.gap()
        _add_alert(sheet, table, alert)


def _series(table: LogTable) -> str:
    """The names of the series, those that every run has first; of many with one prefix how many they are."""
    names = table.series()
    usual = [name for name in ("loss", "val_loss", "grad_norm", "learning_rate") if name in names]
    groups: dict[str, list[str]] = {}
    for name in names:
        if name not in usual:
            groups.setdefault(name.partition("/")[0] if "/" in name else "", []).append(name)
    told = list(usual)
    for prefix, members in groups.items():
        told += [f"{len(members)} under {prefix}/"] if prefix and len(members) > _MANY else members
    return ", ".join(told)


def _add_alert(sheet: Sheet, table: LogTable, alert: Alert) -> None:
    code = next((detector.code for detector in all_detectors() if detector.name == alert.detector), "")
    since = f", since {alert.since}" if alert.since != alert.step else ""
    head = Text.assemble((f"{code} ", "bold"), (alert.detector, "bold"), "  ", (alert.severity, STYLES[alert.severity]))
    place = Text(f"{sheet.one_line(alert.series)}, {table.unit} {alert.step}{since}")
    sheet.add(sheet.spread(head, place))
    steps, values = table.column(alert.series)
    if len(values) > 1:
        _add_curve(sheet, steps, values, alert)
    sheet.add(
        *(
            Text.assemble(" " * INDENT, line)
            for line in sheet.wrap(sheet.prose(alert.message), sheet.width - 2 * INDENT)
        )
    )
    if alert.strength != 1.0:  # of what either is so or is not, there are no degrees
        sheet.add(*sheet.field("strength", f"{alert.strength:.3g} times the threshold", style="dim"))
    sheet.add(*sheet.field("more", f"lossdoctor rules {code}", style="dim"))


def _add_curve(sheet: Sheet, steps: list[int], values: list[float], alert: Alert) -> None:
    """The series as one line of blocks, its range, and marks below: `|` since when, `^` where it was told."""
    width = min(sheet.width - 2 * INDENT, max(len(values), 20))
    plain = sheet.arrow == "->"
    shown = _robust(values)
    sheet.add(Text(" " * INDENT + sparkline(shown, width, plain=plain), "cyan"))
    marks = [" "] * width
    first = next((place for place, step in enumerate(steps) if step >= alert.since), len(steps) - 1)
    last = max((place for place, step in enumerate(steps) if step <= alert.step), default=0)
    left, right = (min(place * width // len(values), width - 1) for place in (first, last))
    for cell in range(left, right):
        marks[cell] = "." if plain else "·"
    marks[left], marks[right] = "|", "^"
    finite = [value for value in values if math.isfinite(value)]
    note = " to ".join(dict.fromkeys(f"{value:.4g}" for value in (min(finite), max(finite)))) if finite else ""
    line = "".join(marks).rstrip()
    # The range stands where the marks leave room.
    if len(line) + len(note) + 2 <= width:
        line = line + " " * (width - len(line) - len(note)) + note
    elif left > len(note) + 1:
        line = note + line[len(note) :]
    elif note and len(line) + len(note) + 2 <= sheet.width - 2 * INDENT:
        line = f"{line}  {note}"
    sheet.add(Text(" " * INDENT + line, "dim"))


def _robust(values: list[float]) -> list[float]:
    """The values on a logarithmic scale where a few of them would flatten all the others."""
    finite = sorted(value for value in values if math.isfinite(value))
    if len(finite) < 5:
        return values
    low, high, middle = finite[0], finite[-1], finite[len(finite) // 2]
    if high - low <= 0 or min(middle - low, high - middle) > 0.02 * (high - low):
        return values
    unit = max(finite[int(0.9 * (len(finite) - 1))] - finite[int(0.1 * (len(finite) - 1))], (high - low) * 1e-12)
    return [math.asinh((value - middle) / unit) if math.isfinite(value) else value for value in values]


def _gravest(alerts: Sequence[Alert]) -> Severity:
    return SEVERITIES[max(SEVERITIES.index(alert.severity) for alert in alerts)]


def _listed(items: Sequence[str], word: str = "and") -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"


def document(runs: Sequence[Monitored]) -> dict[str, Any]:
    """The alerts as plain values, in the order of their steps in each run."""
    several = len(runs) > 1
    return {
        "alerts": [
            {
                "detector": alert.detector,
                "kind": alert.kind,
                "severity": alert.severity,
                "series": alert.series,
                "step": alert.step,
                "since": alert.since,
                "strength": alert.strength,
                "message": f"{run.table.name}: {alert.message}" if several else alert.message,
            }
            for run in runs
            for alert in run.alerts
        ]
    }


def as_json(runs: Sequence[Monitored]) -> str:
    """The document as text, with a line end."""
    return json.dumps(document(runs), indent=2, ensure_ascii=True, allow_nan=False) + "\n"
