"""The source line of a finding, with carets under the expression that is at fault."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from rich.cells import cell_len
from rich.text import Text

from lossdoctor.findings import Location
from lossdoctor.report.parts.sheet import Sheet

NUMBER = 5  # cells of the line number
GUTTER = NUMBER + 3
TAB = 4
_KEPT_INDENT = 4
_BINARY = (".npz", ".npy", ".keras", ".h5")


@lru_cache(maxsize=64)
def source_lines(path: Path) -> tuple[str, ...]:
    """The lines of a file; () if it cannot be read, or holds no text."""
    if path.suffix in _BINARY:
        return ()
    try:
        return tuple(path.read_text(encoding="utf-8-sig", errors="replace").split("\n"))
    except OSError:
        return ()


def fault_text(root: Path, location: Location) -> str:
    """The source text of the region on one line; "" if it cannot be read."""
    lines = source_lines(root / location.path)[location.line - 1 : location.end_line]
    if not lines:
        return ""
    parts = list(lines)
    parts[-1] = parts[-1][: location.end_column - 1]
    parts[0] = parts[0][location.column - 1 :]
    return " ".join(" ".join(parts).split())


def excerpt(sheet: Sheet, location: Location, message: str, style: str, limit: int) -> list[Text]:
    """The line and its carets, with `message` beside them, or under them where it is too long.

    A region of several lines is shown by its first, with carets up to that line's end. At most `limit` lines
    hold the message.
    """
    lines = source_lines(sheet.view.root / location.path)
    if not 1 <= location.line <= len(lines):
        body = sheet.wrap(sheet.prose(message), sheet.width - 3, limit)
        return [Text.assemble("   ", line) for line in body]
    raw = sheet.clean(lines[location.line - 1].rstrip())
    last = location.end_column - 1 if location.end_line == location.line else len(raw)
    head = raw[: location.column - 1].expandtabs(TAB)
    start = cell_len(head)
    stop = cell_len(raw[:last].expandtabs(TAB))
    shown, start, stop = _window(sheet, raw.expandtabs(TAB), start, max(stop, start + 1), sheet.width - GUTTER)
    number = Text(f"{location.line:>{NUMBER}} | ", style="dim")
    blank = Text(f"{'':>{NUMBER}} | ", style="dim")
    carets = Text.assemble(blank, " " * start, ("^" * (stop - start), style))
    result = [Text.assemble(number, shown)]
    text = sheet.prose(message)
    if "\n" not in message and carets.cell_len + 1 + text.cell_len <= sheet.width:
        return [*result, Text.assemble(carets, " ", text)]
    below = sheet.wrap(text, sheet.width - GUTTER, limit)
    return [*result, carets, *(Text.assemble(blank, line) for line in below)]


def _window(sheet: Sheet, line: str, start: int, stop: int, width: int) -> tuple[str, int, int]:
    """The part of `line` that fits `width` cells and shows the region, and where the region is in it."""
    if cell_len(line) <= width:
        return line, start, stop
    spare = len(line) - len(line.lstrip()) - _KEPT_INDENT
    if spare > 0:
        line, start, stop = line[spare:], max(start - spare, 0), stop - spare
    mark = sheet.ellipsis
    if stop > width - len(mark) and start > 0:
        # Move the region to the left as far as it needs, but keep some of what stands before it.
        shift = min(start - min(start, 12), stop - (width - len(mark)))
        line, start, stop = mark + _from_cell(line, shift + len(mark)), start - shift, stop - shift
    clipped = sheet.clip(line, width)
    return clipped, start, min(stop, max(cell_len(clipped), start + 1))


def _from_cell(line: str, cells: int) -> str:
    """`line` without its first `cells` cells."""
    for index in range(len(line)):
        if cell_len(line[:index]) >= cells:
            return line[index:]
    return ""
