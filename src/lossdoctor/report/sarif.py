"""The report as SARIF 2.1.0, which code scanning and editors read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html. Columns are in Unicode code points, as ours are. A
fingerprint names the rule, the file, the function and the loss, not the line, so that a finding keeps its identity
when the lines above it change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from lossdoctor.findings import Finding, Fix, Location, LossReport, Report, Severity
from lossdoctor.report import View
from lossdoctor.report.json import plain

_LEVELS: Mapping[Severity, str] = {"error": "error", "warning": "warning", "info": "note"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_HOME = "https://lossdoctor.readthedocs.io"


def render(report: Report, view: View) -> str:
    """The document, indented by two. `view` changes nothing."""
    return json.dumps(document(report), indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def document(report: Report) -> dict[str, Any]:
    """One run of one tool, as plain values."""
    codes = sorted({finding.rule for finding in _all(report.findings)})
    seen: dict[str, int] = {}
    results = [
        _result(finding, loss, codes.index(finding.rule), seen) for loss in report.losses for finding in loss.findings
    ]
    problems = [f"{item.target}: {item.message}" for item in report.errors]
    problems += [f"{loss.target} could not be examined" for loss in report.losses if loss.verdict == "not-examined"]
    run = {
        "tool": {
            "driver": {
                "name": "lossdoctor",
                **({"version": version} if (version := report.versions.get("lossdoctor")) else {}),
                "informationUri": _HOME,
                "rules": [_rule(code, report) for code in codes],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not problems,
                "toolExecutionNotifications": [{"level": "error", "message": {"text": text}} for text in problems],
            }
        ],
        "results": results,
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _all(findings: tuple[Finding, ...]) -> list[Finding]:
    return [one for finding in findings for one in (finding, *_all(finding.consequences))]


def _rule(code: str, report: Report) -> dict[str, Any]:
    """A rule as the tool describes it; its page is the help."""
    from lossdoctor.rules.registry import all_rules

    finding = next(finding for finding in _all(report.findings) if finding.rule == code)
    described: dict[str, Any] = {
        "id": code,
        "name": "".join(word.capitalize() for word in finding.name.split("-")),
        "shortDescription": {"text": finding.name.replace("-", " ")},
        **({"helpUri": finding.url} if finding.url else {}),
        "properties": {"tags": [finding.family]},
    }
    rule = next((rule for rule in all_rules() if rule.code == code), None)
    if rule is not None:
        text = rule.page.read_text(encoding="utf-8")
        described["help"] = {"text": text, "markdown": text}
        described["defaultConfiguration"] = {"level": _LEVELS[rule.severity]}
    return described


def _result(finding: Finding, loss: LossReport, index: int, seen: dict[str, int]) -> dict[str, Any]:
    key = "|".join((finding.rule, finding.location.path, finding.function, loss.target.rpartition(":")[2]))
    seen[key] = seen.get(key, 0) + 1
    fingerprint = hashlib.sha256(f"{key}|{seen[key]}".encode()).hexdigest()[:32]
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.message},
        "locations": [_location(finding.location, finding.function)],
        "partialFingerprints": {"lossdoctor/v1": fingerprint},
        "properties": {
            "target": loss.target,
            "family": finding.family,
            "evidence": finding.evidence,
            "when": list(finding.when),
            **({"reproduce": finding.reproduce} if finding.reproduce else {}),
        },
    }
    if finding.witness is not None:
        shown = finding.witness
        result["properties"]["witness"] = {
            "y_true": plain(shown.y_true),
            "y_pred": plain(shown.y_pred),
            "value": plain(shown.value),
            "gradient": plain(shown.gradient),
        }
    if finding.chain:
        steps = [
            {
                "location": {
                    "physicalLocation": {"artifactLocation": _file(link.path), "region": {"startLine": link.line}},
                    "message": {"text": link.text},
                }
            }
            for link in finding.chain
        ]
        result["codeFlows"] = [{"threadFlows": [{"locations": steps}]}]
    if finding.consequences:
        result["relatedLocations"] = [
            {"id": number, **_location(one.location, one.function), "message": {"text": f"{one.rule}: {one.message}"}}
            for number, one in enumerate(finding.consequences)
        ]
    if finding.fix is not None and finding.fix.edits:
        result["fixes"] = [_fix(finding.fix)]
    return result


def _location(location: Location, function: str) -> dict[str, Any]:
    region = {
        "startLine": location.line,
        "startColumn": location.column,
        "endLine": location.end_line,
        "endColumn": location.end_column,
    }
    place: dict[str, Any] = {"physicalLocation": {"artifactLocation": _file(location.path), "region": region}}
    if function:
        place["logicalLocations"] = [{"name": function, "kind": "function"}]
    return place


def _fix(fix: Fix) -> dict[str, Any]:
    changes: dict[str, list[dict[str, Any]]] = {}
    for edit in fix.edits:
        region = {"startLine": edit.start[0], "startColumn": edit.start[1]}
        region |= {"endLine": edit.end[0], "endColumn": edit.end[1]}
        changes.setdefault(edit.path, []).append({"deletedRegion": region, "insertedContent": {"text": edit.text}})
    return {
        "description": {"text": fix.title},
        "artifactChanges": [
            {"artifactLocation": _file(path), "replacements": replacements} for path, replacements in changes.items()
        ],
    }


def _file(path: str) -> dict[str, Any]:
    """Relative paths are URIs relative to the root of the sources."""
    if Path(path).is_absolute():
        return {"uri": Path(path).as_uri()}
    return {"uri": quote(str(PurePosixPath(*Path(path).parts))), "uriBaseId": "%SRCROOT%"}
