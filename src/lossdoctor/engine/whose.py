"""Whose fault it is: the finding that explains the others, with what the experiments say for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from lossdoctor.findings import Blame, Family, Finding, LossReport, Severity
from lossdoctor.readings.model import Curve, ModelRun, Swap
from lossdoctor.rules.registry import Accused

# What a loss's own examination has to say comes after what broke on this batch, and before what only might.
_AT_ONCE: frozenset[Family] = frozenset(
    {
        "crash", "graph-mode", "no-gradient", "dtype", "broadcast", "shape", "keras-contract", "wrong-direction",
        "wrong-gradient", "dead-gradient",
    }
)  # fmt: skip
_RANK_SUDDEN, _RANK_AT_ONCE, _RANK_LATER = 23, 24, 28
_GROWN = 10.0  # times the first loss; a step that overshoots grows further before it is lost
# Warnings about a loss that concern other callings than this one blame nobody.
_WARNED: frozenset[Family] = frozenset(
    {"no-gradient", "dead-gradient", "broadcast", "wrong-direction", "wrong-gradient"}
)
_SEVERITY: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}
_NUMERIC: frozenset[Family] = frozenset({"nonfinite-value", "nonfinite-gradient", "low-precision"})


@dataclass(frozen=True, slots=True)
class Told:
    """A finding with whom it accuses."""

    finding: Finding
    accused: Accused


def blame(told: Sequence[Told], losses: Sequence[LossReport], run: ModelRun | None) -> Blame:
    """The verdict: the worst finding whose cause comes first, of the program and of its losses."""
    candidates = [
        (_SEVERITY[one.finding.severity], one.accused.rank, _of(one, losses))
        for one in told
        if one.finding.severity != "info"
    ]
    candidates += list(_of_losses(losses, _RANK_SUDDEN if run is not None and _sudden(run) else _RANK_LATER))
    evidence = () if run is None else tuple(_evidence(run))
    if not candidates:
        if run is not None and not run.finite:
            return Blame("none", "loss or gradients of this batch are not finite, and why was not found", evidence)
        what = "loss, data, model and optimizer" if run is not None else "the step"
        return Blame("none", f"nothing is wrong with {what} on this batch", evidence)
    _, _, chosen = min(candidates, key=lambda item: item[:2])
    return replace(chosen, evidence=evidence)


def _of(one: Told, losses: Sequence[LossReport]) -> Blame:
    finding = one.finding
    path, line, rule, reason = finding.location.path, finding.location.line, finding.rule, finding.message
    if one.accused.party == "loss" and (one.accused.what or finding.name == "loss-raises"):
        own = next(iter(_explaining(finding, losses)), None)
        if own is not None:  # the loss's own examination knows the line
            path, line, rule = own.location.path, own.location.line, own.rule
            reason = f"{reason}; line {line}: {own.message}"
    return Blame(one.accused.party, reason, (), rule, path, line, one.accused.index)


def _explaining(finding: Finding, losses: Sequence[LossReport]) -> Iterator[Finding]:
    wanted = _NUMERIC if finding.name == "loss-not-finite" else _AT_ONCE
    for loss in losses:
        for found in loss.findings:
            if found.severity == "error" and (found.family in wanted or finding.name == "loss-raises"):
                yield found


def _sudden(run: ModelRun) -> bool:
    """Whether the steps met NaN while the loss was small: no rate is too high for that, a point of the loss is."""
    if run.curve is None or run.curve.finite:
        return False
    before = [abs(value) for value in run.curve.values if isfinite(value)]
    return bool(before) and max(before) <= _GROWN * max(before[0], 1.0)


def _of_losses(losses: Sequence[LossReport], later: int) -> Iterator[tuple[int, int, Blame]]:
    for loss in losses:
        for finding in loss.findings:
            if finding.severity != "error" and (finding.severity == "info" or finding.family not in _WARNED):
                continue
            rank = _RANK_AT_ONCE if finding.family in _AT_ONCE else later
            place = finding.location
            text = f"`{loss.target}`: {finding.message}"
            yield _SEVERITY[finding.severity], rank, Blame("loss", text, (), finding.rule, place.path, place.line)


def _evidence(run: ModelRun) -> Iterator[str]:
    """What was swapped, measured and tried, one sentence each."""
    yield from (_swapped(swap) for swap in run.swaps)
    for term in run.terms:
        if term.value is not None and term.constant is not None:
            where = f" of {term.name!r}" if term.name else ""
            best = f"{term.constant_what} for every sample gives {term.constant:.4g}"
            yield f"the loss{where} is {term.value:.4g}; {best}"
    curves: list[tuple[str, Curve | None]] = [
        ("", run.curve),
        ("at a lower rate: ", run.slower),
        ("at a higher rate: ", run.faster),
        (f"with {run.standard_name} as the loss: ", run.standard),
        ("with standardised x: ", run.scaled_inputs),
        ("with standardised y: ", run.scaled_targets),
    ]
    for what, curve in curves:
        if curve is not None:
            last = curve.values[-1] if not curve.finite else curve.end
            steps = f"{len(curve.values)} steps of {run.optimizer} at {curve.rate:.3g} on this batch"
            yield f"{what}{steps} take the loss from {curve.start:.4g} to {last:.4g}"


def _swapped(swap: Swap) -> str:
    what = f"with {swap.by}" + {"loss": " as the loss", "batch": " as the batch", "weights": ""}[swap.what]
    if swap.raised:
        return f"{what} it raises as well"
    if swap.value is None:
        return f"{what} it fails as well"
    if swap.finite:
        return f"{what} the loss is {swap.value:.4g}, and it and every gradient are finite"
    return f"{what} the loss is {swap.value:.4g}, and loss or gradients are not finite"
