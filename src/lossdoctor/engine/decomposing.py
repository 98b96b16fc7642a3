"""One loss taken apart: its terms measured, what is wrong with them found, and each examined as a loss of its own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lossdoctor.config import Config, load_config
from lossdoctor.domains.dependence import cuts, dependence
from lossdoctor.engine.examine import Job, Opened, Progress, examine, opened
from lossdoctor.engine.place import Places
from lossdoctor.engine.run import job_of, live_job
from lossdoctor.experiments.additive import Part
from lossdoctor.experiments.reading import Decomposition, TermMeasure, TermReading, Terms
from lossdoctor.findings import ErrorItem, Fact, Finding, Location, LossReport, UsageError
from lossdoctor.graph.ir import LossGraph, Span
from lossdoctor.session import Session, SessionError, Settings
from lossdoctor.spec import format_structure
from lossdoctor.symbols.reading import Statement
from lossdoctor.symbols.statement import Symbolic
from lossdoctor.worker.remote import WorkerPool

DROWNED = 0.01  # share of the gradient below which a term changes nothing
# Rounding of float32 sums of some hundred numbers; a wrong split differs in the first digits.
ROUNDING = 1e-4
DRAWS = 1000


def decompose(
    target: str,
    *,
    config: Config | None = None,
    y_true: str | None = None,
    y_pred: str | None = None,
    data: str | Path | None = None,
    check: bool = False,
    settings: Settings | None = None,
    progress: Progress | None = None,
    verbose: bool = False,
    pool: WorkerPool | None = None,
) -> Decomposition | ErrorItem:
    """Take a loss apart in a worker process; arguments as `engine.check`, for one loss.

    Args:
        check: also run all rules on each term.

    Raises:
        UsageError: unusable arguments.
    """
    settings = settings or Settings()
    config = config or load_config(None, Path.cwd())
    job = job_of(target, config, y_true, y_pred, data, settings, progress)
    if isinstance(job, ErrorItem):
        return job
    workers = contextlib.nullcontext(pool) if pool is not None else WorkerPool(1, settings, verbose=verbose)
    with workers as lent, lent.session() as session:
        try:
            found = _decomposed(job, session)
            return found if isinstance(found, ErrorItem) or not check else _checked(found, job, session)
        except UsageError as problem:
            return ErrorItem(job.target, str(problem))
        except SessionError as problem:
            return ErrorItem(job.target, f"{problem}; lossdoctor check says more")


def decompose_object(
    loss: object, y_true: object, y_pred: object, *, settings: Settings
) -> tuple[Decomposition, dict[str, Any]]:
    """Take a live loss apart in this process; also its terms as losses, by name.

    Raises:
        UsageError: it is no loss, or cannot be taken apart.
    """
    from lossdoctor.experiments.term import Term
    from lossdoctor.subject import subject_of
    from lossdoctor.worker.state import preserved

    started = time.perf_counter()
    with preserved(settings.seed):
        job, session = live_job(loss, y_true, y_pred, settings)
        try:
            start = _start(job, session)
            terms = _terms(job, session, start)
            found = _told(job, start, terms, started)
        except SessionError as problem:
            raise UsageError(str(problem)) from None
        finally:
            session.close()
    subject = subject_of(loss)
    owner = getattr(subject.object, "call", subject.object)
    losses = {
        part.name: Term(subject.call, start.contract, terms.route, (number,), part.name, owner)
        for number, part in enumerate(terms.additive.parts)
    }
    return found, losses


def _start(job: Job, session: Session) -> Opened:
    start = opened(job, session)
    if isinstance(start, ErrorItem):
        raise UsageError(start.message)
    if start.traced.traced is None:
        raise UsageError(f"`{start.loaded.name}` cannot be traced; lossdoctor check says more")
    return start


def _terms(job: Job, session: Session, start: Opened) -> Terms:
    job.progress(job.target, "measuring the terms")
    return session.probe("experiments.terms", start.contract, pair=job.pair, seed=job.settings.seed, draws=DRAWS)


def _decomposed(job: Job, session: Session) -> Decomposition | ErrorItem:
    started = time.perf_counter()
    start = _start(job, session)
    return _told(job, start, _terms(job, session, start), started)


def _told(job: Job, start: Opened, terms: Terms, started: float) -> Decomposition:
    loaded, contract, graph = start.loaded, start.contract, start.traced.traced
    assert graph is not None
    places = Places(loaded, job.folder)
    symbolic = Symbolic.read(graph, contract, loaded.parameters)
    pairs = list(zip(terms.additive.parts, terms.measures.terms, strict=True))
    parts = tuple(_reading(part, measure, symbolic, places, loaded.span) for part, measure in pairs)
    gaps: list[str] = []
    if len(parts) == 1:
        gaps.append("it is no sum: there is one term, the loss itself")
    findings = tuple(_findings(graph, pairs, terms, places))
    return Decomposition(
        target=job.target,
        name=loaded.name,
        path=places.path(loaded.path),
        line=loaded.line,
        y_true=format_structure(contract.y_true),
        y_pred=format_structure(contract.y_pred),
        origin=contract.origin,
        assumptions=contract.assumptions,
        parts=parts,
        measures=terms.measures,
        findings=findings,
        facts=tuple(_facts(terms, gaps)),
        gaps=tuple(gaps),
        seconds=time.perf_counter() - started,
    )


def _reading(part: Part, measure: TermMeasure, symbolic: Symbolic, places: Places, whole: Span) -> TermReading:
    span = part.span or whole
    statement: Statement | None = symbolic.of(part.node) if part.node in symbolic.nodes else None
    text = " ".join(span.text.split())
    return TermReading(
        part.name, places.path(span.path), span.line, text, part.depends, measure, statement, part.inside
    )


def _facts(terms: Terms, gaps: list[str]) -> Iterator[Fact]:
    measures = terms.measures
    if measures.residual > ROUNDING:
        gaps.append(f"the terms do not add up to the loss: they differ by up to {measures.residual:.1e} of it")
        return
    yield Fact(
        "sum-of-terms",
        f"the sum of the {len(measures.terms)} terms equals the loss at {measures.draws:,} drawn inputs "
        f"(largest relative difference {measures.residual:.1e})",
        "witnessed",
        ("graph",),
    )


def _findings(
    graph: LossGraph, pairs: Sequence[tuple[Part, TermMeasure]], terms: Terms, places: Places
) -> Iterator[Finding]:
    if len(pairs) < 2:
        return
    values = dependence(graph)
    most = max(range(len(pairs)), key=lambda number: pairs[number][1].gradient_share)
    source = "the data" if terms.measures.source == "data" else "realistic draws"
    for part, measure in pairs:
        if not part.depends:
            continue
        calls = (part.span,) if part.span is not None else ()
        if measure.gradient == "none":
            before = graph.graph.ancestors(part.node)
            own = [cut for cut in cuts(graph, values) if cut.node in before]
            stopped = values[part.node].link == "stopped"
            place = graph[own[-1].node].calls if own else calls
            what = "is stopped on purpose" if stopped else "counts in the loss and trains nothing"
            at = f" (`{graph[own[-1].node].call}` has no derivative)" if own and not stopped else ""
            yield _finding(
                ("LD101", "non-differentiable", "no-gradient"),
                "info" if stopped else "error",
                "proved",
                f"the term `{part.name}` has no gradient with respect to y_pred{at}: it {what}",
                place or calls,
                places,
            )
        elif measure.gradient == "zero":
            dead = values[part.node].dead
            yield _finding(
                ("LD112", "dead-term", "dead-gradient"),
                "error" if dead else "warning",
                "proved" if dead else "witnessed",
                f"the gradient of the term `{part.name}` is zero {'everywhere' if dead else f'on {source}'}: it counts "
                "in the loss and trains nothing",
                calls,
                places,
            )
        elif measure.gradient == "non-finite":
            yield _finding(
                ("LD329", "nonfinite-gradient", "nonfinite-gradient"),
                "warning",
                "witnessed",
                f"value or gradient of the term `{part.name}` is not finite on {source}; lossdoctor isolate says where",
                calls,
                places,
            )
        elif measure.gradient_share < DROWNED:
            strong = pairs[most]
            yield _finding(
                ("LD711", "term-imbalance", "term-imbalance"),
                "warning",
                "witnessed",
                f"the term `{part.name}` gives {measure.gradient_share:.2%} of the gradient on {source}, "
                f"`{strong[0].name}` {strong[1].gradient_share:.0%}: it changes next to nothing with this weight",
                calls,
                places,
            )


def _finding(
    rule: tuple[str, str, Any], severity: Any, evidence: Any, message: str, calls: Sequence[Span], places: Places
) -> Finding:
    location, function = places.locate(calls)
    return Finding(
        rule=rule[0],
        name=rule[1],
        family=rule[2],
        severity=severity,
        evidence=evidence,
        when=("graph",),
        message=message,
        location=Location(location.path, location.line, location.column, location.end_line, location.end_column),
        function=function,
    )


def _checked(found: Decomposition, job: Job, session: Session) -> Decomposition:
    """The same with what all rules say of each term."""
    checks: dict[str, LossReport | ErrorItem] = {}
    for term in found.parts:
        if not term.depends_on_y_pred:
            continue
        start = _start(job, session)
        loaded = session.probe("experiments.take", start.contract, names=(term.name,))
        own = replace(
            job,
            target=f"{job.target} term {term.name}",
            contracts=(start.contract,),
            loaded=loaded,
            settings=replace(job.settings, mends=False),
            formula=None,
            reference=None,
            gradient=None,
        )
        try:
            checks[term.name] = examine(own, session)
        except SessionError as problem:
            checks[term.name] = ErrorItem(own.target, str(problem))
    return replace(found, checks=checks)
