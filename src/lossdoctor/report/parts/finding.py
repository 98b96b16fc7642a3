"""One finding, in at most fifteen lines."""

from __future__ import annotations

from rich.text import Text

from lossdoctor.findings import Edit, Finding, Fix, Location, Severity, Witness
from lossdoctor.report.parts.excerpt import excerpt, fault_text, source_lines
from lossdoctor.report.parts.numbers import literal, rounded
from lossdoctor.report.parts.sheet import INDENT, Sheet

LIMIT = 15
_STEP = 32  # cells of a step of the chain
_LEAST_TELLING = ("chain", "when")
STYLES: dict[Severity, str] = {"error": "bold red", "warning": "yellow", "info": "dim"}


def add_finding(sheet: Sheet, finding: Finding) -> None:
    """Append a finding: an error or a warning as a block, an info in two or three dim lines."""
    if finding.severity == "info" and not sheet.view.verbose:
        sheet.add(*_header(sheet, finding))
        sheet.add(*(_indented(line) for line in sheet.wrap(Text(sheet.clean(finding.message), "dim"), _room(sheet), 2)))
        return
    sheet.add(*_block(sheet, finding))
    if sheet.view.verbose and finding.reproduce:
        sheet.add(_indented(Text("script", "dim")))
        sheet.add(*(Text("     " + sheet.clean(line)) for line in finding.reproduce.rstrip().split("\n")))


def _block(sheet: Sheet, finding: Finding) -> list[Text]:
    """A finding in at most `LIMIT` lines: what tells least goes first, then the longest is cut (JSON has it all)."""
    header = _header(sheet, finding)
    message, style = _message(sheet, finding), STYLES[finding.severity]
    fields = _fields(sheet, finding)
    limits = {label: limit for label, _, limit in fields}
    message_limit = 5
    while True:
        top = [*header, *excerpt(sheet, finding.location, message, style, message_limit)]
        shown = {label: sheet.field(label, text, limits[label]) for label, text, _ in fields if limits[label]}
        lines = [*top, *(line for part in shown.values() for line in part)]
        excess = len(lines) - LIMIT
        if excess <= 0:
            return lines
        spare = next((label for label in _LEAST_TELLING if label in shown), None)
        if spare is not None:
            limits[spare] = 0
            continue
        longest = max(shown, key=lambda label: len(shown[label]))
        if len(shown[longest]) >= len(top) - len(header) - 2:
            limits[longest] = max(len(shown[longest]) - 1, 1)
        else:
            message_limit -= 1


def _fields(sheet: Sheet, finding: Finding) -> list[tuple[str, Text, int]]:
    """Label, text and most lines of each part under the source."""
    fields: list[tuple[str, Text, int]] = []
    if finding.witness is not None:
        fields.append(("shown by", _witness(sheet, finding.witness, finding.family == "no-gradient"), 3))
    if finding.when:
        fields.append(("when", Text(", ".join(finding.when)), 2))
    if finding.chain:
        fields.append(("chain", _chain(sheet, finding), 2))
    if finding.consequences:
        fields.append(("leads to", _consequences(finding.consequences), 2))
    if finding.fix is not None:
        fields.append(("mend", _mend(sheet, finding.fix, finding.location), 3))
    return [*fields, ("more", Text(f"lossdoctor rules {finding.rule}"), 1)]


def _room(sheet: Sheet) -> int:
    return sheet.width - INDENT


def _indented(line: Text) -> Text:
    return Text.assemble(" " * INDENT, line)


def _header(sheet: Sheet, finding: Finding) -> list[Text]:
    style = STYLES[finding.severity]
    kind = "info" if finding.severity == "info" else f"{finding.severity}, {finding.evidence}"
    left = Text.assemble((finding.rule, style), " ", (finding.name, style), "  ", (kind, style))
    place = sheet.clean(f"{finding.location.path}:{finding.location.line}")
    whole = f"{place} in {sheet.clean(finding.function)}" if finding.function else place
    for text in (whole, place):
        if left.cell_len + 2 + len(text) <= sheet.width:
            return [sheet.spread(left, Text(text, "dim"))]
    return [*sheet.wrap(left, sheet.width), _indented(Text(sheet.clip(whole, _room(sheet)), "dim"))]


def _message(sheet: Sheet, finding: Finding) -> str:
    """The message without the code at its start if the carets stand under that very code."""
    message = finding.message.strip()
    code = fault_text(sheet.view.root, finding.location)
    if code and message.startswith(f"`{code}` "):
        return message[len(code) + 3 :]
    return message


def _witness(sheet: Sheet, witness: Witness, tells_gradient: bool) -> Text:
    given = [
        f"{name}={sheet.one_line(literal(value))}"
        for name, value in (("y_true", witness.y_true), ("y_pred", witness.y_pred))
        if value is not None
    ]
    shown: list[str] = []
    if witness.value is not None:
        shown.append(f"loss {sheet.one_line(rounded(witness.value))}")
    if witness.gradient is not None:
        shown.append(f"gradient {sheet.one_line(rounded(witness.gradient))}")
    elif tells_gradient and witness.value is not None:
        shown.append("gradient None")
    text = Text(", ".join(given))
    if shown:
        text.append(f"  {sheet.arrow}  " if given else "")
        text.append(", ".join(shown), style="bold")
    return text


def _chain(sheet: Sheet, finding: Finding) -> Text:
    steps: list[str] = []
    before = ""
    for link in finding.chain:
        text = sheet.one_line(link.text)
        # Of an expression that begins with the one before: what is added to it.
        longer = before and text.startswith(before) and text != before
        shown = f"{sheet.ellipsis}{text[len(before) :]}" if longer else text
        steps.append(f"{sheet.clip(shown, _STEP)} (line {link.line})")
        before = text
    if len(steps) > 4:
        steps = [*steps[:2], sheet.ellipsis, *steps[-2:]]
    return Text(f" {sheet.arrow} ".join(steps))


def _consequences(consequences: tuple[Finding, ...]) -> Text:
    shown = [f"{item.rule} {item.name} (line {item.location.line}, {item.severity})" for item in consequences[:3]]
    if len(consequences) > 3:
        shown.append(f"{len(consequences) - 3} more")
    return Text(", ".join(shown))


def _mend(sheet: Sheet, fix: Fix, location: Location) -> Text:
    code = _edited(sheet, fix.edits[0], location) if len(fix.edits) == 1 else ""
    text = Text(sheet.clean(code)) if code else sheet.prose(fix.title)
    if code and fix.measured:
        text.append(f"  ({fix.measured})", style="dim")
    if fix.changes_values:
        text.append("  (changes values)", style="dim")
    return text


def _edited(sheet: Sheet, edit: Edit, location: Location) -> str:
    """The code that stands in the place of what the carets mark, or of what is edited elsewhere, with its line."""
    code = edit.text.strip()
    start, end = (location.line, location.column), (location.end_line, location.end_column)
    if edit.path != location.path or not code:
        return code
    if edit.start[0] != location.line and not start <= edit.start <= end:
        return f"line {edit.start[0]}: {code}"
    if (edit.start, edit.end) == (start, end) or not start <= edit.start <= edit.end <= end:
        return code
    lines = source_lines(sheet.view.root / location.path)
    if start[0] != end[0] or start[0] > len(lines):
        return code
    line = lines[start[0] - 1]
    return line[start[1] - 1 : edit.start[1] - 1] + edit.text + line[edit.end[1] - 1 : end[1] - 1]
