"""A loss at one batch, line by line: for a person, and as JSON."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from rich.text import Text

from lossdoctor.readings.lines import Array, Summary
from lossdoctor.readings.trace import Row, TraceResult
from lossdoctor.report import View
from lossdoctor.report.json import opening
from lossdoctor.report.parts.excerpt import source_lines
from lossdoctor.report.parts.heading import title
from lossdoctor.report.parts.sheet import INDENT, Sheet

_WIDE = 110  # columns from which on zeros and the range of the gradient have columns of their own
_SHORT = {"float": "f", "int": "i", "uint": "u", "bfloat": "bf"}
_VALUES = 12  # numbers of a sample on one line


def render(found: TraceResult, view: View) -> str:
    """What each line of the source makes, with the first non-finite one marked and the chain from it."""
    sheet = Sheet(view)
    title(sheet, found)
    samples = f"{found.batch} sample{'s' if found.batch != 1 else ''}"
    sheet.add(*sheet.field("batch", f"{samples}, {found.source}"))
    if found.calling != "raw":
        sheet.add(*sheet.field("called", "as Keras does: y_true cast to the dtype of y_pred, and squeezed"))
    _add_verdict(sheet, found)
    sheet.gap()
    _add_head(sheet, found)
    _add_lines(sheet, found)
    if found.worst:
        sheet.gap()
        _add_worst(sheet, found)
    return sheet.text()


def _add_verdict(sheet: Sheet, found: TraceResult) -> None:
    row = found.blamed
    if row is None:
        sheet.add(*sheet.field("finite", "every value and every gradient"))
    else:
        where = f"{row.path}:{row.line}" if row.line else "an input"
        what = "the first non-finite value" if not found.backward else "the first non-finite gradient, backwards"
        bad = row.tensor.value
        index = f", first at {list(bad.first_bad)}" if not found.backward and bad.first_bad is not None else ""
        sheet.add(
            *sheet.field("blame", f"{where}: `{sheet.clip(row.tensor.text, 40)}` makes {what}{index}", style="bold red")
        )
        links = list(dict.fromkeys(f"{sheet.clip(link.shown, 30)} (line {link.line})" for link in found.chain))
        if len(links) > 1:
            links = [*links[:5], links[-1]] if len(links) > 6 else links
            sheet.add(*sheet.field("chain", f" {sheet.arrow} ".join(links), limit=4))
    if not found.agrees:
        sheet.add(
            *sheet.field(
                "differs",
                "a run for value and gradient only, as training has it, gives other numbers: there the graph "
                "optimiser does more, "
                "and an intermediate that is not asked for may not be computed as it is written",
                style="yellow",
            )
        )


def _columns(sheet: Sheet) -> list[tuple[str, int]]:
    columns = [("min", 10), ("mean", 10), ("max", 10), ("|gradient|", 11)]
    if sheet.width >= _WIDE:
        columns = [
            ("min", 10),
            ("mean", 10),
            ("max", 10),
            ("zeros", 7),
            ("|gradient|", 11),
            ("its min", 10),
            ("its max", 10),
        ]
    return columns


def _name_width(sheet: Sheet) -> int:
    return sheet.width - INDENT - 12 - sum(width for _, width in _columns(sheet)) - 1


def _add_head(sheet: Sheet, found: TraceResult) -> None:
    name = "tensor" if found.sample is None else f"tensor (sample {found.sample})"
    head = " " * INDENT + f"{name:<{_name_width(sheet)}} {'shape':<11}"
    sheet.add(Text(head + "".join(f"{label:>{width}}" for label, width in _columns(sheet)), "dim"))


def _add_lines(sheet: Sheet, found: TraceResult) -> None:
    place: tuple[str, int] | None = None
    path = found.path
    for row in _in_order(found.rows):
        if row.line and (row.path, row.line) != place:
            place = row.path, row.line
            if row.path != path:
                path = row.path
                sheet.add(Text(f"{'':>{INDENT}}{path}", "dim"))
            lines = source_lines(sheet.view.root / found.files.get(row.path, row.path))
            source = lines[row.line - 1].strip() if 0 < row.line <= len(lines) else row.tensor.text
            blamed = found.blamed is not None and (found.blamed.path, found.blamed.line) == place
            sign = ">" if blamed else " "
            text = sheet.clip(sheet.one_line(source), sheet.width - 9)
            sheet.add(Text(f"{sign}{row.line:>4} | {text}", "bold red" if blamed else "bold"))
        _add_row(sheet, found, row)


def _in_order(rows: tuple[Row, ...]) -> list[Row]:
    """Rows of one line together, where it is first reached; a line that runs again later is shown again."""
    ordered: list[Row] = []
    held: list[Row] = []
    for row in rows:
        if held and (row.path, row.line) != (held[-1].path, held[-1].line):
            ordered += held
            held = []
        held.append(row)
    return ordered + held


def _add_row(sheet: Sheet, found: TraceResult, row: Row) -> None:
    tensor = row.tensor
    value, gradient = _of_sample(found, row)
    width = _name_width(sheet)
    name = sheet.clip(sheet.one_line(row.shown), width)
    numbers = [_number(value.low), _number(value.mean), _number(value.high)]
    if sheet.width >= _WIDE:
        numbers.append(_share(value.zeros, value.size))
    numbers.append("none" if gradient is None else _number(gradient.norm) if gradient.finite else "not finite")
    if sheet.width >= _WIDE:
        numbers += ["", ""] if gradient is None else [_number(gradient.low), _number(gradient.high)]
    cells = "".join(f"{text:>{cells}}" for text, (_, cells) in zip(numbers, _columns(sheet), strict=True))
    bad = not value.finite or (gradient is not None and not gradient.finite)
    shape = sheet.clip(_typed(tensor.dtype, tensor.shape), 11)
    sheet.add(Text(" " * INDENT + f"{name:<{width}} {shape:<11}" + cells, "red" if bad else ""))
    marks = _marks(sheet, found, row, value, gradient)
    if marks:
        sheet.add(
            *(
                Text.assemble(" " * (INDENT + 2), (line.plain, "yellow"))
                for line in sheet.wrap(Text(sheet.clean("; ".join(marks))), sheet.width - INDENT - 3)
            )
        )
    if found.sample is not None and tensor.values is not None:
        part = _part(found, row, tensor.values)
        shown = ", ".join(_number(float(v)) for v in part.reshape(-1)[:_VALUES])
        more = f" {sheet.ellipsis}" if part.size > _VALUES else ""
        sheet.add(
            *(
                Text.assemble(" " * (INDENT + 2), (line.plain, "cyan"))
                for line in sheet.wrap(Text(f"= {shown}{more}"), sheet.width - INDENT - 3)
            )
        )


def _marks(sheet: Sheet, found: TraceResult, row: Row, value: Summary, gradient: Summary | None) -> list[str]:
    marks = list(row.tensor.marks)
    if not value.finite:
        marks.append(_counted(value))
    if gradient is not None and not gradient.finite:
        marks.append(f"gradient: {_counted(gradient)}")
    elif gradient is not None and gradient.size and gradient.norm == 0.0 and row.tensor.node != found.result:
        marks.append("gradient exactly zero")
    if sheet.width < _WIDE and value.size > 1 and value.zeros and row.tensor.dtype != "bool":
        marks.append(f"{_share(value.zeros, value.size)} zeros")
    if row.tensor.saturated and row.tensor.saturated >= 0.005:
        marks.append(f"{row.tensor.saturated:.0%} at a bound of {row.tensor.op}")
    if found.blamed is row:
        marks.append(
            "first non-finite value" if not found.backward else "its backward pass makes the first non-finite gradient"
        )
    return marks


def _of_sample(found: TraceResult, row: Row) -> tuple[Summary, Summary | None]:
    """The summaries of the chosen sample; of the whole batch without one."""
    tensor = row.tensor
    if found.sample is None or tensor.values is None:
        return tensor.value, tensor.gradient
    gradient = tensor.gradient if tensor.slopes is None else Summary.of(_part(found, row, tensor.slopes))
    return Summary.of(_part(found, row, tensor.values)), gradient


def _part(found: TraceResult, row: Row, values: Array) -> Array:
    return np.asarray(values[found.sample]) if row.tensor.node in found.batched and values.ndim else values


def _counted(summary: Summary) -> str:
    parts = [f"{count} {name}" for count, name in ((summary.nan, "nan"), (summary.inf, "inf")) if count]
    return f"{' and '.join(parts)} of {summary.size}"


def _share(count: int, size: int) -> str:
    return "" if not count or not size else f"{count / size:.0%}" if count / size >= 0.01 else "<1%"


def _typed(dtype: str, shape: tuple[int, ...]) -> str:
    kind = dtype.rstrip("0123456789")
    return f"{_SHORT.get(kind, kind)}{dtype[len(kind) :]}[{','.join(map(str, shape))}]"


def _number(value: float) -> str:
    if math.isnan(value):
        return "nan"
    return f"{value:.4g}"


def _add_worst(sheet: Sheet, found: TraceResult) -> None:
    sheet.add(Text(f"   the worst {len(found.worst)} of {found.ranked} samples, each alone in its batch", "bold"))
    sheet.add(Text(f"   {'sample':>8}  {'loss':>12}  {'|gradient|':>12}  non-finite", "dim"))
    for one in found.worst:
        line = f"   {one.index:>8}  {_number(one.loss):>12}  {_number(one.gradient):>12}  {one.nonfinite or ''}"
        sheet.add(Text(line, "red" if one.nonfinite else ""))


def document(found: TraceResult, versions: dict[str, str]) -> dict[str, Any]:
    """The trace as plain values; NaN and infinities are the strings "nan", "inf", "-inf"."""
    return {
        **opening(found, versions),
        "batch": {"source": found.source, "samples": found.batch, "sample": found.sample},
        "calling": found.calling,
        "agrees_with_unfetched_run": found.agrees,
        "blame": None
        if found.blamed is None
        else {
            "path": found.blamed.path,
            "line": found.blamed.line,
            "tensor": found.blamed.shown,
            "backward": found.backward,
        },
        "chain": [{"path": row.path, "line": row.line, "text": row.shown} for row in found.chain],
        "tensors": [_tensor(found, row) for row in found.rows],
        "worst": [
            {
                "sample": one.index,
                "loss": _plain(one.loss),
                "gradient_norm": _plain(one.gradient),
                "nonfinite": one.nonfinite,
            }
            for one in found.worst
        ],
        "seconds": found.seconds,
    }


def _tensor(found: TraceResult, row: Row) -> dict[str, Any]:
    tensor = row.tensor
    value, gradient = _of_sample(found, row)
    shown = found.sample is not None and tensor.values is not None
    return {
        "name": row.name,
        "text": tensor.text,
        "path": row.path or None,
        "line": row.line or None,
        "op": tensor.op,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "value": _summary(value),
        "gradient": None if gradient is None else _summary(gradient),
        "saturated": tensor.saturated,
        "marks": list(tensor.marks),
        "values": _nested(_part(found, row, tensor.values).tolist()) if shown and tensor.values is not None else None,
    }


def _summary(summary: Summary) -> dict[str, Any]:
    numbers = {name: _plain(getattr(summary, name)) for name in ("low", "mean", "high", "norm")}
    bad = None if summary.first_bad is None else list(summary.first_bad)
    return {
        "size": summary.size,
        "min": numbers["low"],
        "mean": numbers["mean"],
        "max": numbers["high"],
        "norm": numbers["norm"],
        "zeros": summary.zeros,
        "nan": summary.nan,
        "inf": summary.inf,
        "first_nonfinite": bad,
    }


def _plain(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def _nested(value: Any) -> Any:
    if isinstance(value, list):
        return [_nested(item) for item in value]  # type: ignore[misc]  # the elements of a nested list are unknown
    return _plain(value) if isinstance(value, float) else value
