"""The trainings of an experiment as runs of TensorBoard, with the data of its dashboard of hyperparameters."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lossdoctor.experiments.outcomes import Experiment, Outcome, Run
from lossdoctor.findings import LossdoctorError, UsageError

_BYTES = 1 << 20  # of the events of one training
_METRICS = {"loss": "loss", "error": "error of the predictions"}


def check_board() -> None:
    """Raises:
    UsageError: tensorboard is not installed.
    """
    from importlib.util import find_spec

    if find_spec("tensorboard") is None:
        raise UsageError(
            "TensorBoard runs need tensorboard, which is not installed.\nTry: pip install 'lossdoctor[tensorflow]'"
        )


def write(found: Experiment, folder: Path) -> int:
    """Write a run for each training, in a folder of its own below `folder`; the number of them.

    A run has the loss at the steps that were kept, the error of the predictions before and after, and its
    hyperparameters. Runs of the same name that are there already are replaced.

    Raises:
        UsageError: tensorboard is not installed.
        LossdoctorError: the folder cannot be written.
    """
    check_board()
    from lossdoctor.runtime.events import EventLog

    outcomes = [one for one in found.outcomes if not one.problem]
    values = [hparams(found, one.run) for one in outcomes]
    try:
        _cleared(folder)
        if values:
            log = EventLog(folder, _BYTES)
            log.hparams_table({name: sorted({row[name] for row in values}) for name in values[0]}, _METRICS)
            log.close()
        for outcome, row in zip(outcomes, values, strict=True):
            place = folder / name_of(outcome.run)
            _cleared(place)
            log = EventLog(place, _BYTES)
            log.hparams(row, place.name)
            _curve(log, outcome)
            log.close()
    except OSError as problem:
        raise LossdoctorError(f"{folder} cannot be written: {problem}") from problem
    return len(outcomes)


def _cleared(folder: Path) -> None:
    """Make the folder, without event files of before, which TensorBoard would add to the new ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("events.out.tfevents.*"):
        old.unlink()


def _curve(log: Any, outcome: Outcome) -> None:
    for step, value in zip(outcome.steps, outcome.curve, strict=True):
        log.scalars(step, {"loss": value})
    if outcome.start == outcome.start:  # a known answer
        log.scalars(0, {"error": outcome.start})
        log.scalars(outcome.run.steps, {"error": outcome.end})


def hparams(found: Experiment, run: Run) -> dict[str, Any]:
    """The hyperparameters of a training, as numbers, truth values and texts."""
    return {
        "loss": found.name if run.loss == "tested" else "standard",
        "task": run.task or found.task,
        "seed": float(run.seed),
        "learning_rate": run.rate,
        "optimizer": run.optimizer,
        "batch": float(run.batch),
        "one_batch": run.one_batch,
        "scale_of_targets": run.scale,
        "term": run.term or "all",
        "factor": run.factor,
    }


def name_of(run: Run) -> str:
    """The name of its folder, which is different for different trainings of one experiment."""
    parts = [run.loss, f"seed{run.seed}", f"rate{run.rate:.3g}"]
    parts += [run.optimizer] if run.optimizer != "adam" else []
    parts += [f"batch{run.batch}"] if run.batch != Run("tested", 0).batch else []
    parts += ["one-batch"] if run.one_batch else []
    parts += [f"scale{run.scale:g}"] if run.scale != 1.0 else []
    parts += [run.task] if run.task else []
    if run.term:
        term = re.sub(r"[^\w.=-]+", "_", run.term)
        parts.append(f"without-{term}" if run.factor == 0 else f"{term}-x{run.factor:g}")
    return "-".join(parts)
