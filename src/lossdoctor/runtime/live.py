"""The latest numbers of a run in one line of the terminal."""

from __future__ import annotations

import sys
from typing import TextIO


class Live:
    """Shows a line that is overwritten by the next; into a file, where nothing is overwritten, only those that stay."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._shown = False

    def show(self, text: str) -> None:
        """In place of the line before."""
        if self._out.isatty():
            self._write(f"\r\x1b[K{text}")
            self._shown = True

    def keep(self, text: str) -> None:
        """A line that stays, so that what others write starts on one of its own."""
        clear = "\r\x1b[K" if self._shown else ""
        self._write(f"{clear}{text}\n")
        self._shown = False

    @property
    def _out(self) -> TextIO:
        return self._stream or sys.stderr

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
