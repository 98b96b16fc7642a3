"""The detectors over logs that exist."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.bank import DetectorBank
from lossdoctor.runtime.logs.read import read
from lossdoctor.runtime.logs.table import LogTable


@dataclass(frozen=True, slots=True)
class Monitored:
    """A run and what the detectors say of it, in the order in which they said it."""

    table: LogTable
    alerts: tuple[Alert, ...]


def monitor(
    path: Path | str,
    *,
    parameters: Mapping[str, Mapping[str, float]] | None = None,
    detectors: Collection[str] | None = None,
    columns: Mapping[str, str] | None = None,
) -> list[Monitored]:
    """Read the runs of a log and let the detectors look at each, from the front, a row at a time.

    Args:
        path: a folder of TensorBoard event files, one such file, a CSV, a JSON or a JSON-lines file.
        parameters: replaces defaults of detectors, see `DetectorBank`.
        detectors: codes of the detectors that look; all if None.
        columns: the column of the log that holds a series, by series: `{"loss": "train/box_loss"}`.

    Raises:
        UsageError: for a log that cannot be read.
    """
    return [Monitored(table, over(table, parameters, detectors)) for table in read(Path(path), columns)]


def over(
    table: LogTable,
    parameters: Mapping[str, Mapping[str, float]] | None = None,
    detectors: Collection[str] | None = None,
) -> tuple[Alert, ...]:
    """The alerts of one run."""
    bank = DetectorBank.for_unit(table.unit, parameters, detectors)
    alerts = [alert for step, row in zip(table.steps, table.rows, strict=True) for alert in bank.update(step, row)]
    return (*alerts, *bank.finish())
