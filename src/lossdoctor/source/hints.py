"""What reading a loss's code yields: reasons to believe in a kind, and facts on ranks and sizes."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

from lossdoctor.source.names import Argument


@dataclass(frozen=True, slots=True)
class Hint:
    """One reason to believe that an argument is of a kind. Among hints the strongest counts, then the first."""

    role: Argument
    kind: str  # a kind of a spec
    strength: int
    reason: str
    line: int
    classes: int | None = None


@dataclass(slots=True)
class Evidence:
    """Everything found. Axes are counted from 0; `last` is the exact size of the last axis, where the code fixes it.

    `width` is the number of columns of y_pred that y_true is set against (0: of one column without its axis).
    `sizes` are least sizes of axes (negative ones from the end), `total` the number of elements of one sample.
    `columns` are the places of an axis that are read one by one.
    """

    hints: list[Hint] = field(default_factory=list[Hint])
    rank: dict[Argument, int] = field(default_factory=dict[Argument, int])
    last: dict[Argument, int] = field(default_factory=dict[Argument, int])
    width: dict[Argument, int] = field(default_factory=dict[Argument, int])
    total: dict[Argument, int] = field(default_factory=dict[Argument, int])
    sizes: dict[tuple[Argument, int], int] = field(default_factory=dict[tuple[Argument, int], int])
    columns: dict[tuple[Argument, int], set[int]] = field(default_factory=dict[tuple[Argument, int], set[int]])
    events: dict[str, int] = field(default_factory=dict[str, int])  # name -> line of the first
    image: int | None = None  # line of an image operation
    options: Mapping[str, object] = field(default_factory=dict[str, object])  # what the loss was made with

    def hint(
        self, role: Argument, kind: str, strength: int, reason: str, node: ast.AST, classes: int | None = None
    ) -> None:
        self.hints.append(Hint(role, kind, strength, reason, getattr(node, "lineno", 0), classes))

    def event(self, name: str, node: ast.AST) -> None:
        self.events.setdefault(name, getattr(node, "lineno", 0))

    def at_least(self, role: Argument, rank: int) -> None:
        self.rank[role] = max(rank, self.rank.get(role, 1))

    def size(self, role: Argument, axis: int, least: int) -> None:
        self.sizes[role, axis] = max(least, self.sizes.get((role, axis), 1))

    def best(self, role: Argument) -> Hint | None:
        found = [hint for hint in self.hints if hint.role == role]
        return max(found, key=lambda hint: hint.strength, default=None)  # the first of the strongest
