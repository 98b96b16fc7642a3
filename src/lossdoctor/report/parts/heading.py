"""What stands above what is said of one loss: the loss and what it is given."""

from __future__ import annotations

from rich.text import Text

from lossdoctor.findings import LossResult
from lossdoctor.report.parts.sheet import Sheet


def heading(sheet: Sheet, found: LossResult) -> None:
    """What `title` adds, and an empty line."""
    title(sheet, found)
    sheet.gap()


def title(sheet: Sheet, found: LossResult) -> None:
    """The target as a rule across the page, the specs, and what was assumed."""
    dash = sheet.rule
    name = sheet.one_line(found.target)
    if len(name) > sheet.width - 12:  # of a path the end says which loss it is
        name = sheet.ellipsis + name[-(sheet.width - 12 - len(sheet.ellipsis)) :]
    left = Text.assemble((dash * 2 + " ", "dim"), (name, "bold"), " ")
    sheet.add(sheet.spread(left, Text(dash * 2, "dim"), fill=dash))
    sheet.add(*sheet.field(found.origin, f"y_true {found.y_true}"), *sheet.field("", f"y_pred {found.y_pred}"))
    for number, assumption in enumerate(assumptions(found)):
        sheet.add(*sheet.field("" if number else "assumed", assumption))


def assumptions(found: LossResult) -> list[str]:
    """What was assumed, but for that data are what the specs say of them, which stand above as those of the data."""
    return [one for one in found.assumptions if found.origin != "data" or not one.endswith("from the values given")]
