"""What stands above what is said of one loss: the loss and what it is given."""

from __future__ import annotations

from rich.text import Text

from lossdoctor.experiments.outcomes import Experiment
from lossdoctor.experiments.reading import Decomposition, Isolation
from lossdoctor.report.parts.sheet import Sheet
from lossdoctor.standards.reading import Comparison
from lossdoctor.symbols.reading import Explanation


def heading(sheet: Sheet, found: Comparison | Explanation | Decomposition | Isolation | Experiment) -> None:
    """The target as a rule across the page, the specs, and what was assumed."""
    dash = sheet.rule
    left = Text.assemble(
        (dash * 2 + " ", "dim"), (sheet.clip(sheet.one_line(found.target), sheet.width - 12), "bold"), " "
    )
    sheet.add(sheet.spread(left, Text(dash * 2, "dim"), fill=dash))
    sheet.add(*sheet.field(found.origin, f"y_true {found.y_true}"), *sheet.field("", f"y_pred {found.y_pred}"))
    for number, assumption in enumerate(found.assumptions):
        sheet.add(*sheet.field("" if number else "assumed", assumption))
    sheet.gap()
