"""`lossdoctor decompose`."""

from __future__ import annotations

import argparse
from pathlib import Path

from lossdoctor.cli.parser import FAILED, FOUND, SUCCESS, Command
from lossdoctor.cli.single import add_given, add_result, analysed, show


def decompose(options: argparse.Namespace) -> int:
    """Take a loss apart: its additive terms, what each is worth, and which are silent.

    A term is what your code gives a name: a variable, a key of a table, a function. Each has its
    weight, its share of value and gradient, its formula, and how its gradient agrees with that of the
    others; measured on random draws of the specs, or on --data. A term without gradient, or below 1 %
    of it, is a finding. The sum of the terms is compared with the loss at 1,000 inputs.

      lossdoctor decompose losses.py:total
      lossdoctor decompose losses.py:total --data batch.npz --format json
      lossdoctor decompose losses.py:vae --y-true "float32[B,784] unit" \\
          --y-pred '["float32[B,784] unit", "float32[B,2] real", "float32[B,2] real"]'

    --check examines each term by all rules, as a loss of its own.
    """
    from lossdoctor import engine
    from lossdoctor.findings import LossReport, at_or_above
    from lossdoctor.report.parts import decomposition, plot_terms

    found = analysed(options, engine.decompose, check=options.check)
    if found is None:
        return FAILED
    if options.plot is not None:
        plot_terms.draw(found, options.plot)
    show(options, found, decomposition)
    own = [check for check in found.checks.values() if isinstance(check, LossReport)]
    findings = [*found.findings, *(finding for check in own for finding in check.findings)]
    return FOUND if any(at_or_above(finding.severity, "error") for finding in findings) else SUCCESS


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TARGET", help="file:loss, package.module:loss")
    add_given(parser)
    result = parser.add_argument_group("result")
    result.add_argument("--check", action="store_true", help="examine each term by all rules")
    result.add_argument("--plot", type=Path, metavar="FILE", help="draw shares and conflict (.png, .svg, .pdf)")
    result.add_argument("--format", choices=("text", "json"), default="text", help="text unless said otherwise")
    add_result(result)


COMMAND = Command("decompose", decompose, _arguments)
