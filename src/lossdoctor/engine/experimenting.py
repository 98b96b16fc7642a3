"""One loss on trial: known answers first, then short trainings beside the standard loss, kept as they come."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossdoctor.engine.examine import Job, Opened, opened
from lossdoctor.engine.place import Places
from lossdoctor.engine.single import Given, heading, in_process, in_worker
from lossdoctor.experiments import plan
from lossdoctor.experiments.judge import Charge, charges, sensitive
from lossdoctor.experiments.outcomes import Comparison, Experiment, First, Outcome, Run
from lossdoctor.experiments.store import NAME, Store
from lossdoctor.findings import ErrorItem, Fact, Finding, UsageError
from lossdoctor.session import Session, Settings
from lossdoctor.spec import Contract, format_structure
from lossdoctor.worker.remote import WorkerPool

if TYPE_CHECKING:
    from typing import Unpack

_CHUNK = 3  # trainings of one request, after which they are kept
# Code, name, family and severity of each kind of finding.
RULES: dict[str, tuple[str, str, Any, Any]] = {
    "no-gradient": ("LD101", "non-differentiable", "no-gradient", "error"),
    "dead": ("LD111", "zero-gradient", "dead-gradient", "error"),
    "non-finite": ("LD701", "non-finite", "non-finite", "error"),
    "diverges": ("LD702", "divergence", "divergence", "error"),
    "wrong-direction": ("LD601", "wrong-direction", "wrong-direction", "error"),
    "pairs": ("LD201", "implicit-broadcast", "broadcast", "error"),
    "large": ("LD708", "exploding", "exploding", "warning"),
    "small": ("LD707", "vanishing", "vanishing", "warning"),
    "worse": ("LD705", "no-learning", "no-learning", "error"),
    "still": ("LD705", "no-learning", "no-learning", "error"),
}


def experiment(
    target: str,
    *,
    thorough: bool = False,
    folder: Path | None = None,
    jobs: int = 1,
    limit: float | None = None,
    **given: Unpack[Given],
) -> Experiment | ErrorItem:
    """Put a loss on trial in worker processes.

    Args:
        thorough: also other learning rates, optimizers, batch sizes and scales of the targets.
        folder: where results are kept, and taken from if they are there.
        jobs: trainings at the same time.
        limit: seconds after which no further training begins.

    Raises:
        UsageError: unusable arguments.
    """

    def work(job: Job, session: Session) -> Experiment:
        parallel = _parallel(job, job.settings, jobs) if jobs > 1 else None
        return _tried(job, session, thorough, folder, limit, parallel)

    return in_worker(target, work, **given)


def experiment_object(
    loss: object,
    y_true: object,
    y_pred: object,
    *,
    settings: Settings,
    thorough: bool = False,
    folder: Path | None = None,
    limit: float | None = None,
) -> Experiment:
    """Put a live loss on trial in this process; see `lossdoctor.experiment`.

    Raises:
        UsageError: it is no loss, or cannot be traced.
    """
    work = partial(_tried, thorough=thorough, folder=folder, limit=limit, parallel=None)
    return in_process(loss, y_true, y_pred, settings, work)


Many = Callable[[Contract, Sequence[Run]], "list[Outcome]"]


def _parallel(job: Job, settings: Settings, jobs: int) -> Many:
    """Trainings through joblib, whose back ends (loky, dask, ray) take them to other processes and machines."""
    try:
        import joblib  # pyright: ignore[reportMissingImports]  # optional
    except ImportError:
        raise UsageError(
            'Parallel experiments need joblib, which is not installed.\nTry: pip install "lossdoctor[experiments]"'
        ) from None

    def many(contract: Contract, runs: Sequence[Run]) -> list[Outcome]:
        parts = [list(runs[k::jobs]) for k in range(jobs)]
        work = joblib.delayed(train_elsewhere)
        tasks = (work(job.load, contract, part, settings) for part in parts if part)
        found: Any = joblib.Parallel(n_jobs=jobs)(tasks)
        by_key: dict[str, Outcome] = {one.run.key: one for part in found for one in part}
        return [by_key[run.key] for run in runs]

    return many


def train_elsewhere(load: str, contract: Contract, runs: Sequence[Run], settings: Settings) -> list[Outcome]:
    """Trainings in a worker process of the process that this is called in."""
    with WorkerPool(1, settings) as pool, pool.session() as session:
        session.load(load)
        return session.probe("experiments.trial", contract, runs=list(runs))[1]


class _Clock:
    """Time left, and how far the trainings are."""

    def __init__(self, job: Job, limit: float | None) -> None:
        self.job, self.limit = job, limit
        self.started = time.monotonic()
        self.done = self.whole = 0

    @property
    def over(self) -> bool:
        return self.limit is not None and time.monotonic() - self.started > self.limit

    def say(self, done: int) -> None:
        self.done += done
        spent = time.monotonic() - self.started
        left = spent / max(self.done, 1) * (self.whole - self.done)
        self.job.progress(self.job.target, f"training {self.done} of {self.whole}, about {left:.0f} s left")


def _tried(
    job: Job, session: Session, thorough: bool, folder: Path | None, limit: float | None, parallel: Many | None
) -> Experiment:
    started = time.perf_counter()
    start = opened(job, session)
    if isinstance(start, ErrorItem):
        raise UsageError(start.message)
    contract, seed = start.contract, job.settings.seed
    job.progress(job.target, "asking for the known answer")
    firsts: list[First] = session.probe("experiments.trial", contract, first=plan.seeds_of(seed)[:2])[0]
    gaps = [first.problem for first in firsts if first.problem]
    outcomes: list[Outcome] = []
    store = Store(folder, _fingerprint(start))
    clock = _Clock(job, limit)
    try:
        if not gaps:
            outcomes = _run(session, contract, plan.quick(seed), store, clock, parallel)
            found, _ = charges(firsts, outcomes)
            if any(charge.kind in ("worse", "non-finite", "still", "diverges") for charge in found):
                outcomes += _run(session, contract, plan.again(seed), store, clock, parallel)
            if thorough:
                outcomes += _run(session, contract, list(plan.thorough(seed)), store, clock, parallel)
    finally:
        store.close()
    if clock.over:
        gaps.append(f"the time limit of {limit:g} s left {clock.whole - clock.done} trainings undone")
    gaps += [one.problem for one in outcomes if one.problem and "no standard loss" not in one.problem]
    found, comparison = charges(firsts, outcomes)
    return _told(job, start, firsts, outcomes, found, comparison, list(dict.fromkeys(gaps)), started)


def _run(
    session: Session, contract: Contract, runs: Sequence[Run], store: Store, clock: _Clock, parallel: Many | None
) -> list[Outcome]:
    """The outcomes of these runs in their order: from the store, or computed and kept."""
    known = {run.key: outcome for run in runs if (outcome := store.get(run)) is not None}
    missing = [run for run in runs if run.key not in known]
    clock.whole += len(missing)
    size = _CHUNK if parallel is None else max(len(missing), 1)
    for begin in range(0, len(missing), size):
        if clock.over:
            break
        part = missing[begin : begin + size]
        made: list[Outcome]
        made = parallel(contract, part) if parallel else session.probe("experiments.trial", contract, runs=part)[1]
        store.add(made)
        known |= {one.run.key: one for one in made}
        clock.say(len(part))
    return [known[run.key] for run in runs if run.key in known]


def kept(folder: Path, start: Opened, seed: int) -> list[Run]:
    """The trainings with a loss that an experiment kept and that went wrong, of one learning rate.

    Raises:
        UsageError: there is none.
    """
    if not (folder / NAME).is_file():
        raise UsageError(f"Invalid value for `run_dir`. Expected a directory with {NAME}. Received: {folder}")
    store = Store(folder, _fingerprint(start))
    try:
        asked = [run for run in (*plan.quick(seed), *plan.again(seed)) if run.loss == "tested" and not run.one_batch]
        known = [outcome for run in asked if (outcome := store.get(run)) is not None]
    finally:
        store.close()
    if not known:
        raise UsageError(
            f"Invalid value for `run_dir`. Expected trainings with this loss, specs and seed {seed}. Received: {folder}"
        )
    wrong = [one for one in known if not one.finite or one.end > one.start]
    if not wrong:
        raise UsageError(f"Invalid value for `run_dir`. Expected a training that diverged. Received: {folder}")
    return [one.run for one in wrong if one.run.rate == wrong[0].run.rate][:2]


def _fingerprint(start: Opened) -> str:
    """The loss as it is now: another text of its file is another loss."""
    loaded, contract = start.loaded, start.contract
    try:
        text = Path(loaded.path).read_bytes()
    except OSError:
        text = loaded.target.encode()
    parts = (loaded.name, format_structure(contract.y_true), format_structure(contract.y_pred), loaded.target)
    return hashlib.sha256(text + "\0".join(parts).encode()).hexdigest()


def _told(
    job: Job,
    start: Opened,
    firsts: Sequence[First],
    outcomes: Sequence[Outcome],
    found: Sequence[Charge],
    comparison: Comparison | None,
    gaps: list[str],
    started: float,
) -> Experiment:
    places = Places(start.loaded, job.folder)
    findings = tuple(_finding(charge, places) for charge in found)
    judged = bool(outcomes) and not all(one.problem for one in outcomes)
    sure = judged and (comparison is not None or firsts[0].task in ("free", "embedding"))
    if firsts and firsts[0].task == "free" and not findings:
        gaps.append("no answer is known for these specs: only whether the loss can be lowered was tried")
    return Experiment(
        **heading(job, start, places),
        task=firsts[0].task if firsts else "",
        standard=firsts[0].standard if firsts else "",
        verdict="trains wrongly" if findings else "trains" if sure else "not judged",
        firsts=tuple(firsts),
        outcomes=tuple(outcomes),
        comparison=comparison,
        findings=findings,
        facts=() if findings or not sure else tuple(_facts(firsts, comparison, outcomes)),
        gaps=tuple(gaps),
        seconds=time.perf_counter() - started,
    )


def _finding(charge: Charge, places: Places) -> Finding:
    code, name, family, severity = RULES[charge.kind]
    location, function = places.locate(())
    return Finding(
        rule=code,
        name=name,
        family=family,
        severity=severity,
        evidence="witnessed",
        when=("graph",),
        message=charge.message,
        location=location,
        function=function,
    )


def _facts(firsts: Sequence[First], comparison: Comparison | None, outcomes: Sequence[Outcome]) -> list[Fact]:
    found: list[Fact] = []
    if all("answer" in first.values for first in firsts):
        names = len([name for name in firsts[0].values if name not in ("answer",) and not name.startswith("fresh")])
        text = f"the known answer has the lowest loss, against {names} kinds of worse predictions"
        found.append(Fact("known-answer", text, "witnessed", ("graph",)))
    if comparison is not None:
        text = (
            f"a small model ends with an error of {comparison.tested:.2g}, with the standard loss "
            f"{comparison.standard:.2g} ({comparison.seeds} seeds)"
        )
        found.append(Fact("trains", text, "witnessed", ("graph",)))
    found += [Fact("sensitivity", text, "witnessed", ("graph",)) for text in sensitive(outcomes)]
    return found
