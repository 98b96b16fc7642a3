"""A traced loss as a page: the source with every tensor beneath its line. It loads nothing from elsewhere."""

from __future__ import annotations

from html import escape

from lossdoctor.readings.lines import Summary
from lossdoctor.readings.trace import Failure, Row, TraceResult, on_one_line
from lossdoctor.report import View
from lossdoctor.report.parts.heading import assumptions
from lossdoctor.report.parts.headings import Headings, Place
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
    typed,
)

_VALUES = 64  # numbers of a sample in one cell
_HEAD = ("tensor", "shape", "min", "mean", "max", "zeros", "|gradient|", "its min", "its max", "")
_GRADIENT = ("|gradient|", "its min", "its max")  # which a loss that raises has not
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ --text: #222; --dim: #666; --rule: #ccc; --band: #f3f3f0; --note: #7a5200; --bad: #b00020; --badband: #fdecea;
       --good: #2e7d32; --goodband: #f1f7f1; --page: #fff; color-scheme: light dark;
       font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem;
       color: var(--text); background: var(--page) }}
@media (prefers-color-scheme: dark) {{
  body {{ --text: #ddd; --dim: #999; --rule: #444; --band: #26282c; --note: #e0b050; --bad: #ff8a80; --badband: #3b2224;
         --good: #81c784; --goodband: #1f2b20; --page: #17181a }} }}
h1 {{ font-size: 1.6rem; overflow-wrap: anywhere }}
h2 {{ font-size: 1.2rem }}
code, td, .line {{ font: 13px/1.5 Menlo, Consolas, "DejaVu Sans Mono", monospace }}
.scroll {{ overflow-x: auto }}
table {{ border-collapse: collapse }}
th {{ text-align: right; font-weight: 600; color: var(--dim); font-size: 13px; padding: 2px 8px; white-space: nowrap;
     border-bottom: 1px solid var(--rule) }}
td {{ text-align: right; padding: 1px 8px; white-space: nowrap; vertical-align: top }}
.trace {{ width: 100% }}
.trace th:nth-child(-n+2), .trace td:nth-child(-n+2), .trace td:last-child {{ text-align: left }}
.trace td:first-child {{ padding-left: 2.5em; white-space: pre-wrap; min-width: 14em }}
.trace td:last-child {{ color: var(--note); white-space: normal; min-width: 14em }}
.trace .line td {{ background: var(--band); padding: 3px 8px; white-space: pre-wrap; font-weight: 600;
                  color: var(--text) }}
.line .number {{ color: var(--dim); font-weight: 400; display: inline-block; min-width: 3em; text-align: right }}
.line .from {{ color: var(--dim); font-weight: 400 }}
.values {{ display: block; color: var(--text) }}
.trace .bad td, .bad td {{ color: var(--bad) }}
.trace .blamed td {{ background: var(--badband); color: var(--bad) }}
.box {{ border-left: 4px solid var(--good); background: var(--goodband); padding: .4rem 1rem }}
.box.bad {{ border-color: var(--bad); background: var(--badband) }}
</style></head><body>
<h1>{title}</h1>
<p>{about}</p>
{verdict}
<div class="scroll"><table class="trace"><thead><tr>{head}</tr></thead><tbody>
{rows}
</tbody></table></div>
{worst}
</body></html>
"""


def as_html(found: TraceResult, view: View) -> str:
    """The page. Sources are read from the folder of the view."""
    samples = f"sample {found.sample} of {found.batch}" if found.sample is not None else f"{found.batch} samples"
    about = [
        f"y_true <code>{escape(found.y_true)}</code>, y_pred <code>{escape(found.y_pred)}</code>",
        f"{samples}, {escape(found.source)}",
    ]
    about += [f"assumed: {escape(one)}" for one in assumptions(found)]
    if found.calling != "raw":
        about.append("called as Keras does: y_true cast to the dtype of y_pred, and squeezed")
    return _PAGE.format(
        title=escape(found.target),
        about="<br>".join(about),
        verdict=_verdict(found),
        head="".join(f"<th>{label}</th>" for label in _HEAD if found.raised is None or label not in _GRADIENT),
        rows="\n".join(_rows(found, view)),
        worst=_worst(found),
    )


def _verdict(found: TraceResult) -> str:
    boxes: list[str] = []
    row = found.blamed
    if found.raised is not None:
        raised = found.raised
        said = (
            f"{escape(raised.path)}:{raised.line}: <code>{escape(on_one_line(raised.text))}</code> "
            if raised.line
            else ""
        )
        boxes.append(f'<p class="box bad">{said}{escape(raised_as(raised))}.<br>Shown is {UNTIL_THEN}.</p>')
    elif row is None:
        boxes.append('<p class="box">Every value and every gradient is finite.</p>')
    if row is not None:
        where = f"{row.path}:{row.line}" if row.line else "an input"
        what = "the first non-finite value" if not found.backward else "the first non-finite gradient, backwards"
        said = f"{escape(where)}: <code>{escape(on_one_line(row.tensor.text))}</code> makes {what}."
        links = list(dict.fromkeys(f"<code>{escape(one.shown)}</code>{of_line(one)}" for one in found.chain))
        if len(links) > 1:
            said += "<br>" + " → ".join(links)
        boxes.append(f'<p class="box bad">{said}</p>')
    if found.varies:
        told = VARIES[found.varies]
        boxes.append(f'<p class="box">{told[0].upper()}{told[1:]}.</p>')
    if not found.agrees:
        told = differs(found)
        boxes.append(f'<p class="box bad">{told[0].upper()}{told[1:]}.</p>')
    return "\n".join(boxes)


def _rows(found: TraceResult, view: View) -> list[str]:
    headings = Headings(found, view.root)
    parts: list[str] = []
    place: Place | None = None
    for row in found.rows:
        if row.line and headings.place(row) != place:
            place = headings.place(row)
            parts.append(_line(found, row, headings))
        parts.append(_tensor(found, row))
    if found.raised is not None:
        parts.append(_raised(found, found.raised, headings))
    return parts


def _raised(found: TraceResult, raised: Failure, headings: Headings) -> str:
    """The line that raises, behind those before it."""
    line, source = headings.raised_source(raised)
    beside = f' <span class="from">  {escape(raised.path)}</span>' if raised.path not in ("", found.path) else ""
    shown = raised.line and headings.raising() is None
    head = f'<span class="number">{line}</span>  {escape(source)}{beside}<br>' if shown else ""
    given = f"<br>given {escape(given_to(raised))}" if raised.given else ""
    cell = f"{head}{escape(raised_as(raised))}{given}"
    return f'<tr class="line blamed"><td colspan="{len(_HEAD)}">{cell}</td></tr>'


def _line(found: TraceResult, row: Row, headings: Headings) -> str:
    said = [*([row.path] if row.path != found.path else []), *headings.asides(row)]
    beside = f' <span class="from">  {escape(", ".join(said))}</span>' if said else ""
    cell = f'<span class="number">{headings.place(row)[1]}</span>  {escape(headings.source(row))}{beside}'
    return f'<tr class="line{" blamed" if headings.blamed(row) else ""}"><td colspan="{len(_HEAD)}">{cell}</td></tr>'


def _tensor(found: TraceResult, row: Row) -> str:
    tensor = row.tensor
    value, gradient = summaries(found, row)
    cells = [
        row.shown,
        typed(tensor.dtype, shape_of(found, row)),
        *of_finite(value.low, value.mean, value.high),
        share(value.zeros, value.size),
        *(() if found.raised is not None else _slopes(row, gradient)),
        "; ".join(marks_of(found, row, value, gradient, zeros=False)),
    ]
    bad = not value.finite or (gradient is not None and not gradient.finite)
    return _row(cells, bad=bad, more=_values(found, row))


def _slopes(row: Row, gradient: Summary | None) -> tuple[str, ...]:
    return slope(row, gradient), *(("", "") if gradient is None else of_finite(gradient.low, gradient.high))


def _row(cells: list[str], *, bad: bool, more: str = "") -> str:
    inner = "</td><td>".join(escape(cell) for cell in cells)
    start = '<tr class="bad">' if bad else "<tr>"
    return f"{start}<td>{inner}{more}</td></tr>"


def _values(found: TraceResult, row: Row) -> str:
    """The numbers of the chosen sample."""
    if found.sample is None or row.tensor.values is None:
        return ""
    part = part_of(found, row, row.tensor.values)
    shown = ", ".join(number(float(each)) for each in part.reshape(-1)[:_VALUES])
    more = ", …" if part.size > _VALUES else ""
    return f'<span class="values">= {shown}{more}</span>'


def _worst(found: TraceResult) -> str:
    if not found.worst:
        return ""
    cells = [
        (one.nonfinite, (one.index, number(one.loss), number(one.gradient), one.nonfinite or "")) for one in found.worst
    ]
    rows = "\n".join(_row([str(cell) for cell in row], bad=bool(bad)) for bad, row in cells)
    head = "".join(f"<th>{label}</th>" for label in ("sample", "loss", "|gradient|", "non-finite"))
    title = f"The worst {len(found.worst)} of {found.ranked} samples, each alone in its batch"
    return f"<h2>{title}</h2>\n<table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>"
