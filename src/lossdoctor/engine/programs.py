"""Models and training steps of files: run in a worker, told here."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lossdoctor.engine.diagnose import report_of_model
from lossdoctor.engine.examine import Job, Progress
from lossdoctor.engine.models import contract_of_output
from lossdoctor.engine.run import Outcome, absolute, examined, report_of, selector
from lossdoctor.engine.scene import Scene
from lossdoctor.engine.showing import shown
from lossdoctor.engine.steps import report_of_step
from lossdoctor.findings import ErrorItem, Gap, LossReport, Report, UsageError
from lossdoctor.graph.ir import Span
from lossdoctor.readings.model import Batch
from lossdoctor.session import SessionError, Settings
from lossdoctor.source.discover import discover
from lossdoctor.source.steps import is_step
from lossdoctor.spec.batches import of_program
from lossdoctor.targets import TargetRef, parse_target
from lossdoctor.worker.remote import WorkerPool


@dataclass(frozen=True)
class ProgramRef:
    """A model or training step: a target, or a saved model."""

    target: str
    load: str | None = None
    saved: str | None = None
    path: str = ""


def programs_of(targets: Sequence[str], model: str | None, data: str | None) -> list[ProgramRef]:
    """Which of the targets are programs, by their text and by what the file of data holds.

    Raises:
        UsageError: a saved model without data.
    """
    found: list[ProgramRef] = []
    if model is not None:
        if data is None:
            raise UsageError("Invalid value for `model`. Expected --data with x and y beside it. Received: none")
        found.append(ProgramRef(model, saved=str(Path(model).resolve())))
    with_batch = data is not None and of_program(data)
    for target in targets:
        with contextlib.suppress(UsageError):  # `check` says what is wrong with it
            reference = parse_target(target)
            if reference.name is not None and (_steps(reference) or (with_batch and not _is_loss(reference))):
                found.append(ProgramRef(target, absolute(reference), path=reference.path or ""))
    return found


def _steps(reference: TargetRef) -> bool:
    return reference.path is not None and reference.name is not None and is_step(reference.path, reference.name)


def _is_loss(reference: TargetRef) -> bool:
    """Whether the file has a loss of this name by its text: then other arrays than y_true and y_pred are a mistake."""
    if reference.path is None or not Path(reference.path).is_file():
        return False
    return any(candidate.name == reference.name for candidate in discover(reference.path))


def check_programs(
    programs: Sequence[ProgramRef],
    data: str | None,
    *,
    settings: Settings,
    progress: Progress | None = None,
    verbose: bool = False,
    worst: int = 0,
) -> Report:
    """Examine each in a worker, one after another; one that cannot be is an item of `errors`.

    Args:
        worst: how many samples of the data of a model to rank.
    """
    outcomes: list[Outcome] = []
    if programs:
        batch = None if data is None else str(Path(data).resolve())
        with WorkerPool(1, settings, verbose=verbose) as pool:
            for program in programs:
                if progress is not None:
                    progress(program.target, "running it on the batch")
                outcomes += _outcomes(program, batch, pool, settings, worst)
    return report_of(outcomes, settings)


def _outcomes(program: ProgramRef, data: str | None, pool: WorkerPool, settings: Settings, worst: int) -> list[Outcome]:
    paths = tuple(path for path in (program.path and str(Path(program.path).resolve()), program.saved, data) if path)
    with pool.session() as session:
        try:
            found: Any = session.program(program.load, program.saved, data, worst)
        except (UsageError, SessionError) as problem:
            return [ErrorItem(program.target, str(problem))]
        if found.step is not None:
            return [shown(report_of_step(program.target, found.step, settings, Path.cwd()), found, session, paths)]
    own = _losses(program, found.batch, pool, settings)
    fallback = Span(program.path or data or "", 1, 1, 1, 1, "")
    # A saved model has no text: what is said of its data stands at the file of the data.
    name = program.load.rpartition(":")[2] if program.load else "model"
    scene = Scene(program.path, names={"model": name}, fallback=fallback)
    report = report_of_model(
        program.target,
        found.batch,
        found.run,
        [one for one in own if isinstance(one, LossReport)],
        scene,
        selected=selector(settings, None, None),
        folder=Path.cwd(),
    )
    with pool.session() as session:
        report = shown(report, found, session, paths)
    if found.unranked:
        gap = Gap(f"the samples could not be ranked ({found.unranked})", report.path, 1, "worst")
        report = replace(report, gaps=(*report.gaps, gap))
    return [replace(report, worst=found.worst), *own]


def _losses(program: ProgramRef, batch: Batch, pool: WorkerPool, settings: Settings) -> list[Outcome]:
    """The losses of the user's own, each by the place that defines it."""
    found: list[Outcome] = []
    for output in batch.outputs:
        use = output.loss
        if use is None or use.stock or not use.path or program.load is None:
            continue
        contract, pair = contract_of_output(output, batch, settings.magnitude, squeezed=True)
        target = f"{use.path}:{use.name}"
        selected = selector(settings, None, None)
        contracts = () if contract is None else (contract,)
        job = Job(f"{Path(use.path).name}:{use.name}", target, contracts, settings, Path.cwd(), selected, pair=pair)
        with pool.session() as session:
            outcome = examined(job, session)
        # A loss made by a factory has no name of its own: the model runs it all the same.
        if not isinstance(outcome, ErrorItem):
            found.append(replace(outcome, target=job.target))
    return found
