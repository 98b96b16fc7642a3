"""Order, consequences and verdict."""

from __future__ import annotations

from dataclasses import replace

from lossdoctor.engine.order import arrange, verdict
from lossdoctor.findings import Evidence, Family, Finding, Location, Severity


def made(
    rule: str, family: Family, severity: Severity = "error", line: int = 1, evidence: Evidence = "witnessed"
) -> Finding:
    return Finding(
        rule=rule,
        name=rule.lower(),
        family=family,
        severity=severity,
        evidence=evidence,
        when=(),
        message="",
        location=Location("losses.py", line, 1, line, 2),
    )


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.rule for finding in findings]


def test_errors_come_before_warnings_and_what_stops_training_before_what_spoils_it() -> None:
    found = arrange(
        [
            made("LD221", "reduction", "warning"),
            made("LD301", "nonfinite-value", line=9),
            made("LD501", "dtype", line=5),
            made("LD101", "no-gradient", line=7),
        ]
    )
    assert codes(found) == ["LD101", "LD501", "LD301", "LD221"]


def test_gradient_fault_on_the_line_of_a_value_fault_is_its_consequence() -> None:
    (cause,) = arrange([made("LD329", "nonfinite-gradient"), made("LD303", "nonfinite-value")])
    assert cause.rule == "LD303"
    assert codes(cause.consequences) == ["LD329"]


def test_gradient_fault_on_another_line_stands_alone() -> None:
    found = arrange([made("LD321", "nonfinite-gradient", line=4), made("LD303", "nonfinite-value", line=2)])
    assert codes(found) == ["LD303", "LD321"]
    assert not found[0].consequences


def test_broadcast_explains_shape_but_a_warning_explains_nothing() -> None:
    (cause,) = arrange([made("LD211", "shape", line=3), made("LD201", "broadcast", line=2)])
    assert codes(cause.consequences) == ["LD211"]
    found = arrange([made("LD211", "shape", line=3), made("LD201", "broadcast", "warning", line=2)])
    assert codes(found) == ["LD211", "LD201"]


def test_a_slip_that_turns_the_loss_round_is_no_consequence_of_that() -> None:
    slip = replace(made("LD615", "wrong-math", "warning", line=3), name="never-equal")
    found = arrange([slip, made("LD601", "wrong-direction", line=7)])
    assert codes(found) == ["LD601", "LD615"]
    (cause,) = arrange([made("LD611", "wrong-math", line=3), made("LD601", "wrong-direction", line=7)])
    assert codes(cause.consequences) == ["LD611"]


def test_verdict_is_healthy_only_after_a_complete_examination() -> None:
    error, warning, info = (made("LD1", "crash", severity) for severity in ("error", "warning", "info"))
    assert verdict([warning, error], complete=True) == "broken"
    assert verdict([warning, info], complete=False) == "suspect"
    assert verdict([info], complete=True) == "healthy"
    assert verdict([], complete=False) == "not-examined"
