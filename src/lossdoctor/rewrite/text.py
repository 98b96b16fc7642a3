"""The text of one file, its syntax tree, and changes of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from lossdoctor.graph.ir import Span
from lossdoctor.source.module import SourceModule

Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
# What needs no parentheses as an operand, or before `[` and `.`.
_ATOMS = (ast.Name, ast.Call, ast.Attribute, ast.Subscript, ast.Constant, ast.List, ast.Tuple)


@dataclass(frozen=True, slots=True)
class Change:
    """Replace the characters from `start` up to `end` (offsets in the text) by `text`."""

    start: int
    end: int
    text: str


def apply(text: str, changes: Sequence[Change]) -> str:
    """The text with all changes made.

    Raises:
        ValueError: two of them overlap.
    """
    parts: list[str] = []
    at = 0
    for change in sorted(changes, key=lambda c: (c.start, c.end)):
        if change.start < at:
            raise ValueError("changes overlap")
        parts += [text[at : change.start], change.text]
        at = change.end
    return "".join([*parts, text[at:]])


def moved(offset: int, changes: Sequence[Change]) -> int:
    """Where an offset of the text is once the changes are made; inside a replaced region, its start."""
    shift = 0
    for change in sorted(changes, key=lambda c: c.start):
        if offset >= change.end and (offset, offset) != (change.start, change.end):
            shift += len(change.text) - (change.end - change.start)
        elif offset >= change.start:
            return change.start + shift
    return offset + shift


def composed(first: Sequence[Change], second: Sequence[Change], text: str) -> tuple[Change, ...]:
    """One set of changes of `text` that does what `first`, and then `second` on its result, do.

    Changes of `second` that touch what `first` wrote are merged with it.
    """
    middle = apply(text, first)
    pieces = [(c.start, c.end, c.text, False) for c in sorted(first, key=lambda c: c.start)]
    # Every region of the middle text that is not as in `text`, with where it came from.
    regions: list[list[int]] = []  # [start, end] in the middle, [start, end] in the text
    shift = 0
    for start, end, new, _ in pieces:
        regions.append([start + shift, start + shift + len(new), start, end])
        shift += len(new) - (end - start)

    def back(offset: int, *, end: bool = False) -> int:
        """An offset of the middle outside all regions, in `text`; as the end of a change it is in front of what was
        taken out there."""
        gone = 0
        for low, high, start, last in regions:
            if offset > high or (offset == high and not (end and low == high)):
                gone += (high - low) - (last - start)
        return offset - gone

    result: list[Change] = []
    used: set[int] = set()
    for change in sorted(second, key=lambda c: c.start):
        touched = [
            i
            for i, (low, high, _, _) in enumerate(regions)
            if (low < change.end and change.start < high and low < high) or change.start < low == high < change.end
        ]
        if not touched:
            inserts = change.start == change.end
            result.append(Change(back(change.start), back(change.end, end=not inserts), change.text))
            continue
        if used & set(touched):
            raise ValueError("changes overlap")
        used |= set(touched)
        low, high = regions[touched[0]][0], regions[touched[-1]][1]
        start = regions[touched[0]][2] if low <= change.start else back(change.start)
        end = regions[touched[-1]][3] if high >= change.end else back(change.end, end=True)
        left, right = middle[min(low, change.start) : change.start], middle[change.end : max(high, change.end)]
        result.append(Change(start, end, left + change.text + right))
    result += [c for i, c in enumerate(sorted(first, key=lambda c: c.start)) if i not in used]
    return tuple(sorted(result, key=lambda c: c.start))


class Source:
    """One file: its text, its tree, and where each expression stands in the text."""

    def __init__(self, module: SourceModule) -> None:
        self.module = module
        self.text = module.text

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        for line in self.text.split("\n"):
            starts.append(starts[-1] + len(line) + 1)
        return starts

    @cached_property
    def _parents(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in ast.walk(self.module.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def _regions(self) -> dict[tuple[int, int], ast.expr]:
        table: dict[tuple[int, int], ast.expr] = {}
        for node in ast.walk(self.module.tree):
            if isinstance(node, ast.expr):
                table.setdefault(self.region(node), node)
        return table

    def offset(self, line: int, column: int) -> int:
        """The offset of a 1-based line and column."""
        return self._starts[min(line, len(self._starts)) - 1] + column - 1

    def position(self, offset: int) -> tuple[int, int]:
        """The 1-based line and column of an offset."""
        line = max(i for i, start in enumerate(self._starts) if start <= offset)
        return line + 1, offset - self._starts[line] + 1

    def region(self, node: ast.expr | ast.stmt | ast.arg) -> tuple[int, int]:
        """First and last offset of a node; the columns of `ast` count bytes."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._byte(node.lineno, node.col_offset), self._byte(node.end_lineno, node.end_col_offset)

    def _byte(self, line: int, column: int) -> int:
        start = self._starts[line - 1]
        text = self.text[start : self._starts[line] - 1]
        return start + (column if text.isascii() else len(text.encode()[:column].decode(errors="replace")))

    def at(self, span: Span) -> ast.expr | None:
        """The expression that covers exactly this region."""
        start, end = self.offset(span.line, span.column), self.offset(span.end_line, span.end_column)
        return self._regions.get((start, end))

    def of(self, node: ast.expr | ast.stmt) -> str:
        start, end = self.region(node)
        return self.text[start:end]

    def operand(self, node: ast.expr) -> str:
        """The text of an expression, in parentheses where an operator or a subscript beside it needs them."""
        text = self.of(node)
        return text if isinstance(node, _ATOMS) and not text.startswith("-") else f"({text})"

    def addend(self, node: ast.expr) -> str:
        """The text of an expression as the left operand of `+`."""
        text = self.of(node)
        plain = isinstance(node, ast.BinOp) and not isinstance(
            node.op, ast.BitAnd | ast.BitOr | ast.BitXor | ast.LShift | ast.RShift
        )
        return text if plain and "\n" not in text else self.operand(node)

    def fitting(self, node: ast.expr, text: str) -> str:
        """A text with operators for the place of a node, in parentheses where another operator is next to it."""
        beside = ast.BinOp | ast.UnaryOp | ast.Compare | ast.Attribute | ast.Subscript
        return f"({text})" if isinstance(self.parent(node), beside) else text

    def outer(self, node: ast.expr) -> tuple[int, int]:
        """The region of an operand with the parentheses around it, which a call in its place does not need."""
        start, end = self.region(node)
        if isinstance(self.parent(node), ast.BinOp | ast.UnaryOp | ast.Compare):
            low, high = self.text[:start].rstrip(), self.text[end:].lstrip()
            if low.endswith("(") and high.startswith(")"):
                return len(low) - 1, len(self.text) - len(high) + 1
        return start, end

    def replace(self, node: ast.expr | ast.stmt, text: str) -> Change:
        return Change(*self.region(node), text)

    def parent(self, node: ast.AST) -> ast.AST | None:
        return self._parents.get(node)

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around a node, the nearest first."""
        current = self._parents.get(node)
        while current is not None:
            yield current
            current = self._parents.get(current)

    def statement(self, node: ast.AST) -> ast.stmt | None:
        """The innermost statement that holds a node."""
        return next((outer for outer in (node, *self.above(node)) if isinstance(outer, ast.stmt)), None)

    def scope(self, node: ast.AST) -> Scope | None:
        """The innermost function that holds a node."""
        return next((outer for outer in self.above(node) if isinstance(outer, _SCOPES)), None)

    def removed(self, statement: ast.stmt) -> Change | None:
        """The change that takes a statement out with its lines; None if it does not have them to itself, or if the
        block would be empty."""
        start, end = self.region(statement)
        first = self.text.rfind("\n", 0, start) + 1
        last = self.text.find("\n", end)
        last = len(self.text) if last < 0 else last + 1
        outer = self.parent(statement)
        alone = all(
            len(getattr(outer, name, ())) != 1 for name in ("body", "orelse") if statement in _block(outer, name)
        )
        if self.text[first:start].strip() or self.text[end:last].strip() or not alone:
            return None
        return Change(first, last, "")


def _block(outer: ast.AST | None, name: str) -> list[ast.stmt]:
    found = getattr(outer, name, None)
    return found if isinstance(found, list) else []
