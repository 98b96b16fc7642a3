"""Lines of styled text within a width: wrapping, labelled fields, and glyphs that the stream can carry.

Everything is a rich `Text`, never markup, because the text is the user's: `[/x]` in a message must stay as it is.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from lossdoctor.report import View

LABEL = 10  # cells of a field's label, after an indent of three
INDENT = 3

# What stands for a character that the stream cannot carry.
_ASCII = str.maketrans(
    {
        "→": "->",
        "…": "...",
        "─": "-",
        "−": "-",
        "–": "-",
        "×": "x",
        "·": "*",
        "•": "*",
        "∞": "inf",
        "≤": "<=",
        "≥": ">=",
        "≠": "!=",
        "≈": "~",
        "∈": "in",
        "²": "^2",
        "±": "+-",
        "“": '"',
        "”": '"',
        "‘": "'",
        "’": "'",
    }
)
# C0 and C1 control characters: an escape sequence in a source line must not reach the terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_CODE = re.compile(r"`[^`\n]+`")


@dataclass
class Sheet:
    """The lines of a report under construction."""

    view: View
    lines: list[Text] = field(default_factory=list[Text])

    def __post_init__(self) -> None:
        plain = not self._carries("→…─")
        self.arrow, self.ellipsis, self.rule = ("->", "...", "-") if plain else ("→", "…", "─")

    @property
    def width(self) -> int:
        return self.view.width

    def _carries(self, text: str) -> bool:
        try:
            text.encode(self.view.encoding)
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    def clean(self, text: str) -> str:
        """`text` without control characters and without what the stream cannot carry; lines are kept."""
        text = _CONTROL.sub("?", text.replace("\r\n", "\n"))
        if not self._carries(text):
            text = text.translate(_ASCII)
            text = "".join(character if self._carries(character) else "?" for character in text)
        return text

    def one_line(self, text: str) -> str:
        return " ".join(self.clean(text).split())

    def clip(self, text: str, width: int) -> str:
        """`text` cut to `width` cells, with an ellipsis where something was cut."""
        if cell_len(text) <= width:
            return text
        return set_cell_size(text, max(width - len(self.ellipsis), 0)).rstrip() + self.ellipsis

    def prose(self, text: str, style: str = "") -> Text:
        """A sentence whose `code` stands out where there is colour."""
        result = Text(self.clean(text), style=style)
        for match in _CODE.finditer(result.plain):
            result.stylize("cyan", *match.span())
        return result

    def wrap(self, text: Text, width: int, limit: int | None = None) -> list[Text]:
        """`text` in lines of at most `width` cells, at most `limit` of them; what does not fit is elided."""
        console = Console(width=max(width, 20), file=io.StringIO(), color_system=None)
        lines = list(text.wrap(console, max(width, 20), overflow="fold"))
        for line in lines:
            line.rstrip()
        if limit is not None and len(lines) > limit:
            lines = lines[:limit]
            lines[-1].truncate(max(width, 20) - len(self.ellipsis))
            lines[-1].append(self.ellipsis)
        return lines

    def field(self, label: str, text: Text | str, limit: int | None = None, style: str = "") -> list[Text]:
        """A labelled paragraph: the label in its column, the text wrapped beside it."""
        body = self.prose(text, style) if isinstance(text, str) else text
        start = INDENT + LABEL
        lines: list[Text] = []
        for number, line in enumerate(self.wrap(body, self.width - start, limit)):
            head = Text(" " * INDENT + label.ljust(LABEL) if number == 0 else " " * start, style="dim")
            lines.append(Text.assemble(head, line))
        return lines

    def spread(self, left: Text, right: Text, gap: int = 2, fill: str = " ") -> Text:
        """`left` and `right` at the two margins of one line; `right` follows at a distance if it does not fit."""
        room = max(self.width - left.cell_len - right.cell_len, gap)
        return Text.assemble(left, (fill * room, "dim"), right)

    def add(self, *lines: Text) -> None:
        self.lines.extend(lines)

    def gap(self) -> None:
        """A blank line, unless there is one."""
        if self.lines and self.lines[-1].plain:
            self.lines.append(Text())

    def text(self) -> str:
        """All lines as one string, with colours if the view has them."""
        stream = io.StringIO()
        console = Console(
            file=stream,
            width=max([self.width, *(line.cell_len + 1 for line in self.lines)]),
            force_terminal=self.view.color,
            color_system="standard" if self.view.color else None,
            no_color=not self.view.color,
            legacy_windows=False,
            markup=False,
            emoji=False,
            highlight=False,
            _environ={},  # pure: the caller has read NO_COLOR, COLUMNS and TERM already
        )
        for line in self.lines:
            line.rstrip()
            console.print(line, soft_wrap=True)
        return stream.getvalue()
