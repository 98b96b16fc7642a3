"""An explanation: for a person, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from lossdoctor.report import View
from lossdoctor.report.json import opening, plain
from lossdoctor.report.parts.heading import heading
from lossdoctor.report.parts.sheet import Sheet
from lossdoctor.report.parts.sparkline import BLOCKS, sparkline
from lossdoctor.symbols.reading import Curve, Example, Explanation, Property, Statement, Surface, TermOf

_CURVE = 44  # cells of a curve
_ENTRIES = 6  # of an array


def render(found: Explanation, view: View) -> str:
    """The explanation within the view's width."""
    sheet = Sheet(view)
    heading(sheet, found)
    _formula(sheet, found)
    if found.terms:
        sheet.gap()
        for number, term in enumerate(found.terms):
            sheet.add(*sheet.field("" if number else "terms", _term(term)))
    if found.properties:
        sheet.gap()
        for number, one in enumerate(found.properties):
            sheet.add(*sheet.field("" if number else "holds", _property(one)))
    for example in found.examples:
        sheet.gap()
        _example(sheet, example, found)
    for curve in found.curves:
        sheet.gap()
        _curve(sheet, curve)
    if found.gaps:
        sheet.gap()
        for number, gap in enumerate(found.gaps):
            sheet.add(*sheet.field("" if number else "not said", gap))
    return sheet.text()


def _formula(sheet: Sheet, found: Explanation) -> None:
    statement = found.statement
    sheet.add(*sheet.field("computes", Text(sheet.clean(statement.text), "bold")))
    for number, one in enumerate(statement.definitions):
        sheet.add(*sheet.field("" if number else "where", Text(sheet.clean(f"{one.name} = {one.text}"))))
    latex = Text(sheet.clean(statement.latex))
    sheet.add(*sheet.field("LaTeX", latex))
    for one in statement.definitions if sheet.view.verbose else ():
        sheet.add(*sheet.field("", Text(sheet.clean(one.latex))))
    if statement.formula is not None and (sheet.view.verbose or len(statement.formula) <= 400):
        sheet.add(*sheet.field("formula", Text(sheet.clean(statement.formula))))
    if found.agrees:
        sheet.add(*sheet.field("evidence", f"evaluated exactly, the formula equals the code at {found.checked} inputs"))


def _term(term: TermOf) -> str:
    weight = "factor × " if term.weight is None else "" if term.weight == 1 else f"{term.weight:g} × "
    place = "" if term.line is None else f"   (line {term.line})"
    dead = "" if term.connected else ", no gradient flows to y_pred"
    names = "; ".join(f"{one.name} = {one.text}" for one in term.statement.definitions)
    return f"{weight}{term.statement.text}{place}{dead}{f'; where {names}' if names else ''}"


def _property(one: Property) -> Text:
    answer = {True: "yes", False: "no", None: "unknown"}[one.holds]
    evidence = f" ({one.evidence})" if one.evidence else ""
    return Text.assemble((f"{one.name}: {answer}", "bold"), f", {one.statement}{evidence}")


def _example(sheet: Sheet, example: Example, found: Explanation) -> None:
    sheet.add(*sheet.field("example", f"y_true {_array(example.y_true)}   y_pred {_array(example.y_pred)}"))
    value = f"value {_array(example.value)}"
    if example.expected_value is not None:
        value += f"   by the formula {_array(example.expected_value)}"
    sheet.add(*sheet.field("", value))
    gradient = "gradient none" if example.gradient is None else f"gradient {_array(example.gradient)}"
    if example.expected is not None:
        source = "by the formula" if example.source == "formula" else "by differences"
        gradient += f"   {source} {_array(example.expected)}"
    sheet.add(*sheet.field("", gradient))


