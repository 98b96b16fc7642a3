"""A loss at one batch, line by line: for a person, and as JSON."""

from __future__ import annotations

import math
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from lossdoctor.readings.lines import Summary
from lossdoctor.readings.trace import Failure, Row, TraceResult, on_one_line
from lossdoctor.report import View
from lossdoctor.report.json import opening
from lossdoctor.report.parts.heading import title
from lossdoctor.report.parts.headings import Headings, Place
from lossdoctor.report.parts.sheet import INDENT, Sheet
from lossdoctor.report.parts.tensors import (
    UNTIL_THEN,
    VARIES,
    differs,
    given_to,
    marks_of,
    number,
    of_finite,
    of_line,
    part_of,
    raised_as,
    shape_of,
    share,
    slope,
    summaries,
    turn_of,
    typed,
)

_WIDE = 110  # columns from which on zeros and the range of the gradient have columns of their own
_SHAPE, _NAME = 11, 16  # columns for shapes and for names, at the least
_VALUES = 12  # numbers of a sample on one line


def render(found: TraceResult, view: View) -> str:
    """What each line of the source makes, with the first non-finite one marked and the chain from it."""
    sheet = Sheet(view)
    title(sheet, found)
    samples = f"{found.batch} sample{'s' if found.batch != 1 else ''}"
    sheet.add(*sheet.field("batch", f"{samples}, {found.source}"))
    if found.calling != "raw":
        sheet.add(*sheet.field("called", "as Keras does: y_true cast to the dtype of y_pred, and squeezed"))
    headings = Headings(found, view.root)
    _add_verdict(sheet, found, headings)
    sheet.gap()
    _add_head(sheet, found)
    _add_lines(sheet, found, headings)
    if found.raised is not None:
        _add_raised(sheet, found, found.raised, headings)
    if found.worst:
        sheet.gap()
        _add_worst(sheet, found)
    return sheet.text()


def _add_verdict(sheet: Sheet, found: TraceResult, headings: Headings) -> None:
    row = found.blamed
    if found.raised is not None:
        raised = found.raised
        at = f"{raised.path}:{raised.line}: `{sheet.clip(on_one_line(raised.text), 48)}` " if raised.line else ""
        which = "the gradient of which raises" if raised.backward else "raises"
        sheet.add(*sheet.field("raises", f"{at}{which} {raised.type}{turn_of(raised.iteration)}", style="bold red"))
        sheet.add(*sheet.field("shown", UNTIL_THEN))
    elif row is None:
        sheet.add(*sheet.field("finite", "every value and every gradient"))
    if row is not None:
        where = f"{row.path}:{row.line}" if row.line else "an input"
        what = "the first non-finite value" if not found.backward else "the first non-finite gradient, backwards"
        bad = row.tensor.value
        index = f", first at {list(bad.first_bad)}" if not found.backward and bad.first_bad is not None else ""
        sheet.add(
            *sheet.field(
                "blame",
                f"{where}: `{sheet.clip(headings.expression(row, 48), 48)}` makes {what}{index}",
                style="bold red",
            )
        )
        links = list(
            dict.fromkeys(f"{sheet.clip(headings.short(link, 30), 30)}{of_line(link)}" for link in found.chain)
        )
        if len(links) > 1:
            links = [*links[:5], sheet.ellipsis, links[-1]] if len(links) > 6 else links
            sheet.add(*sheet.field("chain", f" {sheet.arrow} ".join(links), limit=4))
    if found.varies:
        sheet.add(*sheet.field("random" if found.varies == "random" else "state", VARIES[found.varies], style="yellow"))
    if not found.agrees:
        sheet.add(
            *sheet.field(
                "differs",
                differs(found),
                style="yellow",
            )
        )


def _columns(sheet: Sheet, found: TraceResult) -> list[tuple[str, int]]:
    columns = [("min", 10), ("mean", 10), ("max", 10)]
    wide = sheet.width >= _WIDE
    if wide:
        columns.append(("zeros", 7))
    if found.raised is None:
        columns.append(("|gradient|", 11))
        columns += [("its min", 10), ("its max", 10)] if wide else []
    return columns


def _shape_width(sheet: Sheet, found: TraceResult) -> int:
    """As wide as the widest shape, as far as there is room: a cut shape says nothing."""
    widest = max((len(typed(row.tensor.dtype, row.tensor.shape)) for row in found.rows), default=0)
    room = sheet.width - INDENT - 1 - sum(width for _, width in _columns(sheet, found)) - _NAME
    return max(min(max(widest, _SHAPE), room), _SHAPE)


def _name_width(sheet: Sheet, found: TraceResult) -> int:
    numbers = sum(width for _, width in _columns(sheet, found))
    return sheet.width - INDENT - _shape_width(sheet, found) - 1 - numbers - 1


def _add_head(sheet: Sheet, found: TraceResult) -> None:
    name = "tensor" if found.sample is None else f"tensor (sample {found.sample})"
    head = " " * INDENT + f"{name:<{_name_width(sheet, found)}} {'shape':<{_shape_width(sheet, found)}}"
    sheet.add(Text(head + "".join(f"{label:>{width}}" for label, width in _columns(sheet, found)), "dim"))


