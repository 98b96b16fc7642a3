"""What `verify`, `compare` and `explain` share: the options of a command on one loss, and where its result goes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lossdoctor.cli.parser import positive, whole

if TYPE_CHECKING:
    from lossdoctor.config import Config
    from lossdoctor.report import View
    from lossdoctor.session import Settings


def add_given(parser: argparse.ArgumentParser, *, data: bool = True) -> None:
    """The arguments that say what a loss is given."""
    given = parser.add_argument_group("what the loss is given")
    given.add_argument("--y-true", metavar="SPEC", help='e.g. "float32[B,10] onehot"')
    given.add_argument("--y-pred", metavar="SPEC", help='e.g. "float32[B,10] probability"')
    if data:
        given.add_argument("--data", metavar="FILE", help="an .npz file with the arrays y_true and y_pred")
    given.add_argument("--range", type=positive, metavar="X", help="largest magnitude of real values (10000)")
    given.add_argument("--config", type=Path, metavar="FILE", help="instead of the nearest pyproject.toml")
    given.add_argument("--seed", type=whole(0), metavar="N", help="of every random draw (0)")
    given.add_argument("--time-limit", type=positive, metavar="S", help="seconds for one step (30)")


def add_result(group: argparse._ArgumentGroup) -> None:
    """The arguments that say where the result goes."""
    group.add_argument("--output", type=Path, metavar="FILE", help="write the result to a file")
    group.add_argument("--no-color", action="store_true", help="no colours, as with NO_COLOR=1")


def settings_of(options: argparse.Namespace, config: Config) -> Settings:
    """The settings of this run: what the command line says, else the configuration, else the defaults."""
    from lossdoctor.session import Settings

    given = {
        "seed": options.seed if options.seed is not None else config.seed,
        "magnitude": options.range or config.range,
        "time_limit": options.time_limit or config.time_limit,
    }
    return Settings(**{name: value for name, value in given.items() if value is not None})


def deliver(options: argparse.Namespace, as_text: Callable[[View], str], as_json: Callable[[], str]) -> None:
    """Write the result in the format and to the place that the options name."""
    from lossdoctor.cli.output import view_of, write_file, write_out
    from lossdoctor.report import View

    output: Path | None = options.output
    if options.format == "json":
        text = as_json()
    elif output is not None:
        text = as_text(View(verbose=options.verbose))
    else:
        text = as_text(view_of(sys.stdout, no_color=options.no_color, verbose=options.verbose))
    if output is None:
        write_out(text)
    else:
        write_file(output, text)