def _curve(sheet: Sheet, curve: Curve) -> None:
    plain_text = sheet.clean(BLOCKS) != BLOCKS
    width = max(min(_CURVE, sheet.width - 42), 8)
    sheet.add(*sheet.field("curve", f"{curve.title}; {curve.label} from {curve.x[0]:g} to {curve.x[-1]:g}"))
    for name, values in (("value", curve.value), ("slope", curve.slope)):
        line = sparkline(values.tolist(), width, plain=plain_text)
        sheet.add(*sheet.field("", Text(sheet.clean(f"{name}  {line}  {_span(values)}"))))
    for name, runs in (("dead", curve.dead), ("not finite", curve.nonfinite)):
        if runs:
            places = ", ".join(f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}" for low, high in runs)
            sheet.add(*sheet.field("", f"{name}: {places}"))


def _span(values: NDArray[Any]) -> str:
    finite = values[np.isfinite(values)]
    return f"{_number(finite.min())} … {_number(finite.max())}" if finite.size else "nowhere finite"


def _array(value: Any) -> str:
    """An array on one line, a few entries of a long one."""
    array = np.asarray(value)
    if array.size > _ENTRIES * 2:
        flat = ", ".join(_number(item) for item in array.reshape(-1)[:_ENTRIES])
        return f"[{flat}, …] of shape {list(array.shape)}"

    def one(part: NDArray[Any]) -> str:
        if part.ndim == 0:
            return _number(part[()])
        return "[" + ", ".join(one(np.asarray(item)) for item in part) + "]"

    return one(array)


def _number(item: Any) -> str:
    if isinstance(item, str):
        return item
    number = float(item)
    if not math.isfinite(number):
        return str(number)
    if abs(number) < 1e-12:
        return "0"
    return f"{number:.4g}"


# ---- JSON ---------------------------------------------------------------------------------------------------------


def document(found: Explanation, versions: dict[str, str]) -> dict[str, Any]:
    """The explanation as plain values; NaN and infinities are the strings "nan", "inf" and "-inf"."""
    return {
        **opening(found, versions),
        "formula": _statement(found.statement),
        "per_sample": found.per_sample,
        "agrees": found.agrees,
        "checked": found.checked,
        "terms": [
            {
                "formula": _statement(term.statement),
                "weight": term.weight,
                "sign": term.sign,
                "line": term.line,
                "connected": term.connected,
                "code": term.written,
            }
            for term in found.terms
        ],
        "properties": [
            {"name": one.name, "holds": one.holds, "statement": one.statement, "evidence": one.evidence or None}
            for one in found.properties
        ],
        "examples": [
            {
                "y_true": plain(one.y_true),
                "y_pred": plain(one.y_pred),
                "value": plain(one.value),
                "expected_value": plain(one.expected_value),
                "gradient": plain(one.gradient),
                "expected_gradient": plain(one.expected),
                "expected_by": one.source or None,
            }
            for one in found.examples
        ],
        "curves": [_curve_document(one) for one in found.curves],
        "surface": None if found.surface is None else _surface(found.surface),
        "gaps": list(found.gaps),
        "seconds": found.seconds,
    }


def _statement(one: Statement) -> dict[str, Any]:
    return {
        "text": one.text,
        "latex": one.latex,
        "where": [{"name": item.name, "text": item.text, "latex": item.latex} for item in one.definitions],
        "grammar": one.formula,
        "outside": list(one.outside),
    }


def _curve_document(one: Curve) -> dict[str, Any]:
    return {
        "title": one.title,
        "label": one.label,
        "x": plain(one.x),
        "value": plain(one.value),
        "slope": plain(one.slope),
        "dead": _runs(one.dead),
        "nonfinite": _runs(one.nonfinite),
    }


def _runs(runs: Sequence[tuple[float, float]]) -> list[list[float]]:
    return [[low, high] for low, high in runs]


def _surface(one: Surface) -> dict[str, Any]:
    return {
        "title": one.title,
        "labels": list(one.labels),
        "x": plain(one.x),
        "y": plain(one.y),
        "value": plain(one.value),
    }
