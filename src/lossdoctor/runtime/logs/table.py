"""A log as a table: steps, and columns of numbers with gaps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from lossdoctor.findings import UsageError

NO_LOSS = ". Name one with --column loss=COLUMN"
Unit = Literal["step", "epoch"]
Row = dict[str, float]


@dataclass
class LogTable:
    """One run.

    `rows` are the numbers at each step, in rising order of steps; a series that a row lacks was not measured there.
    `notes` say what of the log was left out or read in a way that its author may not expect.
    """

    name: str
    unit: Unit
    steps: list[int]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)

    def series(self) -> tuple[str, ...]:
        """The names of all series, in the order of their first number."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row))

    def column(self, name: str) -> tuple[list[int], list[float]]:
        """Steps and values of a series where it was measured."""
        found = [(step, row[name]) for step, row in zip(self.steps, self.rows, strict=True) if name in row]
        return [step for step, _ in found], [value for _, value in found]


def ordered(rows: Iterable[tuple[int, Row]]) -> tuple[list[int], list[Row], list[str]]:
    """Rows in the order of their steps, and notes.

    Rows of one step that complement each other are one row (training and validation are often written apart). Where the
    steps go back the run was resumed: what comes later replaces what was logged from that step on, as in TensorBoard.
    """
    steps: list[int] = []
    merged: list[Row] = []
    notes: list[str] = []
    doubled = 0
    for step, row in rows:
        if steps and step < steps[-1]:
            notes.append(f"the steps go back from {steps[-1]} to {step}: the later rows replace the earlier ones")
            while steps and steps[-1] >= step:
                steps.pop()
                merged.pop()
        if steps and step == steps[-1]:
            doubled += any(name in merged[-1] and not _same(merged[-1][name], value) for name, value in row.items())
            merged[-1].update(row)
            continue
        steps.append(step)
        merged.append(dict(row))
    if doubled:
        notes.append(f"{doubled} rows repeat the step before with other numbers: the last row of a step counts")
    if len(notes) > 3:
        notes[2:] = [f"and {len(notes) - 2} more of that kind"]
    return steps, merged, notes


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def named(columns: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """The series that the columns of a log hold, by column: the one that was given for it, else our name where a column
    has a usual other one. Raises `UsageError` where a series was given for a column that there is not."""
    from lossdoctor.runtime.logs.names import canonical

    columns = tuple(columns)
    for column in given:
        if column not in columns:
            raise UsageError(
                f"Invalid value for `column`. Expected a column of the log: {', '.join(columns)[:200]}. "
                f"Received: {column}"
            )
    found = {column: given[column] for column in columns if column in given}
    taken = set(found.values())
    # An exact name goes before an alias of it.
    for column in sorted(set(columns) - set(found), key=lambda name: (canonical(name) != name, columns.index(name))):
        name = canonical(column)
        if name in taken:
            name = column if column not in taken else f"column/{column}"
        found[column] = name
        taken.add(found[column])
    return found
