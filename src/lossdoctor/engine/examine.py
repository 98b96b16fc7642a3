"""One loss, from its target to its report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lossdoctor.engine.accepted import accepted, refusal
from lossdoctor.engine.ahead import begin_searched, begin_traced
from lossdoctor.engine.double import needless_double
from lossdoctor.engine.executions import executions
from lossdoctor.engine.facts import complete, facts, gaps
from lossdoctor.engine.half import half_rounding
from lossdoctor.engine.meanings import meant, offer
from lossdoctor.engine.mend import mended
from lossdoctor.engine.narrow import NUMERIC, Narrowed, narrowed
from lossdoctor.engine.order import arrange, verdict
from lossdoctor.engine.place import Places
from lossdoctor.engine.readings import Readings, Unavailable, needs, of_graph
from lossdoctor.engine.settle import Settler
from lossdoctor.engine.witnesses import search
from lossdoctor.findings import ErrorItem, Finding, Gap, LossReport
from lossdoctor.readings import Executions, HalfRounding, NeedlessDouble
from lossdoctor.rules.registry import Rule, Suspicion, all_rules
from lossdoctor.session import Loaded, Pair, Session, SessionError, Settings, Traced
from lossdoctor.spec import Contract, leaves
from lossdoctor.spec.ragged import lowered
from lossdoctor.subject.inference import infer

Progress = Callable[[str, str], None]
Purpose = Literal["check", "verify"]  # everything, or only whether the loss is what it is meant to be


@dataclass(frozen=True)
class Job:
    """One target and the contracts to try, in order; the first that the loss accepts is examined. Without any they
    are inferred from the code. A contract of the configuration yields to the decorator `@contract`."""

    target: str  # verbatim
    load: str  # the same, with an absolute path
    contracts: tuple[Contract, ...]
    settings: Settings
    folder: Path
    selected: Callable[[Rule, str], bool]  # rule, path of the finding
    progress: Progress = field(default=lambda target, stage: None)
    pair: Pair | None = None  # real data, tried before anything that is drawn
    loaded: Loaded | None = None  # of a live loss, which the session has already
    # What the loss is meant to compute; without any of the three the decorator `@contract` counts.
    formula: str | Any | None = None  # text, or an expression of SymPy
    reference: Any = None  # another implementation: a target, or a live object
    gradient: str | Any | None = None  # formula of its gradient
    purpose: Purpose = "check"


@np.errstate(all="ignore")  # inputs at which arithmetic overflows are what is looked at, and no news of its own
def examine(job: Job, session: Session) -> LossReport | ErrorItem:
    """Load, trace, read, run the rules, settle. Raises `SessionError` if the worker died or the target cannot be
    loaded."""
    started = time.perf_counter()
    start = opened(job, session)
    if isinstance(start, ErrorItem):
        return start
    loaded, contract, traced = start.loaded, start.contract, start.traced
    cast_to = _cast_to(loaded, contract)
    settings = replace(
        job.settings,
        magnitude=contract.magnitude,  # which data may widen
        dtype=job.settings.dtype or cast_to or None,
    )
    meaning = meant(job, loaded, contract)
    readings = Readings(session, loaded, contract, traced, settings, meaning.formula)
    offer(readings, meaning)
    readings.seconds["load"] = start.loading
    readings.seconds["trace"] = time.perf_counter() - started - start.loading
    notes: list[str] = []
    job.progress(job.target, "searching for inputs")
    begin_traced(readings, job.selected)
    witnesses = search(readings, job.pair)
    begin_searched(readings, witnesses, job.selected)
    readings.offered[Executions] = lambda: executions(session, contract, traced, witnesses)
    readings.offered[NeedlessDouble] = lambda: needless_double(session, contract, traced, witnesses)
    readings.offered[HalfRounding] = lambda: half_rounding(session, contract, traced, witnesses)
    suspicions = list(suspicions_of(readings, job, notes))
    places = Places(loaded, job.folder)
    job.progress(job.target, "replaying")
    settler = Settler(readings, witnesses, places, notes)
    findings = arrange([f for f in settler.settle(suspicions) if _kept(f, job)])
    found_facts = tuple(facts(readings, witnesses))
    ran = complete(readings, witnesses)
    limits = [*gaps(readings, witnesses, places, findings), *(_internal(note, loaded, places) for note in notes)]
    if traced.traced is None and traced.raised is not None and not findings:
        said = f"tracing it, which raised {traced.raised.type}: {traced.raised.message[:120]}"
        limits.append(Gap(said, places.path(loaded.path), loaded.line, "all that is read off the graph"))
    narrow = _narrow(job, readings, places, notes)
    if settings.mends:
        job.progress(job.target, "trying mends")
        before = time.perf_counter()
        found = mended(job, readings, witnesses, findings, examine, before - started)
        findings, limits = found.findings, [*limits, *found.gaps]
        readings.seconds["mend"] = time.perf_counter() - before
    findings = arrange([*findings, *narrow.findings])
    readings.seconds["total"] = time.perf_counter() - started
    return LossReport(
        target=job.target,
        path=places.path(loaded.path),
        line=loaded.line,
        y_true=contract.shown[0],
        y_pred=contract.shown[1],
        origin=contract.origin,
        assumptions=(*contract.assumptions, *(() if not cast_to else (_CAST.format(cast_to),))),
        verdict=verdict(findings, complete=ran and not notes),
        findings=findings,
        facts=(*(() if cast_to else found_facts), *narrow.facts),  # else of a dtype that never reaches it
        gaps=(*limits, *narrow.gaps),
        seconds=readings.seconds,
    )


@dataclass(frozen=True)
class Opened:
    """A loss, loaded, with the first of its contracts that it accepts and its trace under it."""

    loaded: Loaded
    contract: Contract
    traced: Traced
    loading: float  # seconds, in which the first loss waits for TensorFlow to be imported


def opened(job: Job, session: Session) -> Opened | ErrorItem:
    """Load and trace; an item that says why where the loss accepts nothing. Raises as `examine`."""
    job.progress(job.target, "loading")
    started = time.perf_counter()
    loaded = job.loaded or session.load(job.load)
    loading = time.perf_counter() - started
    job.progress(job.target, "tracing")
    contract, traced, refused = accepted(contracts_of(job, loaded), loaded, session)
    if traced is None or (refused and contract.origin == "inferred" and not loaded.lacking):
        return ErrorItem(job.target, refusal(loaded, refused))
    return Opened(loaded, contract, traced, loading)


def _narrow(job: Job, readings: Readings, places: Places, notes: list[str]) -> Narrowed:
    """The same in half precision, where it is asked for."""
    if readings.settings.dtype is None:
        return Narrowed()
    job.progress(job.target, f"examining it in {readings.settings.dtype}")

    def numeric(rule: Rule, path: str) -> bool:
        return rule.family in NUMERIC and job.selected(rule, path)

    limited = replace(job, selected=numeric)
    found = narrowed(readings, places, lambda half: suspicions_of(half, limited, notes), notes)
    return replace(found, findings=tuple(finding for finding in found.findings if _kept(finding, job)))


def contracts_of(job: Job, loaded: Loaded) -> tuple[Contract, ...]:
    """What the loss is given: what the caller or data say, else the decorator, else the configuration, else the code.

    Raises:
        UsageError: the decorator's spec is invalid.
    """
    if any(contract.origin != "config" for contract in job.contracts):
        return tuple(map(lowered, job.contracts))
    found = inferred(loaded, job.settings)
    return tuple(map(lowered, job.contracts if job.contracts and found[0].origin != "contract" else found))


def inferred(loaded: Loaded, settings: Settings) -> tuple[Contract, ...]:
    """The contracts that the code suggests, then the natural ones."""
    return tuple(replace(contract, magnitude=settings.magnitude) for contract in infer(loaded))


def suspicions_of(readings: Readings, job: Job, notes: list[str]) -> Iterator[Suspicion]:
    for rule in all_rules():
        if not job.selected(rule, ""):
            continue
        for check in rule.checks:
            wanted = needs(check)
            stages = readings.stages() if of_graph(check) else ("traced",)
            for stage in stages:
                try:
                    arguments = {name: readings.get(kind, stage) for name, kind in wanted.items()}
                except Unavailable:
                    continue
                try:
                    yield from list(check(**arguments))
                except SessionError:
                    raise
                except Exception as problem:  # a crash in one rule must not hide the others
                    notes.append(
                        f"rule {rule.code} failed ({type(problem).__name__}: {problem}); this is a bug in lossdoctor"
                    )


_CAST = "Keras casts y_true and y_pred to {}, which is the dtype of this loss"


def _cast_to(loaded: Loaded, contract: Contract) -> str:
    """The half precision in which the loss computes what is given in another; "" if it is given that, or computes in
    what it is given."""
    given = {spec.dtype for structure in (contract.y_true, contract.y_pred) for _, spec in leaves(structure)}
    return loaded.computes_in if given & {"float32", "float64"} else ""


def _kept(finding: Finding, job: Job) -> bool:
    rule = next(rule for rule in all_rules() if rule.code == finding.rule)
    return job.selected(rule, finding.location.path)


def _internal(note: str, loaded: Loaded, places: Places) -> Gap:
    return Gap(note, places.path(loaded.path), loaded.line, "internal")
