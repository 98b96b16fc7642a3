"""What a watched loss has recorded, read from outside of the graph: series, statistics of its lines, captures."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossdoctor.runtime.capture import About, Capture, shaped, source_texts
from lossdoctor.runtime.factories import made_by
from lossdoctor.runtime.slots import Slot
from lossdoctor.runtime.statistics import COLUMNS, Line
from lossdoctor.runtime.watched import WatchedLoss
from lossdoctor.subject import subject_of
from lossdoctor.subject.kinds import is_loss
from lossdoctor.subject.locate import definition_of
from lossdoctor.worker.start import versions


@dataclass(frozen=True)
class Row:
    """One step of training, over all replicas."""

    step: int  # of this loss, counted from 0
    loss: float
    gradient_norm: float  # of the gradient at y_pred, without the scaling of the loss


@dataclass(frozen=True)
class Measured:
    """The statistics of one line at one step."""

    line: Line
    values: Mapping[str, float]  # by the names of `COLUMNS`
    sample: np.ndarray[Any, Any]  # elements spread over the whole


def series(watched: WatchedLoss, since: int) -> list[Row]:
    """The steps from `since` on, as far as they are still kept."""
    slots = watched.replicas
    if not slots:
        return []
    parts = [slot.rows(since) for slot in slots]
    first = max(part[0] for part in parts)
    count = min(part[0] + len(part[1]) for part in parts) - first
    found: list[Row] = []
    for place in range(max(0, count)):
        rows = np.array([part[1][place + first - part[0]] for part in parts])
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            scale = abs(float(np.mean(rows[:, 2]))) or 1.0
            norm = float(np.sqrt(np.sum(rows[:, 1]))) / scale
        found.append(Row(first + place, float(np.sum(rows[:, 0])), norm))
    return found


def statistics(watched: WatchedLoss, after: int = -1) -> tuple[int, list[Measured]] | None:
    """The latest statistics (of the first replica) and their step; None without any of a step after `after`."""
    slots = watched.replicas
    if watched.plan is None or not slots or slots[0].table is None:
        return None
    slot = slots[0]
    step = slot.table_step
    if step <= after:
        return None
    table, samples = np.split(slot.table.numpy(), [len(COLUMNS)], axis=1)
    return step, [
        Measured(line, dict(zip(COLUMNS, map(float, row), strict=True)), sample)
        for line, row, sample in zip(watched.plan.lines, table, samples, strict=True)
    ]


def captured(watched: WatchedLoss, *, epoch: int | None = None, offset: int = 0, reason: str = "") -> Capture | None:
    """The batch that was kept first, of the replica on which it went wrong first; None if there is none.

    Args:
        watched: the loss.
        epoch: to note in the capture.
        offset: the training step of the loss's own step 0.
        reason: to note in the capture for a batch that is finite.
    """
    # A value or gradient that is not finite spreads to all replicas at the next step; the first to have it counts.
    found = [(slot.captured_step, key) for key, slot in watched.slots.items() if slot.captured_step is not None]
    if not found:
        return None
    step, key = min(found, key=lambda item: (item[0], item[1]))
    assert step is not None
    slot = watched.slots[key]
    kept = slot.kept()
    given = watched.given(*key)
    count_true, count_pred = (_count(part) for part in (given.y_true, given.y_pred))
    arrays = [each.array for each in kept]
    y_true = shaped(given.y_true, arrays[:count_true])
    y_pred = shaped(given.y_pred, arrays[count_true : count_true + count_pred])
    weight = arrays[count_true + count_pred :]
    loss, norm, scale = (float(number) for number in slot.seen())
    with np.errstate(invalid="ignore"):
        length = float(np.sqrt(np.float64(norm))) / (abs(scale) or 1.0)
    target, paths = target_of(watched.loss)
    plan = watched.plan
    paths += [line.span.path for line in (plan.lines if plan is not None else ()) if line.span is not None]
    first = kept[count_true]
    about = About(
        target=target,
        name=watched.name,
        step=step + offset,
        epoch=epoch,
        replica=key[1],
        replicas=len(watched.replicas),
        reason="non-finite" if not np.isfinite([loss, norm]).all() else reason or "asked for",
        loss=loss,
        gradient_norm=length,
        scale=scale,
        executions=tuple(sorted(watched.executions)),
        dtype=str(watched.dtype),
        squeezes=not is_loss(watched.loss) or hasattr(watched.loss, "fn"),
        rows=first.shape[0] if first.shape else 0,
        versions=versions(),
        sources=source_texts(paths),
        output=key[0],
    )
    return Capture(about, y_true, y_pred, weight[0] if weight else None)


def target_of(loss: Any) -> tuple[str, list[str]]:
    """The target that means a live loss in a fresh process ("" where there is none), and the file that defines it."""
    try:
        path = definition_of(loss).path
        loaded = subject_of(loss).loaded
    except Exception:  # whatever a live object does when it is looked at
        return "", []
    paths = [path] if path else []
    if not loaded.loader or not path:
        return _decorated(loss, path) or made_by(loss, path), paths
    if not is_loss(loss) or loaded.kind == "function":
        return f"{path}:{loaded.name}" if "<" not in loaded.name else made_by(loss, path), paths
    try:
        config = loss.get_config()
        arguments = ", ".join(f"{key}={value!r}" for key, value in config.items())
        ast.literal_eval(repr(config))
    except Exception:  # configurations of the user's
        return "", paths
    return f"{path}:{type(loss).__qualname__}({arguments})", paths


def _decorated(loss: Any, path: str) -> str:
    """The target of a function under `@lossdoctor.watch`: its name means the watched loss."""
    name = str(getattr(loss, "__qualname__", ""))
    bound: Any = getattr(sys.modules.get(str(getattr(loss, "__module__", ""))), name, None)
    return f"{path}:{name}" if path and isinstance(bound, WatchedLoss) and bound.loss is loss else ""


def histogram(sample: np.ndarray[Any, Any], size: float, bins: int = 30) -> tuple[Any, Any]:
    """Edges and counts of the finite elements of a sample, counts scaled to `size` elements."""
    finite = sample[np.isfinite(sample)].astype(np.float64)
    if not finite.size:
        return np.zeros(2), np.zeros(1)
    counts, edges = np.histogram(finite, bins=bins)
    return edges, counts * (size / sample.size)


def _count(structure: Any) -> int:
    if structure is None:
        return 1
    parts = structure.values() if isinstance(structure, Mapping) else structure
    return sum(_count(part) for part in parts)


def slot_steps(watched: WatchedLoss) -> int:
    """How many steps were recorded."""
    slots: list[Slot] = watched.replicas
    return min((slot.steps for slot in slots), default=0)
