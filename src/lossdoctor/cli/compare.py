"""`lossdoctor compare`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lossdoctor.cli.check import require_tensorflow
from lossdoctor.cli.parser import FAILED, FOUND, SUCCESS, Command
from lossdoctor.cli.single import add_given, add_result, deliver, settings_of


def compare(options: argparse.Namespace) -> int:
    """Say which standard loss a loss is, or which is nearest; and whether two losses are the same.

    A loss is compared with every loss of keras.losses that accepts what it is given: equal; equal up
    to a factor, an offset, a sign or the reduction; the same direction of the gradient; else the
    nearest by the cosine of the gradients.

      lossdoctor compare losses.py:my_mse
      lossdoctor compare losses.py:old losses.py:new
      lossdoctor compare losses.py:my_huber keras.losses.Huber
      lossdoctor compare losses.py:my_huber --plot huber.png

    A plot shows value and gradient along the natural slices, beside OTHER and the nearest standard
    losses; it needs matplotlib: pip install "lossdoctor[plots]".

    The exit status is 0, or 1 if an OTHER loss was named that is not the same function with the same
    gradient.
    """
    from lossdoctor import engine
    from lossdoctor.cli.output import check_writable
    from lossdoctor.cli.progress import Progress
    from lossdoctor.config import load_config
    from lossdoctor.engine.run import versions
    from lossdoctor.findings import ErrorItem
    from lossdoctor.report.parts.comparison import as_json, render
    from lossdoctor.report.parts.overlay import draw
    from lossdoctor.report.parts.plot import check_plot

    config = load_config(options.config, Path.cwd())
    if options.output is not None:
        check_writable(options.output)
    picture: Path | None = options.plot
    if picture is not None:
        check_plot(picture)
        check_writable(picture, "plot")
    require_tensorflow()
    with Progress() as progress:
        found = engine.compare(
            options.target,
            options.other,
            config=config,
            y_true=options.y_true,
            y_pred=options.y_pred,
            data=options.data,
            settings=settings_of(options, config),
            progress=progress,
            verbose=options.verbose,
            curves=picture is not None,
        )
    if isinstance(found, ErrorItem):
        print(f"lossdoctor: {found.target}: {found.message}", file=sys.stderr)
        return FAILED
    if picture is not None:
        draw(found, picture)
    deliver(options, lambda view: render(found, view), lambda: as_json(found, versions()))
    other = found.other
    same = other is None or (other.relation.kind == "same" and other.relation.gradients_agree)
    return SUCCESS if same else FOUND


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TARGET", help="file:loss, package.module:loss")
    parser.add_argument("other", nargs="?", metavar="OTHER", help="another loss, or a loss of Keras")
    add_given(parser)
    result = parser.add_argument_group("result")
    result.add_argument("--format", choices=("text", "json"), default="text", help="text unless said otherwise")
    result.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves into a .png, .svg or .pdf file")
    add_result(result)


COMMAND = Command("compare", compare, _arguments)
