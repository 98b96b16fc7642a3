"""`lossdoctor isolate`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lossdoctor.cli.check import require_tensorflow
from lossdoctor.cli.parser import FAILED, FOUND, SUCCESS, Command
from lossdoctor.cli.single import add_given, add_result, deliver, settings_of
from lossdoctor.findings import UsageError


def isolate(options: argparse.Namespace) -> int:
    """Find what of a loss is to blame: the term, the line, and the smallest input that shows it.

    Terms are dropped until one shows the symptom alone, what follows the guilty operation is bypassed,
    and the input is shrunk. What is left is a script of its own. The input is given, captured by a
    watched training, or drawn.

      lossdoctor isolate losses.py:total
      lossdoctor isolate losses.py:total --capture runs/x/capture-000317.npz
      lossdoctor isolate losses.py:total --data batch.npz --symptom nonfinite-gradient
    """
    from lossdoctor import engine
    from lossdoctor.cli.output import check_writable
    from lossdoctor.cli.progress import Progress
    from lossdoctor.config import load_config
    from lossdoctor.engine.run import versions
    from lossdoctor.findings import ErrorItem
    from lossdoctor.report.parts.isolation import as_json, render

    config = load_config(options.config, Path.cwd())
    if options.output is not None:
        check_writable(options.output)
    if options.data is not None and options.capture is not None:
        raise UsageError("Invalid value for `capture`. Expected it without --data. Received: both")
    require_tensorflow()
    with Progress() as progress:
        found = engine.isolate(
            options.target,
            config=config,
            y_true=options.y_true,
            y_pred=options.y_pred,
            data=options.data or options.capture,
            symptom=options.symptom,
            settings=settings_of(options, config),
            progress=progress,
            verbose=options.verbose,
        )
    if isinstance(found, ErrorItem):
        print(f"lossdoctor: {found.target}: {found.message}", file=sys.stderr)
        return FAILED
    deliver(options, lambda view: render(found, view), lambda: as_json(found, versions()))
    return SUCCESS if found.culprit is None else FOUND


def _arguments(parser: argparse.ArgumentParser) -> None:
    symptoms = ("no-gradient", "dead-gradient", "nonfinite-value", "nonfinite-gradient", "wrong-sign")
    parser.add_argument("target", metavar="TARGET", help="file:loss, package.module:loss")
    add_given(parser)
    parser.add_argument("--capture", metavar="FILE", help="an .npz file that a watched training saved")
    parser.add_argument("--symptom", choices=symptoms, help="what to look for; the first that shows otherwise")
    result = parser.add_argument_group("result")
    result.add_argument("--format", choices=("text", "json"), default="text", help="text unless said otherwise")
    add_result(result)


COMMAND = Command("isolate", isolate, _arguments)
