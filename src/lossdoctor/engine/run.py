"""Many targets, one report: which losses, what each is given, and what happens when a worker dies."""

from __future__ import annotations

import contextlib
import importlib.metadata
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lossdoctor.config import Config, LossEntry, load_config
from lossdoctor.contract import contract_of, stated_of
from lossdoctor.engine.construction import report_of_construction
from lossdoctor.engine.deaths import report_of_death
from lossdoctor.engine.examine import Job, Progress, Purpose, examine
from lossdoctor.engine.meanings import reference_target
from lossdoctor.engine.place import readable
from lossdoctor.engine.several import parts_of
from lossdoctor.engine.verify import verify
from lossdoctor.findings import ErrorItem, LossReport, Report, Skipped, UsageError
from lossdoctor.formula.notation import read_formula
from lossdoctor.rules.registry import Rule
from lossdoctor.session import Pair, Session, SessionError, Settings
from lossdoctor.source.discover import discover, passed_by
from lossdoctor.spec import Contract, contract_from_arrays, load_data, parse_contract
from lossdoctor.spec.arrays import as_array, is_structure, row_lengths
from lossdoctor.spec.ragged import given_rows
from lossdoctor.targets import TargetRef, parse_target
from lossdoctor.worker.remote import WorkerPool

Outcome = LossReport | ErrorItem


@dataclass(frozen=True)
class _Given:
    """What the caller says of the specs of all targets."""

    y_true: str | None
    y_pred: str | None
    data: tuple[Any, Any] | None
    formula: str | Any | None = None
    reference: str | None = None
    gradient: str | Any | None = None
    purpose: Purpose = "check"


def check(
    targets: Sequence[str],
    *,
    config: Config | None = None,
    y_true: str | None = None,
    y_pred: str | None = None,
    data: str | Path | None = None,
    formula: str | Any | None = None,
    reference: str | None = None,
    gradient: str | Any | None = None,
    purpose: Purpose = "check",
    settings: Settings | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
    verbose: bool = False,
    pool: WorkerPool | None = None,
) -> Report:
    """Examine losses in worker processes; this process imports neither TensorFlow nor the user's code.

    Args:
        targets: `file.py`, `file.py:name`, `package.module:name`, `file.py:factory(gamma=2)`.
        config: the configuration; the nearest pyproject.toml by default.
        y_true, y_pred: spec strings for all targets; both or neither.
        data: an .npz file with the arrays `y_true` and `y_pred`, instead of specs.
        formula: what the loss is meant to compute (see `formula.notation`); for a single loss only, as the next two.
        reference: a target that computes the same, or the name of a loss of Keras.
        gradient: a formula of the gradient.
        purpose: "verify" compares with formula, gradient and reference, and asks nothing else.
        settings: seed, magnitude and limits.
        jobs: how many losses are examined at the same time.
        progress: called with a target and the stage that begins.
        verbose: pass on what TensorFlow and the user's code write to stderr.
        pool: warm workers to use, and to leave open; workers of its own by default.

    Raises:
        UsageError: unusable arguments. A target that cannot be examined becomes an item of `errors`.
    """
    _check_specs(y_true, y_pred)
    settings = settings or Settings()
    config = config or load_config(None, Path.cwd())
    _check_settings(settings)
    given = _Given(y_true, y_pred, None if data is None else load_data(data), formula, reference, gradient, purpose)
    for one in (formula, gradient):
        if one is not None:
            read_formula(one)
    if reference is not None:
        reference_target(reference, Path.cwd())
    outcomes: list[Outcome] = []
    with _workers(pool, jobs, settings, verbose) as workers:
        prepared = [item for target in targets for item in _prepare(target, config, given, settings, progress)]
        for name, one in (("formula", formula), ("reference", reference), ("gradient", gradient)):
            if one is not None and len(prepared) != 1:
                raise UsageError(
                    f"Invalid value for `{name}`. Expected a single loss. Received: {len(prepared)} losses"
                )

        def work(item: Job | ErrorItem) -> Outcome:
            if isinstance(item, ErrorItem):
                return item
            with workers.session() as session:
                try:
                    return examined(item, session)
                except Exception as problem:  # the other losses are examined all the same
                    if verbose:
                        traceback.print_exc()
                    text = " ".join(f"{type(problem).__name__}: {problem}".split())
                    return ErrorItem(item.target, f"{text} (this is a bug in lossdoctor; --verbose shows the details)")

        with ThreadPoolExecutor(max(1, jobs)) as threads:
            outcomes = list(threads.map(work, prepared))
    skipped = tuple(item for target in targets for item in _skipped(target, config))
    return replace(report_of(outcomes, settings), skipped=skipped)


