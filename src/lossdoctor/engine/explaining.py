"""One loss explained: its formula, examples by hand, terms, properties and curves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from lossdoctor.domains.intervals import Ranges
from lossdoctor.domains.terms import Term, terms
from lossdoctor.engine.byhand import examples
from lossdoctor.engine.examine import Job
from lossdoctor.engine.measure import Measure
from lossdoctor.engine.place import Places
from lossdoctor.engine.properties import properties
from lossdoctor.engine.readings import Readings, sizes_of
from lossdoctor.engine.single import Given, heading, in_process, in_worker, readings_of, traced
from lossdoctor.engine.slices import curves, surface
from lossdoctor.findings import ErrorItem, UsageError
from lossdoctor.formula.compare import compare
from lossdoctor.formula.expression import Formula
from lossdoctor.formula.parse import parse_formula
from lossdoctor.formula.reading import ENOUGH, FormulaCheck
from lossdoctor.graph.ir import LossGraph
from lossdoctor.probes.batches import Batches
from lossdoctor.probes.callings import Callings
from lossdoctor.session import Session, Settings
from lossdoctor.spec import Contract, Spec
from lossdoctor.symbols.reading import Explanation, TermOf
from lossdoctor.symbols.statement import Symbolic

if TYPE_CHECKING:
    from typing import Unpack


def explain(target: str, **given: Unpack[Given]) -> Explanation | ErrorItem:
    """Explain a loss in a worker process.

    Raises:
        UsageError: unusable arguments.
    """
    return in_worker(target, _explained, **given)


def explain_object(loss: object, y_true: object, y_pred: object, *, settings: Settings) -> Explanation:
    """Explain a live loss in this process; see `lossdoctor.explain`.

    Raises:
        UsageError: it is no loss, or cannot be explained.
    """
    return in_process(loss, y_true, y_pred, settings, _explained)


def _explained(job: Job, session: Session) -> Explanation:
    started = time.perf_counter()
    start, graph = traced(job, session)
    loaded, contract = start.loaded, start.contract
    readings = readings_of(job, session, start)
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
        **heading(job, start, places),
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
