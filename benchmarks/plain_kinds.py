"""The list of kinds of `plain_runs.py`: a maker by name, with what is right to say of its runs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from benchmarks.plain_models import Columns, lowest
from benchmarks.run import Run

Made = tuple[Columns, int | None]  # a log, and the row from which on an alarm is right
KINDS: dict[str, Callable[[int], Run]] = {}


def faulty(name: str, kind: str, *also: str) -> Callable[[Callable[[np.random.Generator], Made]], None]:
    def enter(maker: Callable[[np.random.Generator], Made]) -> None:
        def run(seed: int) -> Run:
            columns, onset = maker(np.random.default_rng([seed, len(name), *name.encode()]))
            unit = "epoch" if "epoch" in columns else "step"
            if onset is not None and onset >= len(columns[unit]):
                raise ValueError(f"{name}: the fault is behind the end")
            return Run(name, kind, onset, columns, unit, also)

        if name in KINDS:
            raise ValueError(f"{name} is there twice")
        KINDS[name] = run

    return enter


def healthy(name: str) -> Callable[[Callable[[np.random.Generator], Columns]], None]:
    return lambda maker: faulty(name, "healthy")(lambda rng: (maker(rng), None))


def turned(columns: Columns, series: str = "loss", width: int = 5) -> Made:
    """With the row where a series is lowest as the onset."""
    return columns, lowest(columns[series], width)


def first(columns: Columns, series: str = "loss") -> Made:
    """With the first row that is no number as the onset."""
    return columns, int(np.flatnonzero(~np.isfinite(columns[series]))[0])
