"""An isolated fault: for a person, and as JSON."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from lossdoctor.experiments.reading import Culprit, Isolation
from lossdoctor.report import View
from lossdoctor.report.json import opening, plain
from lossdoctor.report.parts.heading import heading
from lossdoctor.report.parts.numbers import literal
from lossdoctor.report.parts.sheet import Sheet
from lossdoctor.search.literals import witness_value

_WORDS = {
    "no-gradient": "it has no gradient with respect to y_pred",
    "dead-gradient": "its gradient is exactly zero",
    "nonfinite-value": "its value is not finite",
    "nonfinite-gradient": "its value is finite, its gradient is not",
    "wrong-sign": "its step leads away from the target",
    "precision-loss": "float32 leaves it no more than two right digits",
    "differs": "it is not what was meant",
    "divergence": "a small model that is trained with it diverges",
}


def render(found: Isolation, view: View) -> str:
    """The result within the view's width."""
    sheet = Sheet(view)
    heading(sheet, found)
    culprit = found.culprit
    if culprit is None:
        sheet.add(*sheet.field("found", "nothing that is to blame"))
    else:
        _culprit(sheet, found, culprit)
    sheet.gap()
    for number, gap in enumerate(found.gaps):
        sheet.add(*sheet.field("" if number else "not said", gap))
    return sheet.text()


def _culprit(sheet: Sheet, found: Isolation, culprit: Culprit) -> None:
    others = len(culprit.terms) - culprit.needed
    whole = "all terms together" if culprit.needed > 1 else "the whole loss, which is no sum"
    rest = whole if not others else f"the other {others} do not need it"
    if others == 1:
        rest = "the other one does not need it"
    sheet.add(*sheet.field("symptom", Text(sheet.clean(f"{culprit.symptom}: {_WORDS[culprit.symptom]}"), "bold")))
    sheet.add(*sheet.field("term", Text.assemble((sheet.clean(culprit.term), "bold"), sheet.clean(f"  ({rest})"))))
    sheet.add(*sheet.field("line", f"{found.where}:{found.at}  `{culprit.code}`", 3))
    if culprit.operands:
        sheet.add(*sheet.field("", f"receives {culprit.operands}"))
    given = witness_value(culprit.pair.y_true), witness_value(culprit.pair.y_pred)
    sheet.add(*sheet.field("input", Text(sheet.clean(f"y_true={literal(given[0])}, y_pred={literal(given[1])}")), 4))
    before, left = culprit.sizes
    if culprit.script:
        sheet.add(*sheet.field("reduced", f"from {before} operations to {left}; this script shows it alone:"))
        sheet.gap()
        sheet.add(*(Text("   " + sheet.clean(line)) for line in culprit.script.rstrip().split("\n")))


def document(found: Isolation, versions: dict[str, str]) -> dict[str, Any]:
    """The result as plain values; NaN and infinities are the strings "nan", "inf" and "-inf"."""
    culprit = found.culprit
    return {
        **opening(found, versions),
        "symptom": None if culprit is None else culprit.symptom,
        "term": None if culprit is None else culprit.term,
        "terms": [] if culprit is None else list(culprit.terms),
        "path": None if culprit is None else found.where,
        "line": None if culprit is None else found.at,
        "code": None if culprit is None else culprit.code,
        "operands": None if culprit is None else culprit.operands,
        "witness": None
        if culprit is None
        else {
            "y_true": plain(witness_value(culprit.pair.y_true)),
            "y_pred": plain(witness_value(culprit.pair.y_pred)),
        },
        "reproduce": "" if culprit is None else culprit.script,
        "operations": None if culprit is None else list(culprit.sizes),
        "gaps": list(found.gaps),
        "seconds": found.seconds,
    }
