"""`lossdoctor isolate`."""

from __future__ import annotations

import argparse
from pathlib import Path

from lossdoctor.cli.parser import FAILED, FOUND, SUCCESS, Command
from lossdoctor.cli.single import add_given, add_result, analysed, show
from lossdoctor.findings import UsageError


def isolate(options: argparse.Namespace) -> int:
    """Find what of a loss is to blame: the term, the line, and the smallest input that shows it.

    Terms are dropped until one shows the symptom alone, what follows the guilty operation is bypassed,
    and the input is shrunk. What is left is a script of its own. The input is given, captured by a
    watched training, or drawn.

      lossdoctor isolate losses.py:total
      lossdoctor isolate losses.py:total --capture runs/x/capture-000317.npz
      lossdoctor isolate losses.py:total --data batch.npz --symptom nonfinite-gradient
      lossdoctor isolate losses.py:total --reference losses_v1.py:total
      lossdoctor isolate losses.py:total --symptom divergence
      lossdoctor isolate losses.py:total --run-dir runs/total

    Lost precision is looked for in exact arithmetic; what differs, against --reference or --formula;
    divergence, by training small models with single terms, or again what an experiment kept.
    """
    from lossdoctor import engine
    from lossdoctor.report.parts import isolation

    if options.data is not None and options.capture is not None:
        raise UsageError("Invalid value for `capture`. Expected it without --data. Received: both")
    wanted = {
        "symptom": options.symptom,
        "formula": options.formula,
        "reference": options.reference,
        "run_dir": options.run_dir,
    }
    found = analysed(options, engine.isolate, data=options.data or options.capture, wanted=wanted)
    if found is None:
        return FAILED
    show(options, found, isolation)
    return SUCCESS if found.culprit is None else FOUND


def _arguments(parser: argparse.ArgumentParser) -> None:
    from lossdoctor.experiments.symptoms import SYMPTOMS

    parser.add_argument("target", metavar="TARGET", help="file:loss, package.module:loss")
    add_given(parser)
    parser.add_argument("--capture", metavar="FILE", help="an .npz file that a watched training saved")
    parser.add_argument("--symptom", choices=SYMPTOMS, help="what to look for; the first that shows otherwise")
    parser.add_argument("--reference", metavar="TARGET", help="what it should be: another loss, for `differs`")
    parser.add_argument("--formula", metavar="FORMULA", help="what it should be, for `differs`")
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="of an experiment, for `divergence`")
    result = parser.add_argument_group("result")
    result.add_argument("--format", choices=("text", "json"), default="text", help="text unless said otherwise")
    add_result(result)


COMMAND = Command("isolate", isolate, _arguments)
