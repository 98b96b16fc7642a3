"""Which series of a log are the terms of its loss."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

_ROWS = 8  # that have to add up
_TOLERANCE = 2e-3  # of the terms' magnitudes: numbers of a log are rounded
_MOST = 8  # series among which a sum is looked for


class Terms:
    """Finds the terms: by name, else the largest set of two or more series whose sum is the loss at the first rows."""

    def __init__(self) -> None:
        self._rows: list[dict[str, float]] = []
        self._named: set[str] = set()
        self._found: tuple[str, ...] | None = None

    def add(self, row: Mapping[str, float]) -> None:
        self._named.update(name for name in row if name.startswith("term/"))
        if len(self._rows) < _ROWS and "loss" in row:
            self._rows.append(dict(row))

    def names(self) -> tuple[str, ...]:
        if self._named:
            return tuple(sorted(self._named))
        if self._found is None and len(self._rows) == _ROWS:
            self._found = self._search()
        return self._found or ()

    def _search(self) -> tuple[str, ...]:
        common = set[str].intersection(*(set(row) for row in self._rows))
        usual = {"loss", "grad_norm", "learning_rate", "val_loss"}
        others = sorted(name for name in common - usual if not name.startswith("val_"))
        if not 2 <= len(others) <= _MOST:
            return ()
        for size in range(len(others), 1, -1):
            for names in itertools.combinations(others, size):
                if all(self._adds_up(row, names) for row in self._rows):
                    return names
        return ()

    @staticmethod
    def _adds_up(row: Mapping[str, float], names: tuple[str, ...]) -> bool:
        parts = [row[name] for name in names]
        return abs(sum(parts) - row["loss"]) <= _TOLERANCE * sum(map(abs, parts)) and all(parts)
