"""Which finding comes first, which are consequences of another, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lossdoctor.findings import SEVERITIES, Family, Finding, Verdict

# The cause that matters most first: what keeps the loss from running, then from learning, then from lasting.
_RANK: tuple[Family, ...] = (
    "crash",
    "graph-mode",
    "no-gradient",
    "dtype",
    "broadcast",
    "shape",
    "keras-contract",
    "wrong-direction",
    "wrong-gradient",
    "low-precision",
    "nonfinite-value",
    "nonfinite-gradient",
    "wrong-math",
    "dead-gradient",
    "precision-loss",
    "reduction",
    "efficiency",
)
# What a cause explains: with the first present anywhere in the loss, the others are its consequences.
_EXPLAINS: dict[Family, frozenset[Family]] = {
    "no-gradient": frozenset({"dead-gradient", "wrong-gradient", "wrong-direction"}),
    "broadcast": frozenset({"shape", "efficiency", "wrong-direction", "wrong-math"}),
    "wrong-direction": frozenset({"wrong-math"}),
}
# Slips at one place, which may be why the loss has another direction, and never follow from it.
_SLIPS = frozenset({"same-operand", "never-equal"})
# Executions that give different numbers do so for a reason, and any other finding about numbers or tracing is one.
_REASONS: frozenset[Family] = frozenset(
    {
        "graph-mode",
        "nonfinite-value",
        "nonfinite-gradient",
        "low-precision",
        "precision-loss",
        "crash",
        "dtype",
        "shape",
    }
)
_NUMERIC: frozenset[Family] = frozenset({"nonfinite-value", "nonfinite-gradient", "low-precision"})


def arrange(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Findings ordered by what matters, with consequences under their cause."""
    ordered = sorted(findings, key=_key)
    causes: list[Finding] = []
    for finding in ordered:
        for index, cause in enumerate(causes):
            if _explains(cause, finding):
                causes[index] = replace(cause, consequences=(*cause.consequences, finding))
                break
        else:
            causes.append(finding)
    return tuple(causes)


def _key(finding: Finding) -> tuple[int, int, int, str]:
    rank = _RANK.index(finding.family) if finding.family in _RANK else len(_RANK)
    if finding.name == "executions-differ":
        rank = len(_RANK) + 1  # after its reason
    return (-SEVERITIES.index(finding.severity), rank, finding.location.line, finding.rule)


def _explains(cause: Finding, other: Finding) -> bool:
    if other.name == "executions-differ" and cause.evidence != "suspected":
        return cause.family in _REASONS and cause.severity != "info"
    if cause.evidence == "suspected" or cause.severity != "error":
        return False
    if other.family in _EXPLAINS.get(cause.family, frozenset()):
        return not (cause.family == "wrong-direction" and other.name in _SLIPS)
    if cause.name == "half-rounding" and other.family == "dead-gradient":  # what is rounded away has no gradient
        return True
    same_line = (cause.location.path, cause.location.line) == (other.location.path, other.location.line)
    return same_line and cause.family in _NUMERIC and other.family in (*_NUMERIC, "precision-loss")


def verdict(findings: Sequence[Finding], *, complete: bool) -> Verdict:
    """`complete`: the value, gradient, batch and graph checks all ran."""
    if any(finding.severity == "error" for finding in findings):
        return "broken"
    if any(finding.severity == "warning" for finding in findings):
        return "suspect"
    return "healthy" if complete else "not-examined"
