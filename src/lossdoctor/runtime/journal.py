"""The record of one run: reads the recorders between steps, writes events, runs detectors, saves captures."""

from __future__ import annotations

import json
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from lossdoctor.findings import UsageError
from lossdoctor.runtime.capture import Capture, save
from lossdoctor.runtime.detectors.alert import Alert, Kind
from lossdoctor.runtime.detectors.bank import DetectorBank
from lossdoctor.runtime.events import EventLog
from lossdoctor.runtime.naming import unique
from lossdoctor.runtime.pages import alert_document, alerts_page, shapes_page, source_page
from lossdoctor.runtime.places import UNKNOWN, places, rows_at
from lossdoctor.runtime.readout import Measured, captured, histogram, series, slot_steps, statistics
from lossdoctor.runtime.slots import RING
from lossdoctor.runtime.watched import WatchedLoss

Action = Literal["log", "warn", "stop", "capture"] | Callable[[Alert], object]
_NAMES = ("log", "warn", "stop", "capture")
_LOG = logging.getLogger("lossdoctor")
_FLUSH = 2.0  # seconds after which what was written is made visible


@dataclass(frozen=True)
class Preset:
    """What is written how often."""

    every: int  # steps between two points of the series of the loss
    columns: tuple[str, ...]  # of the statistics of a line
    gradients: bool
    histograms: bool


PRESETS = {
    "light": Preset(10, ("min", "max"), gradients=False, histograms=False),
    "full": Preset(1, ("min", "mean", "max", "norm", "zeros"), gradients=True, histograms=True),
}


