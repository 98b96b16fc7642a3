"""CSV logs, such as those of Keras's CSVLogger."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from lossdoctor.findings import UsageError
from lossdoctor.runtime.logs.names import is_epoch, is_step
from lossdoctor.runtime.logs.numbers import number, whole
from lossdoctor.runtime.logs.table import NO_LOSS, LogTable, Row, Unit, named, ordered

_DELIMITERS = (",", ";", "\t")
_DOWNLOADED = ["Wall time", "Step", "Value"]  # one scalar, as TensorBoard hands it out


def read(path: Path, given: Mapping[str, str]) -> LogTable:
    """The run that a CSV file holds; `given` names series by column.

    Raises `UsageError` for a file that is none, has no rows or no column `loss`.
    """
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    lines = text.splitlines()
    first = next((place for place, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
    if first is None:
        raise UsageError(
            f"Invalid value for `log`. Expected a CSV file with a line of names. Received: {path}, which is empty"
        )
    delimiter = max(_DELIMITERS, key=lines[first].count)
    table = list(csv.reader(lines[first:], delimiter=delimiter))
    header = [name.strip() for name in table[0]]
    if header == _DOWNLOADED and not given:
        given = {_DOWNLOADED[-1]: "loss"}
    names = _names(header, path, given)
    index = next((name for name in header if is_step(name)), None) or next((n for n in header if is_epoch(n)), None)
    notes: list[str] = []
    rows: list[tuple[int, Row]] = []
    bad: Counter[str] = Counter()
    fraction = index is not None and is_epoch(index) and _fractions(table[1:], header.index(index))
    for place, cells in enumerate(table[1:], start=first + 2):
        if not any(cell.strip() for cell in cells):
            continue
        where = f"line {place} of {path}"
        if len(cells) != len(header):
            if place == first + len(table) and len(cells) < len(header):
                notes.append("the last line is incomplete and was left out")
                break
            raise UsageError(
                f"Invalid value for `log`. Expected {len(header)} cells a line. Received: {len(cells)} in {where}"
            )
        step, row = len(rows), Row()
        for name, cell in zip(header, cells, strict=True):
            try:
                value = number(cell.replace(",", ".") if delimiter != "," else cell)
            except ValueError:
                if name == index or names.get(name) == "loss":
                    raise UsageError(
                        f"Invalid value for `log`. Expected numbers in the column {name}. Received: {cell.strip()!r} "
                        f"in {where}"
                    ) from None
                bad[name] += 1
                continue
            if name == index and not fraction:
                if value is None:
                    raise UsageError(
                        f"Invalid value for `log`. Expected a number in the column {name}. Received: nothing in {where}"
                    )
                step = whole(value, where, name)
            elif name in names and value is not None:
                row[names[name]] = value
        rows.append((step, row))
    for name, count in bad.items():
        notes.append(f"{count} cells of the column {name} hold no number and were left out")
    unit: Unit = "epoch" if index is not None and is_epoch(index) and not fraction else "step"
    if index is None:
        notes.append("there is no column step or epoch: rows are counted")
    elif fraction:
        notes.append(f"the column {index} has fractions: rows are counted")
    steps, merged, more = ordered(rows)
    if not any("loss" in row for row in merged):
        raise UsageError(
            f"Invalid value for `log`. Expected at least one row with a loss. Received: {path}, which has none"
        )
    return LogTable(str(path), unit, steps, merged, notes + more)


def _names(header: list[str], path: Path, given: Mapping[str, str]) -> dict[str, str]:
    """The series by column. Raises `UsageError` for a header without a loss."""
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise UsageError(
            f"Invalid value for `log`. Expected different names of columns. Received: {twice[0] or 'an empty one'} "
            f"twice in {path}"
        )
    names = named((name for name in header if not (is_step(name) or is_epoch(name))), given)
    if "loss" not in names.values():
        raise UsageError(
            f"Invalid value for `log`. Expected a first line with the names of the columns, `loss` among them, and "
            "`step` or `epoch`. "
            f"Received: {', '.join(header)[:80]} in {path}{NO_LOSS}"
        )
    return names


def _fractions(table: list[list[str]], place: int) -> bool:
    """Whether the epochs are fractions, as of rows within an epoch."""
    for cells in table:
        try:
            value = number(cells[place])
        except (ValueError, IndexError):
            continue
        if value is not None and math.isfinite(value) and value != int(value):
            return True
    return False
