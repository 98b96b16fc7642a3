"""LD816: an index in x that an embedding has no row for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lossdoctor.readings.model import Batch, ModelRun
from lossdoctor.rules.data.batches import at, named
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD816", name="index-out-of-range", family="data", severity="error")
# TensorFlow's message of a gather on the CPU.
_REFUSED = re.compile(r"indices\[(?P<index>[\d,]+)\] = (?P<value>-?\d+) is not in \[0, (?P<size>\d+)\)")


@RULE.check
def index_out_of_range(batch: Batch, run: ModelRun) -> Iterator[Suspicion]:
    if run.raised is None or run.stage != "model":
        return
    refused = _REFUSED.search(run.raised.message)
    if refused is None:
        return
    place = tuple(int(part) for part in refused["index"].split(","))
    index = (batch.rows[place[0]], *place[1:]) if place[0] < len(batch.rows) else place
    value = int(refused["value"])
    key = next((name for name, array in batch.inputs if _holds(array, index, value)), None)
    if key is None:
        return
    yield RULE.at(
        None,
        f"`{named('x', key)}` holds the index {value} at {at(index)}, and the embedding has the rows 0 to "
        f"{int(refused['size']) - 1}",
        evidence="witnessed",
        accused=Accused("data", "x", index, rank=4),
    )


def _holds(array: object, index: tuple[int, ...], value: int) -> bool:
    try:
        return bool(array[index] == value)  # type: ignore[index]  # any array; another input may have another rank
    except (IndexError, TypeError, ValueError):
        return False
