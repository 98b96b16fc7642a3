"""`lossdoctor explain`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lossdoctor.cli.check import require_tensorflow
from lossdoctor.cli.parser import FAILED, SUCCESS, Command
from lossdoctor.cli.single import add_given, add_result, deliver, settings_of


def explain(options: argparse.Namespace) -> int:
    """Say what a loss computes: its formula, terms, properties and curves.

    The formula is read from the traced graph, in the names of the code, and compared with the code
    again. Properties say whether they were proved or measured. Three inputs of plain numbers can be
    checked by hand.

      lossdoctor explain losses.py:focal
      lossdoctor explain losses.py:focal --plot focal.png
      lossdoctor explain keras.losses:Huber --y-true "float32[B,1] real" --y-pred "float32[B,1] real"

    A plot shows value and slope along the natural slices, one for each label; it needs matplotlib:
    pip install "lossdoctor[plots]". Regions without gradient and without a finite value are shaded.
    """
    from lossdoctor import engine
    from lossdoctor.cli.output import check_writable
    from lossdoctor.cli.progress import Progress
    from lossdoctor.config import load_config
    from lossdoctor.engine.run import versions
    from lossdoctor.findings import ErrorItem
    from lossdoctor.report.parts.explanation import as_json, render
    from lossdoctor.report.parts.plot import check_plot, draw

    config = load_config(options.config, Path.cwd())
    if options.output is not None:
        check_writable(options.output)
    picture: Path | None = options.plot
    if picture is not None:
        check_plot(picture)
        check_writable(picture, "plot")
    require_tensorflow()
    with Progress() as progress:
        found = engine.explain(
            options.target,
            config=config,
            y_true=options.y_true,
            y_pred=options.y_pred,
            data=options.data,
            settings=settings_of(options, config),
            progress=progress,
            verbose=options.verbose,
        )
    if isinstance(found, ErrorItem):
        print(f"lossdoctor: {found.target}: {found.message}", file=sys.stderr)
        return FAILED
    if picture is not None:
        draw(found, picture)
    deliver(options, lambda view: render(found, view), lambda: as_json(found, versions()))
    return SUCCESS


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TARGET", help="file:loss, package.module:loss")
    add_given(parser)
    result = parser.add_argument_group("result")
    result.add_argument("--format", choices=("text", "json"), default="text", help="text unless said otherwise")
    result.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves into a .png, .svg or .pdf file")
    add_result(result)


COMMAND = Command("explain", explain, _arguments)