def _skipped(target: str, config: Config) -> Iterator[Skipped]:
    """Of a target that is a file as a whole: what has the name of a loss in it, and was not examined."""
    try:
        keyed = any(entry.target == target for entry in config.losses)
        root = config.root if keyed else Path.cwd()
        reference = parse_target(target, root)
        found = passed_by(reference.path) if reference.name is None and reference.path is not None else ()
    except UsageError:  # told already
        return
    for name, line, reason in found:
        assert reference.path is not None
        yield Skipped(f"{target}:{name}", readable(reference.path, root), line, reason)


def _workers(
    pool: WorkerPool | None, jobs: int, settings: Settings, verbose: bool
) -> contextlib.AbstractContextManager[WorkerPool]:
    """The given pool, left open; or a new one, closed at the end."""
    return contextlib.nullcontext(pool) if pool is not None else WorkerPool(jobs, settings, verbose=verbose)


def check_object(
    loss: object,
    y_true: object,
    y_pred: object,
    *,
    settings: Settings | None = None,
    target: str = "",
    formula: Any = None,
    reference: Any = None,
    gradient: Any = None,
    purpose: Purpose = "check",
) -> Report:
    """Examine a live loss in this process, or each of several; see `lossdoctor.check`.

    Raises:
        UsageError: it is no loss, or y_true and y_pred are unusable.
    """
    from lossdoctor.subject.models import losses_of
    from lossdoctor.worker.state import preserved

    settings = settings or Settings()
    _check_settings(settings)
    losses = losses_of(loss)
    if losses is not None:
        if formula is not None or reference is not None or gradient is not None:
            raise UsageError(
                f"Invalid value for `loss`. Expected a single loss to verify. Received: {len(losses)} losses"
            )
        reports = [
            check_object(one, true, predicted, settings=settings, purpose=purpose)
            for _, one, true, predicted in parts_of(losses, y_true, y_pred)
        ]
        outcomes: list[Outcome] = [item for report in reports for item in (*report.losses, *report.errors)]
        return report_of(outcomes, settings)
    with preserved(settings.seed):
        try:
            job, session = live_job(loss, y_true, y_pred, settings, target)
        except SessionError as problem:
            return report_of([ErrorItem(target or repr(loss), str(problem))], settings)
        job = replace(job, **_live_meaning(loss, formula, reference, gradient), purpose=purpose)
        try:
            return report_of([examined(job, session)], settings)
        finally:
            session.close()


def live_job(loss: object, y_true: object, y_pred: object, settings: Settings, target: str = "") -> tuple[Job, Session]:
    """The job of a live loss, and the session in this process that answers it.

    Raises:
        UsageError: it is no loss, or y_true and y_pred are unusable.
        SessionError: making it raised.
    """
    from lossdoctor.subject import subject_of
    from lossdoctor.worker.local import LocalSession

    contracts, pair = _contracts_of(y_true, y_pred, settings)
    if not contracts and (stated := contract_of(loss)) is not None:
        contracts = (replace(stated, magnitude=settings.magnitude),)
    subject = subject_of(loss)
    name = target or subject.loaded.target
    job = Job(
        name,
        name,
        contracts,
        settings,
        Path.cwd(),
        selector(settings, None, None),
        pair=pair,
        loaded=subject.loaded,
    )
    return job, LocalSession(subject, settings=settings)


