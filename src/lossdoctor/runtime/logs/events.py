"""TensorBoard event files, read with TensorBoard's own parts and without TensorFlow."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lossdoctor.findings import UsageError
from lossdoctor.runtime.logs.names import canonical
from lossdoctor.runtime.logs.table import NO_LOSS, LogTable, Row, Unit, named, ordered

_PATTERN = "*tfevents*"
_TRAIN = {"train", "training", "fit"}
_VALIDATION = {"validation", "val", "valid", "eval", "evaluation", "test", "dev"}
_SCALARS = "scalars"


def read(folder: Path, given: Mapping[str, str]) -> list[LogTable]:
    """The runs below a folder; `given` names series by tag. Raises `UsageError` if there is no event file or no loss in
    them."""
    files = sorted(path for path in folder.rglob(_PATTERN) if path.is_file())
    if not files:
        raise UsageError(
            f"Invalid value for `log`. Expected a folder with TensorBoard event files. Received: {folder}, which has "
            "none"
        )
    runs: dict[tuple[str, Unit], list[tuple[int, Row]]] = defaultdict(list)
    notes: dict[str, list[str]] = defaultdict(list)
    tags: dict[str, None] = {}
    for path in files:
        relative = path.parent.relative_to(folder)
        parts = list(relative.parts)
        role = parts.pop().lower() if parts and parts[-1].lower() in _TRAIN | _VALIDATION else ""
        run = "/".join(parts)
        try:
            for tag, step, value in _scalars(path):
                tags[tag] = None
                unit: Unit = "epoch" if tag.startswith("epoch_") else "step"
                runs[run, unit].append((step, {_name(tag, role, given): value}))
        except _Damaged as error:
            notes[run].append(f"{path.name} is damaged after {error} records: the rest was left out")
    named(tags, given)
    tables: list[LogTable] = []
    for (run, unit), rows in sorted(runs.items()):
        # Writers of one run interleave: sort by step, and let resumed runs replace as TensorBoard does.
        steps, merged, more = ordered(sorted(rows, key=lambda row: row[0]))
        if any("loss" in row for row in merged):
            tables.append(LogTable(run or str(folder), unit, steps, merged, notes[run] + more))
    if not tables:
        known = ", ".join(tags) or "no scalars"
        raise UsageError(
            f"Invalid value for `log`. Expected a scalar named loss, or …/loss. Received: {folder} with {known[:80]}"
            f"{NO_LOSS}"
        )
    return tables


def _name(tag: str, role: str, given: Mapping[str, str]) -> str:
    """The series that a tag of a writer holds: Keras writes `epoch_loss` into the folders train and validation."""
    bare = tag.removeprefix("epoch_").removeprefix("batch_")
    name = given.get(tag) or canonical(bare if "loss" not in bare or "/" not in bare else tag)
    if role in _VALIDATION:
        bare = name.removeprefix("evaluation_").removesuffix("_vs_iterations")
        return bare if bare.startswith("val_") else f"val_{bare}"
    return name


class _Damaged(Exception):
    pass


def _scalars(path: Path) -> Iterator[tuple[str, int, float]]:
    try:
        from tensorboard.compat.proto import event_pb2
        from tensorboard.compat.tensorflow_stub import errors
        from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New
        from tensorboard.util.tensor_util import make_ndarray
    except ImportError as error:
        raise UsageError("Event files are read with TensorBoard. Try: pip install 'lossdoctor[tensorflow]'") from error
    message: Any = getattr(event_pb2, "Event")  # noqa: B009  # generated: type checkers do not see it
    reader = PyRecordReader_New(str(path))
    plugin: dict[str, str] = {}
    count = 0
    while True:
        try:
            reader.GetNext()
            event = message.FromString(reader.record())
        except errors.OutOfRangeError:
            return
        except Exception as error:  # a checksum or a message that does not fit: TensorBoard has several kinds
            raise _Damaged(str(count)) from error
        count += 1
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name:
                plugin.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
            if value.WhichOneof("value") == "simple_value":
                yield value.tag, event.step, value.simple_value
            elif value.WhichOneof("value") == "tensor" and plugin.get(value.tag) == _SCALARS:
                array = make_ndarray(value.tensor)
                yield value.tag, event.step, float(array.reshape(-1)[0]) if array.size else math.nan
