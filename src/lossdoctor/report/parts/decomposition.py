"""A decomposition: for a person, and as JSON."""

from __future__ import annotations

from typing import Any

from rich.cells import cell_len
from rich.text import Text

from lossdoctor.experiments.reading import Decomposition, TermReading
from lossdoctor.findings import ErrorItem, LossReport
from lossdoctor.report import View
from lossdoctor.report.json import fact_document, finding_document, loss_document, opening, plain
from lossdoctor.report.parts.finding import add_finding
from lossdoctor.report.parts.heading import heading
from lossdoctor.report.parts.sheet import INDENT, Sheet

_CONFLICT = -0.5  # cosine below which two terms pull against each other
_NAME = 28  # cells of a name, at most


def render(found: Decomposition, view: View) -> str:
    """The decomposition within the view's width."""
    sheet = Sheet(view)
    heading(sheet, found)
    _table(sheet, found)
    sheet.gap()
    for term in found.parts:
        _formula(sheet, term)
    if len(found.parts) > 1:
        sheet.gap()
        _conflict(sheet, found)
    for finding in found.findings:
        sheet.gap()
        add_finding(sheet, finding)
    for name, check in found.checks.items():
        sheet.gap()
        _check(sheet, name, check)
    sheet.gap()
    for fact in found.facts:
        sheet.add(*sheet.field("verified", fact.statement))
    for number, gap in enumerate(found.gaps):
        sheet.add(*sheet.field("" if number else "not said", gap))
    return sheet.text()


def _table(sheet: Sheet, found: Decomposition) -> None:
    names = [sheet.clip(sheet.one_line(term.name), _NAME) for term in found.parts]
    width = max(cell_len("term"), *map(cell_len, names))
    sheet.add(Text(" " * INDENT + f"{'term'.ljust(width)}  {'weight':>9}  {'value':>6}  {'gradient':>8}  note", "dim"))
    for name, term in zip(names, found.parts, strict=True):
        measure = term.measure
        weight = "varies" if measure.weight is None else f"{measure.weight:.5g}"
        gradient = f"{measure.gradient_share:.1%}" if measure.gradient in ("finite", "non-finite") else measure.gradient
        pad = " " * (width - cell_len(name))
        line = f"{pad}  {weight:>9}  {measure.value_share:>6.1%}  {gradient:>8}  "
        room = sheet.width - INDENT - width - len(line) + len(pad)
        text = Text.assemble(" " * INDENT, (name, "bold"), line, (sheet.clip(_note(term), max(room, 8)), "dim"))
        if measure.gradient in ("none", "zero") and term.depends_on_y_pred:
            text.stylize("red", INDENT + width + 2)
        sheet.add(text)


def _note(term: TermReading) -> str:
    """What is special about a term, in a few words."""
    measure = term.measure
    notes = [f"line {term.line}"]
    if not term.depends_on_y_pred:
        notes.append("not of y_pred")
    if measure.trained:
        notes.append("trained weight")
    if measure.nonfinite:
        notes.append(f"not finite: {measure.nonfinite:.1%}")
    if measure.gradient == "finite" and measure.dead >= 0.01:
        notes.append(f"flat: {measure.dead:.0%}")
    if any(measure.reaches) and term.depends_on_y_pred:
        notes.append("of y_pred " + ", ".join(f"[{key}]" for key in measure.reaches))
    return ", ".join(notes)


def _formula(sheet: Sheet, term: TermReading) -> None:
    name = f"{sheet.clip(sheet.one_line(term.name), _NAME)} = "
    if term.statement is None:
        text = Text(sheet.clean(name + term.text))
    else:
        parts = "; ".join(f"{one.name} = {one.text}" for one in term.statement.definitions)
        text = Text(sheet.clean(f"{name}{term.statement.text}{f'; where {parts}' if parts else ''}"))
    for number, line in enumerate(sheet.wrap(text, sheet.width - INDENT - 2, 3)):
        sheet.add(Text.assemble(" " * (INDENT + (2 if number else 0)), line))


def _conflict(sheet: Sheet, found: Decomposition) -> None:
    """The two terms whose gradients agree least, and all that pull against each other."""
    rows = found.measures.conflict
    pairs = [
        (value, found.parts[i].name, found.parts[j].name)
        for i, row in enumerate(rows)
        for j, value in enumerate(row)
        if j > i and value is not None
    ]
    if not pairs:
        return
    against = sorted(pair for pair in pairs if pair[0] < _CONFLICT)
    for number, (value, one, other) in enumerate(against[:4]):
        text = f"the gradients of `{one}` and `{other}` pull against each other (cosine {value:.2f})"
        sheet.add(*sheet.field("" if number else "conflict", text))
    if not against:
        value, one, other = min(pairs)
        sheet.add(*sheet.field("conflict", f"none; least agreement `{one}`, `{other}` (cosine {value:.2f})"))


def _check(sheet: Sheet, name: str, check: object) -> None:
    sheet.add(Text(" " * INDENT + sheet.clean(f"check of {name} as a loss of its own"), "bold"))
    if isinstance(check, ErrorItem):
        sheet.add(*sheet.field("", check.message))
    elif isinstance(check, LossReport):
        sheet.add(*sheet.field("verdict", check.verdict))
        for finding in check.findings:
            add_finding(sheet, finding)


# ---- JSON ---------------------------------------------------------------------------------------------------------


def document(found: Decomposition, versions: dict[str, str]) -> dict[str, Any]:
    """The decomposition as plain values; NaN and infinities are the strings "nan", "inf" and "-inf"."""
    return {
        **opening(found, versions),
        "terms": [_term(term) for term in found.parts],
        "conflict": [[plain(value) for value in row] for row in found.measures.conflict],
        "residual": plain(found.measures.residual),
        "draws": found.measures.draws,
        "measured_on": found.measures.source,
        "findings": [finding_document(finding) for finding in found.findings],
        "facts": [fact_document(fact) for fact in found.facts],
        "checks": {
            name: loss_document(check) if isinstance(check, LossReport) else {"error": getattr(check, "message", "")}
            for name, check in found.checks.items()
        },
        "gaps": list(found.gaps),
        "seconds": found.seconds,
    }


def _term(term: TermReading) -> dict[str, Any]:
    measure, statement = term.measure, term.statement
    return {
        "name": term.name,
        "weight": plain(measure.weight),
        "trained_weight": measure.trained,
        "value": plain(measure.value),
        "value_share": plain(measure.value_share),
        "gradient_share": plain(measure.gradient_share),
        "path": term.path,
        "line": term.line,
        "code": term.text,
        "depends_on_y_pred": term.depends_on_y_pred,
        "reaches": list(measure.reaches),
        "gradient": measure.gradient,
        "dead_share": plain(measure.dead),
        "nonfinite_share": plain(measure.nonfinite),
        "witness": None
        if measure.witness is None
        else {"y_true": plain(measure.witness.y_true), "y_pred": plain(measure.witness.y_pred)},
        "formula": None if statement is None else statement.text,
        "latex": None if statement is None else statement.latex,
        "where": [] if statement is None else [{"name": one.name, "text": one.text} for one in statement.definitions],
        "parts": list(term.inside),
    }
