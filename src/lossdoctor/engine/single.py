"""One loss for one analysis: in a worker process, or live in this one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, TypedDict, TypeVar

from lossdoctor.config import Config, load_config
from lossdoctor.engine.examine import Job, Opened, Progress, opened
from lossdoctor.engine.place import Places
from lossdoctor.engine.readings import Readings
from lossdoctor.engine.run import job_of, live_job
from lossdoctor.findings import ErrorItem, Heading, UsageError
from lossdoctor.graph.ir import LossGraph
from lossdoctor.session import Session, SessionError, Settings
from lossdoctor.spec import Spec
from lossdoctor.worker.remote import WorkerPool

if TYPE_CHECKING:
    from typing import Unpack

R = TypeVar("R")


class Given(TypedDict, total=False):
    """The arguments that every analysis of one loss takes, as `engine.check` does."""

    config: Config | None
    y_true: str | None
    y_pred: str | None
    data: str | Path | None
    settings: Settings | None
    progress: Progress | None
    verbose: bool
    pool: WorkerPool | None


def in_worker(target: str, work: Callable[[Job, Session], R], **given: Unpack[Given]) -> R | ErrorItem:
    """What `work` makes of a loss that a worker process loads; an item that says why where it cannot.

    Raises:
        UsageError: unusable arguments.
    """
    settings = given.get("settings") or Settings()
    config = given.get("config") or load_config(None, Path.cwd())
    specs = given.get("y_true"), given.get("y_pred"), given.get("data")
    job = job_of(target, config, *specs, settings, given.get("progress"))
    if isinstance(job, ErrorItem):
        return job
    pool = given.get("pool")
    workers = contextlib.nullcontext(pool) if pool else WorkerPool(1, settings, verbose=given.get("verbose", False))
    with workers as lent, lent.session() as session:
        try:
            return work(job, session)
        except UsageError as problem:
            return ErrorItem(job.target, str(problem))
        except SessionError as problem:
            return ErrorItem(job.target, _unable(problem))


def in_process(
    loss: object, y_true: object, y_pred: object, settings: Settings, work: Callable[[Job, Session], R]
) -> R:
    """What `work` makes of a live loss in this process, whose random state it leaves as it was.

    Raises:
        UsageError: it is no loss, or cannot be analysed.
    """
    from lossdoctor.worker.state import preserved

    with preserved(settings.seed):
        job, session = live_job(loss, y_true, y_pred, settings)
        try:
            return work(job, session)
        except SessionError as problem:
            raise UsageError(_unable(problem)) from None
        finally:
            session.close()


def _unable(problem: object) -> str:
    return f"{problem}; lossdoctor check says more"


_WHY = 160  # characters of an exception's text: TensorFlow's may be a page long


def traced(job: Job, session: Session) -> tuple[Opened, LossGraph]:
    """The loss, opened, and its graph. Raises `UsageError` for one that has none, and as `examine`."""
    start = begun(job, session)
    if start.traced.traced is None:
        raised = start.traced.raised
        at = "" if raised is None else raised.at(start.loaded.path)
        why = "" if raised is None else f": {raised.type}{at}: {shorten(raised.message, _WHY)}"
        raise UsageError(_unable(f"`{start.loaded.name}` cannot be traced{why}"))
    return start, start.traced.traced


def begun(job: Job, session: Session) -> Opened:
    """The loss, opened, which may have no graph: then it raises where it is traced. Raises `UsageError` where that is
    for want of a batch, and as `examine`."""
    start = opened(job, session)
    if isinstance(start, ErrorItem):
        raise UsageError(start.message)
    raised = start.traced.raised
    if start.traced.traced is None and raised is not None:
        name, at = start.loaded.name, raised.at(start.loaded.path)
        for argument, structure in (("y_true", start.contract.y_true), ("y_pred", start.contract.y_pred)):
            if isinstance(structure, Spec) and not structure.dims:
                raise UsageError(
                    f"Invalid value for `{argument}`. Expected an array whose first axis is the batch. "
                    f"Received: a single number, of which `{name}` makes {raised.type}{at}"
                )
    return start


def readings_of(job: Job, session: Session, start: Opened) -> Readings:
    """The readings of an opened loss, as far as its own data reach."""
    settings = replace(job.settings, magnitude=start.contract.magnitude)
    return Readings(session, start.loaded, start.contract, start.traced, settings)


def heading(job: Job, start: Opened, places: Places) -> Heading:
    """What the result of an analysis says first."""
    loaded, contract = start.loaded, start.contract
    return {
        "target": job.target,
        "name": loaded.name,
        "path": places.path(loaded.path),
        "line": loaded.line,
        "y_true": contract.shown[0],
        "y_pred": contract.shown[1],
        "origin": contract.origin,
        "assumptions": contract.assumptions,
    }
