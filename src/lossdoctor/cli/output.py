"""Where results go: the standard output or a file; and how wide and colourful that place is."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from lossdoctor.findings import LossdoctorError, UsageError
from lossdoctor.report import View

_WIDTH = 80  # where nobody says how wide it is
_NARROWEST, _WIDEST = 40, 120


def view_of(stream: TextIO, *, no_color: bool = False, verbose: bool = False, root: Path = Path()) -> View:
    """How to show a report on a stream. NO_COLOR, FORCE_COLOR, COLUMNS and TERM have their usual meaning."""
    terminal = stream.isatty()
    environment = os.environ
    color = terminal and environment.get("TERM") != "dumb"
    color = (color or bool(environment.get("FORCE_COLOR"))) and not environment.get("NO_COLOR") and not no_color
    columns = environment.get("COLUMNS", "")
    width = int(columns) if columns.isdigit() else 0
    if not width and terminal:
        width = shutil.get_terminal_size((_WIDTH, 24)).columns
    return View(
        width=min(max(width or _WIDTH, _NARROWEST), _WIDEST),
        color=color,
        encoding=stream.encoding or "utf-8",
        verbose=verbose,
        root=root,
    )


def write_out(text: str) -> None:
    """Write to the standard output. A reader that has gone away (`| head`) is no error."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more at exit; give it something that can be flushed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        raise LossdoctorError(f"the result could not be written: {error.strerror}") from error


def write_report(show: Callable[[View], str], output: Path | None, view: View) -> None:
    """What `show` makes of a report, to the standard output as `view` says, or to a file: in UTF-8, without colour."""
    if output is None:
        write_out(show(view))
    else:
        write_file(output, show(replace(view, color=False, encoding="utf-8")))


def check_writable(path: Path, name: str = "output") -> None:
    """Raise `UsageError` now if `write_file` would fail later, after the work."""
    folder = path.resolve().parent
    if path.is_dir():
        reason = "a folder"
    elif not folder.is_dir():
        reason = f"a file in {folder}, which does not exist"
    elif path.exists() and not os.access(path, os.W_OK):
        reason = "a file that may not be written"
    elif not path.exists() and not os.access(folder, os.W_OK):
        reason = f"a file in {folder}, which may not be written"
    else:
        return
    raise UsageError(f"Invalid value for `{name}`. Expected a file that can be written. Received: {path}, {reason}")


def write_file(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old content or the new, never a part. Raises `LossdoctorError`."""
    path = path.resolve()
    try:
        if path.exists() and not path.is_file():  # a device or a pipe has no content to replace
            path.write_text(text, encoding="utf-8")
            return
        partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            partial.write_text(text, encoding="utf-8")
            if path.exists():
                shutil.copymode(path, partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise LossdoctorError(f"{path} could not be written: {error.strerror}") from error
