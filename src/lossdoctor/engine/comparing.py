"""One loss against the standard losses and against another one."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from lossdoctor.config import Config, load_config
from lossdoctor.domains.intervals import Ranges
from lossdoctor.engine.examine import Job, Progress, opened
from lossdoctor.engine.meanings import reference_target
from lossdoctor.engine.measure import Measure
from lossdoctor.engine.panels import nearest, panels
from lossdoctor.engine.place import Places
from lossdoctor.engine.readings import Readings, sizes_of
from lossdoctor.engine.run import job_of, live_job
from lossdoctor.findings import ErrorItem, UsageError
from lossdoctor.formula.compare import compare as against
from lossdoctor.formula.meaning import Meaning
from lossdoctor.formula.reference import Reference
from lossdoctor.probes.batches import Batches
from lossdoctor.probes.callings import Callings
from lossdoctor.session import Session, SessionError, Settings
from lossdoctor.spec import Spec, format_structure
from lossdoctor.standards.reading import Comparison, Panel, Row
from lossdoctor.standards.recognise import Recogniser, recognised
from lossdoctor.worker.remote import WorkerPool


def compare(
    target: str,
    other: str | None = None,
    *,
    config: Config | None = None,
    y_true: str | None = None,
    y_pred: str | None = None,
    data: str | Path | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
    verbose: bool = False,
    pool: WorkerPool | None = None,
    curves: bool = False,
) -> Comparison | ErrorItem:
    """Compare a loss in a worker process; arguments as `engine.check`.

    Args:
        target: one loss.
        other: another one, or a loss of Keras.
        curves: follow both, and the nearest standard losses, along the natural slices (`Comparison.panels`).

    Raises:
        UsageError: unusable arguments.
    """
    settings = settings or Settings()
    config = config or load_config(None, Path.cwd())
    wanted = None if other is None else reference_target(other, Path.cwd())
    job = job_of(target, config, y_true, y_pred, data, settings, progress)
    if isinstance(job, ErrorItem):
        return job
    workers = contextlib.nullcontext(pool) if pool is not None else WorkerPool(1, settings, verbose=verbose)
    with workers as lent, lent.session() as session:
        return _compared(job, session, wanted, other, curves=curves)


def compare_object(loss: object, other: Any, y_true: object, y_pred: object, *, settings: Settings) -> Comparison:
    """Compare a live loss in this process; see `lossdoctor.compare`.

    Raises:
        UsageError: it is no loss, or cannot be compared.
    """
    from lossdoctor.worker.state import preserved

    wanted = reference_target(other, Path.cwd()) if isinstance(other, str) else other
    shown = other if isinstance(other, str) else getattr(other, "__name__", type(other).__name__)
    with preserved(settings.seed):
        job, session = live_job(loss, y_true, y_pred, settings)
        try:
            found = _compared(job, session, wanted, shown)
        finally:
            session.close()
    if isinstance(found, ErrorItem):
        raise UsageError(found.message)
    return found


def _compared(
    job: Job, session: Session, other: Any, shown: str | None, *, curves: bool = False
) -> Comparison | ErrorItem:
    try:
        return _compare(job, session, other, shown, curves=curves)
    except UsageError as problem:
        return ErrorItem(job.target, str(problem))
    except SessionError as problem:
        return ErrorItem(job.target, f"{problem}; lossdoctor check says more")


def _compare(job: Job, session: Session, other: Any, shown: str | None, *, curves: bool) -> Comparison | ErrorItem:
    started = time.perf_counter()
    start = opened(job, session)
    if isinstance(start, ErrorItem):
        return start
    loaded, contract, traced = start.loaded, start.contract, start.traced
    if traced.traced is None:
        return ErrorItem(job.target, f"`{loaded.name}` cannot be traced; lossdoctor check says more")
    readings = Readings(session, loaded, contract, traced, replace(job.settings, magnitude=contract.magnitude))
    batches = readings.available(Batches)
    works = tuple(batches.works) if batches is not None else ()
    sizes = sizes_of(readings.get(Callings, "traced").pair, contract)
    job.progress(job.target, "comparing")
    recogniser = Recogniser(session, contract, traced.traced, readings.settings, sizes, works)
    if not any(one.finite for one in recogniser.seen):
        return ErrorItem(job.target, f"`{loaded.name}` has no finite value to compare; lossdoctor check says more")
    row: Row | None = None
    drawn: list[tuple[str, Meaning]] = []
    if other is not None:
        reference = Reference(session, contract, other, shown or "")
        relation = recogniser.relation(reference)
        if relation.kind == "same":
            known = readings.available(Ranges)
            check = against(session, reference, contract, traced.traced, known, readings.settings, sizes, works)
            if check.difference is not None:
                relation = replace(relation, kind="different")
            elif check.gradient is not None:
                relation = replace(relation, gradients_agree=False)
        row = Row(shown or "", shown or "", relation)
        drawn.append((shown or "", reference))
    standards = recognised(recogniser, session.probe("keras_losses", contract))
    found: tuple[Panel, ...] = ()
    if curves and isinstance(contract.y_true, Spec) and isinstance(contract.y_pred, Spec):
        job.progress(job.target, "measuring")
        measure = Measure(session, contract, sizes, batches)
        found = panels(measure, loaded.parameters, [*drawn, *nearest(recogniser, standards)])
    places = Places(loaded, job.folder)
    return Comparison(
        target=job.target,
        path=places.path(loaded.path),
        line=loaded.line,
        y_true=format_structure(contract.y_true),
        y_pred=format_structure(contract.y_pred),
        origin=contract.origin,
        assumptions=contract.assumptions,
        other=row,
        standards=tuple(standards),
        seconds=time.perf_counter() - started,
        panels=found,
    )
