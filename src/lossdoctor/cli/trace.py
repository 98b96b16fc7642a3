"""`lossdoctor trace`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lossdoctor.cli.check import require_tensorflow
from lossdoctor.cli.parser import FAILED, FOUND, SUCCESS, Command, whole
from lossdoctor.cli.single import add_given, add_result, deliver, settings_of


def trace(options: argparse.Namespace) -> int:
    """Run a loss on one batch and show what each of its lines makes.

    Every tensor with shape, dtype, range and the gradient of the loss with respect to it; broadcasts,
    casts, saturated values and zero gradients are marked, and so are the first non-finite value and
    the chain from it. Without --data the batch is drawn at random.

      lossdoctor trace losses.py:dice --data batch.npz
      lossdoctor trace losses.py:dice --data batch.npz --worst 10
      lossdoctor trace losses.py:dice --data batch.npz --sample 3
      lossdoctor trace losses.py:dice --emit dice_printing.py

    exit status: 0 all finite, 1 a value or gradient is not, 2 could not run
    """
    from lossdoctor import engine
    from lossdoctor.cli.output import check_writable, write_file
    from lossdoctor.cli.progress import Progress
    from lossdoctor.config import load_config
    from lossdoctor.engine.printing import emitted
    from lossdoctor.engine.run import versions
    from lossdoctor.findings import ErrorItem, UsageError
    from lossdoctor.report.parts.trace import as_json, render

    config = load_config(options.config, Path.cwd())
    for name in ("output", "emit"):
        if getattr(options, name) is not None:
            check_writable(getattr(options, name), name)
    require_tensorflow()
    with Progress() as progress:
        found = engine.trace(
            options.target,
            config=config,
            y_true=options.y_true,
            y_pred=options.y_pred,
            data=options.data,
            settings=settings_of(options, config),
            sample=options.sample,
            worst=options.worst or 0,
            progress=progress,
            verbose=options.verbose,
        )
    if isinstance(found, ErrorItem):
        print(f"lossdoctor: {found.target}: {found.message}", file=sys.stderr)
        return FAILED
    if options.emit is not None:
        source = Path(found.files.get(found.path, found.path))
        if source.suffix != ".py":
            raise UsageError(f"Invalid value for `emit`. Expected a loss of a file of Python. Received: {source}")
        spans = [span for row in found.rows for span in row.tensor.calls if Path(span.path) == source]
        write_file(options.emit, emitted(source, {span.line for span in spans}))
        print(f"wrote {options.emit}", file=sys.stderr)
    deliver(options, lambda view: render(found, view), lambda: as_json(found, versions()))
    return SUCCESS if found.blamed is None else FOUND


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
    result.add_argument("--format", choices=("text", "json"), default="text", help="text unless said otherwise")
    add_result(result)


COMMAND = Command("trace", trace, _arguments)
