"""What of a loss is to blame: the term, the line, and the smallest input and graph that still show the symptom."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from lossdoctor.engine.departures import differing, diverging, inexact
from lossdoctor.engine.examine import Job, Opened, examine, opened
from lossdoctor.engine.place import Places
from lossdoctor.engine.single import Given, heading, in_process, in_worker, traced
from lossdoctor.experiments.reading import Culprit, Isolation
from lossdoctor.experiments.symptoms import SYMPTOMS, Symptom
from lossdoctor.findings import ErrorItem, LossReport, UsageError
from lossdoctor.graph.ir import LossGraph
from lossdoctor.session import Pair, Session, Settings
from lossdoctor.spec import Spec

if TYPE_CHECKING:
    from typing import Unpack

_NOTHING: dict[Symptom | None, str] = {
    None: "no symptom showed; lossdoctor check examines more",
    "differs": "nothing differs at the inputs that were compared",
}


class Wanted(TypedDict, total=False):
    """What is looked for.

    Attributes:
        symptom: one of `SYMPTOMS`; the first that shows otherwise.
        formula, reference: what the loss should be, for "differs".
        run_dir: a directory in which an experiment kept its trainings, for "divergence".
    """

    symptom: Symptom | None
    formula: Any
    reference: Any
    run_dir: Path | None


def isolate(target: str, *, wanted: Wanted | None = None, **given: Unpack[Given]) -> Isolation | ErrorItem:
    """Isolate the fault of a loss in a worker process; `data` may be a capture.

    Raises:
        UsageError: unusable arguments.
    """
    return in_worker(target, partial(_isolated, wanted=_usable(wanted or {})), **given)


def isolate_object(
    loss: object, y_true: object, y_pred: object, *, settings: Settings, wanted: Wanted | None = None
) -> Isolation:
    """Isolate the fault of a live loss in this process; see `lossdoctor.isolate`.

    Raises:
        UsageError: it is no loss, or cannot be traced.
    """
    return in_process(loss, y_true, y_pred, settings, partial(_isolated, wanted=_usable(wanted or {})))


def _usable(wanted: Wanted) -> Wanted:
    """What is wanted, with the symptom that the other arguments ask for.

    Raises:
        UsageError: there is no such symptom, or the arguments do not go together.
    """
    symptom: Any = wanted.get("symptom")
    if symptom is not None and symptom not in SYMPTOMS:
        raise UsageError(f"Invalid value for `symptom`. Expected one of {', '.join(SYMPTOMS)}. Received: {symptom!r}")
    for name, own in (("formula", "differs"), ("reference", "differs"), ("run_dir", "divergence")):
        if wanted.get(name) is None:
            continue
        if symptom not in (None, own):
            raise UsageError(f"Invalid value for `{name}`. Expected it with the symptom {own}. Received: {symptom}")
        symptom = own
    return {**wanted, "symptom": symptom}


def _isolated(job: Job, session: Session, wanted: Wanted) -> Isolation:
    started = time.perf_counter()
    start, graph = traced(job, session)
    symptom = wanted.get("symptom")
    if symptom == "divergence":
        culprit, gaps = diverging(job, session, start, wanted.get("run_dir"))
    elif symptom == "differs":
        meant = {name: wanted.get(name) for name in ("formula", "reference")}
        culprit, gaps = differing(replace(job, **meant) if any(meant.values()) else job, session, start)
    elif symptom == "precision-loss":
        culprit, gaps = inexact(job, session, start, graph)
    else:
        culprit, gaps = _shown(job, session, start, graph, symptom)
    if culprit is None and not gaps:
        gaps.append(_NOTHING.get(symptom, f"no {symptom} showed"))
    places = Places(start.loaded, job.folder)
    culprit, shown = _replayed(job, session, culprit, gaps)
    location, _ = places.locate(culprit.calls if culprit is not None else ())
    return Isolation(
        **heading(job, start, places),
        culprit=culprit,
        where=location.path,
        at=location.line,
        shown=shown,
        gaps=tuple(gaps),
        seconds=time.perf_counter() - started,
    )


def _shown(
    job: Job, session: Session, start: Opened, graph: LossGraph, symptom: Symptom | None
) -> tuple[Culprit | None, list[str]]:
    """What one input shows: the given one, else drawn ones, else what an examination finds."""
    contract = start.contract
    job.progress(job.target, "looking for the term")

    def found_at(pair: Pair | None) -> Culprit | None:
        return session.probe("experiments.isolation", contract, pair=pair, symptom=symptom, seed=job.settings.seed)

    culprit = found_at(job.pair)
    if culprit is None and symptom is None:
        culprit, _ = inexact(job, session, start, graph)
    if culprit is None and job.pair is None:
        job.progress(job.target, "searching for an input")
        witness = _witness(job, session)
        session.trace(contract)  # the examination may have traced other things since
        culprit = found_at(witness) if witness is not None else None
    return culprit, []


def _replayed(
    job: Job, session: Session, culprit: Culprit | None, gaps: list[str]
) -> tuple[Culprit | None, bool | None]:
    """The culprit with its script, which was run, or without one; and whether the script shows the symptom."""
    if culprit is None:
        return None, None
    if not culprit.script:
        gaps.append("what is left cannot be written as a script of TensorFlow's operations")
        return culprit, None
    job.progress(job.target, "running what is left")
    shown = session.replay(culprit.script, limit=job.settings.time_limit).status == 1
    if not shown:
        gaps.append("the reduced script does not show it alone")
        culprit = replace(culprit, script="")
    return culprit, shown


def _witness(job: Job, session: Session) -> Pair | None:
    """The input of the first error that an examination finds."""
    report = examine(replace(job, settings=replace(job.settings, mends=False)), session)
    if not isinstance(report, LossReport):
        return None
    start = opened(job, session)
    if isinstance(start, ErrorItem):
        return None
    true, pred = start.contract.y_true, start.contract.y_pred
    if not isinstance(true, Spec) or not isinstance(pred, Spec):
        return None
    for finding in report.findings:
        witness = finding.witness
        if finding.severity == "error" and witness is not None:
            try:
                arrays = [
                    np.asarray(value, np.float64).astype(spec.dtype)
                    for value, spec in ((witness.y_true, true), (witness.y_pred, pred))
                ]
            except (TypeError, ValueError):
                continue  # a large one is an expression
            return Pair(*arrays)
    return None
