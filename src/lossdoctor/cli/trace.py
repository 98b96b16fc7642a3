"""`lossdoctor trace`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lossdoctor.cli.parser import FAILED, FOUND, SUCCESS, Command, whole
from lossdoctor.cli.single import add_given, add_result, analysed, show
from lossdoctor.findings import UsageError

if TYPE_CHECKING:
    from lossdoctor.readings.trace import TraceResult


def trace(options: argparse.Namespace) -> int:
    """Run a loss on one batch and show what each of its lines makes.

    Every tensor with shape, dtype, range and the gradient of the loss with respect to it; broadcasts,
    casts, saturated values and zero gradients are marked, and so are the first non-finite value and
    the chain from it. Without --data the batch is drawn at random.

      lossdoctor trace losses.py:dice --data batch.npz
      lossdoctor trace losses.py:dice --data batch.npz --worst 10
      lossdoctor trace losses.py:dice --data batch.npz --sample 3
      lossdoctor trace losses.py:dice --emit dice_printing.py
      lossdoctor trace losses.py:dice --format html --output dice.html

    Of a loss that raises every line until then is shown, and the one that raises with what it was given.

    exit status: 0 all finite, 1 a value or gradient is not, or the loss raises, 2 could not run
    """
    from lossdoctor import engine
    from lossdoctor.report import View
    from lossdoctor.report.parts import trace as part
    from lossdoctor.report.parts.trace_page import as_html

    found = analysed(options, engine.trace, sample=options.sample, worst=options.worst or 0)
    if found is None:
        return FAILED
    if options.emit is not None:
        _emit(found, options.emit)
    show(options, found, part, lambda traced: as_html(traced, View()))
    return SUCCESS if found.blamed is None and found.raised is None else FOUND


def _emit(found: TraceResult, path: Path) -> None:
    """Write a copy of the loss's file that prints what was shown."""
    from lossdoctor.cli.output import write_file
    from lossdoctor.engine.printing import emitted

    source = Path(found.files.get(found.path, found.path))
    if source.suffix != ".py":
        raise UsageError(f"Invalid value for `emit`. Expected a loss of a file of Python. Received: {source}")
    spans = [span for row in found.rows for span in row.tensor.calls if Path(span.path) == source]
    write_file(path, emitted(source, {span.line for span in spans}))
    print(f"wrote {path}", file=sys.stderr)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TARGET", help="file:loss, package.module:loss")
    add_given(parser)
    shown = parser.add_argument_group("what is shown")
    shown.add_argument("--sample", type=whole(0), metavar="N", help="of sample N only, with its values")
    shown.add_argument("--worst", type=whole(1), metavar="N", help="rank the samples, and list the worst N")
    shown.add_argument(
        "--emit", type=Path, metavar="FILE", help="write a copy of the file with matching tf.print lines"
    )
    result = parser.add_argument_group("result")
    result.add_argument("--format", choices=("text", "json", "html"), default="text", help="text unless said otherwise")
    add_result(result)


COMMAND = Command("trace", trace, _arguments)
