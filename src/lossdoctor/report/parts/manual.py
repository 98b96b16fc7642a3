"""A Markdown page, such as that of a rule, as terminal text."""

from __future__ import annotations

import io
from typing import ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Heading, Markdown, MarkdownElement

from lossdoctor.report import View
from lossdoctor.report.parts.sheet import Sheet

_PROSE = 88  # cells; longer lines of prose are tiring to read


class _Heading(Heading):
    """Left-aligned; sections in capitals, as in manual pages, so that they stand out without colour."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text = self.text.copy()
        text.justify = "left"
        if self.tag != "h1":
            text.plain = text.plain.upper()
        text.stylize("bold")
        yield text


class _Page(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {**Markdown.elements, "heading_open": _Heading}


def page(markdown: str, view: View) -> str:
    """A Markdown page as terminal text."""
    stream = io.StringIO()
    sheet = Sheet(view)
    color = view.color and sheet.clean("•─│") == "•─│"
    console = Console(
        file=stream,
        width=min(view.width, _PROSE),
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        legacy_windows=False,
        _environ={},
    )
    shown = _Page(markdown, hyperlinks=False, code_theme="ansi_dark")
    if not color:  # where nothing sets code apart, a parameter's name reads as a word of the sentence
        for child in (child for token in shown.parsed for child in token.children or ()):
            if child.type == "code_inline":
                child.content = f"`{child.content}`"
    console.print(shown)
    lines = (line.rstrip() for line in stream.getvalue().split("\n"))
    text = "\n".join(lines)
    return text if color else sheet.clean(text)
