"""What the commands on one loss share: their options, the way to a result, and where it goes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from lossdoctor.cli.check import require_tensorflow
from lossdoctor.cli.parser import positive, whole

if TYPE_CHECKING:
    from lossdoctor.config import Config
    from lossdoctor.findings import ErrorItem
    from lossdoctor.report import View
    from lossdoctor.session import Settings


R = TypeVar("R")
S_contra = TypeVar("S_contra", contravariant=True)


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


def analysed(options: argparse.Namespace, analyse: Callable[..., R | ErrorItem], **more: Any) -> R | None:
    """What an analysis of the engine says of the loss that the options name; None, and why, where it cannot.

    Args:
        analyse: of the engine.
        more: its own arguments.

    Raises:
        UsageError: unusable options, files that cannot be written among them, which is said before the work.
    """
    from lossdoctor.cli.output import check_writable
    from lossdoctor.cli.progress import Progress
    from lossdoctor.config import load_config
    from lossdoctor.findings import ErrorItem
    from lossdoctor.report.parts.figure import check_plot

    config = load_config(options.config, Path.cwd())
    for name in ("output", "plot", "emit"):
        path: Path | None = getattr(options, name, None)
        if path is not None:
            if name == "plot":
                check_plot(path)
            check_writable(path, name)
    require_tensorflow()
    if hasattr(options, "data"):
        more = {"data": options.data, **more}
    with Progress() as progress:
        found = analyse(
            options.target,
            config=config,
            y_true=options.y_true,
            y_pred=options.y_pred,
            settings=settings_of(options, config),
            progress=progress,
            verbose=options.verbose,
            **more,
        )
    if isinstance(found, ErrorItem):
        print(f"lossdoctor: {found.target}: {found.message}", file=sys.stderr)
        return None
    return found


class Part(Protocol[S_contra]):
    """A module of `report.parts` that shows one kind of result."""

    def render(self, found: S_contra, view: View) -> str: ...
    def document(self, found: S_contra, versions: dict[str, str]) -> dict[str, Any]: ...


def show(options: argparse.Namespace, found: R, part: Part[R], as_html: Callable[[R], str] | None = None) -> None:
    """Deliver a result as its part shows it; `as_html` where there is a page of it."""
    from lossdoctor.engine.run import versions
    from lossdoctor.report.json import dumps

    if options.format == "html" and as_html is not None:
        deliver(options, lambda view: as_html(found), str)
    else:
        deliver(options, lambda view: part.render(found, view), lambda: dumps(part.document(found, versions())))


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