def job_of(
    target: str,
    config: Config,
    y_true: str | None,
    y_pred: str | None,
    data: str | Path | None,
    settings: Settings,
    progress: Progress | None,
) -> Job | ErrorItem:
    """The job of a target that means one loss; arguments as `check`.

    Raises:
        UsageError: unusable arguments, or several losses.
    """
    _check_specs(y_true, y_pred)
    _check_settings(settings)
    given = _Given(y_true, y_pred, None if data is None else load_data(data))
    found = list(_prepare(target, config, given, settings, progress))
    if len(found) != 1:
        names = ", ".join(f"`{job.target}`" for job in found)
        raise UsageError(f"Invalid value for `target`. Expected a single loss, one of {names}. Received: {target!r}")
    return found[0]


def _check_specs(y_true: str | None, y_pred: str | None) -> None:
    """The caller's own mistakes are reported once, before anything starts."""
    if (y_true is None) != (y_pred is None):
        missing = "y_true" if y_true is None else "y_pred"
        raise UsageError(f"Invalid value for `{missing}`. Expected a spec beside the other one. Received: none")
    if y_true is not None and y_pred is not None:
        parse_contract(y_true, y_pred)


def _live_meaning(loss: object, formula: Any, reference: Any, gradient: Any) -> dict[str, Any]:
    """What the caller says, else the decorator of the live object."""
    stated = stated_of(loss)
    if formula is None and reference is None and gradient is None and stated is not None:
        formula, reference = stated.formula, stated.reference
    return {"formula": formula, "reference": reference, "gradient": gradient}


def examined(job: Job, session: Session) -> Outcome:
    try:
        return verify(job, session) if job.purpose == "verify" else examine(job, session)
    except UsageError as problem:
        return ErrorItem(job.target, str(problem).replace(job.load, job.target))  # as the caller wrote it
    except SessionError as problem:
        if problem.died is not None:
            return report_of_death(job, session, problem)
        return report_of_construction(job, session, problem) or ErrorItem(job.target, str(problem))


def _prepare(
    target: str, config: Config, given: _Given, settings: Settings, progress: Progress | None
) -> Iterator[Job | ErrorItem]:
    """The losses that a target means, each with the contracts to try; what is wrong with it, as one item."""
    try:
        broken = next((item for item in config.errors if item.target == target), None)
        if broken is not None:
            yield broken
            return
        # What the configuration names is relative to its folder, what the caller names to the working folder.
        keyed = any(entry.target == target for entry in config.losses)
        reference = parse_target(target, config.root if keyed else Path.cwd())
        if reference.name is not None:
            losses = [(target, reference)]
        else:
            assert reference.path is not None
            losses = [
                (f"{target}:{found.name}", replace(reference, name=found.name)) for found in discover(reference.path)
            ]
            if not losses:
                yield ErrorItem(
                    target, f"'{target}' defines no loss that lossdoctor recognises; name it: {target}:NAME"
                )
        for name, reference in losses:
            entry = config.entry(target) if keyed else config.entry(absolute(reference))
            job = Job(
                target=name,
                load=absolute(reference),
                contracts=_contracts(entry, given, settings),
                settings=settings,
                folder=config.root if keyed else Path.cwd(),
                selected=selector(settings, config, entry),
                pair=None if given.data is None else Pair(*given.data),
                **_meaning(given, entry),
            )
            yield replace(job, progress=progress) if progress is not None else job
    except UsageError as problem:
        yield ErrorItem(target, str(problem))


def _meaning(given: _Given, entry: LossEntry | None) -> dict[str, Any]:
    """What the loss is meant to compute: what the caller says, else the configuration."""
    stated = {"formula": given.formula, "reference": given.reference, "gradient": given.gradient}
    if entry is not None and not any(value is not None for value in stated.values()):
        stated |= {"formula": entry.formula, "reference": entry.reference}
    return {**stated, "purpose": given.purpose}


def absolute(reference: TargetRef) -> str:
    """A target that means the same in any folder."""
    place = reference.path or reference.module
    return f"{place}:{reference.name}{reference.arguments or ''}"


def _contracts(entry: LossEntry | None, given: _Given, settings: Settings) -> tuple[Contract, ...]:
    """What was stated: given, data, configuration (DESIGN section 3); empty where it has to be inferred.

    Real data may have a larger magnitude than the settings, and keep it."""
    if given.y_true is not None and given.y_pred is not None:
        found = parse_contract(given.y_true, given.y_pred)
    elif given.data is not None:
        return (contract_from_arrays(*given.data, settings.magnitude),)
    elif entry is not None and entry.contract is not None:
        found = entry.contract
    else:
        return ()
    return (replace(found, magnitude=settings.magnitude),)


