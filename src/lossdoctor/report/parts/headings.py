"""The lines of source under which the tensors of a traced loss stand."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

from lossdoctor.graph.ir import Span
from lossdoctor.readings.trace import Row, TraceResult, on_one_line
from lossdoctor.report.parts.excerpt import source_lines

Place = tuple[str, int, int]  # file, line, and the pass over it

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
        """Whether the row that is to blame stands under this row's heading."""
        return self._found.blamed is not None and self.place(self._found.blamed) == self.place(row)

    def source(self, row: Row) -> str:
        """The source that a row stands under: its line, with those that its expression goes on to, on one."""
        lines = self._lines(row)
        _, line, _ = self.place(row)
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
        line = row.line if row.tensor.inner else _starts(self._lines(row)).get(row.line, row.line)
        return row.path, line, row.tensor.turn[0]

    def _lines(self, row: Row) -> tuple[str, ...]:
        return source_lines(self._root / self._found.files.get(row.path, row.path)) if row.path else ()

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
