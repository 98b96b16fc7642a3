"""Any log that exists."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lossdoctor.findings import UsageError
from lossdoctor.runtime.logs.table import LogTable


def read(path: Path, columns: Mapping[str, str] | None = None) -> list[LogTable]:
    """The runs of a folder with event files, of one event file, or of a CSV or JSON file.

    Args:
        path: the log.
        columns: the column of the log that holds a series, by series: `{"loss": "train/box_loss"}`.

    Raises:
        UsageError: for a file that is not there, cannot be read, or holds no log.
    """
    given = {column: series for series, column in (columns or {}).items()}
    try:
        if not path.exists():
            raise UsageError(f"Invalid value for `log`. Expected a file or folder that exists. Received: {path}")
        if path.is_dir():
            from lossdoctor.runtime.logs import events

            return events.read(path, given)
        if "tfevents" in path.name:
            from lossdoctor.runtime.logs import events

            return events.read(path.parent, given)
        if path.suffix.lower() in (".json", ".jsonl", ".ndjson"):
            from lossdoctor.runtime.logs import json

            return [json.read(path, given)]
        if path.suffix.lower() in (".csv", ".tsv", ".txt", ".log", ""):
            from lossdoctor.runtime.logs import csv

            return [csv.read(path, given)]
    except OSError as error:
        raise UsageError(f"{path} could not be read: {error.strerror}") from error
    raise UsageError(
        f"Invalid value for `log`. Expected a folder of event files, .csv, .json or .jsonl. Received: {path}"
    )
