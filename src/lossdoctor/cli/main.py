"""The `lossdoctor` command. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lossdoctor.cli import (
    check,
    compare,
    decompose,
    demo,
    experiment,
    explain,
    isolate,
    monitor,
    replay,
    rules,
    trace,
    verify,
)
from lossdoctor.cli.parser import FAILED, Command, Parser, help_parts
from lossdoctor.findings import LossdoctorError

COMMANDS: tuple[Command, ...] = (
    check.COMMAND,
    trace.COMMAND,
    verify.COMMAND,
    compare.COMMAND,
    explain.COMMAND,
    decompose.COMMAND,
    isolate.COMMAND,
    experiment.COMMAND,
    monitor.COMMAND,
    replay.COMMAND,
    rules.COMMAND,
    demo.COMMAND,
)

_DESCRIPTION = """\
Says what is wrong with a custom loss function of TensorFlow or Keras 3: on which line,
with an input that proves it, and what to write instead."""

_EPILOG = """\
exit status: 0 no finding at or above the threshold, 1 findings, 2 not examined

Try: lossdoctor demo"""


def build_parser() -> Parser:
    """The parser of the whole command line."""
    parser = Parser(prog="lossdoctor", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the versions and exit")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for command in COMMANDS:
        short, long = help_parts(command.run)
        sub = verbs.add_parser(command.name, help=short, description=long)
        command.arguments(sub)
        sub.add_argument("--verbose", action="store_true", help="say more, and do not mute TensorFlow")
        sub.set_defaults(run=command.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (default: this process's own) and return the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except LossdoctorError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        print("lossdoctor: interrupted", file=sys.stderr)
        return 130  # 128 + SIGINT, as shells report it
    except Exception as error:
        if "--verbose" in arguments:
            import traceback

            traceback.print_exc()
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return _fail(f"{text}\nThis is a bug in lossdoctor. --verbose shows the details.")


def _run(arguments: list[str]) -> int:
    parser = build_parser()
    if arguments and _looks_like_target(arguments[0]):
        return _fail(f"a command is missing before {arguments[0]}\nTry: lossdoctor check {' '.join(arguments)}")
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help(sys.stderr)
        return FAILED
    return options.run(options)


def _looks_like_target(argument: str) -> bool:
    return not argument.startswith("-") and (".py" in argument or ":" in argument)


def _fail(message: str) -> int:
    print(f"lossdoctor: {message}", file=sys.stderr)
    return FAILED


class _Version(argparse.Action):
    """Print the versions of lossdoctor, of what it examines and of Python."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        def known(package: str) -> str:
            try:
                return version(package)
            except PackageNotFoundError:
                return "missing"

        python = ".".join(map(str, sys.version_info[:3]))
        around = f"TensorFlow {known('tensorflow')}, Keras {known('keras')}, Python {python}"
        print(f"lossdoctor {known('lossdoctor')} ({around})")
        parser.exit()
