"""What a detector is, and the list of all of them.

A detector is two neighbours, as a rule is: `ldNNN_<name>.py` with the check, `ldNNN_<name>.md` with everything that a
person reads; the examples of the page are its tests. It reads the log from the front only, a row at a time.
Its parameters are the fields of its class.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from lossdoctor.findings import Severity, UsageError
from lossdoctor.runtime.detectors.alert import Alert, Kind
from lossdoctor.runtime.detectors.log import Log


@dataclass(frozen=True, slots=True)
class Entry:
    """A detector in the list of rules."""

    code: str
    name: str
    family: Kind
    severity: Severity
    page: Path


@dataclass
class Detector:
    """Base of all detectors: an instance follows one run."""

    code: ClassVar[str] = ""
    name: ClassVar[str] = ""
    family: ClassVar[Kind]
    severity: ClassVar[Severity] = "error"

    def look(self, log: Log) -> Alert | None:
        """Look at the row that came last."""
        raise NotImplementedError

    def alert(self, log: Log, series: str, since: int, strength: float, message: str) -> Alert:
        return Alert(
            detector=self.name,
            kind=self.family,
            severity=self.severity,
            series=series,
            step=log.step,
            since=int(since),
            strength=round(float(min(strength, 1e9)), 3),
            message=message,
        )

    @classmethod
    def entry(cls) -> Entry:
        """What the list of rules says of it."""
        return Entry(cls.code, cls.name, cls.family, cls.severity, cls.page())

    @classmethod
    def page(cls) -> Path:
        """The Markdown page; raises `StopIteration` if there is none."""
        return next(Path(__file__).parent.glob(f"{cls.code.lower()}_*.md"))

    @classmethod
    def parameters(cls) -> dict[str, float]:
        """The parameters and their defaults."""
        return {
            field.name: field.default  # type: ignore[misc]  # every public field has a default
            for field in dataclasses.fields(cls)
            if not field.name.startswith("_")
        }


@cache
def all_detectors() -> tuple[type[Detector], ...]:
    """Every detector, by code. Imports all detector modules."""
    import lossdoctor.runtime.detectors as package

    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("ld"):
            importlib.import_module(f"{package.__name__}.{module.name}")
    return tuple(sorted(Detector.__subclasses__(), key=lambda detector: detector.code))


def made(parameters: Mapping[str, Mapping[str, float]] | None) -> list[Detector]:
    """An instance of every detector. `parameters` replaces defaults, by detector and parameter.

    Raises `UsageError` for a detector or parameter that there is not, or a value that is no number.
    """
    known = {detector.name: detector for detector in all_detectors()}
    given: dict[str, dict[str, Any]] = {}
    for name, values in (parameters or {}).items():
        if name not in known:
            raise UsageError(
                f"Invalid value for `parameters`. Expected a detector of {', '.join(known)}. Received: {name}"
            )
        own = known[name].parameters()
        for key, value in values.items():
            if key not in own:
                raise UsageError(
                    f"Invalid value for `parameters`. Expected a parameter of {name}: {', '.join(own)}. Received: {key}"
                )
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise UsageError(f"Invalid value for `{name}.{key}`. Expected a number. Received: {value!r}")
        given[name] = dict(values)
    return [detector(**given.get(name, {})) for name, detector in known.items()]


def codes(selectors: Iterable[str], option: str) -> set[str]:
    """The codes of the detectors that codes, beginnings of codes, names and kinds name. Raises `UsageError` for "
    "others."""
    found: set[str] = set()
    for selector in selectors:
        own = {
            detector.code
            for detector in all_detectors()
            if selector.upper() == "ALL"
            or selector.lower() in (detector.name, detector.family)
            or (selector.upper().startswith("LD") and detector.code.startswith(selector.upper()))
        }
        if not own:
            names = ", ".join(detector.name for detector in all_detectors())
            raise UsageError(f"Invalid value for `{option}`. Expected a detector of {names}. Received: {selector}")
        found |= own
    return found
