"""`lossdoctor compare`."""

from __future__ import annotations

import argparse
from pathlib import Path

from lossdoctor.cli.parser import FAILED, FOUND, SUCCESS, Command
from lossdoctor.cli.single import add_given, add_result, analysed, show


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
    from lossdoctor.report.parts import comparison, overlay

    found = analysed(options, engine.compare, other=options.other, curves=options.plot is not None)
    if found is None:
        return FAILED
    if options.plot is not None:
        overlay.draw(found, options.plot)
    show(options, found, comparison)
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
