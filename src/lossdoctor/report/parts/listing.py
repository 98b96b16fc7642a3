"""The list of all rules, for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich.text import Text

from lossdoctor.findings import Severity
from lossdoctor.report import View
from lossdoctor.report.parts.finding import STYLES
from lossdoctor.report.parts.sheet import Sheet


class Listed(Protocol):
    """A rule, or a detector of the monitor."""

    @property
    def code(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def family(self) -> str: ...

    @property
    def severity(self) -> Severity: ...


def listing(rules: Sequence[Listed], view: View) -> str:
    """A line for each rule: code, severity, name, family."""
    sheet = Sheet(view)
    names = max((len(rule.name) for rule in rules), default=0)
    for rule in rules:
        style = STYLES[rule.severity]
        sheet.add(
            Text.assemble(
                (rule.code, "bold"),
                "  ",
                (f"{rule.severity:<7}", style),
                "  ",
                f"{rule.name:<{names}}  ",
                (rule.family, "dim"),
            )
        )
    sheet.gap()
    sheet.add(Text(f"{len(rules)} rules. lossdoctor rules CODE explains one.", "dim"))
    return sheet.text()
