"""An experiment: for a person, as JSON, and as a page of its own."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import asdict
from html import escape
from typing import Any

from rich.text import Text

from lossdoctor.experiments.outcomes import Experiment, Outcome
from lossdoctor.experiments.scenarios import TITLES
from lossdoctor.report import View
from lossdoctor.report.json import fact_document, finding_document, opening, plain
from lossdoctor.report.parts.finding import add_finding
from lossdoctor.report.parts.heading import heading
from lossdoctor.report.parts.sheet import Sheet
from lossdoctor.report.parts.sparkline import sparkline

_CELLS = 20
_TASKS = {
    "regression": "regression, targets a function of the inputs",
    "binary": "yes-or-no labels",
    "binary-real": "labels 0 and 1 as numbers",
    "margin": "labels -1 and 1",
    "classes": "one of several classes",
    "shares": "shares that sum to 1",
    "scores": "shares from logits",
    "embedding": "clusters to be brought together",
    "free": "no known answer",
    **TITLES,
}
_NAMED = {"free": "no known answer", "binary-real": "labels 0 and 1 as numbers", "binary": "yes-or-no labels"}


def render(found: Experiment, view: View) -> str:
    """The experiment within the view's width."""
    sheet = Sheet(view)
    heading(sheet, found)
    style = "bold red" if found.verdict == "trains wrongly" else "bold"
    sheet.add(*sheet.field("verdict", Text(found.verdict, style)))
    if found.task:
        other = f"; standard loss {found.standard}" if found.standard != "none" else ""
        words = (
            f"{_NAMED.get(found.task, found.task)}, on your data" if found.own else _TASKS.get(found.task, found.task)
        )
        words += f" ({found.convention})" if found.convention else ""
        sheet.add(*sheet.field("task", f"{words}{other}"))
    _values(sheet, found)
    _curves(sheet, found)
    _comparison(sheet, found)
    _harder(sheet, found)
    _swept(sheet, found)
    for finding in found.findings:
        sheet.gap()
        add_finding(sheet, finding)
    sheet.gap()
    for number, fact in enumerate(found.facts):
        sheet.add(*sheet.field("" if number else "verified", fact.statement))
    for number, gap in enumerate(found.gaps):
        sheet.add(*sheet.field("" if number else "not said", gap))
    return sheet.text()


def _values(sheet: Sheet, found: Experiment) -> None:
    """What the loss says at the known answer and at worse predictions, for the first seed."""
    if not found.firsts or not found.firsts[0].values:
        return
    values = found.firsts[0].values
    sheet.gap()
    order = ["answer", *(name for name in values if name != "answer")]
    names = [name for name in order if name in values]
    width = max(map(len, names))
    for number, name in enumerate(names):
        label = "the known answer" if name == "answer" else "a fresh model" if name == "fresh" else name
        label = label.replace("fresh, ", "a fresh model, ")
        line = f"{label.ljust(max(width, 16) + 9)} {values[name]:>12.5g}"
        sheet.add(*sheet.field("" if number else "loss of", Text(line)))


def _curves(sheet: Sheet, found: Experiment) -> None:
    plain_text = sheet.clean("▁█") != "▁█"
    rows = [("one batch", "tested", True), ("training", "tested", False), ("standard", "standard", False)]
    shown = False
    for label, loss, single in rows:
        chosen = [
            one
            for one in found.outcomes
            if one.run.loss == loss and one.run.one_batch == single and not (one.problem or one.run.varied)
        ]
        if not chosen:
            continue
        if not shown:
            sheet.gap()
            shown = True
        one = chosen[0]
        curve = sparkline(
            [value if math.isfinite(value) else math.nan for value in one.curve], _CELLS, plain=plain_text
        )
        text = f"loss {one.curve[0]:.3g} → {one.curve[-1]:.3g}"
        error = "" if math.isnan(one.end) else f", error {one.start:.2g} → {one.end:.2g}"
        sheet.add(*sheet.field(label, Text(sheet.clean(f"{curve}  {text}{error}"))))


