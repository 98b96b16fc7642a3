"""The formats that other programs read: SARIF, workflow commands of GitHub, JUnit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

from lossdoctor.findings import Finding, Report
from lossdoctor.report import View, formats, renderer
from lossdoctor.report.sarif import document

GITHUB = (
    "::error file=focal.py,line=9,endLine=9,col=31,endColumn=46,title=LD301 log-of-zero::"
    "`ops.log(y_pred)` receives [0, 1]; log(0) is -inf (witnessed, focal.py:focal_loss)"
    "%0Ashown by y_true=[[1.0]], y_pred=[[0.0]]%0Amend: keep the argument of the logarithm above zero\n"
    "::error title=not examined::nope.py: Invalid value for `target`. Expected a file. Received: nope.py\n"
)


def test_all_are_offered() -> None:
    assert {"sarif", "github", "junit"} <= set(formats())


def test_github(make_report: Callable[..., Report]) -> None:
    assert renderer("github")(make_report(), View()) == GITHUB


def test_github_escapes_what_would_end_a_command(make_report: Callable[..., Report], finding: Finding) -> None:
    odd = replace(finding, message="50 % lost\nhere", location=replace(finding.location, path="a,b:c.py"), fix=None)
    first, *_ = renderer("github")(make_report(odd), View()).splitlines()
    assert first.startswith("::error file=a%2Cb%3Ac.py,line=9,")
    assert "::50 %25 lost%0Ahere (witnessed" in first


def test_github_severities(make_report: Callable[..., Report], finding: Finding) -> None:
    text = renderer("github")(make_report(*(replace(finding, severity=s) for s in ("warning", "info"))), View())
    assert [line.split(" ")[0] for line in text.splitlines()] == ["::warning", "::notice", "::error"]


def test_junit(make_report: Callable[..., Report], finding: Finding) -> None:
    root = ElementTree.fromstring(renderer("junit")(make_report(replace(finding, message="a\x00b < c")), View()))
    assert root.tag == "testsuites"
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")
    broken, healthy, missing = root.findall("testsuite/testcase")
    assert broken.get("name") == "focal.py:focal_loss"
    failure = broken.find("failure")
    assert (failure.get("type"), failure.get("message")) == ("LD301", "a\N{REPLACEMENT CHARACTER}b < c")
    assert "focal.py:9: error LD301 log-of-zero" in broken.findtext("failure", "")
    assert healthy.find("failure") is None
    assert "verified: finite value" in healthy.findtext("system-out", "")
    assert missing.find("error").get("message").startswith("Invalid value for `target`")


def test_junit_of_warnings_passes(make_report: Callable[..., Report], finding: Finding) -> None:
    root = ElementTree.fromstring(renderer("junit")(make_report(replace(finding, severity="warning")), View()))
    assert root.get("failures") == "0"
    assert "warning LD301" in root.findtext("testsuite/testcase/system-out", "")


def test_sarif(make_report: Callable[..., Report]) -> None:
    text = renderer("sarif")(make_report(), View())
    assert text.isascii()
    whole = json.loads(text)
    assert whole["version"] == "2.1.0"
    [run] = whole["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "lossdoctor"
    [result] = run["results"]
    rule = driver["rules"][result["ruleIndex"]]
    assert rule["id"] == result["ruleId"] == "LD301"
    assert rule["help"]["markdown"].startswith("#")
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "focal.py", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 9, "startColumn": 31, "endLine": 9, "endColumn": 46}
    [flow] = result["codeFlows"]
    assert [step["location"]["message"]["text"] for step in flow["threadFlows"][0]["locations"]] == [
        "ops.log(y_pred)",
        "ops.mean(…)",
    ]
    [fix] = result["fixes"]
    [change] = fix["artifactChanges"]
    assert change["replacements"][0]["insertedContent"]["text"] == "ops.log(ops.clip(y_pred, 1e-7, 1.0))"
    assert result["relatedLocations"][0]["message"]["text"] == "LD311: the gradient is -inf"
    [invocation] = run["invocations"]
    assert not invocation["executionSuccessful"]
    assert "nope.py" in invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_a_fingerprint_stays_when_lines_move(make_report: Callable[..., Report], finding: Finding) -> None:
    def prints(*findings: Finding) -> list[str]:
        results = document(make_report(*findings))["runs"][0]["results"]
        return [result["partialFingerprints"]["lossdoctor/v1"] for result in results]

    lower = replace(finding, location=replace(finding.location, line=19, end_line=19))
    assert prints(finding) == prints(lower)
    twice = prints(finding, lower)
    assert twice[0] != twice[1]
    assert prints(replace(finding, rule="LD302")) != prints(finding)
