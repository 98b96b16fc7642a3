"""The latest numbers of a run in one line of the terminal."""

from __future__ import annotations

import sys
from os import get_terminal_size
from typing import TextIO


class Live:
    """Shows a line that is overwritten by the next; into a file, where nothing is overwritten, only those that stay."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._shown = False
        self._kept = ""

    def show(self, text: str) -> None:
        """In place of the line before, as much of it as fits: what goes on in a second row could not be taken back."""
        if self._out.isatty():
            room = self._width - 1
            self._write(f"\r\x1b[K{text if len(text) <= room else text[: room - 1] + '…'}")
            self._shown = True

    def keep(self, text: str) -> None:
        """A line that stays, so that what others write starts on one of its own; said once."""
        clear = "\r\x1b[K" if self._shown else ""
        self._write(f"{clear}{text}\n" if text != self._kept else clear)
        self._shown = False
        self._kept = text

    @property
    def _out(self) -> TextIO:
        return self._stream or sys.stderr

    @property
    def _width(self) -> int:
        try:
            width = get_terminal_size(self._out.fileno()).columns
        except (OSError, ValueError):  # no file, or one without a size
            width = 0
        return width or 80

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