def _comparison(sheet: Sheet, found: Experiment) -> None:
    one = found.comparison
    if one is None:
        return
    text = (
        f"error {one.tested:.3g} against {one.standard:.3g} of the standard loss, difference {one.difference:.2g} "
        f"(95 % confidence {one.low:.2g} to {one.high:.2g}, {one.seeds} seeds)"
    )
    sheet.add(*sheet.field("compared", text))


def _harder(sheet: Sheet, found: Experiment) -> None:
    """The loss beside the standard one on harder data."""
    for number, one in enumerate(found.harder):
        if not number:
            sheet.gap()
        both = one.comparison
        text = (
            f"{_TASKS.get(one.task, one.task)}: error {both.tested:.3g}, {both.standard:.3g} of the standard loss "
            f"(difference {both.difference:+.2g}, 95 % confidence {both.low:+.2g} to {both.high:+.2g})"
        )
        sheet.add(*sheet.field("" if number else "harder", text))


def _swept(sheet: Sheet, found: Experiment) -> None:
    """Each term left out and with other weights, beside the loss as it is."""
    if not found.swept:
        return
    sheet.gap()
    width = max(len(one.term) for one in found.swept)
    for number, one in enumerate(found.swept):
        weight = "left out" if one.factor == 0 else f"weight x {one.factor:g}"
        text = "not finite" if not one.finite else f"error {one.error:.3g}"
        if one.finite and not math.isnan(one.difference):
            text += f", {one.difference:+.2g} (95 % confidence {one.low:+.2g} to {one.high:+.2g})"
        sheet.add(*sheet.field("" if number else "terms", Text(f"{one.term.ljust(width)}  {weight:13s} {text}")))


# ---- JSON ---------------------------------------------------------------------------------------------------------


def document(found: Experiment, versions: dict[str, str]) -> dict[str, Any]:
    """The experiment as plain values; NaN and infinities are the strings "nan", "inf" and "-inf"."""
    return {
        **opening(found, versions),
        "task": found.task,
        "standard": found.standard,
        "own_data": found.own,
        "verdict": found.verdict,
        "known_answer": [plain(asdict(first)) for first in found.firsts],
        "comparison": None if found.comparison is None else plain(asdict(found.comparison)),
        "findings": [finding_document(finding) for finding in found.findings],
        "facts": [fact_document(fact) for fact in found.facts],
        "convention": found.convention,
        "other_data": [{"task": one.task, **plain(asdict(one.comparison))} for one in found.harder],
        "terms": [plain(asdict(one)) for one in found.swept],
        "shares": None if found.shares is None else plain(asdict(found.shares)),
        "runs": [_run(one) for one in found.outcomes],
        "gaps": list(found.gaps),
        "seconds": found.seconds,
    }


def _run(one: Outcome) -> dict[str, Any]:
    return {
        **asdict(one.run),
        "error_before": plain(one.start),
        "error_after": plain(one.end),
        "finite": one.finite,
        "steps_kept": list(one.steps),
        "curve": plain(one.curve),
        "problem": one.problem or None,
    }


# ---- HTML ---------------------------------------------------------------------------------------------------------

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #222 }}
pre {{ font: 13px/1.35 Menlo, Consolas, "DejaVu Sans Mono", monospace; background: #f6f6f4; padding: 1rem;
      overflow-x: auto }}
img {{ max-width: 100% }}
</style></head><body>
<h1>{title}</h1>
{picture}<pre>{text}</pre>
</body></html>
"""


def as_html(found: Experiment) -> str:
    """A page that loads nothing from elsewhere, with the picture where matplotlib is installed."""
    import importlib.util

    picture = ""
    if importlib.util.find_spec("matplotlib") is not None and found.outcomes:
        from lossdoctor.report.parts.plot_experiment import png

        stream = io.BytesIO()
        png(found, stream)
        data = base64.b64encode(stream.getvalue()).decode()
        picture = f'<p><img alt="training curves and predictions" src="data:image/png;base64,{data}"></p>\n'
    title = f"{escape(found.name)}: {escape(found.verdict)}"
    return _PAGE.format(title=title, picture=picture, text=escape(render(found, View(width=96))))
