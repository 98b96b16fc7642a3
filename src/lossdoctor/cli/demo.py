"""`lossdoctor demo`."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from lossdoctor.cli.parser import FAILED, SUCCESS, Command, default_jobs

_INTRODUCTION = """\
Six small losses that people write and ask about, in three pairs. This is what
  lossdoctor check --config {config}
says about them. The source is {source}.

"""

_CLOSING = """
What to look at
  1. The first two are one function written twice: same value, same gradient. Both
     are right; the warning is about how Keras weights and distributes a loss that
     returns one number for the whole batch.
  2. A target of shape (B,) against predictions of shape (B,10) is broadcast over
     the wrong axis: it fails for most batches, and at a batch of ten it compares
     every target with the wrong predictions without a word. Reshaping the target
     makes it run; the report says what it then compares.
  3. exp(d**2) and expm1(|d|) are two different functions, and both overflow: look
     at the inputs under "shown by".

Next
  lossdoctor check your_losses.py
  lossdoctor rules LD301        explains a rule by its code
"""


def demo(options: argparse.Namespace) -> int:
    """Examine the bundled examples and say what to look at.

    The examples are ordinary losses in an ordinary file; `lossdoctor check` on a copy of it says the
    same.
    """
    from lossdoctor import engine
    from lossdoctor.cli.check import require_tensorflow
    from lossdoctor.cli.output import view_of, write_out
    from lossdoctor.cli.progress import Progress
    from lossdoctor.config import load_config
    from lossdoctor.report.terminal import render
    from lossdoctor.session import Settings

    started = time.monotonic()
    examples = Path(__file__).resolve().parent.parent / "examples"
    require_tensorflow()
    config = load_config(examples / "lossdoctor.toml", Path.cwd())
    targets = [entry.target for entry in config.losses]
    write_out(_INTRODUCTION.format(config=examples / "lossdoctor.toml", source=examples / "classic.py"))
    with Progress() as progress:
        report = engine.check(
            targets,
            config=config,
            y_true=None,
            y_pred=None,
            data=None,
            settings=Settings(),
            jobs=default_jobs(len(targets)),
            progress=progress,
            verbose=options.verbose,
        )
    view = view_of(sys.stdout, no_color=options.no_color, verbose=options.verbose, root=config.root)
    write_out(render(report, replace(view, elapsed=time.monotonic() - started)))
    write_out(_CLOSING)
    # The findings are the point of the demo; only an examination that failed is a failure.
    return FAILED if report.errors else SUCCESS


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-color", action="store_true", help="no colours, as with NO_COLOR=1")


COMMAND = Command("demo", demo, _arguments)
