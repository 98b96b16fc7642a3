"""`lossdoctor verify`."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from lossdoctor.cli.check import require_tensorflow, status
from lossdoctor.cli.parser import Command
from lossdoctor.cli.single import add_given, add_result, settings_of
from lossdoctor.findings import UsageError


def verify(options: argparse.Namespace) -> int:
    """Compare a loss, value and gradient, with what it is meant to compute.

    What is meant is a formula, another implementation, or both; without any of the options, what
    @lossdoctor.contract or the configuration says, else a section "Formula:" of the docstring.

      lossdoctor verify losses.py:huber --formula "where(abs(t-p)<=1, (t-p)**2/2, abs(t-p)-1/2)"
      lossdoctor verify losses.py:mse --formula "\\frac{1}{n}\\sum_{i=1}^{n}(y_i-\\hat{y}_i)^2"
      lossdoctor verify losses.py:huber --reference keras.losses.Huber
      lossdoctor verify losses.py:huber --reference numpy_losses.py:huber
      lossdoctor verify losses.py:mse --gradient "2*(p - t)/4"

    A formula is in Python's notation, in LaTeX, or in that of SymPy. It is never evaluated as code,
    and means the real function. Where both differ, the smallest input that shows it is printed with
    both values, the line, and what holds instead (a factor, a sign, a sum for a mean).
    """
    from lossdoctor import engine
    from lossdoctor.cli.output import check_writable, view_of, write_report
    from lossdoctor.cli.progress import Progress
    from lossdoctor.config import load_config
    from lossdoctor.report import renderer

    started = time.monotonic()
    config = load_config(options.config, Path.cwd())
    render = renderer(options.format or "text")
    output: Path | None = options.output
    if output is not None:
        check_writable(output)
    if options.reference is not None and not options.reference.strip():
        raise UsageError("Invalid value for `reference`. Expected a target or a loss of Keras. Received: ''")
    require_tensorflow()
    with Progress() as progress:
        report = engine.check(
            [options.target],
            config=config,
            y_true=options.y_true,
            y_pred=options.y_pred,
            data=options.data,
            formula=options.formula,
            reference=options.reference,
            gradient=options.gradient,
            purpose="verify",
            settings=settings_of(options, config),
            progress=progress,
            verbose=options.verbose,
        )
    view = view_of(sys.stdout, no_color=options.no_color, verbose=options.verbose, root=config.root)
    view = replace(view, elapsed=time.monotonic() - started)
    write_report(lambda view: render(report, view), output, view)
    return status(report, "error")


def _arguments(parser: argparse.ArgumentParser) -> None:
    from lossdoctor.report import formats

    parser.add_argument("target", metavar="TARGET", help="file:loss, package.module:loss")
    meant = parser.add_argument_group("what it is meant to compute")
    meant.add_argument("--formula", metavar="FORMULA", help="maths over y_true (t) and y_pred (p), LaTeX or SymPy")
    meant.add_argument("--gradient", metavar="FORMULA", help="the gradient of the summed loss, of the shape of y_pred")
    meant.add_argument("--reference", metavar="TARGET", help="a function of NumPy or TensorFlow, or a loss of Keras")
    add_given(parser)
    result = parser.add_argument_group("result")
    result.add_argument("--format", choices=formats(), help="text unless said otherwise")
    add_result(result)


COMMAND = Command("verify", verify, _arguments)