def _add_lines(sheet: Sheet, found: TraceResult, headings: Headings) -> None:
    place: Place | None = None
    path = found.path
    for row in found.rows:
        if row.line and headings.place(row) != place:
            place = headings.place(row)
            if row.path != path:
                path = row.path
                sheet.add(Text(f"{'':>{INDENT}}{path}", "dim"))
            sign = ">" if headings.blamed(row) else " "
            beside = f"  ({', '.join(said)})" if (said := headings.asides(row)) else ""
            beside = sheet.clip(beside, sheet.width * 5 // 9)
            indent = "  " if row.tensor.inner else ""
            source = sheet.one_line(headings.source(row).strip())
            text = sheet.clip(indent + source, sheet.width - 9 - cell_len(beside))
            style = "bold red" if headings.blamed(row) else "bold"
            sheet.add(Text.assemble((f"{sign}{place[1]:>4} | {text}", style), (beside, "dim")))
        _add_row(sheet, found, row, headings)


def _add_raised(sheet: Sheet, found: TraceResult, raised: Failure, headings: Headings) -> None:
    """The line that raises, behind those before it."""
    if raised.line and headings.raising() is None:
        if raised.path != (found.rows[-1].path or found.path):
            sheet.add(Text(f"{'':>{INDENT}}{raised.path}", "dim"))
        line, source = headings.raised_source(raised)
        text = sheet.clip(sheet.one_line(source.strip()), sheet.width - 9)
        sheet.add(Text(f">{line:>4} | {text}", "bold red"))
    given = given_to(raised)
    for said in [raised_as(raised), *([f"given {given}"] if given else [])]:
        sheet.add(
            *(
                Text.assemble(" " * INDENT, (line.plain, "red"))
                for line in sheet.wrap(Text(sheet.clean(said)), sheet.width - INDENT - 1)
            )
        )


def _add_row(sheet: Sheet, found: TraceResult, row: Row, headings: Headings) -> None:
    tensor = row.tensor
    value, gradient = summaries(found, row)
    width, shaped = _name_width(sheet, found), _shape_width(sheet, found)
    name = sheet.clip(sheet.one_line(headings.short(row, width)), width)
    numbers = of_finite(value.low, value.mean, value.high)
    if sheet.width >= _WIDE:
        numbers.append(share(value.zeros, value.size))
    if found.raised is None:
        numbers.append(slope(row, gradient))
    if sheet.width >= _WIDE and found.raised is None:
        numbers += ["", ""] if gradient is None else of_finite(gradient.low, gradient.high)
    cells = "".join(f"{text:>{cells}}" for text, (_, cells) in zip(numbers, _columns(sheet, found), strict=True))
    bad = not value.finite or (gradient is not None and not gradient.finite)
    shape = sheet.clip(typed(tensor.dtype, shape_of(found, row)), shaped)
    sheet.add(Text(" " * INDENT + f"{name:<{width}} {shape:<{shaped}}" + cells, "red" if bad else ""))
    marks = marks_of(found, row, value, gradient, zeros=sheet.width < _WIDE)
    if marks:
        sheet.add(
            *(
                Text.assemble(" " * (INDENT + 2), (line.plain, "yellow"))
                for line in sheet.wrap(Text(sheet.clean("; ".join(marks))), sheet.width - INDENT - 3)
            )
        )
    if found.sample is not None and tensor.values is not None:
        part = part_of(found, row, tensor.values)
        shown = ", ".join(number(float(v)) for v in part.reshape(-1)[:_VALUES])
        more = f" {sheet.ellipsis}" if part.size > _VALUES else ""
        sheet.add(
            *(
                Text.assemble(" " * (INDENT + 2), (line.plain, "cyan"))
                for line in sheet.wrap(Text(f"= {shown}{more}"), sheet.width - INDENT - 3)
            )
        )


def _add_worst(sheet: Sheet, found: TraceResult) -> None:
    sheet.add(Text(f"   the worst {len(found.worst)} of {found.ranked} samples, each alone in its batch", "bold"))
    sheet.add(Text(f"   {'sample':>8}  {'loss':>12}  {'|gradient|':>12}  non-finite", "dim"))
    for one in found.worst:
        line = f"   {one.index:>8}  {number(one.loss):>12}  {number(one.gradient):>12}  {one.nonfinite or ''}"
        sheet.add(Text(line, "red" if one.nonfinite else ""))


def document(found: TraceResult, versions: dict[str, str]) -> dict[str, Any]:
    """The trace as plain values; NaN and infinities are the strings "nan", "inf", "-inf"."""
    return {
        **opening(found, versions),
        "batch": {"source": found.source, "samples": found.batch, "sample": found.sample},
        "calling": found.calling,
        "agrees_with_unfetched_run": None if found.varies else found.agrees,
        "varies": found.varies or None,
        "blame": None
        if found.blamed is None
        else {
            "path": found.blamed.path,
            "line": found.blamed.line,
            "tensor": found.blamed.shown,
            "backward": found.backward,
        },
        "raised": None if found.raised is None else _raised(found.raised),
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


def _raised(raised: Failure) -> dict[str, Any]:
    return {
        "type": raised.type,
        "message": raised.message,
        "path": raised.path or None,
        "line": raised.line or None,
        "text": raised.text or None,
        "iteration": list(raised.iteration) or None,
        "backward": raised.backward,
        "given": [
            {
                "text": one.text,
                "dtype": one.dtype,
                "shape": None if one.shape is None else list(one.shape),
                "values": None if one.values is None else one.values.tolist(),
            }
            for one in raised.given
        ],
    }


def _tensor(found: TraceResult, row: Row) -> dict[str, Any]:
    tensor = row.tensor
    value, gradient = summaries(found, row)
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
        "inner": tensor.inner,
        "iterations": [
            {
                "iteration": list(one.number),
                "value": _summary(one.value),
                "gradient": None if one.gradient is None else _summary(one.gradient),
            }
            for one in tensor.iterations
        ],
        "pass": tensor.turn[0],
        "passes": tensor.turn[1],
        "marks": list(tensor.marks),
        "values": _nested(part_of(found, row, tensor.values).tolist()) if shown and tensor.values is not None else None,
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
