"""`lossdoctor explain`."""

from __future__ import annotations

import argparse
from pathlib import Path

from lossdoctor.cli.parser import FAILED, SUCCESS, Command
from lossdoctor.cli.single import add_given, add_result, analysed, show


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
    from lossdoctor.report.parts import explanation, plot

    found = analysed(options, engine.explain)
    if found is None:
        return FAILED
    if options.plot is not None:
        plot.draw(found, options.plot)
    show(options, found, explanation)
    return SUCCESS


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TARGET", help="file:loss, package.module:loss")
    add_given(parser)
    result = parser.add_argument_group("result")
    result.add_argument("--format", choices=("text", "json"), default="text", help="text unless said otherwise")
    result.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves into a .png, .svg or .pdf file")
    add_result(result)


COMMAND = Command("explain", explain, _arguments)