def _check_settings(settings: Settings) -> None:
    if not 1 < settings.magnitude < float("inf"):
        raise UsageError(f"Invalid value for `range`. Expected a number above 1. Received: {settings.magnitude:g}")


def _contracts_of(y_true: object, y_pred: object, settings: Settings) -> tuple[tuple[Contract, ...], Pair | None]:
    """Contracts from what `lossdoctor.check` was called with: spec strings, arrays, or nothing."""
    if y_true is None and y_pred is None:
        return (), None
    if y_true is None or y_pred is None:
        missing = "y_true" if y_true is None else "y_pred"
        raise UsageError(f"Invalid value for `{missing}`. Expected a spec or an array. Received: None")
    texts = (_is_text(y_true), _is_text(y_pred))
    if all(texts):
        return (replace(parse_contract(y_true, y_pred), magnitude=settings.magnitude),), None
    if any(texts):
        raise UsageError(
            "Invalid value for `y_true`. Expected two specs or two arrays. Received: "
            + ("a spec and an array" if texts[0] else "an array and a spec")
        )
    if row_lengths(y_true) is not None or row_lengths(y_pred) is not None:
        found, rows = given_rows(y_true, y_pred, settings.magnitude)
        return (found,), Pair(*rows)
    # Of the dtypes that the specs say: lists of Python numbers become float32 and int32.
    pair = Pair(_arrays(y_true, "y_true"), _arrays(y_pred, "y_pred"))
    found = contract_from_arrays(pair.y_true, pair.y_pred, settings.magnitude)
    return (with_mask(found) if getattr(y_pred, "_keras_mask", None) is not None else found,), pair


def with_mask(contract: Contract) -> Contract:
    """The contract of a prediction that a model with masks makes; a mask is no part of the values."""
    said = "y_pred carries a mask of Keras, as `Masking` and `Embedding(mask_zero=True)` give it"
    return replace(contract, masked=True, assumptions=(*contract.assumptions, said))


def _is_text(value: object) -> bool:
    """Whether it is a spec string, or a list or table of such."""
    if isinstance(value, Mapping):
        return bool(value) and all(map(_is_text, value.values()))
    if isinstance(value, list | tuple):
        return bool(value) and all(map(_is_text, value))
    return isinstance(value, str)


def _arrays(value: Any, argument: str) -> Any:
    """NumPy arrays in place of tensors and lists of numbers."""
    if isinstance(value, Mapping):
        return {str(key): _arrays(part, argument) for key, part in value.items()}
    if is_structure(value):
        return tuple(_arrays(part, argument) for part in value)
    return as_array(value, argument)


def selector(settings: Settings, config: Config | None, entry: LossEntry | None) -> Callable[[Rule, str], bool]:
    """Whether a rule is wanted, in general (path "") and for a file."""
    select, ignore = frozenset(settings.select), frozenset(settings.ignore) | frozenset(entry.ignore if entry else ())
    per_file: Mapping[str, Sequence[str]] = config.per_file_ignores if config is not None else {}

    def selected(rule: Rule, path: str) -> bool:
        if (select and rule.code not in select) or rule.code in ignore or rule.name in ignore:
            return False
        return not any(
            Path(path).match(pattern) and (rule.code in codes or rule.name in codes)
            for pattern, codes in per_file.items()
            if path
        )

    return selected


def report_of(outcomes: Sequence[Outcome], settings: Settings) -> Report:
    return Report(
        versions=versions(),
        seed=settings.seed,
        losses=tuple(item for item in outcomes if isinstance(item, LossReport)),
        errors=tuple(item for item in outcomes if isinstance(item, ErrorItem)),
    )


def versions() -> dict[str, str]:
    """The versions of lossdoctor and of what it examined the losses with; "" where a package is missing."""
    found: dict[str, str] = {}
    for name in ("lossdoctor", "tensorflow", "keras"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = ""
    return found
