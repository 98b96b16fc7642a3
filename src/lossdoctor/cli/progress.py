"""What is going on, on the standard error, while the work lasts."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.status import Status


class Progress:
    """A line with target and stage that comes and goes; nothing where the standard error is no terminal."""

    def __init__(self) -> None:
        self._status: Status | None = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.text import Text

            console = Console(stderr=True, markup=False, emoji=False, highlight=False)
            self._status = console.status(Text("starting"))
            self._status.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._status is not None:
            self._status.stop()

    @property
    def shown(self) -> str:
        """The line as it stands; "" where there is none."""
        return str(self._status.status) if self._status is not None else ""

    def __call__(self, target: str, stage: str) -> None:
        if self._status is not None:
            from rich.text import Text

            self._status.update(Text.assemble((target, "bold"), "  ", (stage, "dim")))
