"""A captured batch, run through the loss as it is now: which samples break it, on which line, and what mends it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lossdoctor.config import load_config
from lossdoctor.engine.examine import Job, Progress, examine, opened, suspicions_of
from lossdoctor.engine.mend import mended
from lossdoctor.engine.order import arrange
from lossdoctor.engine.place import Places
from lossdoctor.engine.readings import Readings
from lossdoctor.engine.run import job_of, live_job
from lossdoctor.engine.settle import Settler
from lossdoctor.engine.witnesses import Witnesses
from lossdoctor.findings import ErrorItem, Finding, UsageError
from lossdoctor.probes.batches import rows
from lossdoctor.rules.registry import Rule
from lossdoctor.runtime.capture import About, Capture, flat, load
from lossdoctor.runtime.replayed import Replayed, Status
from lossdoctor.session import Evaluation, Execution, Pair, Session, Settings
from lossdoctor.spec import Contract, contract_from_arrays
from lossdoctor.worker.remote import WorkerPool

_NUMERIC = ("nonfinite-value", "nonfinite-gradient")
_ALONE = 256  # samples that are tried alone, where the loss mixes those of a batch
_RUNS: dict[str, Execution] = {"eager": "unoptimised", "graph": "graph", "xla": "xla"}


def replay(
    file: str | Path,
    target: str | None = None,
    *,
    settings: Settings | None = None,
    progress: Progress | None = None,
    verbose: bool = False,
    pool: WorkerPool | None = None,
) -> Replayed:
    """Replay a capture in a worker process.

    Args:
        file: the capture.
        target: the loss, instead of the one that the capture names.
        settings: of the examination; `mends` says whether mends are looked for.
        progress: told what is done.
        verbose: do not mute TensorFlow.
        pool: workers to use.

    Raises:
        UsageError: it is no capture, or its loss cannot be loaded or traced.
    """
    capture = load(file)
    settings = settings or Settings()
    wanted = target or capture.about.target
    if not wanted:
        raise UsageError(
            f"Invalid value for `target`. Expected the loss of this capture, as in `lossdoctor replay {file} --target "
            "losses.py:name`: it was a live object that cannot be imported again. Received: nothing"
        )
    job = job_of(wanted, load_config(None, Path.cwd()), None, None, None, settings, progress)
    if isinstance(job, ErrorItem):
        raise UsageError(job.message)
    if pool is not None:
        with pool.session() as session:
            return _replayed(str(file), capture, job, session)
    with WorkerPool(1, settings, verbose=verbose) as own, own.session() as session:
        return _replayed(str(file), capture, job, session)


def replay_object(file: str | Path, loss: object, *, settings: Settings) -> Replayed:
    """Replay a capture with a live loss in this process; see `lossdoctor.replay`."""
    from lossdoctor.worker.state import preserved

    capture = load(file)
    with preserved(settings.seed):
        job, session = live_job(loss, None, None, settings)
        try:
            return _replayed(str(file), capture, job, session)
        finally:
            session.close()


def _replayed(file: str, capture: Capture, job: Job, session: Session) -> Replayed:
    started = time.perf_counter()
    about = capture.about
    changed = tuple(path for path, text in about.sources.items() if _text(path) != text)

    def result(status: Status, statement: str, **more: Any) -> Replayed:
        seconds = time.perf_counter() - started
        return Replayed(file, job.target, about, status, statement, changed=changed, seconds=seconds, **more)

    given = _bad_samples(capture.y_pred)
    if given:
        said = f"y_pred itself is not finite in {_samples(given, about)}: what broke lies before the loss, "
        return result("elsewhere", said + "in the model, its data or an update of its weights", samples=given)
    pair = as_keras(capture)
    contract = contract_from_arrays(pair.y_true, pair.y_pred)
    job = replace(job, contracts=(contract,), pair=pair, selected=_numeric(job))
    start = opened(job, session)
    if isinstance(start, ErrorItem):
        raise UsageError(start.message)
    runs = {name: session.evaluate([pair], _RUNS[name])[0] for name in (*about.executions, "graph")}
    broken = [name for name, run in runs.items() if _breaks(run)]
    refused = next((run.raised for run in runs.values() if run.raised is not None), None)
    if refused is not None and not broken:
        return result("stands", f"the loss raises {refused.type} on the captured batch: {refused.message}")
    if not broken:
        return result(*_finite(capture, changed))
    execution = _RUNS[broken[0]]
    samples, part = _narrowed(session, contract, pair, runs[broken[0]], execution)
    readings = Readings(
        session, start.loaded, contract, start.traced, replace(job.settings, magnitude=contract.magnitude)
    )
    witnesses = Witnesses(readings, part)
    witnesses.try_only([part])
    notes: list[str] = []
    settler = Settler(readings, witnesses, Places(start.loaded, job.folder), notes)
    findings = _one_a_cause(arrange(settler.settle(suspicions_of(readings, job, notes))))
    kind = "gradient" if runs[broken[0]].finite_value else "value"
    count = _count(part)
    alone = "alone" if count == 1 else f"with {count} samples"
    of = f"{_samples(samples, about)} of {about.rows}" if samples else f"the batch of {about.rows}"
    statement = f"the {kind} of the loss is not finite for {of}, also {alone}"
    missing = _bad_samples(capture.y_true)
    if missing:
        statement += f"; y_true is not finite in {_samples(missing, about)}"
    if job.settings.mends and findings:
        spent = time.perf_counter() - started
        findings = mended(replace(job, pair=part), readings, witnesses, findings, examine, spent).findings
    return result(
        "stands",
        statement,
        samples=samples,
        smallest=count,
        executions=tuple(broken),
        findings=tuple(findings),
    )


def as_keras(capture: Capture) -> Pair:
    """The captured arrays as the loss gets them: cast to its dtype and, for a function, squeezed to one rank."""
    dtype = "float32" if capture.about.dtype == "bfloat16" else capture.about.dtype
    y_true, y_pred = (_cast(value, dtype) for value in (capture.y_true, capture.y_pred))
    if capture.about.squeezes and isinstance(y_true, np.ndarray) and isinstance(y_pred, np.ndarray):
        y_true, y_pred = _same_rank(y_true, y_pred)
    return Pair(y_true, y_pred)


def _same_rank(x1: Any, x2: Any) -> tuple[Any, Any]:
    """As `keras.losses` does it for a function: a last axis of size 1 is added or taken away."""
    if x1.ndim == x2.ndim + 1 and x1.shape[-1] == 1:
        return (x1, x2[..., None]) if x2.ndim == 1 else (x1[..., 0], x2)
    if x2.ndim == x1.ndim + 1 and x2.shape[-1] == 1:
        return (x1[..., None], x2) if x1.ndim == 1 else (x1, x2[..., 0])
    return x1, x2


def _finite(capture: Capture, changed: Sequence[str]) -> tuple[Status, str]:
    """What a finite result on the captured batch means."""
    about = capture.about
    weights = _bad_samples(capture.sample_weight)
    if weights:
        return "elsewhere", f"sample_weight is not finite in {_samples(weights, about)}; the loss itself is finite"
    if not np.isfinite(about.scale):
        return "elsewhere", "the gradient that arrives at the loss is not finite: what uses the loss is to blame"
    if about.reason != "non-finite":
        found = f"value and gradient, as when the batch was captured (for {about.reason})"
        return "finite", f"{found}; `lossdoctor trace --data` shows its numbers"
    if changed:
        return "mended", f"value and gradient are finite; {', '.join(Path(path).name for path in changed)} has changed"
    if capture.truncated:
        return "not-reproduced", "the loss is finite on the rows that were kept; the capture is truncated"
    return (
        "not-reproduced",
        "value and gradient are finite with the same source: look at random numbers in the loss, weights or reduction",
    )


def _narrowed(
    session: Session, contract: Contract, pair: Pair, run: Evaluation, execution: Execution
) -> tuple[tuple[int, ...], Pair]:
    """The samples that break, and the smallest part of the batch that still does: one of them, if it breaks alone."""
    count = _count(pair)
    direct = _rows_of(run, count)
    suspects = direct if 0 < len(direct) < count else tuple(range(min(count, _ALONE)))
    results = session.evaluate([rows(contract, pair, place, place + 1) for place in suspects], execution)
    alone = tuple(place for place, one in zip(suspects, results, strict=True) if _breaks(one))
    if alone:
        return alone, rows(contract, pair, alone[0], alone[0] + 1)
    if 0 < len(direct) < count:
        return direct, pair
    part = pair
    while (size := _count(part)) > 2:  # halves that still break; samples break together only
        halves = [rows(contract, part, 0, size // 2), rows(contract, part, size // 2, size)]
        smaller = [half for half, one in zip(halves, session.evaluate(halves, execution), strict=True) if _breaks(one)]
        if not smaller:
            break
        part = smaller[0]
    return (), part


def _rows_of(run: Evaluation, count: int) -> tuple[int, ...]:
    """The rows of value or gradient that are not finite."""
    parts = [run.value] if not run.finite_value else list(run.gradients)
    found: set[int] = set()
    for part in parts:
        if part is not None and part.ndim and len(part) == count:
            found.update(np.flatnonzero(~np.isfinite(part.reshape(count, -1)).all(1)).tolist())
    return tuple(sorted(found))


def _breaks(run: Evaluation) -> bool:
    return run.raised is None and not (run.finite_value and run.finite_gradient)


def _one_a_cause(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Errors first; what stands at the same place for the same reason is told once."""
    kept: dict[Any, Finding] = {}
    for finding in findings:
        kept.setdefault((finding.location.path, finding.location.line, finding.location.column), finding)
    return tuple(kept.values())


