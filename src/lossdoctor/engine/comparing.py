"""One loss against the standard losses and against another one."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossdoctor.domains.intervals import Ranges
from lossdoctor.engine.examine import Job
from lossdoctor.engine.meanings import reference_target
from lossdoctor.engine.measure import Measure
from lossdoctor.engine.panels import nearest, panels
from lossdoctor.engine.place import Places
from lossdoctor.engine.readings import sizes_of
from lossdoctor.engine.single import Given, heading, in_process, in_worker, readings_of, traced
from lossdoctor.findings import ErrorItem, UsageError
from lossdoctor.formula.compare import compare as against
from lossdoctor.formula.meaning import Meaning
from lossdoctor.formula.reference import Reference
from lossdoctor.probes.batches import Batches
from lossdoctor.probes.callings import Callings
from lossdoctor.session import Session, Settings
from lossdoctor.spec import Spec
from lossdoctor.standards.reading import Comparison, Panel, Row
from lossdoctor.standards.recognise import Recogniser, recognised

if TYPE_CHECKING:
    from typing import Unpack


def compare(
    target: str, other: str | None = None, *, curves: bool = False, **given: Unpack[Given]
) -> Comparison | ErrorItem:
    """Compare a loss in a worker process.

    Args:
        target: one loss.
        other: another one, or a loss of Keras.
        curves: follow both, and the nearest standard losses, along the natural slices (`Comparison.panels`).

    Raises:
        UsageError: unusable arguments.
    """
    wanted = None if other is None else reference_target(other, Path.cwd())
    return in_worker(target, partial(_compared, other=wanted, shown=other, curves=curves), **given)


def compare_object(loss: object, other: Any, y_true: object, y_pred: object, *, settings: Settings) -> Comparison:
    """Compare a live loss in this process; see `lossdoctor.compare`.

    Raises:
        UsageError: it is no loss, or cannot be compared.
    """
    wanted = reference_target(other, Path.cwd()) if isinstance(other, str) else other
    shown = other if isinstance(other, str) else getattr(other, "__name__", type(other).__name__)
    return in_process(loss, y_true, y_pred, settings, partial(_compared, other=wanted, shown=shown))


def _compared(job: Job, session: Session, other: Any, shown: str | None, *, curves: bool = False) -> Comparison:
    started = time.perf_counter()
    start, graph = traced(job, session)
    loaded, contract = start.loaded, start.contract
    readings = readings_of(job, session, start)
    batches = readings.available(Batches)
    works = tuple(batches.works) if batches is not None else ()
    sizes = sizes_of(readings.get(Callings, "traced").pair, contract)
    job.progress(job.target, "comparing")
    recogniser = Recogniser(session, contract, graph, readings.settings, sizes, works)
    if not any(one.finite for one in recogniser.seen):
        raise UsageError(f"`{loaded.name}` has no finite value to compare; lossdoctor check says more")
    row: Row | None = None
    drawn: list[tuple[str, Meaning]] = []
    if other is not None:
        reference = Reference(session, contract, other, shown or "")
        relation = recogniser.relation(reference)
        if relation.kind == "same":
            known = readings.available(Ranges)
            check = against(session, reference, contract, graph, known, readings.settings, sizes, works)
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
        **heading(job, start, places),
        other=row,
        standards=tuple(standards),
        seconds=time.perf_counter() - started,
        panels=found,
    )
