"""What a loss is meant to compute: who says so, and the readings that compare the loss with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossdoctor.domains.intervals import Ranges
from lossdoctor.engine.readings import Readings, Unavailable, sizes_of
from lossdoctor.findings import UsageError
from lossdoctor.formula.compare import compare
from lossdoctor.formula.evaluate import in_floats
from lossdoctor.formula.expression import Formula
from lossdoctor.formula.meaning import Declared, Meaning
from lossdoctor.formula.notation import read_formula
from lossdoctor.formula.reading import FormulaCheck, ReferenceCheck, SlopeCheck
from lossdoctor.formula.reference import Reference
from lossdoctor.formula.slopes import declared_slopes
from lossdoctor.probes.batches import Batches
from lossdoctor.probes.callings import Callings
from lossdoctor.search.reproduce import ordinary
from lossdoctor.session import Loaded
from lossdoctor.spec import Contract, Spec
from lossdoctor.standards.misnamed import misnamed
from lossdoctor.standards.names import Promise, promised
from lossdoctor.standards.reading import Misnamed
from lossdoctor.standards.recognise import Recogniser
from lossdoctor.subject.inference import declared, documented_formula
from lossdoctor.targets import parse_target

if TYPE_CHECKING:
    from lossdoctor.engine.examine import Job

_KERAS = re.compile(r"(?:tf\.|tensorflow\.)?keras\.losses[.:](?P<name>[A-Za-z_]\w*\s*(?:\(.*\))?)", re.DOTALL)
_BARE = re.compile(r"[A-Za-z_]\w*\s*(?:\(.*\))?", re.DOTALL)


@dataclass(frozen=True)
class Meant:
    """What one loss is meant to compute; any of the three may be unknown."""

    formula: Formula | None = None
    reference: Any = None  # with an absolute path, or a live object
    shown: str = ""  # the reference as it was written
    gradient: Formula | None = None

    @property
    def nothing(self) -> bool:
        return self.formula is None and self.reference is None and self.gradient is None


def meant(job: Job, loaded: Loaded, contract: Contract, *, documented: bool = False) -> Meant:
    """What the caller or the configuration says, else the decorator, else, if `documented`, the docstring.

    Raises:
        UsageError: a formula is none or does not fit the specs; a reference is no target.
    """
    stated = declared(loaded)
    formula, reference, base = job.formula, job.reference, job.folder
    if formula is None and reference is None and job.gradient is None:
        formula, reference, base = stated.formula, stated.reference, Path(loaded.path or ".").parent
        if formula is None and reference is None and documented:
            formula = documented_formula(loaded)
    return Meant(
        None if formula is None else _fitting(read_formula(formula), contract),
        reference_target(reference, base) if isinstance(reference, str) else reference,
        _called(reference),
        None if job.gradient is None else _fitting(read_formula(job.gradient), contract),
    )


def _called(reference: Any) -> str:
    if isinstance(reference, str):
        return reference.strip()
    return "" if reference is None else str(getattr(reference, "__name__", type(reference).__name__))


def reference_target(text: str, base: Path) -> str:
    """A reference as a target that means the same in any folder.

    Args:
        text: `file.py:name`, `package.module:name`, or a loss of Keras: `keras.losses.Huber`, "Huber(delta=2.0)".
        base: the folder that a relative path starts from.

    Raises:
        UsageError: it is none of these.
    """
    stripped = text.strip()
    keras = _KERAS.fullmatch(stripped)
    if keras is not None:
        return f"keras.losses:{keras['name']}"
    if ":" not in stripped and not stripped.endswith(".py") and _BARE.fullmatch(stripped):
        return f"keras.losses:{stripped}"
    try:
        found = parse_target(stripped, base)
    except UsageError as problem:
        raise UsageError(str(problem).replace("`target`", "`reference`")) from None
    if found.name is None and found.path is None:
        raise UsageError(f"Invalid value for `reference`. Expected `file.py:name`. Received: {text!r}")
    place = found.path or found.module
    name = f":{found.name}{found.arguments or ''}" if found.name else ""
    return f"{place}{name}"


def _fitting(formula: Formula, contract: Contract) -> Formula:
    if contract.ragged is not None:
        raise UsageError(
            "Invalid value for `formula`. Expected arguments that are arrays; what a loss of ragged tensors computes "
            f"is compared with a reference. Received: {contract.shown[0]} and {contract.shown[1]}"
        )
    pair = ordinary(contract)
    in_floats(formula, pair.y_true, pair.y_pred)
    return formula


def offer(readings: Readings, meaning: Meant, *, many: int = 0, first: Any = None) -> None:
    """Make the comparisons available as readings.

    Args:
        many: so many random inputs beside the usual ones.
        first: a real input, compared too.
    """

    def against(what: Meaning) -> FormulaCheck:
        batches = readings.available(Batches)
        return compare(
            readings.session,
            what,
            readings.contract,
            readings.graph("traced"),
            readings.available(Ranges),
            readings.settings,
            sizes_of(readings.get(Callings, "traced").pair, readings.contract),
            tuple(batches.works) if batches is not None else (),
            first=first,
            many=many,
        )

    promise = promised(readings.loaded.name)
    if promise is not None and meaning.nothing and not many:
        readings.offered[Misnamed] = lambda: _misnamed(readings, promise)
    if meaning.formula is not None and many:
        formula = meaning.formula
        readings.offered[FormulaCheck] = lambda: against(Declared(formula))
    if meaning.reference is not None:
        reference = Reference(readings.session, readings.contract, meaning.reference, meaning.shown)
        readings.offered[ReferenceCheck] = lambda: ReferenceCheck(meaning.shown, against(reference))
    if meaning.gradient is not None:
        gradient = meaning.gradient
        readings.offered[SlopeCheck] = lambda: _slopes(readings, gradient, many)


def _misnamed(readings: Readings, promise: Promise) -> Misnamed:
    batches = readings.available(Batches)
    graph = readings.graph("traced")
    if not isinstance(readings.contract.y_true, Spec) or not isinstance(readings.contract.y_pred, Spec):
        raise Unavailable("structured inputs")
    sizes = sizes_of(readings.get(Callings, "traced").pair, readings.contract)
    works = tuple(batches.works) if batches is not None else ()
    recogniser = Recogniser(readings.session, readings.contract, graph, readings.settings, sizes, works)
    found = misnamed(recogniser, promise)
    if found is None:
        raise Unavailable("it is what its name says, or nothing can be told")
    return found


def _slopes(readings: Readings, gradient: Formula, many: int) -> SlopeCheck:
    batches = readings.available(Batches)
    return declared_slopes(
        readings.session,
        gradient,
        readings.contract,
        readings.graph("traced"),
        readings.settings,
        sizes_of(readings.get(Callings, "traced").pair, readings.contract),
        tuple(batches.works) if batches is not None else (),
        many=many,
    )
