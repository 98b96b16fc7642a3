"""One loss against what it is meant to compute: fewer questions than `examine`, asked at more inputs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lossdoctor.engine.examine import opened, suspicions_of
from lossdoctor.engine.meanings import Meant, meant, offer
from lossdoctor.engine.order import arrange
from lossdoctor.engine.place import Places
from lossdoctor.engine.readings import Readings
from lossdoctor.engine.settle import Settler
from lossdoctor.engine.witnesses import Witnesses
from lossdoctor.findings import ErrorItem, Fact, Finding, Gap, LossReport, UsageError, Verdict
from lossdoctor.formula.expression import Formula
from lossdoctor.formula.parse import parse_formula
from lossdoctor.formula.reading import ENOUGH, FormulaCheck, ReferenceCheck, SlopeCheck
from lossdoctor.rules.registry import Rule
from lossdoctor.session import Session
from lossdoctor.spec import Spec
from lossdoctor.symbols.canonical import Canonical
from lossdoctor.symbols.rebuilt import rebuilt
from lossdoctor.symbols.statement import Symbolic

if TYPE_CHECKING:
    from lossdoctor.engine.examine import Job

MANY = 1600  # random inputs beside the usual ones: some thousand samples
_RULES = ("LD121", "LD122", "LD611", "LD613")


def verify(job: Job, session: Session) -> LossReport | ErrorItem:
    """Load, trace, compare value and gradient, settle. Raises as `examine`."""
    started = time.perf_counter()
    start = opened(job, session)
    if isinstance(start, ErrorItem):
        return start
    loaded, contract, traced = start.loaded, start.contract, start.traced
    meaning = meant(job, loaded, contract, documented=True)
    if meaning.nothing:
        raise UsageError(
            "Nothing to verify against: state --formula, --gradient or --reference, or `formula=` of "
            f'@lossdoctor.contract, or a section "Formula:" in the docstring of `{loaded.name}`'
        )
    if traced.traced is None:
        why = f": {traced.raised.type}: {traced.raised.message}" if traced.raised is not None else ""
        return ErrorItem(job.target, f"`{loaded.name}` cannot be traced{why}; lossdoctor check says more")
    if meaning.reference is not None:
        session.probe("reference", contract, target=meaning.reference)  # what is wrong with it is said at once
    settings = replace(job.settings, magnitude=contract.magnitude)
    readings = Readings(session, loaded, contract, traced, settings, meaning.formula)
    offer(readings, meaning, many=MANY, first=job.pair)
    job.progress(job.target, "comparing")
    notes: list[str] = []
    places = Places(loaded, job.folder)
    chosen = replace(job, selected=lambda rule, path: _asked(rule) and job.selected(rule, path))
    suspicions = list(suspicions_of(readings, chosen, notes))
    job.progress(job.target, "replaying")
    settled = Settler(readings, Witnesses(readings), places, notes).settle(suspicions)
    findings = arrange([finding for finding in settled if _asked_code(finding.rule)])
    facts = tuple(_facts(readings, meaning))
    home, line = places.path(loaded.path), loaded.line
    gaps = [Gap(what, home, line, "verify") for what in (*_missing(readings, meaning), *notes)]
    gaps += [Gap(f"{name}: {problem}", home, line, name) for name, problem in readings.failed.items()]
    readings.seconds["total"] = time.perf_counter() - started
    return LossReport(
        target=job.target,
        path=home,
        line=line,
        y_true=contract.shown[0],
        y_pred=contract.shown[1],
        origin=contract.origin,
        assumptions=contract.assumptions,
        verdict=_verdict(findings, facts, gaps),
        findings=findings,
        facts=facts,
        gaps=tuple(gaps),
        seconds=readings.seconds,
    )


def _asked(rule: Rule) -> bool:
    return _asked_code(rule.code)


def _asked_code(code: str) -> bool:
    return code in _RULES


def _verdict(findings: tuple[Finding, ...], facts: tuple[Fact, ...], gaps: list[Gap]) -> Verdict:
    severities = {finding.severity for finding in findings}
    if "error" in severities:
        return "broken"
    if "warning" in severities:
        return "suspect"
    return "healthy" if facts and not gaps else "not-examined"


def _facts(readings: Readings, meaning: Meant) -> Iterator[Fact]:
    """What was verified: at how many inputs, on which sides of which branches, with which gradient."""
    for found, name in _checks(readings, meaning):
        if found.difference is not None or found.compared < ENOUGH:
            continue
        statement = f"equals {name} at {found.compared} inputs ({found.samples} samples){_reduced(found)}"
        if found.stabilised:
            share = f" by {found.largest:.1g} of its size at most" if found.largest else ""
            statement += f", up to a small constant against singular points (it shows at {found.stabilised}{share})"
        yield Fact("value", statement, "witnessed", ("eager",))
        if meaning.formula is not None and found is readings.available(FormulaCheck) and _by_algebra(readings, meaning):
            yield Fact("algebra", "is that formula by algebra for all inputs: as a function of real numbers, wherever "
                       "both have a value, with its constants as written", "proved", ("eager", "graph"))  # fmt: skip
        if found.branches:
            seen = [branch.text for branch in found.branches if branch.both]
            if seen:
                yield Fact("branches", f"compared on both sides of {_listed(seen)}", "witnessed", ("eager",))
        if found.gradients and found.gradient is None:
            yield Fact("gradient", f"the gradient is that of {name}, in {found.gradients} comparisons", "witnessed",
                       ("eager",))  # fmt: skip
    slopes = readings.available(SlopeCheck)
    if slopes is not None and slopes.difference is None and slopes.compared >= ENOUGH:
        yield Fact("gradient", f"the gradient is the declared one at {slopes.compared} inputs", "witnessed", ("eager",))


def _by_algebra(readings: Readings, meaning: Meant) -> bool:
    """Whether the formula that the graph computes has the canonical form of the one that is meant."""
    contract, graph = readings.contract, readings.graph("traced")
    true, pred = contract.y_true, contract.y_pred
    together = isinstance(true, Spec) and isinstance(pred, Spec) and true.dims == pred.dims
    symbolic = Symbolic.read(graph, contract, readings.loaded.parameters)
    if meaning.formula is None or graph.value not in symbolic.nodes:
        return False
    computed = symbolic.of(graph.value).formula
    if computed is None:
        return False
    canonical = Canonical(len(pred.dims) if together and isinstance(pred, Spec) else None)
    code, declared = parse_formula(computed).root, meaning.formula.root
    if canonical.same(code, declared):
        return True
    simplified = rebuilt(declared, contract)
    return simplified is not None and canonical.same(code, simplified)


def _checks(readings: Readings, meaning: Meant) -> Iterator[tuple[FormulaCheck, str]]:
    if meaning.formula is not None:
        found: Any = readings.available(FormulaCheck)
        if found is not None:
            yield found, f"the formula {_shown(meaning.formula)}"
    if meaning.reference is not None:
        found = readings.available(ReferenceCheck)
        if found is not None:
            yield found.check, f"the reference {meaning.shown}"


def _missing(readings: Readings, meaning: Meant) -> Iterator[str]:
    """What was asked for and could not be told: it must not look like agreement."""
    for found, name in _checks(readings, meaning):
        if found.difference is None and found.compared < ENOUGH:
            yield f"{name}: both are finite at {found.compared} inputs only"
        elif found.difference is None and not found.gradients:
            yield f"the gradient against that of {name}: no input at which both have one"
        for branch in found.branches:
            if not branch.both:
                yield f"{branch.text}: inputs on one side only"
    slopes = readings.available(SlopeCheck)
    if slopes is not None and slopes.compared < ENOUGH:
        yield f"the declared gradient: both are finite at {slopes.compared} inputs only"


def _reduced(found: FormulaCheck) -> str:
    return f", {found.reduction}" if found.reduction else ""


def _shown(formula: Formula) -> str:
    text = str(formula)
    return text if len(text) <= 60 else text[:57] + "..."


def _listed(texts: list[str]) -> str:
    shown = list(dict.fromkeys(texts))
    return ", ".join(shown[:4]) + (f" and {len(shown) - 4} more" if len(shown) > 4 else "")
