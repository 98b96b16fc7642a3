"""Keeping what the user's code prints away from the output of lossdoctor."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

KEPT = 65536  # characters of the beginning; a loss may print without end


class Sink(io.TextIOBase):
    """A text stream that keeps the first `KEPT` characters and counts the lines of all."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.lines = 0
        self._kept = io.StringIO()

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        self.lines += text.count("\n")
        room = KEPT - self._kept.tell()
        if room > 0:
            self._kept.write(text[:room])
        return len(text)

    @property
    def text(self) -> str:
        return self._kept.getvalue()


@contextlib.contextmanager
def captured() -> Iterator[Sink]:
    """Send Python's stdout and stderr to a sink for a while, and pass over warnings and TensorFlow's notes.

    One of those notes is that much is traced: examining a loss is just that.
    """
    sink = Sink()
    log = logging.getLogger("tensorflow")
    level = log.level
    with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log.setLevel(logging.ERROR)
        try:
            yield sink
        finally:
            log.setLevel(level)
