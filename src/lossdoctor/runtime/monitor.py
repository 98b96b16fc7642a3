"""`Monitor`: a Keras callback that follows watched losses; and the same for a training loop of one's own."""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lossdoctor.findings import UsageError
from lossdoctor.runtime.capture import flat
from lossdoctor.runtime.journal import PRESETS, Action, Journal, actions_of
from lossdoctor.runtime.live import Live
from lossdoctor.runtime.places import length_of
from lossdoctor.runtime.slots import RING
from lossdoctor.runtime.untyped_tf import keras
from lossdoctor.runtime.watched import WatchedLoss, whole_number


class Monitor(keras.callbacks.Callback):
    """Writes what watched losses record to TensorBoard, raises alerts, and saves the batch that breaks.

    Use it as a callback of `fit`, or in a loop of your own: `begin`, then `step` after each step, `end`.

    Args:
        folder: for event files, `alerts.json` and captures.
        preset: "light" (loss, gradient norm, terms, ranges) or "full" (every step, gradients of every line,
            histograms).
        check_every: steps between two looks at the recorder; an alert comes at most so much later.
        actions: what an alert leads to: "log", "warn", "stop", "capture" (the next batch), a function of the alert,
            several of them, or a table by kind of alert ("" for all others).
        weights: keep the weights of the model and the optimizer in a capture, as they were at the last look before
            it; costs a copy of them at every look.
        max_bytes: of the event file.
        captures: files that are saved at most.
        data: inputs and targets of all samples, (x, y): a capture says which of them it holds, and has their x. They
            are found by their targets, so those that several samples share are known in an unshuffled batch only.
        losses: the watched losses, where they are not in `compile`.
        hparams: hyperparameters to show; by default those of optimizer, loss and fit.
        parameters: of the detectors, by detector and name.
        live: show the latest numbers on one line of the terminal, and keep those of each epoch; a file gets only these.

    Raises:
        UsageError: an argument is unusable.

    Example:
        >>> model.fit(x, y, callbacks=[ld.Monitor("runs/x")])  # doctest: +SKIP
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        preset: Literal["light", "full"] = "light",
        check_every: int = 10,
        actions: Action | Sequence[Action] | Mapping[str, Any] = "warn",
        weights: bool = False,
        max_bytes: int = 256 * 2**20,
        captures: int = 3,
        data: tuple[Any, Any] | None = None,
        losses: Sequence[WatchedLoss] | WatchedLoss | None = None,
        hparams: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Mapping[str, float]] | None = None,
        live: bool = False,
    ) -> None:
        super().__init__()
        if preset not in PRESETS:
            raise UsageError(f"Invalid value for `preset`. Expected light or full. Received: {preset!r}")
        if not isinstance(check_every, int) or not 1 <= check_every < RING:
            raise UsageError(
                f"Invalid value for `check_every`. Expected a whole number from 1 to {RING - 1}. "
                f"Received: {check_every!r}"
            )
        self.data = _pair(data)
        self.folder = _own_folder(_folder(folder))
        self.preset = PRESETS[preset]
        self.check_every = check_every
        self.actions = actions_of(actions)
        self.weights = weights
        self.max_bytes = whole_number(max_bytes, "max_bytes", 0)
        self.captures = whole_number(captures, "captures", 0)
        self.hparams = hparams
        self.parameters = parameters
        self.live = live
        self._live = Live()
        self._closing: Any = None  # closes the record of a run that is left without an end
        self.journal: Journal | None = None
        self._losses = None if losses is None else _watched(losses)
        self._snapshot: dict[str, Any] | None = None
        self._since = 0
        self._steps = 0
        self._drawn = False  # whether a progress bar of Keras stands on the line
        self._pace = check_every

    @property
    def alerts(self) -> list[Any]:
        """The alerts of the run so far."""
        return [] if self.journal is None else list(self.journal.alerts)

    @property
    def saved(self) -> list[Path]:
        """The captures of the run so far."""
        return [] if self.journal is None else list(self.journal.saved)

    # ---- a loop of one's own ------------------------------------------------------------------------------------

    def begin(
        self,
        losses: WatchedLoss | Sequence[WatchedLoss] | None = None,
        *,
        step: int = 0,
        hparams: Mapping[str, Any] | None = None,
        skips: bool = False,
    ) -> None:
        """Open the record of a run whose next step is `step`.

        Args:
            losses: the watched losses, where they were not given before.
            step: the number of the next step.
            hparams: hyperparameters to show.
            skips: whether the optimizer leaves out an update with gradients that are not finite, as one that scales
                the loss does.

        Raises:
            UsageError: no watched loss was given.
        """
        given = _watched(losses if losses is not None else self._losses or [])
        whole_number(step, "step", 0)
        if self._closing is not None:  # an interrupted run
            self._closing()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise UsageError(
                f"Invalid value for `folder`. Expected one that can be written to. Received: {str(self.folder)!r} "
                f"({problem.strerror})"
            ) from None
        self.journal = Journal(
            self.folder,
            given,
            self.preset,
            self.max_bytes,
            self.actions,
            self.parameters,
            self.captures,
            lambda: self._snapshot,
            self.data,
            skips,
            self._aside,
        )
        self.journal.starts_at(step)
        self._steps = step
        self._since = 0
        self._closing = weakref.finalize(self, self.journal.left)
        told = {**_about(given), **(hparams or {}), **(self.hparams or {})}
        self.journal.log.hparams(told)

    def step(
        self, count: int = 1, *, x: Any = None, indices: Any = None, rates: Mapping[str, float] | None = None
    ) -> bool:
        """Tell that training has made `count` steps; True where an alert says to stop.

        Args:
            count: of steps.
            x: the input of the model, kept in a capture of this step.
            indices: of the samples of the batch in the data set, as many whole numbers; kept likewise, so that
                `replay` names the samples by them.
            rates: further numbers of the step, such as `learning_rate`.
        """
        journal = self._begun()
        self._steps += count
        self._since += count
        if x is not None:
            journal.inputs.append((self._steps - 1, x))
        if indices is not None:
            journal.indices.append((self._steps - 1, _whole_numbers(indices)))
        if self._since >= self._pace:
            self._look(rates or {})
        return journal.stopped

    def measure(self, values: Mapping[str, float]) -> None:
        """Numbers that belong to the steps so far: `val_loss`, metrics."""
        journal = self._begun()
        try:
            numbers = {str(name): float(value) for name, value in values.items()}
        except (AttributeError, TypeError, ValueError):
            raise UsageError(
                f"Invalid value for `values`. Expected a table of names and numbers. Received: {values!r}"
            ) from None
        self._look({})
        journal.measured(max(0, self._steps - 1), numbers)

    def end(self) -> None:
        """Look once more and close the record."""
        if self.journal is not None and self._closing is not None:
            self._look({})
            self._closing.detach()
            self._closing = None
            self.journal.close(self._steps)
            if self.live:
                self._live.keep(self._line)

    def _begun(self) -> Journal:
        if self.journal is None:
            raise UsageError(
                "Invalid use of a Monitor. Expected `begin(loss)` before its first step. Received: nothing"
            )
        return self.journal

    def _look(self, rates: Mapping[str, float]) -> None:
        journal = self.journal
        assert journal is not None
        self._since = 0
        journal.read(rates)
        if self.live:
            self._live.show(self._line)

    def _aside(self) -> None:
        """End the line that Keras's progress bar draws again and again, so that a warning starts on its own."""
        if self._drawn and (self.params or {}).get("verbose") in (1, "auto"):
            print(flush=True)
        self._drawn = False

    @property
    def _line(self) -> str:
        return f"step {self._steps}  {self.journal.line}" if self.journal is not None else ""

    # ---- Keras ---------------------------------------------------------------------------------------------------

    def on_train_begin(self, logs: Any = None) -> None:
        losses = self._losses or watched_losses(self.model)
        self.begin(
            losses,
            step=_batches(self.model.optimizer),
            hparams=_hparams(self.model, self.params),
            skips=isinstance(self.model.optimizer, keras.optimizers.LossScaleOptimizer),
        )
        executions = int(getattr(self.model, "steps_per_execution", 1) or 1)
        # Looked at before the ring of the recorder is full.
        self._pace = max(1, min(self.check_every, RING - executions))
        self._remember()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        assert self.journal is not None
        self.journal.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        assert self.journal is not None
        done = int(getattr(self.model, "steps_per_execution", 1) or 1)
        self._steps += done
        self._since += done
        self._drawn = batch > 0  # by the batches before: callbacks of Keras's own come after those of the user
        if self._since >= self._pace:
            self._look(self._rates())
            self._remember()
        if self.journal.stopped:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        assert self.journal is not None
        self._look(self._rates())
        # What steps_per_execution made of the last batches, and batches whose update was left out, are counted there.
        self._steps = self.journal.steps if self.journal.recorded else _batches(self.model.optimizer)
        values = {name: float(value) for name, value in (logs or {}).items() if name != "loss"}
        self.journal.measured(max(0, self._steps - 1), values)
        self._drawn = False
        if self.live:
            self._live.keep(self._line)
        if self.journal.stopped:
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        self.end()

    def _rates(self) -> dict[str, float]:
        rate = getattr(self.model.optimizer, "learning_rate", None)
        return {} if rate is None else {"learning_rate": float(np.asarray(rate))}

    def _remember(self) -> None:
        """Keep the weights as they are while they are finite."""
        if not self.weights:
            return
        variables = [*self.model.weights, *self.model.optimizer.variables]
        arrays = {f"weight.{place}.{each.path}": np.asarray(each) for place, each in enumerate(variables)}
        if all(np.isfinite(array).all() for array in arrays.values() if array.dtype.kind == "f"):
            self._snapshot = {**arrays, "weights_step": np.array(self._steps)}


