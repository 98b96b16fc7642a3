"""`lossdoctor decompose`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lossdoctor.cli.check import require_tensorflow
from lossdoctor.cli.parser import FAILED, FOUND, SUCCESS, Command
from lossdoctor.cli.single import add_given, add_result, deliver, settings_of


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
    from lossdoctor.cli.output import check_writable
    from lossdoctor.cli.progress import Progress
    from lossdoctor.config import load_config
    from lossdoctor.engine.run import versions
    from lossdoctor.findings import ErrorItem, LossReport, at_or_above
    from lossdoctor.report.parts.decomposition import as_json, render
    from lossdoctor.report.parts.plot import check_plot
    from lossdoctor.report.parts.plot_terms import draw

    config = load_config(options.config, Path.cwd())
    if options.output is not None:
        check_writable(options.output)
    picture: Path | None = options.plot
    if picture is not None:
        check_plot(picture)
        check_writable(picture, "plot")
    require_tensorflow()
    with Progress() as progress:
        found = engine.decompose(
            options.target,
            config=config,
            y_true=options.y_true,
            y_pred=options.y_pred,
            data=options.data,
            check=options.check,
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
