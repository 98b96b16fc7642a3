"""One loss explained: its formula, examples by hand, terms, properties and curves."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from lossdoctor.config import Config, load_config
from lossdoctor.domains.intervals import Ranges
from lossdoctor.domains.terms import Term, terms
from lossdoctor.engine.byhand import examples
from lossdoctor.engine.examine import Job, Progress, opened
from lossdoctor.engine.measure import Measure
from lossdoctor.engine.place import Places
from lossdoctor.engine.properties import properties
from lossdoctor.engine.readings import Readings, sizes_of
from lossdoctor.engine.run import job_of, live_job
from lossdoctor.engine.slices import curves, surface
from lossdoctor.findings import ErrorItem, UsageError
from lossdoctor.formula.compare import compare
from lossdoctor.formula.expression import Formula
from lossdoctor.formula.parse import parse_formula
from lossdoctor.formula.reading import ENOUGH, FormulaCheck
from lossdoctor.graph.ir import LossGraph
from lossdoctor.probes.batches import Batches
from lossdoctor.probes.callings import Callings
from lossdoctor.session import Session, SessionError, Settings
from lossdoctor.spec import Contract, Spec, format_structure
from lossdoctor.symbols.reading import Explanation, TermOf
from lossdoctor.symbols.statement import Symbolic
from lossdoctor.worker.remote import WorkerPool


def explain(
    target: str,
    *,
    config: Config | None = None,
    y_true: str | None = None,
    y_pred: str | None = None,
    data: str | Path | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
    verbose: bool = False,
    pool: WorkerPool | None = None,
) -> Explanation | ErrorItem:
    """Explain a loss in a worker process; arguments as `engine.check`, for one loss.

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
        return _explained(job, session)


def explain_object(loss: object, y_true: object, y_pred: object, *, settings: Settings) -> Explanation:
    """Explain a live loss in this process; see `lossdoctor.explain`.

    Raises:
        UsageError: it is no loss, or cannot be explained.
    """
    from lossdoctor.worker.state import preserved

    with preserved(settings.seed):
        job, session = live_job(loss, y_true, y_pred, settings)
        try:
            found = _explained(job, session)
        finally:
            session.close()
    if isinstance(found, ErrorItem):
        raise UsageError(found.message)
    return found


def _explained(job: Job, session: Session) -> Explanation | ErrorItem:
    try:
        return _explain(job, session)
    except UsageError as problem:
        return ErrorItem(job.target, str(problem))
    except SessionError as problem:
        return ErrorItem(job.target, f"{problem}; lossdoctor check says more")


def _explain(job: Job, session: Session) -> Explanation | ErrorItem:
    started = time.perf_counter()
    start = opened(job, session)
    if isinstance(start, ErrorItem):
        return start
    loaded, contract, traced = start.loaded, start.contract, start.traced
    graph = traced.traced
    if graph is None:
        return ErrorItem(job.target, f"`{loaded.name}` cannot be traced; lossdoctor check says more")
    readings = Readings(session, loaded, contract, traced, replace(job.settings, magnitude=contract.magnitude))
    symbolic = Symbolic.read(graph, contract, loaded.parameters)
    statement = symbolic.of(graph.value)
    job.progress(job.target, "comparing")
    formula = None if statement.formula is None else parse_formula(statement.formula)
    sizes = sizes_of(readings.get(Callings, "traced").pair, contract)
    gaps = [f"{name} has no word in the grammar of formulas" for name in statement.outside]
    check = None if formula is None else _check(readings, formula, graph, sizes, gaps)
    agrees = None if check is None or check.compared < ENOUGH else check.difference is None
    names = loaded.parameters
    plain = isinstance(contract.y_true, Spec) and isinstance(contract.y_pred, Spec)
    measure = Measure(session, contract, sizes, readings.available(Batches))
    job.progress(job.target, "measuring")
    lines = curves(measure, names) if plain else ()
    if not lines:
        gaps.append("no natural slice for these specs, so no curves")
    shown = examples(measure, formula if agrees else None) if plain else ()
    held = properties(measure, graph, readings.available(Ranges), lines, job.settings.seed) if plain else ()
    gaps += [f"{name}: {problem}" for name, problem in readings.failed.items()]
    places = Places(loaded, job.folder)
    return Explanation(
        target=job.target,
        name=loaded.name,
        path=places.path(loaded.path),
        line=loaded.line,
        y_true=format_structure(contract.y_true),
        y_pred=format_structure(contract.y_pred),
        origin=contract.origin,
        assumptions=contract.assumptions,
        statement=statement,
        per_sample=_per_sample(measure),
        checked=0 if check is None else check.compared,
        agrees=agrees,
        terms=tuple(_terms(symbolic, graph)),
        examples=shown,
        properties=held,
        curves=lines,
        surface=surface(measure, lines, names),
        gaps=tuple(dict.fromkeys(gaps)),
        seconds=time.perf_counter() - started,
    )


def _per_sample(measure: Measure) -> bool | None:
    known = measure.batches
    return None if known is None or not known.applicable else measure.per_sample


def _check(
    readings: Readings, formula: Formula, graph: LossGraph, sizes: dict[str, int], gaps: list[str]
) -> FormulaCheck | None:
    """The formula against the code, value and gradient."""
    batches = readings.available(Batches)
    works = tuple(batches.works) if batches is not None else ()
    contract: Contract = readings.contract
    try:
        found = compare(
            readings.session,
            formula,
            contract,
            graph,
            readings.available(Ranges),
            readings.settings,
            sizes,
            works,
        )
    except UsageError as problem:
        gaps.append(f"the formula could not be evaluated: {problem}")
        return None
    if found.compared < ENOUGH:
        gaps.append(f"formula and code are both finite at {found.compared} inputs only")
    if found.difference is not None:
        gaps.append(f"the formula differs from the code at {found.differing} of {found.compared} inputs")
    elif found.gradient is not None:
        gaps.append("the gradient that training uses is not that of the formula: lossdoctor check says more")
    return found


def _terms(symbolic: Symbolic, graph: LossGraph) -> Iterator[TermOf]:
    """The terms in words; nothing for a loss of one term."""
    found = [term for term in terms(graph) if term.depends and term.node in symbolic.nodes]
    if len(found) < 2:
        return
    for term in found:
        yield _term(symbolic, graph, term)


def _term(symbolic: Symbolic, graph: LossGraph, term: Term) -> TermOf:
    node = graph[term.node]
    calls = graph.calls(node)
    weight = None if term.weight is None else float(np.float32(term.weight))
    rounded = None if weight is None else float(f"{weight:.7g}")
    line = calls[-1].line if calls else None
    return TermOf(symbolic.of(term.node), rounded, term.sign, line, term.connected, node.call)
