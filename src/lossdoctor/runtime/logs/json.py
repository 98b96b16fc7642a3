"""JSON logs: a Keras History, a trainer_state.json of transformers, a list of rows, JSON lines."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lossdoctor.findings import UsageError
from lossdoctor.runtime.logs.names import is_epoch, is_step
from lossdoctor.runtime.logs.numbers import number, whole
from lossdoctor.runtime.logs.table import NO_LOSS, LogTable, Row, Unit, named, ordered

_EXPECTED = (
    "Invalid value for `log`. Expected the history of Keras (a list of numbers for each name), a trainer_state.json "
    "with log_history, or a list of "
    "rows. Received: {path}, {reason}"
)


def read(path: Path, given: Mapping[str, str]) -> LogTable:
    """The run that a JSON file holds; `given` names series by column. Raises `UsageError` for one that holds none."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    if not text.strip():
        raise UsageError(_EXPECTED.format(path=path, reason="which is empty"))
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        content = _lines(text)
        if content is None:
            raise UsageError(_EXPECTED.format(path=path, reason=f"which is no JSON: {error}")) from None
    if isinstance(content, dict):
        if isinstance(content.get("log_history"), list):
            return _from_rows(content["log_history"], path, given)
        history = content.get("history", content)
        if isinstance(history, dict):
            return _from_history(history, content, path, given)
        content = history
    if isinstance(content, list) and all(isinstance(row, dict) for row in content):
        return _from_rows(content, path, given)
    raise UsageError(_EXPECTED.format(path=path, reason="which holds something else"))


def _lines(text: str) -> list[Any] | None:
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except json.JSONDecodeError:
        return None


def _from_history(history: dict[str, Any], around: dict[str, Any], path: Path, given: Mapping[str, str]) -> LogTable:
    columns = {name: values for name, values in history.items() if isinstance(values, list)}
    if not columns:
        raise UsageError(_EXPECTED.format(path=path, reason="which has no list of numbers"))
    index = next((name for name in columns if is_step(name)), None) or next((n for n in columns if is_epoch(n)), None)
    unit: Unit = "step" if index is not None and is_step(index) else "epoch"
    steps = columns.get(index) if index is not None else around.get("epoch")
    length = max(len(values) for values in columns.values())
    notes: list[str] = []
    if not isinstance(steps, list) or len(steps) != length:
        steps = list(range(length))
    names = named((name for name in columns if not (is_step(name) or is_epoch(name))), given)
    short = [name for name in names if len(columns[name]) != length]
    for name in short:
        notes.append(f"`{name}` has {len(columns[name])} numbers where others have {length}: its last ones are missing")
    rows: list[tuple[int, Row]] = []
    for place, step in enumerate(steps):
        row = Row()
        for column, name in names.items():
            if place < len(columns[column]):
                value = _number(columns[column][place], f"{column}[{place}] of {path}")
                if value is not None:
                    row[name] = value
        rows.append((whole(_number(step, str(path)) or 0.0, str(path), index or "epoch"), row))
    return _table(path, unit, rows, notes)


def _from_rows(content: list[Any], path: Path, given: Mapping[str, str]) -> LogTable:
    rows_given = [row for row in content if isinstance(row, dict)]
    columns = dict.fromkeys(str(name) for row in rows_given for name, value in row.items() if _numeric(value))
    index = next((name for name in columns if is_step(name)), None) or next((n for n in columns if is_epoch(n)), None)
    unit: Unit = "epoch" if index is not None and is_epoch(index) else "step"
    if unit == "epoch" and any(
        isinstance(row.get(index), float) and row[index] != int(row[index]) for row in rows_given
    ):
        index, unit = None, "step"
    names = named((name for name in columns if not (is_step(name) or is_epoch(name))), given)
    rows: list[tuple[int, Row]] = []
    for place, cells in enumerate(rows_given):
        row = Row()
        for column, name in names.items():
            value = _number(cells.get(column), f"row {place} of {path}") if _numeric(cells.get(column)) else None
            if value is not None:
                row[name] = value
        step = cells.get(index) if index is not None else place
        if step is None:
            continue
        rows.append((whole(_number(step, str(path)) or 0.0, f"row {place} of {path}", index or "row"), row))
    return _table(path, unit, rows, [] if index is not None else ["there is no step or epoch: rows are counted"])


def _table(path: Path, unit: Unit, rows: list[tuple[int, Row]], notes: list[str]) -> LogTable:
    steps, merged, more = ordered(rows)
    if not any("loss" in row for row in merged):
        known = ", ".join(dict.fromkeys(name for row in merged for name in row)) or "nothing"
        raise UsageError(_EXPECTED.format(path=path, reason=f"which has no loss, but {known[:80]}") + NO_LOSS)
    return LogTable(str(path), unit, steps, merged, notes + more)


def _numeric(value: object) -> bool:
    if isinstance(value, str):
        try:
            return number(value) is not None
        except ValueError:
            return False
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: object, where: str) -> float | None:
    if value is None:
        return None
    try:
        return number(value) if isinstance(value, str) else float(value)  # type: ignore[arg-type]  # TypeError is caught
    except (TypeError, ValueError, OverflowError):
        if isinstance(value, int):
            return math.inf
        raise UsageError(f"Invalid value for `log`. Expected numbers. Received: {value!r} in {where}") from None
