"""A replayed capture: for a person, and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from lossdoctor.report import View
from lossdoctor.report.json import finding_document, plain
from lossdoctor.report.parts.finding import add_finding
from lossdoctor.report.parts.sheet import INDENT, LABEL, Sheet
from lossdoctor.runtime.replayed import Replayed

SCHEMA_VERSION = 1
_STYLES = {
    "stands": "bold red",
    "mended": "bold green",
    "finite": "bold green",
    "elsewhere": "yellow",
    "not-reproduced": "yellow",
}


def render(found: Replayed, view: View) -> str:
    """When and where it broke, what the loss does on that batch now, and a block for each cause."""
    sheet = Sheet(view)
    dash = sheet.rule
    name = sheet.clip(sheet.one_line(Path(found.file).name), sheet.width - 12)
    sheet.add(
        sheet.spread(Text.assemble((dash * 2 + " ", "dim"), (name, "bold"), " "), Text(dash * 2, "dim"), fill=dash)
    )
    about = found.about
    when = f"step {about.step}" + (f", epoch {about.epoch}" if about.epoch is not None else "")
    if about.replicas > 1:
        when += f", replica {about.replica} of {about.replicas}"
    elif about.replica:  # a worker knows of its own replicas only
        when += f", replica {about.replica} of the cluster"
    numbers = f"loss {about.loss:g}, gradient norm {about.gradient_norm:g}"
    sheet.add(*sheet.field("captured", f"{when}: {numbers} ({', '.join(about.executions)})"))
    sheet.add(*sheet.field("loss", _short(sheet, found.target)))
    status = found.status.replace("-", " ")
    sheet.add(*sheet.field("now", Text.assemble((status, _STYLES[found.status]), f": {found.statement}"), 4))
    for finding in found.findings:
        sheet.gap()
        add_finding(sheet, finding)
    return sheet.text()


def _short(sheet: Sheet, target: str) -> str:
    """The target on one line: a path below this folder without it, and of a long one its end."""
    name = sheet.one_line(target.removeprefix(f"{sheet.view.root.resolve()}/"))
    room = sheet.width - INDENT - LABEL
    if cell_len(name) <= room:
        return name
    path, colon, rest = name.rpartition(".py:")
    kept = room - cell_len(colon + rest) - len(sheet.ellipsis)
    return sheet.ellipsis + path[-kept:] + colon + rest if colon and kept > 0 else name


def document(found: Replayed) -> dict[str, Any]:
    """The result as plain values."""
    about = found.about
    return {
        "schema_version": SCHEMA_VERSION,
        "versions": dict(about.versions),
        "file": found.file,
        "target": found.target,
        "status": found.status,
        "statement": found.statement,
        "step": about.step,
        "epoch": about.epoch,
        "replica": about.replica,
        "loss": plain(about.loss),
        "gradient_norm": plain(about.gradient_norm),
        "samples": list(found.samples),
        "smallest": found.smallest,
        "executions": list(found.executions),
        "findings": [finding_document(finding) for finding in found.findings],
        "changed": list(found.changed),
        "seconds": found.seconds,
    }


def as_json(found: Replayed) -> str:
    """The document as text, with a line end."""
    return json.dumps(document(found), indent=2, ensure_ascii=True, allow_nan=False) + "\n"
