"""The lines of source under which the tensors of a traced loss stand."""

from __future__ import annotations

import ast
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

from lossdoctor.graph.ir import Span
from lossdoctor.readings.trace import Failure, Row, TraceResult, on_one_line
from lossdoctor.report.parts.excerpt import source_lines

Place = tuple[str, int, int, tuple[Span, ...]]  # file, line, the pass over it, and the calls that lead there

# Statements without a body, which are one line to the reader however many they take.
_SIMPLE = ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Return | ast.Expr | ast.Assert | ast.Raise


class Headings:
    """The headings of one trace. Sources are read from the folder `root`."""

    def __init__(self, found: TraceResult, root: Path) -> None:
        self._found = found
        self._root = root
        self._places = {id(row): self._place(row) for row in found.rows}

    def place(self, row: Row) -> Place:
        """What rows that stand under one heading share."""
        return self._places.get(id(row)) or self._place(row)

    def beside(self, row: Row) -> list[Row]:
        """The rows of the same heading."""
        return [one for one in self._found.rows if self.place(one) == self.place(row)]

    def blamed(self, row: Row) -> bool:
        """Whether the row that is to blame stands under this row's heading, or what raises does."""
        marked = self._found.blamed, self.raising()
        return any(one is not None and self.place(one) == self.place(row) for one in marked)

    def raising(self) -> Row | None:
        """The last row, if it stands under the line that raises: a part of the expression that does."""
        raised = self._found.raised
        last = next((row for row in reversed(self._found.rows) if row.line), None)
        if raised is None or last is None or last.path != raised.path:
            return None
        start = _starts(self._lines(raised.path)).get(raised.line, raised.line)
        return last if start in (last.line, self.place(last)[1]) else None

    def raised_source(self, raised: Failure) -> tuple[int, str]:
        """The line that raises, with those that its expression goes on to, and its number."""
        lines = self._lines(raised.path)
        line = _starts(lines).get(raised.line, raised.line)
        if not 0 < line <= len(lines):
            return raised.line, raised.text
        first, *more = lines[line - 1 : max(line, raised.calls[-1].end_line if raised.calls else line)]
        whole = not more or first.rstrip().endswith(":") or any("#" in each for each in (first, *more))
        return line, first.rstrip() if whole else on_one_line("\n".join([first, *more]))

    def short(self, row: Row, room: int) -> str:
        """What the row is called, in about so many characters."""
        return row.shown if row.name or not row.line else self.expression(row, room)

    def expression(self, row: Row, room: int) -> str:
        """The source of a row, in about so many characters: what has rows of its own may be left out."""
        text = on_one_line(row.tensor.text)
        parts = {one.shown for one in self.beside(row)}
        parts |= {on_one_line(span.text) for one in self._found.rows for span in one.tensor.calls[:-1]}
        return shortened(text, parts - {text}, room)

    def source(self, row: Row) -> str:
        """The source that a row stands under: its line, with those that its expression goes on to, on one."""
        lines = self._lines(row.path)
        line = self.place(row)[1]
        if not 0 < line <= len(lines):
            return row.tensor.text
        spans = [one.tensor.calls[-1] for one in self.beside(row) if one.tensor.calls]
        end = max((span.end_line for span in spans), default=line)
        first, *more = lines[line - 1 : max(end, line)]
        # A body is not part of the line that holds it, and behind a comment nothing can stand.
        if not more or first.rstrip().endswith(":") or any("#" in line for line in (first, *more)):
            return first.rstrip()
        return first[: len(first) - len(first.lstrip())] + on_one_line("\n".join([first, *more]))

    def asides(self, row: Row) -> list[str]:
        """What is said beside a line: which line of the loss's file called its helper, and the pass over it."""
        home = self._found.files.get(self._found.path, self._found.path)
        callers = [span for span in row.tensor.calls[:-1] if span.path == home]
        said: list[str] = []
        if row.tensor.inner:
            said = [f"inside of line {callers[-1].line}"] if callers and callers[-1].line != row.line else []
        elif callers and not self._delegated(row, callers[-1].line):
            line = f"line {callers[-1].line}"
            again = self._again(row, callers[-1])
            said = [f"{line}: {on_one_line(callers[-1].text)}" if again else f"called on {line}"]
        turn, of = row.tensor.turn
        return [*said, f"pass {turn} of {of}"] if of > 1 else said

    def _place(self, row: Row) -> Place:
        line = row.line if row.tensor.inner else _starts(self._lines(row.path)).get(row.line, row.line)
        calls = row.tensor.calls
        elsewhere = len(calls) > 1 and not row.tensor.inner and calls[-2].line != calls[-1].line
        return row.path, line, row.tensor.turn[0], calls[:-1] if elsewhere else ()

    def _lines(self, path: str) -> tuple[str, ...]:
        return source_lines(self._root / self._found.files.get(path, path)) if path else ()

    def _again(self, row: Row, caller: Span) -> bool:
        """Whether another call on the same line leads to the same place."""
        here = row.tensor.calls[-1]
        return any(
            other.tensor.calls[-1:] == (here,)
            and any(span.line == caller.line and span.path == caller.path and span != caller for span in calls)
            for other in self._found.rows
            if (calls := other.tensor.calls[:-1])
        )

    def _delegated(self, row: Row, line: int) -> bool:
        """Whether that one line only calls a helper that does everything: to say so beside each line says nothing."""
        return (
            all(
                one.tensor.inner or (len(one.tensor.calls) > 1 and one.tensor.calls[0] == row.tensor.calls[0])
                for one in self._found.rows
                if one.tensor.calls
            )
            and line == row.tensor.calls[0].line
        )


def shortened(text: str, parts: Collection[str], room: int) -> str:
    """An expression with "…" for parts of it that are shown elsewhere, as little as makes it fit.

    Cut off at the end it would often read as the row of its first part does.
    """
    while len(text) > room:
        try:
            tree = ast.parse(text.replace("…", _HOLE), mode="eval")
        except (SyntaxError, ValueError):
            return text
        written = text.replace("…", _HOLE)
        inner = [node for node in ast.walk(tree.body) if isinstance(node, ast.expr) and node is not tree.body]
        segments = [(ast.get_source_segment(written, node) or "", node) for node in inner]
        found = sorted(((part, node) for part, node in segments if part.replace(_HOLE, "…") in parts), key=_length)
        if not found:
            return text
        made = [_without(written, node).replace(_HOLE, "…") for _, node in found]
        text = next((one for one in made if len(one) <= room), made[-1])
    return text


_HOLE = "_lossdoctor_hole"  # stands for "…" while the rest is read as Python


def _length(part: tuple[str, ast.expr]) -> int:
    return len(part[0])


def _without(text: str, node: ast.expr) -> str:
    written = text.encode()
    return (written[: node.col_offset] + _HOLE.encode() + written[node.end_col_offset or 0 :]).decode()


@lru_cache(maxsize=64)
def _starts(lines: tuple[str, ...]) -> dict[int, int]:
    """For each line of a statement of several lines, the line that it begins on."""
    try:
        tree = ast.parse("\n".join(lines))
    except (SyntaxError, ValueError):
        return {}
    found: dict[int, int] = {}
    for node in ast.walk(tree):  # from the outside in, so that the innermost statement stays
        if isinstance(node, _SIMPLE):
            found.update(dict.fromkeys(range(node.lineno, (node.end_lineno or node.lineno) + 1), node.lineno))
    return found
