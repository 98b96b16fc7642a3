"""`lossdoctor replay`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lossdoctor.cli.check import require_tensorflow
from lossdoctor.cli.parser import FAILED, FOUND, SUCCESS, Command, positive, whole
from lossdoctor.cli.single import add_result, deliver


def replay(options: argparse.Namespace) -> int:
    """Run the batch that broke a training through its loss, and name the line that did it.

    Monitor, with a watched loss, writes a capture at the first value or gradient that is not finite.

      lossdoctor replay runs/x/capture-000317.npz
      lossdoctor replay capture-000317.npz --target losses.py:dice

    The exit status is 1 while the fault stands, 0 once the loss is mended or for a batch that was captured
    for another reason and is finite, and 2 if the capture cannot be replayed or gives finite numbers with the same
    source.
    """
    from lossdoctor import engine
    from lossdoctor.cli.output import check_writable
    from lossdoctor.cli.progress import Progress
    from lossdoctor.report.parts.replay import as_json, render
    from lossdoctor.runtime.capture import load
    from lossdoctor.session import Settings

    load(options.file)  # a mistake in the name is told before TensorFlow is loaded
    if options.output is not None:
        check_writable(options.output)
    require_tensorflow()
    given = {"seed": options.seed, "time_limit": options.time_limit}
    settings = Settings(**{k: v for k, v in given.items() if v is not None}, mends=not options.no_mends)
    with Progress() as progress:
        found = engine.replay(
            options.file, options.target, settings=settings, progress=progress, verbose=options.verbose
        )
    deliver(options, lambda view: render(found, view), lambda: as_json(found))
    if found.status == "not-reproduced":
        print("lossdoctor: the fault was not reproduced", file=sys.stderr)
        return FAILED
    return SUCCESS if found.clean else FOUND


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="a capture")
    parser.add_argument("--target", metavar="TARGET", help="the loss, instead of the one that the capture names")
    parser.add_argument("--no-mends", action="store_true", help="do not look for a mend")
    parser.add_argument("--seed", type=whole(0), metavar="N", help="of every random draw (0)")
    parser.add_argument("--time-limit", type=positive, metavar="S", help="seconds for one step (30)")
    result = parser.add_argument_group("result")
    result.add_argument("--format", choices=("text", "json"), default="text", help="text unless said otherwise")
    add_result(result)


COMMAND = Command("replay", replay, _arguments)