def _folder(folder: Any) -> Path:
    """Raises `UsageError` for what names no folder."""
    if isinstance(folder, str | os.PathLike) and not Path(folder).is_file():
        return Path(folder)
    what = "" if not isinstance(folder, str | os.PathLike) else " (a file)"
    raise UsageError(f"Invalid value for `folder`. Expected the name of a folder. Received: {folder!r}{what}")


def _watched(losses: Any) -> list[WatchedLoss]:
    """The watched losses that were given. Raises `UsageError` for anything else, and for none."""
    given = list(losses) if isinstance(losses, list | tuple) else [losses]
    if not given or not all(isinstance(loss, WatchedLoss) for loss in given):
        raise UsageError(
            "Invalid value for `losses`. Expected a loss that `lossdoctor.watch` made, in `compile` or in "
            f"Monitor(losses=…). Received: {losses!r}"
        )
    return given


def _pair(data: Any) -> tuple[Any, Any] | None:
    """Inputs and targets. Raises `UsageError` for anything but two structures of arrays of one length."""
    if data is None:
        return None
    if isinstance(data, tuple | list) and len(data) == 2 and length_of(tuple(data)) is not None:
        return data[0], data[1]
    received = [array.shape for array in flat(data).values()]
    raise UsageError(f"Invalid value for `data`. Expected (x, y), arrays with a row a sample. Received: {received}")


