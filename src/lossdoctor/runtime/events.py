"""TensorBoard event files: scalars, histograms, texts and hparams, within a bound of bytes.

Events are made of TensorBoard's own messages, so that no TensorFlow operation runs for them; all numbers of one step
go into one event.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


class EventLog:
    """Writes an event file into a folder.

    Args:
        folder: is made where it does not exist.
        max_bytes: after so many, only what is `important` is written, and after twice as many nothing.

    Raises:
        ImportError: tensorboard is not installed.
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: str | Path, max_bytes: int) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.plugins.histogram import metadata as histogram_metadata
        from tensorboard.plugins.scalar import metadata as scalar_metadata
        from tensorboard.plugins.text import metadata as text_metadata
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
        from tensorboard.util import tensor_util

        messages: tuple[Any, Any] = (event_pb2, summary_pb2)  # made at run time, unknown to type checkers
        self._event: Any = messages[0].Event
        self._summary: Any = messages[1].Summary
        self._tensor: Any = tensor_util.make_tensor_proto
        # What tells TensorBoard which plugin shows a value; a text's shape is (), as one string.
        self._scalar: Any = scalar_metadata.create_summary_metadata("", "")
        self._histogram: Any = histogram_metadata.create_summary_metadata("", "")
        self._text: Any = text_metadata.create_summary_metadata("", "")
        self._writer: Any = EventFileWriter(str(folder))
        self._limit = max_bytes
        self.bytes = 0

    def scalars(self, step: int, values: Mapping[str, float], *, important: bool = False) -> None:
        """Numbers of one step; NaN and infinities are written as such."""
        if values:
            self._write(
                step,
                [self._value(tag, self._scalar, np.float32(number)) for tag, number in values.items()],
                important,
            )

    def histograms(self, step: int, values: Mapping[str, tuple[Any, Any]]) -> None:
        """Edges and counts of one step."""
        made: list[Any] = []
        for tag, (edges, counts) in values.items():
            table = np.stack([edges[:-1], edges[1:], counts], axis=1).astype(np.float64)
            made.append(self._value(tag, self._histogram, table))
        if made:
            self._write(step, made, False)

    def text(self, step: int, tag: str, markdown: str) -> None:
        """A text, which TensorBoard shows as Markdown."""
        self._write(step, [self._value(tag, self._text, np.array(markdown.encode(), dtype=object))], True)

    def hparams(self, values: Mapping[str, Any], name: str = "") -> None:
        """The hyperparameters of the run: numbers, truth values and texts.

        Without a name TensorBoard calls the trial by the run's folder below the log folder, which no other run has;
        trials of one name are shown as one.
        """
        from tensorboard.plugins.hparams import summary_v2 as api  # `api` itself imports TensorFlow

        plain = {
            key: value if isinstance(value, bool | int | float | str) else str(value) for key, value in values.items()
        }
        made: Any = api.hparams_pb(plain, trial_id=name)
        self._add(self._event(wall_time=time.time(), summary=made), True)

    def hparams_table(self, domains: Mapping[str, Sequence[Any]], metrics: Mapping[str, str]) -> None:
        """What the dashboard of hyperparameters shows of the runs in the folders below this one.

        Args:
            domains: by name, the values that the runs have; of one type each.
            metrics: by tag of a scalar, what it is called.
        """
        from tensorboard.plugins.hparams import summary_v2 as api  # `api` itself imports TensorFlow

        columns = [api.HParam(name, api.Discrete(list(values))) for name, values in domains.items()]
        shown = [api.Metric(tag, display_name=title) for tag, title in metrics.items()]
        made: Any = api.hparams_config_pb(columns, shown)
        self._add(self._event(wall_time=time.time(), summary=made), True)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()

    def flush(self) -> None:
        """Make what was written visible."""
        self._writer.flush()

    def _value(self, tag: str, metadata: Any, number: Any) -> Any:
        return self._summary.Value(tag=tag, metadata=metadata, tensor=self._tensor(number))

    def _write(self, step: int, values: Sequence[Any], important: bool) -> None:
        self._add(self._event(wall_time=time.time(), step=step, summary=self._summary(value=values)), important)

    def _add(self, event: Any, important: bool) -> None:
        if self.bytes > self._limit * (2 if important else 1):
            return
        self.bytes += event.ByteSize()
        self._writer.add_event(event)
