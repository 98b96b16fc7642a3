"""`lossdoctor check`."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from lossdoctor.cli.parser import FAILED, FOUND, SUCCESS, Command, default_jobs, listed, positive, whole
from lossdoctor.findings import Report, Severity, UsageError, at_or_above

if TYPE_CHECKING:
    from lossdoctor.config import Config
    from lossdoctor.session import Settings

FailOn = Severity | Literal["never"]


def check(options: argparse.Namespace) -> int:
    """Examine losses: trace each one, analyse its graph, and prove what is wrong by running it.

    A TARGET is a file (losses.py: every loss in it), a loss in a file (losses.py:dice), one in a
    module (mypkg.losses:Dice), or a factory with arguments ("losses.py:focal(gamma=2)"). Without a
    target, every loss of the configuration is examined.

    What a loss is given is inferred from its code unless --y-true and --y-pred, --data or the
    configuration ([tool.lossdoctor] in pyproject.toml) say it:

      lossdoctor check losses.py
      lossdoctor check losses.py:dice --y-true "float32[B,H,W,1] binary" --y-pred "float32[B,H,W,1] unit"
      lossdoctor check losses.py:dice --data batch.npz

    A compiled model, or a training step that uses a GradientTape, is examined on a batch (arrays x, y,
    sample_weight, or those of the step), and the report begins with whose fault it is:

      lossdoctor check --model model.keras --data batch.npz
      lossdoctor check train.py:model --data batch.npz
      lossdoctor check train.py:train_step --data batch.npz
      lossdoctor check --model model.keras --data all.npz --worst 10
    """
    from lossdoctor import engine
    from lossdoctor.cli.output import check_writable, view_of, write_report
    from lossdoctor.cli.progress import Progress
    from lossdoctor.config import load_config
    from lossdoctor.report import renderer

    started = time.monotonic()
    config = load_config(options.config, Path.cwd())
    render = renderer(options.format or config.format or "text")
    output: Path | None = options.output
    if output is not None:
        check_writable(output)
    settings = _settings(options, config)
    targets = options.targets or ([] if options.model else [entry.target for entry in config.losses])
    if not targets and options.model is None:
        raise UsageError(
            "No target was given and the configuration names no loss.\n"
            "Try: lossdoctor check losses.py, or lossdoctor demo"
        )
    require_tensorflow()
    programs = engine.programs_of(targets, options.model, options.data)
    if options.worst and (not programs or options.data is None):
        raise UsageError(
            "Invalid value for `worst`. Expected a model with --data (of a loss: lossdoctor trace --worst). Received: "
            + (f"{', '.join(targets)} without --data" if programs else ", ".join(targets))
        )
    with Progress() as progress:
        report = engine.check_programs(
            programs,
            options.data,
            settings=settings,
            progress=progress,
            verbose=options.verbose,
            worst=options.worst or 0,
        )
        targets = [target for target in targets if target not in {program.target for program in programs}]
        losses = (
            engine.check(
                targets,
                config=config,
                y_true=options.y_true,
                y_pred=options.y_pred,
                data=options.data,
                formula=options.formula,
                settings=settings,
                jobs=options.jobs or config.jobs or default_jobs(len(targets)),
                progress=progress,
                verbose=options.verbose,
            )
            if targets
            else report
        )
    if targets:
        report = replace(losses, losses=(*report.losses, *losses.losses), errors=(*report.errors, *losses.errors))
    view = view_of(sys.stdout, no_color=options.no_color, verbose=options.verbose, root=config.root)
    view = replace(view, elapsed=time.monotonic() - started)
    write_report(lambda view: render(report, view), output, view)
    return status(report, cast("FailOn", options.fail_on or config.fail_on or "error"))


def status(report: Report, fail_on: FailOn) -> int:
    """The exit status: 2 if a target or a loss could not be examined, 1 for findings at or above `fail_on`, else 0."""
    if report.errors or any(loss.verdict == "not-examined" for loss in report.losses):
        return FAILED
    if fail_on != "never" and any(at_or_above(finding.severity, fail_on) for finding in report.findings):
        return FOUND
    return SUCCESS


def require_tensorflow() -> None:
    """Raise `UsageError` if TensorFlow or Keras is not installed. Imports neither."""
    from importlib.util import find_spec

    missing = [name for name in ("tensorflow", "keras") if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"{' and '.join(missing)} cannot be imported by this Python, and the losses need it.\n"
            "Try: pip install 'lossdoctor[tensorflow]'"
        )


def _settings(options: argparse.Namespace, config: Config) -> Settings:
    """The settings of this run: what the command line says, else the configuration, else the defaults."""
    from lossdoctor.cli.selection import codes
    from lossdoctor.session import Settings

    values = {
        "seed": options.seed if options.seed is not None else config.seed,
        "magnitude": options.range or config.range,
        "time_limit": options.time_limit or config.time_limit,
        "memory_limit": options.memory_limit or config.memory_limit,
    }
    select, ignore, extend = listed(options.select), listed(options.ignore), listed(options.extend_select)
    chosen = list(config.select if select is None else select)
    if chosen:  # an empty selection means every rule, and has nothing to extend
        chosen += config.extend_select if extend is None else extend
    return Settings(
        dtype=options.dtype,
        select=codes(chosen, "select"),
        ignore=codes(config.ignore if ignore is None else ignore, "ignore"),
        **{name: value for name, value in values.items() if value is not None},
    )


def _arguments(parser: argparse.ArgumentParser) -> None:
    from lossdoctor.report import formats

    add = parser.add_argument
    add("targets", nargs="*", metavar="TARGET", help="file, file:loss, package.module:loss; a model or training step")
    given = parser.add_argument_group("what the loss is given")
    given.add_argument("--y-true", metavar="SPEC", help='e.g. "float32[B,10] onehot"')
    given.add_argument("--y-pred", metavar="SPEC", help='e.g. "float32[B,10] probability"')
    given.add_argument("--data", metavar="FILE", help="an .npz file with y_true and y_pred, or x and y of a program")
    given.add_argument("--model", metavar="FILE", help="a saved .keras model, loaded in safe mode; needs --data")
    given.add_argument("--formula", metavar="FORMULA", help='what it should compute, e.g. "mean((t - p)**2, axis=-1)"')
    given.add_argument("--range", type=positive, metavar="X", help="largest magnitude of real values (10000)")
    given.add_argument("--dtype", choices=("float16", "bfloat16"), help="examine it with floats of this dtype as well")
    given.add_argument("--config", type=Path, metavar="FILE", help="instead of the nearest pyproject.toml")
    rules = parser.add_argument_group("rules")
    for name, text in (
        ("--select", "only these rules: codes, beginnings of codes, names, families; comma-separated"),
        ("--extend-select", "these rules as well"),
        ("--ignore", "not these rules"),
    ):
        rules.add_argument(name, action="append", metavar="RULES", help=text)
    result = parser.add_argument_group("result")
    result.add_argument("--format", choices=formats(), help="text unless said otherwise")
    result.add_argument("--worst", type=whole(1), metavar="N", help="rank the samples of a model's data, list N")
    result.add_argument("--output", type=Path, metavar="FILE", help="write the result to a file")
    result.add_argument(
        "--fail-on",
        choices=("error", "warning", "info", "never"),
        help="least severity that gives exit status 1 (error)",
    )
    result.add_argument("--no-color", action="store_true", help="no colours, as with NO_COLOR=1")
    how = parser.add_argument_group("how")
    how.add_argument("--seed", type=whole(0), metavar="N", help="of every random draw (0)")
    how.add_argument("--jobs", type=whole(1), metavar="N", help="losses examined at the same time")
    how.add_argument("--time-limit", type=positive, metavar="S", help="seconds for one step of an examination (30)")
    how.add_argument("--memory-limit", type=positive, metavar="GIB", help="memory for one loss (8)")


COMMAND = Command("check", check, _arguments)
