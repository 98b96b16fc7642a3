"""Several live losses in one call: those of a model with several outputs, or of a list or table of losses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lossdoctor.findings import UsageError


def parts_of(losses: Mapping[Any, Any], y_true: Any, y_pred: Any) -> Iterator[tuple[Any, Any, Any, Any]]:
    """(key, loss, y_true, y_pred) of each loss; the key is its name, or its place in a list.

    Args:
        losses: the losses by key.
        y_true, y_pred: a list or table with one entry for each loss, one spec for all, or None.

    Raises:
        UsageError: there is no entry for a loss.
    """
    for place, (key, loss) in enumerate(losses.items()):
        yield (
            key,
            loss,
            _entry(y_true, "y_true", key, place, len(losses)),
            _entry(y_pred, "y_pred", key, place, len(losses)),
        )


def _entry(given: Any, argument: str, key: Any, place: int, count: int) -> Any:
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, Mapping) and key in given:
        return given[key]
    if isinstance(given, Sequence) and len(given) > (place if isinstance(key, str) else key):
        return given[place if isinstance(key, str) else key]
    shown = f"a table of {', '.join(map(repr, given))}" if isinstance(given, Mapping) else type(given).__name__
    raise UsageError(
        f"Invalid value for `{argument}`. Expected a list or table with one entry for each of the {count} losses, "
        f"one for {key!r} among them. Received: {shown}"
    )