@dataclass
class Journal:
    """One run of training with watched losses.

    Args:
        folder: for event files and captures.
        losses: the watched losses.
        preset: what is written.
        max_bytes: of the event file.
        actions: what an alert leads to, by kind; "" for all others.
        parameters: of the detectors.
        captures: captures that are saved at most.
        extra: gives further arrays for a capture (weights), or None.
        data: inputs and targets of all samples, among which those of a capture are looked for.
        skips: the optimizer leaves out an update with gradients that are not finite.
        aside: called before each warning, which may come while a line of the terminal is unfinished.
    """

    folder: Path
    losses: Sequence[WatchedLoss]
    preset: Preset
    max_bytes: int
    actions: Mapping[str, tuple[Action, ...]]
    parameters: Mapping[str, Mapping[str, float]] | None = None
    captures: int = 3
    extra: Callable[[], Mapping[str, Any] | None] = lambda: None
    data: tuple[Any, Any] | None = None
    skips: bool = False
    aside: Callable[[], None] = lambda: None
    epoch: int | None = None
    inputs: deque[tuple[int, Any]] = field(default_factory=lambda: deque[tuple[int, Any]](maxlen=RING))
    indices: deque[tuple[int, tuple[int, ...]]] = field(
        default_factory=lambda: deque[tuple[int, tuple[int, ...]]](maxlen=RING)
    )
    stopped: bool = False
    alerts: list[Alert] = field(default_factory=list[Alert])
    saved: list[Path] = field(default_factory=list[Path])

    def __post_init__(self) -> None:
        self.log = EventLog(self.folder, self.max_bytes)
        self._banks = [DetectorBank(self.parameters) for _ in self.losses]
        self._run = DetectorBank(self.parameters)  # of what is known of the run as a whole
        for bank in (*self._banks, self._run):
            bank.log.skips = self.skips
        self._offsets = [0] * len(self.losses)
        self._next = [slot_steps(loss) for loss in self.losses]
        self._tabled = [-1] * len(self.losses)
        self._signatures = [0] * len(self.losses)
        self._noted: set[str] = set()
        self._flushed = time.monotonic()
        self._places: dict[str, str] = {}  # file and line of each term
        self._latest: dict[str, float] = {}
        self._names = unique([loss.name for loss in self.losses])

    @property
    def recorded(self) -> bool:
        """Whether a recorder has counted a step; of ragged predictions none does."""
        return any(slot_steps(loss) for loss in self.losses)

    @property
    def steps(self) -> int:
        """The number of the next step, as the recorders count."""
        return max((seen + offset for seen, offset in zip(self._next, self._offsets, strict=True)), default=0)

    def starts_at(self, step: int) -> None:
        """The next step that is recorded is this step of the training."""
        self._offsets = [step - seen for seen in self._next]

    def read(self, rates: Mapping[str, float]) -> None:
        """Take over what the recorders have seen since the last time."""
        # What broke first comes first: its NaN reaches the other losses with the weights, a step later.
        for place in sorted(range(len(self.losses)), key=lambda place: _broke(self.losses[place])):
            self._read(place, self.losses[place], rates)
        if time.monotonic() - self._flushed > _FLUSH:
            self.log.flush()
            self._flushed = time.monotonic()

    def left(self) -> None:
        """Close the record of a run that was interrupted, with what the recorders have seen."""
        self.read({})
        self.close(self.steps)

    def close(self, step: int) -> None:
        """Write the last pages."""
        for place, loss in enumerate(self.losses):
            self._pages(place, loss)
        if self.alerts:
            self.log.text(step, "alerts", alerts_page(self.alerts))
        self.log.close()

    def measured(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers of the run, such as those of the end of an epoch."""
        known = {name: float(number) for name, number in values.items()}
        self.log.scalars(step, {f"epoch/{name}": number for name, number in known.items()}, important=True)
        for alert in self._run.update(step, known):
            self._raised(alert, None)
        for place, loss in enumerate(self.losses):
            self._pages(place, loss)
        self.log.flush()

    @property
    def line(self) -> str:
        """The latest numbers, for a terminal."""
        return "  ".join(f"{name} {number:.4g}" for name, number in self._latest.items())

    # ---- one loss ---------------------------------------------------------------------------------------------

    def _read(self, place: int, loss: WatchedLoss, rates: Mapping[str, float]) -> None:
        prefix = self._prefix(place)
        offset = self._offsets[place]
        table = self._table(place, loss, prefix, offset)
        rows = series(loss, self._next[place])
        for row in rows:
            step = row.step + offset
            values = {"loss": row.loss, "grad_norm": row.gradient_norm, **rates}
            if table is not None and table[0] == row.step:
                values.update(table[1])
            if step % self.preset.every == 0 or not np.isfinite([row.loss, row.gradient_norm]).all():
                names = {f"{prefix}{name}": value for name, value in values.items() if not name.startswith("term/")}
                self.log.scalars(step, names, important=True)
            for alert in self._banks[place].update(step, values):
                self._raised(replace(alert, series=f"{prefix}{alert.series}"), loss)
            self._latest.update({f"{prefix}loss": row.loss, f"{prefix}grad": row.gradient_norm})
        if rows:
            self._next[place] = rows[-1].step + 1
        self._capture(place, loss, offset)
        for note in loss.notes:
            if note not in self._noted:
                self._noted.add(note)
                self._warn("%s: %s", self._names[place], note)

    def _prefix(self, place: int) -> str:
        return f"{self._names[place]}/" if len(self.losses) > 1 else ""

    def _table(self, place: int, loss: WatchedLoss, prefix: str, offset: int) -> tuple[int, dict[str, float]] | None:
        """Write the latest statistics, if they are new; their step and the values of the terms."""
        found = statistics(loss, self._tabled[place])
        if found is None:
            return None
        step, measured = found
        self._tabled[place] = step
        if len(loss.signatures) != self._signatures[place]:
            self._retraced(place, loss, step + offset, prefix)
        scalars: dict[str, float] = {}
        curves: dict[str, tuple[Any, Any]] = {}
        terms: dict[str, float] = {}
        for one in measured:
            line, values = one.line, one.values
            if line.kind in ("term", "term-gradient"):
                self._term(one, terms, scalars, prefix)
                continue
            if (line.kind == "gradient" and not self.preset.gradients) or not values["size"]:
                continue
            where = f"{line.span.line} " if line.span else ""
            tag = f"{prefix}{line.kind}s/{where}{_tag(line.name)}"
            if values["size"] > values["nan"] + values["inf"]:
                scalars.update({f"{tag}/{name}": values[name] for name in self.preset.columns})
            scalars[f"{tag}/not finite"] = values["nan"] + values["inf"]
            if self.preset.histograms and not line.inside:
                curves[tag] = histogram(one.sample, values["size"])
        self.log.scalars(step + offset, {**scalars, **{f"{prefix}{name}": value for name, value in terms.items()}})
        self.log.histograms(step + offset, curves)
        return step, terms

    def _term(self, one: Measured, terms: dict[str, float], scalars: dict[str, float], prefix: str) -> None:
        name = _tag(one.line.name)
        if one.line.kind == "term":
            whole = one.values["nan"] + one.values["inf"] == 0
            if one.line.span is not None:
                self._places[f"{prefix}term/{name}"] = f"{Path(one.line.span.path).name}:{one.line.span.line}"
            terms[f"term/{name}"] = one.values["mean"] if whole else float("nan")
        else:
            scalars[f"{prefix}term gradient/{name}"] = one.values["norm"]

    def _retraced(self, place: int, loss: WatchedLoss, step: int, prefix: str) -> None:
        again = self._signatures[place] > 0
        self._signatures[place] = len(loss.signatures)
        if loss.plan is not None:
            self.log.text(step, f"{prefix}shapes", shapes_page(loss.plan.lines, loss.signatures[-1]))
        if again:
            self._warn("step %d: %s was traced again, now for %s", step, self._names[place], loss.signatures[-1])

    def _pages(self, place: int, loss: WatchedLoss) -> None:
        found = statistics(loss)
        if found is not None:
            step = found[0] + self._offsets[place]
            self.log.text(step, f"{self._prefix(place)}source", source_page(found[1], step))

    def _warn(self, text: str, *values: object) -> None:
        self.aside()
        _LOG.warning(text, *values)

    # ---- alerts and captures ------------------------------------------------------------------------------------

    def _raised(self, alert: Alert, loss: WatchedLoss | None) -> None:
        place = self._places.get(alert.series)
        if place is not None:
            alert = replace(alert, message=f"{alert.message} It is computed at {place}.")
        self.alerts.append(alert)
        self.log.text(alert.step, f"alert/{alert.kind}", f"**{alert.kind}** of `{alert.series}`: {alert.message}")
        document = {"alerts": [alert_document(each) for each in self.alerts]}
        (self.folder / "alerts.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        for action in self.actions.get(alert.kind, self.actions.get("", ("warn",))):
            if action == "warn":
                self._warn("step %d: %s of %s: %s", alert.step, alert.kind, alert.series, alert.message)
            elif action == "stop":
                self.stopped = True
            elif action == "capture" and loss is not None:
                for slot in loss.slots.values():
                    if slot.captured_step is None:
                        slot.rearm(-np.inf)  # the next batch is kept, whatever its loss
            elif callable(action):
                action(alert)

    def _capture(self, place: int, loss: WatchedLoss, offset: int) -> None:
        if len(self.saved) >= self.captures:
            return
        found = captured(loss, epoch=self.epoch, offset=offset, reason=self.alerts[-1].kind if self.alerts else "")
        if found is None:
            return
        name = f"capture-{found.about.step:06d}"
        file = self.folder / (f"{name}.npz" if len(self.losses) == 1 else f"{name}-{self._names[place]}.npz")
        if file in self.saved:
            return
        x = next((x for step, x in self.inputs if step == found.about.step), None)
        about = replace(found.about, indices=self._indices(loss, found))
        if x is None and self.data is not None and about.indices and min(about.indices) >= 0:
            x = rows_at(self.data[0], about.indices)
        self.saved.append(save(replace(found, about=about, x=_arrays(x)), file, self.extra()))
        which = "" if found.about.target else " --target FILE:LOSS"
        self._warn("step %d: the batch is kept; lossdoctor replay %s%s", found.about.step, file, which)
        if found.about.reason != "non-finite":
            loss.rearm()  # a batch that was asked for is no reason to miss the one that breaks

    def _indices(self, loss: WatchedLoss, found: Capture) -> tuple[int, ...]:
        """The places of the samples in the data set: as the loop told them, else by what is in them."""
        told = next((told for step, told in self.indices if step == found.about.step), ())
        if told and len(loss.replicas) == 1:  # those are of the whole batch
            return told
        known = () if self.data is None else places(found.y_true, self.data[1])
        if all(place == UNKNOWN for place in known):
            return ()
        return known + (UNKNOWN,) * (found.about.rows - len(known))  # of a batch that was cut


def _broke(loss: WatchedLoss) -> float:
    """The step of its captured batch; infinity where there is none."""
    return min(
        (float(slot.captured_step) for slot in loss.slots.values() if slot.captured_step is not None), default=np.inf
    )


def actions_of(given: Any) -> dict[str, tuple[Action, ...]]:
    """Actions by kind from what the caller gave: an action, several, or a table of such.

    Raises:
        UsageError: there is no such action.
    """
    table = given if isinstance(given, Mapping) else {"": given}
    found: dict[str, tuple[Action, ...]] = {}
    kinds = get_args(Kind)
    for kind, value in table.items():
        if kind not in ("", *kinds):
            raise UsageError(
                f'Invalid value for `actions`. Expected a kind of alert, one of {", ".join(kinds)}, or "" for all '
                f"others. Received: {kind!r}"
            )
        parts = tuple(value) if isinstance(value, list | tuple) else (value,)
        for part in parts:
            if part not in _NAMES and not callable(part):
                raise UsageError(
                    f"Invalid value for `actions`. Expected {', '.join(_NAMES)}, or a function of an alert. "
                    f"Received: {part!r}"
                )
        found[str(kind)] = parts
    return found


def _arrays(value: Any) -> Any:
    """Tensors as arrays, in the same structure."""
    if isinstance(value, Mapping):
        return {str(key): _arrays(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_arrays(part) for part in value)
    return None if value is None else np.asarray(value)


def _tag(name: str) -> str:
    """A name that TensorBoard does not take for a path."""
    return name.replace("/", "\u2215")
