"""What a formula is: a tree of operations over y_true and y_pred that means a real function."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

Role = str  # "y_true" or "y_pred"
# One entry of an index: NumPy's basic indexing, or the key of a structured input.
IndexPart = int | slice | str | None


@dataclass(frozen=True, slots=True)
class Number:
    """An exact number; a decimal means that very decimal, so 0.1 is one tenth. `name` is "pi" or "e" for those two."""

    value: Fraction
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """One operation.

    `op` is "number", "input", "index", an operator ("add", "subtract", "multiply", "divide", "power", "negative",
    "less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "both") or the name of a function.
    """

    op: str
    args: tuple[Expression, ...] = ()
    number: Number | None = None  # of "number"
    role: Role = ""  # of "input"
    index: tuple[IndexPart, ...] = ()  # of "index"; `...` is Ellipsis itself
    axis: tuple[int, ...] | None = None  # None: all axes (of the functions that fold or normalise axes)
    keepdims: bool = False
    size: int = 0  # of "one_hot"
    text: str = ""  # as written
    column: int = 1  # in the formula, 1-based

    def walk(self) -> Iterator[Expression]:
        """This expression and all its parts, arguments before what uses them."""
        for arg in self.args:
            yield from arg.walk()
        yield self

    def walk_once(self) -> Iterator[Expression]:
        """The same, each part once however often it occurs."""
        seen: set[Expression] = set()
        stack: list[tuple[Expression, bool]] = [(self, False)]
        while stack:
            part, done = stack.pop()
            if done:
                yield part
            elif part not in seen:
                seen.add(part)
                stack.append((part, True))
                stack.extend((arg, False) for arg in reversed(part.args))


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """A parsed formula. `str` gives it as written, on one line."""

    text: str
    root: Expression
    parts: tuple[Expression, ...] = field(default=(), repr=False)  # arguments before what uses them

    def __str__(self) -> str:
        return self.text

    @property
    def roles(self) -> frozenset[Role]:
        """Which inputs it uses."""
        return frozenset(part.role for part in self.parts if part.op == "input")
