"""One loss on trial: known answers first, then short trainings beside the standard loss, kept as they come."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lossdoctor.engine.examine import Job, Opened, contracts_of, opened
from lossdoctor.engine.place import Places
from lossdoctor.engine.single import Given, heading, in_process, in_worker
from lossdoctor.experiments import plan
from lossdoctor.experiments.judge import (
    Charge,
    barely_beating,
    charges,
    harder,
    learnable,
    sees_no_scale,
    sensitive,
    sweeps,
)
from lossdoctor.experiments.outcomes import Comparison, Experiment, First, Outcome, Own, Run, Shares
from lossdoctor.experiments.scenarios import scenarios
from lossdoctor.experiments.store import NAME, Store
from lossdoctor.findings import ErrorItem, Fact, Finding, UsageError
from lossdoctor.session import Session, SessionError, Settings
from lossdoctor.spec import Contract
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
    "sensitive": ("LD705", "no-learning", "no-learning", "info"),
}


def experiment(
    target: str,
    *,
    thorough: bool = False,
    folder: Path | None = None,
    jobs: int = 1,
    limit: float | None = None,
    own: Own | None = None,
    task: str = "",
    **given: Unpack[Given],
) -> Experiment | ErrorItem:
    """Put a loss on trial in worker processes.

    Args:
        thorough: also other learning rates, optimizers, batch sizes and scales of the targets.
        folder: where results are kept, and taken from if they are there.
        jobs: trainings at the same time.
        limit: seconds after which no further training begins.
        own: a model and data of the user's; small models and synthetic data otherwise.
        task: the name of the synthetic task; the one that specs and loss suggest otherwise.

    Raises:
        UsageError: unusable arguments.
    """

    def work(job: Job, session: Session) -> Experiment:
        parallel = _parallel(job, own, task, jobs) if jobs > 1 else None
        return _Experimenter(job, session, folder, limit, own, task, parallel).run(thorough)

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
    own: Own | None = None,
    task: str = "",
) -> Experiment:
    """Put a live loss on trial in this process; see `lossdoctor.experiment`.

    Raises:
        UsageError: it is no loss, or cannot be traced.
    """

    def work(job: Job, session: Session) -> Experiment:
        return _Experimenter(job, session, folder, limit, own, task, None).run(thorough)

    return in_process(loss, y_true, y_pred, settings, work)


Many = Callable[[Contract, Sequence[Run]], "list[Outcome]"]


def _parallel(job: Job, own: Own | None, task: str, jobs: int) -> Many:
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
        tasks = (work(job.load, contract, part, job.settings, own, task) for part in parts if part)
        found: Any = joblib.Parallel(n_jobs=jobs)(tasks)
        by_key: dict[str, Outcome] = {one.run.key: one for part in found for one in part}
        return [by_key[run.key] for run in runs]

    return many


def train_elsewhere(
    load: str, contract: Contract, runs: Sequence[Run], settings: Settings, own: Own | None = None, task: str = ""
) -> list[Outcome]:
    """Trainings in a worker process of the process that this is called in."""
    with WorkerPool(1, settings) as pool, pool.session() as session:
        session.load(load)
        if any(run.term for run in runs):
            session.trace(contract)
        return session.probe("experiments.trial", contract, runs=list(runs), own=own, task=task)[1]


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


@dataclass
class _Experimenter:
    """One experiment: known answers first, then trainings in the order of the plan."""

    job: Job
    session: Session
    folder: Path | None
    limit: float | None
    own: Own | None
    task: str
    parallel: Many | None

    def run(self, thorough: bool) -> Experiment:
        started = time.perf_counter()
        start = self.opened()
        seed, pace = self.job.settings.seed, plan.SMALL if self.own is None else plan.OWN
        self.job.progress(self.job.target, "asking for the known answer")
        firsts: list[First] = self.probe(start.contract, first=plan.seeds_of(seed)[:2])[0]
        gaps = [first.problem for first in firsts if first.problem]
        outcomes: list[Outcome] = []
        shares: Shares | None = None
        store = Store(self.folder, _fingerprint(start, self.own, self.task))
        clock = _Clock(self.job, self.limit)
        try:
            if not gaps:
                outcomes = self.trained(start.contract, plan.quick(seed, pace), store, clock)
                found, _ = charges(firsts, outcomes)
                if any(charge.kind in ("worse", "non-finite", "still", "diverges") for charge in found):
                    outcomes += self.trained(start.contract, plan.again(seed, pace), store, clock)
                if thorough:
                    more = [*plan.thorough(seed, pace), *plan.sweep(seed, self.terms(start), pace)]
                    more += plan.other_data(seed, self.others(start), pace)
                    more = [run for run in more if run.scale == 1.0 or firsts[0].task == "regression"]
                    outcomes += self.trained(start.contract, more, store, clock)
                    shares = None if clock.over else self.shares(start, plan.quick(seed, pace)[-2])
        finally:
            store.close()
        if clock.over:
            gaps.append(f"the time limit of {self.limit:g} s left {clock.whole - clock.done} trainings undone")
        gaps += [one.problem for one in outcomes if one.problem and "no standard loss" not in one.problem]
        gaps = list(dict.fromkeys(gaps))
        guessed = {one.name for one in scenarios(start.contract, "instead")} if not self.task else set[str]()
        found = _told(self.job, start, guessed, firsts, outcomes, gaps)
        seconds = time.perf_counter() - started
        return replace(found, own=self.own is not None, shares=shares, seconds=seconds)

    def opened(self) -> Opened:
        """The loss, traced with what the user's model and data say of the specs.

        Raises:
            UsageError: it cannot be traced, or they are unusable.
        """
        job = self.job
        if self.own is not None:
            loaded = job.loaded or self.session.load(job.load)
            stated = [one for one in job.contracts if one.origin not in ("config", "inferred")]
            magnitude = job.settings.magnitude
            asked = (stated or contracts_of(job, loaded))[0]
            found: Contract = self.session.probe("experiments.own", asked, own=self.own, magnitude=magnitude)
            job = replace(job, loaded=loaded, contracts=tuple(stated) or (found,))
        start = opened(job, self.session)
        if isinstance(start, ErrorItem):
            raise UsageError(start.message)
        if self.task:
            known = tuple(dict.fromkeys(one.name for one in scenarios(start.contract)))
            if self.task not in known:
                specs = " and ".join(start.contract.shown)
                raise UsageError(
                    f"Invalid value for `task`. Expected one of {', '.join(known) or 'none'}, which fit {specs}. "
                    f"Received: {self.task!r}"
                )
        return start

    def others(self, start: Opened) -> list[str]:
        """The tasks with harder data for the same specs."""
        if self.own is not None or self.task:
            return []
        return [one.name for one in scenarios(start.contract, "asked")]

    def shares(self, start: Opened, run: Run) -> Shares | None:
        """What the terms are worth along a training."""
        self.job.progress(self.job.target, "looking at the terms along a training")
        wanted: dict[str, Any] = {"own": self.own, "task": self.task, "run": run}
        try:
            return self.session.probe("experiments.shares", start.contract, **wanted)
        except SessionError:  # the last that is asked for, and not worth losing the rest
            return None

    def terms(self, start: Opened) -> tuple[str, ...]:
        """The terms whose weights can be swept."""
        return self.session.probe("experiments.trial", start.contract, terms=True)

    def probe(self, contract: Contract, **wanted: Any) -> tuple[list[First], list[Outcome]]:
        return self.session.probe("experiments.trial", contract, own=self.own, task=self.task, **wanted)

    def trained(self, contract: Contract, runs: Sequence[Run], store: Store, clock: _Clock) -> list[Outcome]:
        """The outcomes of these runs in their order: from the store, or computed and kept."""
        known = {run.key: outcome for run in runs if (outcome := store.get(run)) is not None}
        missing = [run for run in runs if run.key not in known]
        clock.whole += len(missing)
        alone = _CHUNK if self.own is None else 1  # a model of the user's may take long
        size = alone if self.parallel is None else max(len(missing), 1)
        for begin in range(0, len(missing), size):
            if clock.over:
                break
            part = missing[begin : begin + size]
            made = self.parallel(contract, part) if self.parallel else self.probe(contract, runs=part)[1]
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


def _fingerprint(start: Opened, own: Own | None = None, task: str = "") -> str:
    """The loss as it is now, and what it is tried on: another text of its file is another loss."""
    loaded, contract = start.loaded, start.contract
    try:
        text = Path(loaded.path).read_bytes()
    except OSError:
        text = loaded.target.encode()
    parts = (loaded.name, *contract.shown, loaded.target, task)
    found = hashlib.sha256(text + "\0".join(parts).encode())
    for part in () if own is None else (own.model, own.data):
        _digest(found, part)
    return found.hexdigest()


def _digest(found: Any, part: Any) -> None:
    """Add a file, arrays (alone, listed or by name), or what a live model is made of."""
    if isinstance(part, str):
        path = Path(f"{part.partition('.py:')[0]}.py") if ".py:" in part else Path(part)
        found.update(part.encode() + (path.read_bytes() if path.is_file() else b""))
    elif isinstance(part, Mapping | list | tuple):
        items: Any = sorted(part.items()) if isinstance(part, Mapping) else enumerate(part)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType, reportUnknownVariableType]
        for name, one in items:
            found.update(str(name).encode())
            _digest(found, one)
    elif hasattr(part, "get_weights"):
        _digest(found, part.get_weights())
    elif hasattr(part, "__code__"):
        found.update(part.__code__.co_code + repr(part.__code__.co_consts).encode())
    else:
        array = np.asarray(part)
        found.update(repr((array.shape, array.dtype)).encode() + array.tobytes())


def _told(
    job: Job,
    start: Opened,
    guessed: set[str],
    firsts: Sequence[First],
    outcomes: Sequence[Outcome],
    gaps: list[str],
) -> Experiment:
    """The result; what speaks against a loss only because its task was guessed is not said of it."""
    places = Places(start.loaded, job.folder)
    found, comparison = charges(firsts, outcomes)
    unsure = [charge for charge in found if charge.kind == "worse" and firsts[0].task in guessed]
    found = [charge for charge in found if charge not in unsure]
    gaps += [f"as the loss of {firsts[0].task} that it is taken for, {one.message}" for one in unsure]
    findings = tuple(_finding(charge, places) for charge in found)
    wrong = any(finding.severity != "info" for finding in findings)
    judged = bool(outcomes) and not all(one.problem for one in outcomes)
    sure = judged and not unsure and (comparison is not None or firsts[0].task in ("free", "embedding"))
    if comparison is not None and not learnable(outcomes, comparison, sees_no_scale(firsts)):
        sure = False
        gaps.append(
            f"the standard loss itself gets no further than an error of {comparison.standard:.2g} in "
            f"{outcomes[0].run.steps} steps, which judges nothing"
        )
    if not wrong and (close := barely_beating(firsts)) is not None:
        name, lower, answer = close
        gaps.append(f"{name} has a slightly lower loss than the known answer, {lower:.4g} against {answer:.4g}")
    if firsts and firsts[0].task == "free" and not wrong:
        gaps.append("no answer is known for these specs: only whether the loss can be lowered was tried")
    return Experiment(
        **heading(job, start, places),
        task=firsts[0].task if firsts else "",
        standard=firsts[0].standard if firsts else "",
        verdict="trains wrongly" if wrong else "trains" if sure else "not judged",
        firsts=tuple(firsts),
        outcomes=tuple(outcomes),
        comparison=comparison,
        findings=findings,
        facts=() if wrong or not sure else tuple(_facts(firsts, comparison, outcomes)),
        gaps=tuple(gaps),
        seconds=0.0,
        swept=tuple(sweeps(outcomes, sees_no_scale(firsts))),
        harder=tuple(harder(outcomes)),
        convention=firsts[0].convention if firsts else "",
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
    if all("answer" in first.values for first in firsts) and barely_beating(firsts) is None:
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