def _whole_numbers(indices: Any) -> tuple[int, ...]:
    """The indices of a batch. Raises `UsageError` for anything but a row of whole numbers."""
    array = np.asarray(indices)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise UsageError(
            f"Invalid value for `indices`. Expected one whole number for each sample. Received: {array.dtype} of "
            f"shape {array.shape}"
        )
    return tuple(array.tolist())


def watched_losses(model: Any) -> list[WatchedLoss]:
    """The watched losses of a compiled model."""
    found = [loss for loss in keras.tree.flatten(getattr(model, "loss", None)) if isinstance(loss, WatchedLoss)]
    return list({id(loss): loss for loss in found}.values())


def _own_folder(folder: Path) -> Path:
    """The folder of this worker of a cluster; of the first one the folder itself."""
    try:
        task = json.loads(os.environ.get("TF_CONFIG", "{}")).get("task", {})
    except (ValueError, AttributeError):
        return folder
    index = task.get("index", 0)
    return folder / f"{task.get('type', 'worker')}-{index}" if index else folder


def _batches(optimizer: Any) -> int:
    """How many batches the optimizer has seen: one that accumulates gradients makes a step of several."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return int(np.asarray(getattr(inner, "_iterations", optimizer.iterations)))


def _about(losses: Sequence[WatchedLoss]) -> dict[str, Any]:
    return {"loss": ", ".join(loss.name for loss in losses)}


def _hparams(model: Any, params: Any) -> dict[str, Any]:
    optimizer = model.optimizer.get_config()
    told = {
        f"optimizer/{key}": value for key, value in optimizer.items() if isinstance(value, bool | int | float | str)
    }
    told["jit_compile"] = bool(getattr(model, "jit_compile", False))
    told.update({key: value for key, value in (params or {}).items() if isinstance(value, int) and key != "verbose"})
    return told


def watch_step(
    step: Callable[..., Any],
    losses: WatchedLoss | Sequence[WatchedLoss],
    folder: str | Path | None = None,
    *,
    monitor: Monitor | None = None,
) -> Callable[..., Any]:
    """A training step that tells a monitor of each call, with its first argument as the input of the model.

    Use it around the step of a loop of your own, a `tf.function` or not. The losses have to be watched ones, called in
    the step under a GradientTape.

    Args:
        step: a function of (x, …).
        losses: the watched losses that it calls.
        folder: for event files and captures; a `Monitor` of it is made.
        monitor: one that was made, instead of a folder.

    Returns:
        The step; `step.monitor` is the monitor, and `step.monitor.end()` closes its record.

    Raises:
        UsageError: neither folder nor monitor, or no watched loss.

    Example:
        >>> step = ld.watch_step(train_step, loss, "runs/x")  # doctest: +SKIP
    """
    if (monitor is None) == (folder is None):
        raise UsageError("Invalid value for `folder`. Expected either a folder or a monitor. Received: both or neither")
    if not callable(step):
        raise UsageError(f"Invalid value for `step`. Expected a function of (x, …). Received: {step!r}")
    own = monitor if monitor is not None else Monitor("" if folder is None else folder)
    if own.journal is None:
        own.begin(losses)

    def stepped(*arguments: Any, **keywords: Any) -> Any:
        result = step(*arguments, **keywords)
        own.step(x=arguments[0] if arguments else None)
        return result

    stepped.monitor = own  # type: ignore[attr-defined]  # a function has no attributes that are declared
    return stepped