def _numeric(job: Job) -> Any:
    selected = job.selected

    def numeric(rule: Rule, path: str) -> bool:
        return rule.family in _NUMERIC and selected(rule, path)

    return numeric


def _bad_samples(value: Any) -> tuple[int, ...]:
    """The samples in which an array is not finite."""
    found: set[int] = set()
    for array in flat(value).values():
        if array.dtype.kind == "f" and array.ndim:
            found.update(np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(1)).tolist())
    return tuple(sorted(found))


def _samples(places: Sequence[int], about: About) -> str:
    """The samples of the batch, with their places in the data set where these are known."""
    known = about.indices if len(about.indices) == about.rows else (-1,) * about.rows
    shown = ", ".join(
        f"{place} ({known[place]} of the data set)" if known[place] >= 0 else str(place) for place in places[:5]
    )
    more = f" and {len(places) - 5} more" if len(places) > 5 else ""
    return f"sample{'s' if len(places) > 1 else ''} {shown}{more}"


def _count(pair: Pair) -> int:
    return next((len(array) for array in flat(pair.y_pred).values() if array.ndim), 1)


def _cast(value: Any, dtype: str) -> Any:
    if isinstance(value, dict):
        return {key: _cast(part, dtype) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return tuple(_cast(part, dtype) for part in value)
    return np.asarray(value).astype(dtype)


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
