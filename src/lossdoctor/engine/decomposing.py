"""One loss taken apart: its terms measured, what is wrong with them found, and each examined as a loss of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lossdoctor.domains.dependence import cuts, dependence
from lossdoctor.engine.examine import Job, Opened, examine
from lossdoctor.engine.place import Places
from lossdoctor.engine.single import Given, heading, in_process, in_worker, traced
from lossdoctor.experiments.additive import Part
from lossdoctor.experiments.reading import Decomposition, TermMeasure, TermReading, Terms
from lossdoctor.findings import ErrorItem, Fact, Finding, Location, LossReport
from lossdoctor.graph.ir import LossGraph, Span
from lossdoctor.session import Session, SessionError, Settings
from lossdoctor.symbols.reading import Statement
from lossdoctor.symbols.statement import Symbolic

if TYPE_CHECKING:
    from typing import Unpack

DROWNED = 0.01  # share of the gradient below which a term changes nothing
# Rounding of float32 sums of some hundred numbers; a wrong split differs in the first digits.
ROUNDING = 1e-4
DRAWS = 1000


def decompose(target: str, *, check: bool = False, **given: Unpack[Given]) -> Decomposition | ErrorItem:
    """Take a loss apart in a worker process.

    Args:
        check: also run all rules on each term.

    Raises:
        UsageError: unusable arguments.
    """

    def work(job: Job, session: Session) -> Decomposition:
        _, _, found = _decomposed(job, session)
        return _checked(found, job, session) if check else found

    return in_worker(target, work, **given)


def decompose_object(
    loss: object, y_true: object, y_pred: object, *, settings: Settings
) -> tuple[Decomposition, dict[str, Any]]:
    """Take a live loss apart in this process; also its terms as losses, by name.

    Raises:
        UsageError: it is no loss, or cannot be taken apart.
    """
    from lossdoctor.experiments.term import Term
    from lossdoctor.subject import subject_of

    start, terms, found = in_process(loss, y_true, y_pred, settings, _decomposed)
    subject = subject_of(loss)
    owner = getattr(subject.object, "call", subject.object)
    losses = {
        part.name: Term(subject.call, start.contract, terms.route, (number,), part.name, owner)
        for number, part in enumerate(terms.additive.parts)
    }
    return found, losses


def _decomposed(job: Job, session: Session) -> tuple[Opened, Terms, Decomposition]:
    started = time.perf_counter()
    start, graph = traced(job, session)
    job.progress(job.target, "measuring the terms")
    terms: Terms = session.probe(
        "experiments.terms", start.contract, pair=job.pair, seed=job.settings.seed, draws=DRAWS
    )
    return start, terms, _told(job, start, graph, terms, started)


def _told(job: Job, start: Opened, graph: LossGraph, terms: Terms, started: float) -> Decomposition:
    loaded, contract = start.loaded, start.contract
    places = Places(loaded, job.folder)
    symbolic = Symbolic.read(graph, contract, loaded.parameters)
    pairs = list(zip(terms.additive.parts, terms.measures.terms, strict=True))
    parts = tuple(_reading(part, measure, symbolic, places, loaded.span) for part, measure in pairs)
    gaps: list[str] = []
    if len(parts) == 1:
        gaps.append("it is no sum: there is one term, the loss itself")
    findings = tuple(_findings(graph, pairs, terms, places))
    return Decomposition(
        **heading(job, start, places),
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
        start, _ = traced(job, session)
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
