"""The report as JUnit XML, which the test pages of continuous integration show: one test case a loss.

A broken loss is a failure, one that could not be examined an error; warnings and infos stand in the output of a case
that passes. The form is the one that Jenkins and GitLab read: https://github.com/testmoapp/junitxml.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from lossdoctor.findings import Finding, LossReport, Report
from lossdoctor.report import View

# What XML 1.0 cannot hold, not even escaped: https://www.w3.org/TR/xml/#charsets.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report, view: View) -> str:
    """The document with its declaration, indented by two."""
    cases = [_case(loss) for loss in report.losses]
    for item in report.errors:
        case = ElementTree.Element("testcase", classname="lossdoctor", name=_text(item.target), time="0.000")
        ElementTree.SubElement(case, "error", type="not-examined", message=_text(item.message))
        cases.append(case)
    counts = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": sum(case.find("error") is not None for case in cases),
    }
    seconds = sum(float(loss.seconds.get("total", 0.0)) for loss in report.losses)
    numbers = {**{name: str(count) for name, count in counts.items()}, "time": f"{seconds:.3f}"}
    root = ElementTree.Element("testsuites", numbers)
    suite = ElementTree.SubElement(root, "testsuite", {"name": "lossdoctor", **numbers})
    suite.extend(cases)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _case(loss: LossReport) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase",
        classname=_text(loss.path),
        name=_text(loss.target),
        file=_text(loss.path),
        line=str(loss.line),
        time=f"{float(loss.seconds.get('total', 0.0)):.3f}",
    )
    errors = [finding for finding in loss.findings if finding.severity == "error"]
    others = [finding for finding in loss.findings if finding.severity != "error"]
    if errors:
        failure = ElementTree.SubElement(case, "failure", type=errors[0].rule, message=_text(errors[0].message))
        failure.text = _text("\n\n".join(map(_described, errors)))
    elif loss.verdict == "not-examined":
        ElementTree.SubElement(case, "error", type="not-examined", message="it could not be examined")
    lines = [*map(_described, others), *(f"verified: {fact.statement}" for fact in loss.facts)]
    if lines:
        ElementTree.SubElement(case, "system-out").text = _text("\n".join(lines))
    return case


def _described(finding: Finding) -> str:
    place = f"{finding.location.path}:{finding.location.line}"
    lines = [f"{place}: {finding.severity} {finding.rule} {finding.name}: {finding.message} ({finding.evidence})"]
    if finding.witness is not None:
        shown = finding.witness
        gives = "" if shown.value is None else f" gives {shown.value}"
        lines.append(f"  shown by y_true={shown.y_true}, y_pred={shown.y_pred}{gives}")
    if finding.fix is not None:
        lines.append(f"  mend: {finding.fix.title}")
    return "\n".join(lines)


def _text(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
