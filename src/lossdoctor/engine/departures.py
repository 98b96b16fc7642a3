"""What of a loss is to blame for lost precision, for another value than meant, and for trainings that diverge.

The first two are read by the domains and comparisons of `check` and `verify`; the third by trainings as in
`experiment`. Each answer is a culprit, or None with what could not be told.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lossdoctor.engine.examine import Job, Opened
from lossdoctor.engine.experimenting import kept
from lossdoctor.engine.meanings import meant, offer
from lossdoctor.engine.precision import precision
from lossdoctor.engine.single import readings_of
from lossdoctor.experiments import plan
from lossdoctor.experiments.outcomes import Run
from lossdoctor.experiments.reading import Culprit
from lossdoctor.findings import UsageError
from lossdoctor.formula.reading import ENOUGH, FormulaCheck, ReferenceCheck
from lossdoctor.graph.ir import LossGraph
from lossdoctor.session import Session

Answer = tuple[Culprit | None, list[str]]
_MANY = 200  # random inputs beside the usual ones, of a comparison


def inexact(job: Job, session: Session, start: Opened, graph: LossGraph) -> Answer:
    """Where float32 loses the digits of value or gradient, by exact arithmetic."""
    job.progress(job.target, "comparing with exact arithmetic")
    with np.errstate(all="ignore"):
        found = precision(graph, start.contract, session, job.settings.seed, given=job.pair)
    serious = [one for one in found.inaccuracies if not one.minor]
    if not serious:
        gaps = [f"no precision is lost in {found.compared} inputs, as far as known: {found.limit} limits it"]
        return None, gaps if found.limit else []
    worst = serious[0]
    gradient = worst.index if worst.output == "gradient" else None
    session.trace(start.contract)
    culprit = session.probe("experiments.located", start.contract, place=worst.node, pair=worst.pair, gradient=gradient)
    return culprit, []


def differing(job: Job, session: Session, start: Opened) -> Answer:
    """Where the loss departs from its formula or reference.

    Raises:
        UsageError: neither is known.
    """
    meaning = meant(job, start.loaded, start.contract, documented=True)
    if meaning.formula is None and meaning.reference is None:
        raise UsageError(
            "Nothing to differ from: state --formula or --reference, or `formula=` of @lossdoctor.contract, or a "
            f'section "Formula:" in the docstring of `{start.loaded.name}`'
        )
    if meaning.reference is not None:
        session.probe("reference", start.contract, target=meaning.reference)  # what is wrong with it is said at once
    job.progress(job.target, "comparing")
    readings = readings_of(job, session, start)
    readings.formula = meaning.formula
    offer(readings, meaning, many=_MANY, first=job.pair)
    gaps: list[str] = []
    with np.errstate(all="ignore"):
        checks = [readings.available(FormulaCheck)] if meaning.formula is not None else []
        reference = readings.available(ReferenceCheck) if meaning.reference is not None else None
    for check in (*checks, reference.check if reference is not None else None):
        if check is None or (check.difference is None and check.compared < ENOUGH):
            gaps.append("the comparison could not be made; lossdoctor verify says why")
            continue
        if check.gradient is not None:
            gaps.append(f"the value is that of {check.name}, the gradient is not; lossdoctor verify says more")
        one = check.difference
        if one is None:
            continue
        if one.shapes_differ:
            gaps.append(f"the shapes differ: {one.value.shape} of the loss, {one.expected.shape} of {check.name}")
            continue
        session.trace(start.contract)
        return session.probe(
            "experiments.located", start.contract, place=check.node, pair=one.pair, expected=one.expected
        ), []
    return None, gaps


def diverging(job: Job, session: Session, start: Opened, folder: Path | None) -> Answer:
    """Which terms make small trainings diverge, and where.

    Args:
        folder: of an experiment, whose trainings that went wrong are repeated.

    Raises:
        UsageError: the folder has no such training.
    """
    seed = job.settings.seed
    tried = [plan.again(seed)[:2], [one for one in plan.quick(seed) if _plain(one)][:2]]
    if folder is not None:
        tried = [kept(folder, start, seed)]
    for runs in tried:
        job.progress(job.target, f"training with single terms, at a learning rate of {runs[0].rate:g}")
        culprit = session.probe("experiments.diverging", start.contract, runs=runs, seed=seed)
        if culprit is not None:
            return culprit, []
    return None, []


def _plain(run: Run) -> bool:
    return run.loss == "tested" and not run.one_batch
