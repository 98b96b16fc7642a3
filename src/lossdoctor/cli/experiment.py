"""`lossdoctor experiment`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from lossdoctor.cli.parser import FAILED, FOUND, SUCCESS, Command, positive, whole
from lossdoctor.cli.single import add_given, add_result, analysed, show
from lossdoctor.findings import UsageError

if TYPE_CHECKING:
    from lossdoctor.experiments.outcomes import Own


def experiment(options: argparse.Namespace) -> int:
    """Train small models with a loss, on synthetic data whose answer is known.

    First: does the known answer minimise the loss, and can a model fit one batch? Then a small model
    is trained with the loss and with the standard loss of the task, with several seeds, and judged by
    how near its predictions come to the answer, not by the loss's own value.

      lossdoctor experiment losses.py:my_loss
      lossdoctor experiment losses.py:my_loss --thorough --run-dir runs/my_loss --jobs 2
      lossdoctor experiment losses.py:my_loss --plot curves.png --tensorboard runs/board
      lossdoctor experiment losses.py:my_loss --model models.py:build --data train.npz

    --model and --data take a Keras model and the arrays x and y of yours instead.
    --thorough tries other learning rates, gradient descent, batch sizes and scales of the targets, single
    terms left out or weighed otherwise, and harder data (outliers, rare labels, shapes in images). With
    --run-dir results are kept as they come, and an interrupted experiment goes on where it stopped.
    """
    from lossdoctor import engine
    from lossdoctor.findings import at_or_above
    from lossdoctor.report.parts import board, plot_experiment, trial

    if options.tensorboard is not None:
        board.check_board()

    found = analysed(
        options,
        engine.experiment,
        own=_own(options),
        task=options.task,
        thorough=options.thorough,
        folder=options.run_dir,
        jobs=options.jobs,
        limit=options.limit,
    )
    if found is None:
        return FAILED
    if options.plot is not None:
        plot_experiment.draw(found, options.plot)
    if options.tensorboard is not None:
        # TensorBoard looks for this module before it imports TensorFlow, which writing events does not need.
        sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))
        print(f"wrote {board.write(found, options.tensorboard)} runs to {options.tensorboard}", file=sys.stderr)
    show(options, found, trial, trial.as_html)
    return FOUND if any(at_or_above(finding.severity, "error") for finding in found.findings) else SUCCESS


def _own(options: argparse.Namespace) -> Own | None:
    """The model and data of the user's.

    Raises:
        UsageError: one without the other, or no such file.
    """
    from lossdoctor.experiments.outcomes import Own

    if options.model is None and options.samples is None:
        return None
    if options.task:
        raise UsageError("Invalid value for `task`. Expected none beside --model and --data. Received: " + options.task)
    if options.model is None or options.samples is None:
        lacking = "model" if options.model is None else "data"
        raise UsageError(f"Invalid value for `{lacking}`. Expected --model and --data together. Received: none")
    model = str(options.model)
    path, dot, name = model.partition(".py:")
    file = Path(path + ".py") if dot else Path(model)
    if dot or model.endswith(".keras"):
        if not file.is_file():
            raise UsageError(f"Invalid value for `model`. Expected a file. Received: '{file}' (no such file)")
        model = f"{file.resolve()}:{name}" if dot else str(file.resolve())
    if not Path(options.samples).is_file():
        raise UsageError(
            f"Invalid value for `data`. Expected an .npz file. Received: '{options.samples}' (no such file)"
        )
    return Own(model, str(Path(options.samples).resolve()))


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TARGET", help="file:loss, package.module:loss")
    add_given(parser, data=False)
    parser.add_argument("--task", default="", metavar="NAME", help="the synthetic task, such as outliers or survival")
    own = parser.add_argument_group("a model and data of your own")
    own.add_argument(
        "--model", metavar="MODEL", help="a .keras file (safe mode), or file.py:name of a model or builder"
    )
    own.add_argument("--data", dest="samples", metavar="FILE", help="an .npz file with the arrays x and y")
    trial = parser.add_argument_group("the experiment")
    trial.add_argument("--thorough", action="store_true", help="more learning rates, optimizers, batches, scales")
    trial.add_argument("--run-dir", type=Path, metavar="DIR", help="keep results there, and go on from them")
    trial.add_argument("--jobs", type=whole(1), default=1, metavar="N", help="trainings at the same time (1)")
    trial.add_argument("--limit", type=positive, metavar="S", help="seconds after which no training begins")
    result = parser.add_argument_group("result")
    result.add_argument("--plot", type=Path, metavar="FILE", help="draw curves and predictions (.png, .svg, .pdf)")
    result.add_argument("--tensorboard", type=Path, metavar="DIR", help="write each training as a run of TensorBoard")
    result.add_argument("--format", choices=("text", "json", "html"), default="text", help="text unless said otherwise")
    add_result(result)


COMMAND = Command("experiment", experiment, _arguments)
