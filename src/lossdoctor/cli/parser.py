"""argparse with our manners: one or two clear lines for a mistake, "did you mean" for a name."""

from __future__ import annotations

import argparse
import math
import os
import re
import shutil
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NoReturn

from lossdoctor.findings import UsageError

SUCCESS, FOUND, FAILED = 0, 1, 2  # exit statuses

_CHOICE = re.compile(r"argument (?P<name>.+): invalid choice: (?P<given>'.*') \(choose from (?P<choices>.*)\)")
_VALUE = re.compile(r"argument (?P<name>.+?): (?P<rest>Expected .*)")


def _name(match: re.Match[str]) -> str:
    """`y-true` of "--y-true", `command` of "COMMAND"."""
    return match["name"].split("/")[-1].lstrip("-").lower()


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """ " Did you mean …?" if a known name is near, else ""."""
    near = get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]}?" if near else ""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are `UsageError`s."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", _formatter)
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        if (choice := _CHOICE.match(message)) is not None:
            given, choices = choice["given"].strip("'"), choice["choices"].replace("'", "")
            hint = did_you_mean(given, choices.split(", "))
            message = f"Invalid value for `{_name(choice)}`. Expected one of {choices}. Received: {given}.{hint}"
        elif (value := _VALUE.match(message)) is not None:
            message = f"Invalid value for `{_name(value)}`. {value['rest']}"
        raise UsageError(f"{message}\nTry: {self.prog} --help")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Paragraphs that are wider than the terminal are filled anew; indented lines, which are examples, stay."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = super()._fill_text(text, width, indent).split("\n\n")
        return "\n\n".join(_filled(part, width) for part in paragraphs)

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        if action.nargs == argparse.PARSER:  # the commands stand further in than argparse counts
            self._action_max_length += self._indent_increment


def _filled(paragraph: str, width: int) -> str:
    lines = paragraph.split("\n")
    as_written = any(line.startswith(" ") for line in lines) or all(len(line) <= width for line in lines)
    return paragraph if as_written else textwrap.fill(paragraph, width)


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Help as wide as the terminal, up to 100 columns."""
    width = min(shutil.get_terminal_size().columns, 100)
    return _Formatter(prog, width=width, max_help_position=30)


@dataclass(frozen=True, slots=True)
class Command:
    """One verb: the function that carries it out, whose docstring is its help, and its arguments."""

    name: str
    run: Callable[[argparse.Namespace], int]
    arguments: Callable[[argparse.ArgumentParser], None]


def positive(text: str) -> float:
    """A finite number above zero."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (number > 0 and math.isfinite(number)):
        raise argparse.ArgumentTypeError(f"Expected a number above 0. Received: {text}")
    return number


def whole(least: int) -> Callable[[str], int]:
    """An integer that is at least `least`."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"Expected an integer of at least {least}. Received: {text}")
        return number

    return parse


def listed(values: Sequence[str] | None) -> list[str] | None:
    """The items of repeated, comma-separated options; None if the option was not given."""
    if values is None:
        return None
    return [item.strip() for value in values for item in value.split(",") if item.strip()]


def help_parts(run: Callable[..., object]) -> tuple[str, str]:
    """The first line of a command's docstring, and the whole of it without indentation."""
    from inspect import cleandoc

    text = cleandoc(run.__doc__ or "")
    return text.split("\n", 1)[0].rstrip("."), text


def default_jobs(targets: int) -> int:
    """One worker for every two CPUs (a worker uses two), at most four and at most one for each target."""
    return max(1, min(targets, (os.cpu_count() or 2) // 2, 4))
