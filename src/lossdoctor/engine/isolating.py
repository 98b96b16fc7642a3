"""What of a loss is to blame: the term, the line, and the smallest input and graph that still show the symptom."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lossdoctor.engine.examine import Job, examine, opened
from lossdoctor.engine.place import Places
from lossdoctor.engine.single import Given, heading, in_process, in_worker, traced
from lossdoctor.experiments.reading import Culprit, Isolation, Symptom
from lossdoctor.findings import ErrorItem, LossReport
from lossdoctor.session import Pair, Session, Settings
from lossdoctor.spec import Spec

if TYPE_CHECKING:
    from typing import Unpack

SYMPTOMS: tuple[Symptom, ...] = ("no-gradient", "dead-gradient", "nonfinite-value", "nonfinite-gradient", "wrong-sign")


def isolate(target: str, *, symptom: Symptom | None = None, **given: Unpack[Given]) -> Isolation | ErrorItem:
    """Isolate the fault of a loss in a worker process; `data` may be a capture.

    Args:
        symptom: what to look for; the first that shows otherwise.

    Raises:
        UsageError: unusable arguments.
    """
    return in_worker(target, partial(_isolated, symptom=symptom), **given)


def isolate_object(
    loss: object, y_true: object, y_pred: object, *, settings: Settings, symptom: Symptom | None = None
) -> Isolation:
    """Isolate the fault of a live loss in this process; see `lossdoctor.isolate`.

    Raises:
        UsageError: it is no loss, or cannot be traced.
    """
    return in_process(loss, y_true, y_pred, settings, partial(_isolated, symptom=symptom))


def _isolated(job: Job, session: Session, symptom: Symptom | None) -> Isolation:
    started = time.perf_counter()
    start, _ = traced(job, session)
    contract, gaps = start.contract, list[str]()
    job.progress(job.target, "looking for the term")

    def found_at(pair: Pair | None) -> Culprit | None:
        return session.probe("experiments.isolation", contract, pair=pair, symptom=symptom, seed=job.settings.seed)

    culprit = found_at(job.pair)
    if culprit is None and job.pair is None:
        job.progress(job.target, "searching for an input")
        witness = _witness(job, session)
        session.trace(contract)  # the examination may have traced other things since
        culprit = found_at(witness) if witness is not None else None
    if culprit is None:
        gaps.append("no symptom showed; lossdoctor check examines more" if symptom is None else f"no {symptom} showed")
    places = Places(start.loaded, job.folder)
    shown = None
    if culprit is not None and culprit.script:
        job.progress(job.target, "running what is left")
        replay = session.replay(culprit.script, limit=job.settings.time_limit)
        shown = replay.status == 1
        if not shown:
            gaps.append("the reduced script does not show it alone")
            culprit = replace(culprit, script="")
    elif culprit is not None and culprit.symptom != "wrong-sign":
        gaps.append("what is left cannot be written as a script of TensorFlow's operations")
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
