"""The report as one JSON document, as `schema.json` beside this file describes it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from lossdoctor.findings import Blame, Edit, Fact, Finding, Fix, LossReport, LossResult, Report, Sample, Witness
from lossdoctor.report import View

SCHEMA_VERSION = 1


def render(report: Report, view: View) -> str:
    """The document, indented by two, with a line end. `view` changes nothing."""
    return dumps(document(report))


def dumps(document: Mapping[str, Any]) -> str:
    """A document as text, indented by two, with a line end."""
    return json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def document(report: Report) -> dict[str, Any]:
    """The report as plain dictionaries, lists, strings, numbers, booleans and None."""
    return {
        **_opening(report.versions),
        "seed": report.seed,
        "losses": [loss_document(loss) for loss in report.losses],
        "errors": [{"target": item.target, "message": item.message} for item in report.errors],
        "skipped": [
            {"target": item.target, "path": item.path, "line": item.line, "reason": item.reason}
            for item in report.skipped
        ],
    }


def opening(found: LossResult, versions: Mapping[str, str]) -> dict[str, Any]:
    """What every document on one loss says first: versions, the loss, and what it was given."""
    return {**_opening(versions), **_given(found)}


def _opening(versions: Mapping[str, str]) -> dict[str, Any]:
    names = ("lossdoctor", "tensorflow", "keras")
    return {"schema_version": SCHEMA_VERSION, "versions": {name: versions.get(name) or None for name in names}}


def _given(found: LossResult | LossReport) -> dict[str, Any]:
    return {
        "target": found.target,
        "path": found.path,
        "line": found.line,
        "spec": {"y_true": found.y_true, "y_pred": found.y_pred, "origin": found.origin},
        "assumptions": list(found.assumptions),
    }


def fact_document(fact: Fact) -> dict[str, Any]:
    """One fact as plain values."""
    return {"name": fact.name, "statement": fact.statement, "evidence": fact.evidence, "when": list(fact.when)}


def loss_document(loss: LossReport) -> dict[str, Any]:
    """What is known of one loss, as plain values."""
    return {
        **_given(loss),
        "verdict": loss.verdict,
        "findings": [finding_document(finding) for finding in loss.findings],
        "facts": [fact_document(fact) for fact in loss.facts],
        "gaps": [{"op": gap.op, "path": gap.path, "line": gap.line, "limits": gap.limits} for gap in loss.gaps],
        "seconds": {stage: plain(seconds) for stage, seconds in loss.seconds.items()},
        **({} if loss.blame is None else {"blame": _blame(loss.blame)}),
        **({"worst": [_sample(sample) for sample in loss.worst]} if loss.worst else {}),
    }


def _sample(sample: Sample) -> dict[str, Any]:
    return {"sample": sample.index, "loss": plain(sample.loss), "gradient_norm": plain(sample.gradient)}


def _blame(blame: Blame) -> dict[str, Any]:
    return {
        "party": blame.party,
        "reason": blame.reason,
        "evidence": list(blame.evidence),
        "rule": blame.rule or None,
        "path": blame.path,
        "line": blame.line,
        "index": list(blame.index),
    }


def finding_document(finding: Finding) -> dict[str, Any]:
    """One finding as plain values."""
    location = finding.location
    return {
        "rule": finding.rule,
        "name": finding.name,
        "family": finding.family,
        "severity": finding.severity,
        "evidence": finding.evidence,
        "when": list(finding.when),
        "message": finding.message,
        "path": location.path,
        "line": location.line,
        "column": location.column,
        "end_line": location.end_line,
        "end_column": location.end_column,
        "witness": _witness(finding.witness),
        "reproduce": finding.reproduce,
        "chain": [{"path": link.path, "line": link.line, "text": link.text} for link in finding.chain],
        "consequences": [finding_document(consequence) for consequence in finding.consequences],
        "fix": _fix(finding.fix),
        "url": finding.url,
    }


def _witness(witness: Witness | None) -> dict[str, Any] | None:
    if witness is None:
        return None
    return {
        "y_true": plain(witness.y_true),
        "y_pred": plain(witness.y_pred),
        "value": plain(witness.value),
        "gradient": plain(witness.gradient),
    }


def _fix(fix: Fix | None) -> dict[str, Any] | None:
    if fix is None:
        return None
    return {
        "title": fix.title,
        "edits": [_edit(edit) for edit in fix.edits],
        "verified": fix.verified,
        "changes_values": fix.changes_values,
    }


def _edit(edit: Edit) -> dict[str, Any]:
    return {"path": edit.path, "start": list(edit.start), "end": list(edit.end), "text": edit.text}


def plain(value: object) -> Any:
    """A value that JSON has: tuples as lists, NaN and infinities as strings, arrays and scalars of NumPy as lists."""
    if isinstance(value, float):
        if math.isnan(value):
            return "nan"
        if math.isinf(value):
            return "inf" if value > 0 else "-inf"
        return float(value)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, Sequence):
        return [plain(item) for item in cast("Sequence[object]", value)]
    listed = getattr(value, "tolist", None)  # NumPy arrays and scalars, without importing NumPy
    if listed is None:
        raise TypeError(f"a {type(value).__name__} has no place in the JSON document")
    return plain(listed())
