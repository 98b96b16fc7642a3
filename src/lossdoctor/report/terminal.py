"""The report for a person at a terminal: 80 columns, and readable without colour."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from math import isfinite

from rich.text import Text

from lossdoctor.findings import Blame, ErrorItem, Fact, Gap, LossReport, Report, Verdict
from lossdoctor.report import View
from lossdoctor.report.parts.finding import add_finding
from lossdoctor.report.parts.sheet import Sheet

SHOWN = 4  # facts and gaps of a loss, unless the view is verbose
_LONG_ASIDE = re.compile(r" \([^()]{40,}\)")

_STYLES: dict[Verdict, str] = {
    "healthy": "bold green",
    "suspect": "bold yellow",
    "broken": "bold red",
    "not-examined": "bold magenta",
}


def render(report: Report, view: View) -> str:
    """The whole report: a section for each loss, the targets that could not be examined, a summary."""
    sheet = Sheet(view)
    for loss in report.losses:
        sheet.gap()
        _add_loss(sheet, loss)
    for error in report.errors:
        sheet.gap()
        _add_error(sheet, error)
    if report.skipped:
        sheet.gap()
        _add_list(sheet, "passed by", [f"{item.target}, {item.reason}" for item in report.skipped])
    sheet.gap()
    sheet.add(*sheet.wrap(Text(summary(report, view.elapsed), "bold"), sheet.width))
    return sheet.text()


def summary(report: Report, elapsed: float | None = None) -> str:
    """One line: how many losses with which verdicts, how many findings, how long it took."""
    verdicts = Counter(loss.verdict for loss in report.losses)
    severities = Counter(finding.severity for finding in report.findings)
    names: tuple[Verdict, ...] = ("broken", "suspect", "healthy", "not-examined")
    parts = [f"{verdicts[name]} {name.replace('-', ' ')}" for name in names if verdicts[name]]
    if report.errors:
        parts.append(f"{_count(len(report.errors), 'target')} could not be examined")
    found = ", ".join(_count(severities[name], name) for name in ("error", "warning", "info") if severities[name])
    programs = sum(loss.blame is not None for loss in report.losses)
    heads = [_count(programs, "program")] if programs else []
    if len(report.losses) > programs or not programs:
        heads.append(_count(len(report.losses) - programs, "loss", "losses"))
    head = " and ".join(heads)
    text = f"{head}: {', '.join(parts)}" if parts else head
    text += f"; {found or 'no findings'}" if report.losses else ""
    return text if elapsed is None else f"{text} in {elapsed:.1f} s"


def _count(number: int, noun: str, plural: str = "") -> str:
    if number == 1 or noun == "info":
        return f"{number} {noun}"
    return f"{number} {plural or noun + 's'}"


def _heading(sheet: Sheet, title: str, verdict: str, style: str) -> Text:
    dash = sheet.rule
    room = sheet.width - len(verdict) - 10
    left = Text.assemble((dash * 2 + " ", "dim"), (sheet.clip(sheet.one_line(title), room), "bold"), " ")
    right = Text.assemble(" ", (verdict, style), (" " + dash * 2, "dim"))
    return sheet.spread(left, right, fill=dash)


def _add_loss(sheet: Sheet, loss: LossReport) -> None:
    sheet.add(_heading(sheet, loss.target, loss.verdict.replace("-", " "), _STYLES[loss.verdict]))
    if loss.y_true or loss.y_pred:  # a training step has neither
        sheet.add(*sheet.field(loss.origin, f"y_true {loss.y_true}"), *sheet.field("", f"y_pred {loss.y_pred}"))
    for number, assumption in enumerate(loss.assumptions):
        sheet.add(*sheet.field("" if number else "assumed", assumption))
    if loss.blame is not None:
        sheet.gap()
        _add_blame(sheet, loss.blame)
    for finding in loss.findings:
        sheet.gap()
        add_finding(sheet, finding)
    _add_worst(sheet, loss)
    told = loss.facts if loss.verdict != "broken" or sheet.view.verbose else ()
    if (loss.findings or loss.worst) and (told or loss.gaps):
        sheet.gap()
    _add_list(sheet, "verified", [_fact(fact, sheet.view.verbose) for fact in told])
    _add_list(sheet, "gaps", _gaps(loss.gaps, loss.path))
    if sheet.view.verbose and loss.seconds:
        long = {stage: seconds for stage, seconds in loss.seconds.items() if seconds >= 0.005 or stage == "total"}
        spent = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in long.items())
        sheet.add(*sheet.field("time", spent, style="dim"))


def _add_worst(sheet: Sheet, loss: LossReport) -> None:
    """The samples that were ranked."""
    if not loss.worst:
        return
    sheet.gap()
    sheet.add(Text(f"   {'sample':>8}  {'loss':>12}  {'|gradient|':>12}", "dim"))
    for one in loss.worst:
        fine = isfinite(one.loss) and isfinite(one.gradient)
        sheet.add(Text(f"   {one.index:>8}  {one.loss:>12.4g}  {one.gradient:>12.4g}", "" if fine else "red"))


def _add_blame(sheet: Sheet, blame: Blame) -> None:
    """Whose fault it is, and what was tried."""
    who = "nobody" if blame.party == "none" else f"the {blame.party}"
    sheet.add(*sheet.field("blame", Text.assemble((who, "bold"), ": ", sheet.prose(blame.reason)), 4))
    for number, one in enumerate(blame.evidence if blame.party != "none" or sheet.view.verbose else ()):
        sheet.add(*sheet.field("" if number else "evidence", one))


def _add_error(sheet: Sheet, error: ErrorItem) -> None:
    sheet.add(_heading(sheet, error.target, "not examined", _STYLES["not-examined"]))
    sheet.add(*(Text.assemble("   ", line) for line in sheet.wrap(sheet.prose(error.message), sheet.width - 3)))


def _add_list(sheet: Sheet, label: str, items: list[str]) -> None:
    shown = items if sheet.view.verbose or len(items) <= SHOWN else items[: SHOWN - 1]
    for number, item in enumerate(shown):
        sheet.add(*sheet.field("" if number else label, item))
    if len(shown) < len(items):
        sheet.add(*sheet.field("", f"and {len(items) - len(shown)} more (--verbose lists them)", style="dim"))


def _fact(fact: Fact, verbose: bool) -> str:
    """A fact with its evidence; a long condition in parentheses is for those who want all."""
    where = f", {', '.join(fact.when)}" if fact.when else ""
    statement = fact.statement if verbose else _LONG_ASIDE.sub("", fact.statement)
    return f"{statement.rstrip('.')}: {fact.evidence}{where}"


def _gaps(gaps: Iterable[Gap], home: str) -> list[str]:
    """One line for each operation and what it limits, with the lines where it stands."""
    limits: dict[tuple[str, str], dict[str, None]] = {}
    for gap in gaps:
        place = f"line {gap.line}" if gap.path == home else f"{gap.path}:{gap.line}"
        limits.setdefault((gap.op, place), {})[gap.limits] = None
    places: dict[tuple[str, str], list[str]] = {}
    for (op, place), limited in limits.items():
        places.setdefault((op, ", ".join(limited)), []).append(place)
    return [f"`{op}` ({', '.join(found)}), limits {limited}" for (op, limited), found in places.items()]
