"""Work that needs no Python, begun before its result is wanted, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Early(Generic[T]):
    """What `work()` returns or raises; it is done meanwhile."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._made: list[T] = []
        self._problem: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[], T]) -> None:
        try:
            self._made.append(work())
        except Exception as problem:
            self._problem = problem

    def wait(self) -> None:
        """Until it is done."""
        self._thread.join()

    def result(self) -> T:
        """Raises what `work` raised."""
        self.wait()
        if self._problem is not None:
            raise self._problem
        return self._made[0]
