"""The report as workflow commands of GitHub Actions, which show each finding at its line of a pull request.

The form of a command and its escapes: https://docs.github.com/actions/reference/workflow-commands-for-github-actions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lossdoctor.findings import Finding, Report, Severity
from lossdoctor.report import View

_COMMANDS: Mapping[Severity, str] = {"error": "error", "warning": "warning", "info": "notice"}


def render(report: Report, view: View) -> str:
    """One line a finding, then one for each target that could not be examined; nothing for healthy losses."""
    return "".join(f"{line}\n" for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    for loss in report.losses:
        for finding in loss.findings:
            yield _command(finding, loss.target)
        if loss.verdict == "not-examined":
            place = {"file": loss.path, "line": loss.line, "title": "not examined"}
            yield _written("error", place, f"{loss.target} could not be examined")
    for item in report.errors:
        yield _written("error", {"title": "not examined"}, f"{item.target}: {item.message}")


def _command(finding: Finding, target: str) -> str:
    location = finding.location
    place = {
        "file": location.path,
        "line": location.line,
        "endLine": location.end_line,
        # Columns are allowed where the region lies on one line only.
        **({"col": location.column, "endColumn": location.end_column} if location.end_line == location.line else {}),
        "title": f"{finding.rule} {finding.name}",
    }
    mend = f"\nmend: {finding.fix.title}" if finding.fix is not None else ""
    shown = finding.witness
    shown_by = "" if shown is None else f"\nshown by y_true={shown.y_true}, y_pred={shown.y_pred}"
    text = f"{finding.message} ({finding.evidence}, {target}){shown_by}{mend}"
    return _written(_COMMANDS[finding.severity], place, text)


def _written(command: str, place: Mapping[str, object], message: str) -> str:
    properties = ",".join(f"{name}={_property(str(value))}" for name, value in place.items())
    return f"::{command} {properties}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
