"""A comparison with standard losses: for a person, and as JSON."""

from __future__ import annotations

import math
from typing import Any

from rich.text import Text

from lossdoctor.report import View
from lossdoctor.report.json import opening
from lossdoctor.report.parts.heading import heading
from lossdoctor.report.parts.sheet import Sheet
from lossdoctor.standards.reading import Comparison, Row

SHOWN = 8  # standard losses, unless the view is verbose


def render(found: Comparison, view: View) -> str:
    """The conclusion, and a table of the standard losses, the closest first."""
    sheet = Sheet(view)
    heading(sheet, found)
    for number, sentence in enumerate(found.conclusion):
        sheet.add(*sheet.field("" if number else "found", sentence, style="bold"))
    rows = found.standards if view.verbose else found.standards[:SHOWN]
    if rows:
        sheet.gap()
        name = max(len(_shown(row)) for row in rows)
        sheet.add(Text(f"   {'standard loss':<{name}}  gradients  values  relation", "dim"))
        for row in rows:
            relation = row.relation
            line = f"   {_shown(row):<{name}}  {_number(relation.gradient_cosine):>9}  "
            line += f"{_number(relation.value_correlation):>6}  {_relation(row)}"
            sheet.add(Text(sheet.clip(line, sheet.width), "bold" if relation.kind == "same" else ""))
        if len(rows) < len(found.standards):
            sheet.add(Text(f"   and {len(found.standards) - len(rows)} more (--verbose lists them)", "dim"))
        sheet.add(Text("   gradients: mean cosine; values: rank correlation", "dim"))
    return sheet.text()


def document(found: Comparison, versions: dict[str, str]) -> dict[str, Any]:
    """The comparison as plain values; NaN is null, as there is no cosine or correlation then."""
    return {
        **opening(found, versions),
        "conclusion": list(found.conclusion),
        "other": None if found.other is None else _row(found.other),
        "standards": [_row(row) for row in found.standards],
        "seconds": found.seconds,
    }


def _row(row: Row) -> dict[str, Any]:
    relation = row.relation
    return {
        "name": row.name,
        "code": row.code,
        "relation": relation.kind,
        "scale": relation.scale if relation.kind in ("same", "scaled") else None,
        "offset": relation.offset if relation.kind in ("same", "scaled") else None,
        "reduction": relation.reduction or None,
        "approximate": relation.approximate,
        "gradients_agree": relation.gradients_agree if relation.kind in ("same", "scaled") else None,
        "gradient_cosine": _finite(relation.gradient_cosine),
        "value_correlation": _finite(relation.value_correlation),
        "inputs": relation.inputs,
    }


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _number(number: float) -> str:
    return f"{number:.4f}" if math.isfinite(number) else "-"


def _shown(row: Row) -> str:
    return row.code if len(row.code) <= 34 else row.code[:31] + "..."


def _relation(row: Row) -> str:
    relation = row.relation
    if relation.kind == "same":
        return "same" if relation.gradients_agree else "same value, other gradient"
    if relation.kind == "scaled":
        return relation.apart
    return "same direction" if relation.kind == "same-direction" else ""
