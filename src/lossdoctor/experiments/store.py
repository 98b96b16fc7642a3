"""Outcomes kept as they come, in an SQLite file of a run directory, so that an interrupted experiment goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from lossdoctor.experiments.outcomes import Outcome, Run
from lossdoctor.findings import LossdoctorError

NAME = "experiment.sqlite"


class Store:
    """The outcomes of one loss as it was when they were computed.

    Args:
        folder: the run directory, made if it is not there; None keeps them in memory.
        subject: what the outcomes belong to: the target, its source and specs. Others in the file are left alone.

    Raises:
        LossdoctorError: the file cannot be used.
    """

    def __init__(self, folder: Path | None, subject: str) -> None:
        self._subject = subject
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(":memory:" if folder is None else folder / NAME)
            self._base.execute(
                "create table if not exists outcomes (subject text, run text, outcome text, primary key (subject, run))"
            )
            self._base.commit()
        except (OSError, sqlite3.Error) as problem:
            raise LossdoctorError(f"{folder} cannot hold the results: {problem}") from problem

    def get(self, run: Run) -> Outcome | None:
        """The outcome of a run, if there is one."""
        row = self._base.execute(
            "select outcome from outcomes where subject = ? and run = ?", (self._subject, run.key)
        ).fetchone()
        return None if row is None else Outcome.from_json(row[0])

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Keep outcomes, on disk when this returns."""
        rows = [(self._subject, one.run.key, one.to_json()) for one in outcomes]
        self._base.executemany("insert or replace into outcomes values (?, ?, ?)", rows)
        self._base.commit()

    def close(self) -> None:
        """Close the file."""
        self._base.close()
