"""LD701: a series becomes NaN or infinite."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.detector import Detector
from lossdoctor.runtime.detectors.log import GRADIENT, LOSS, Log


@dataclass
class NonFinite(Detector):
    """Parameters.

    unbroken: rows of a series other than the loss without a gap before a NaN of it counts.

    Loggers write NaN where a number is not measured at every row, so that a NaN says nothing of a series that has gaps.
    """

    code, name, family, severity = "LD701", "non-finite", "non-finite", "error"

    unbroken: int = 3
    _gaps: set[str] = field(default_factory=set, repr=False)

    def look(self, log: Log) -> Alert | None:
        found: Alert | None = None
        for name in sorted(log.broken, key=lambda name: name != LOSS):
            series = log.series.get(name)
            seen = series.n if series is not None else 0
            whole = name not in self._gaps and (name == LOSS or seen >= self.unbroken)
            infinite = math.isinf(log.broken[name])
            if found is None and (infinite or whole):
                found = self.alert(log, name, log.step, 1.0, _message(log, name, seen))
        for name in log.broken.keys() | {n for n, s in log.series.items() if s.rows[-1] != log.row}:
            self._gaps.add(name)
        return found


def _message(log: Log, name: str, seen: int) -> str:
    value = log.broken[name]
    shown = {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan")
    before = "from the first row on" if seen == 0 else f"after {seen} finite value{'s' if seen != 1 else ''}"
    return (
        f"`{name}` is {shown}, {before}. A logarithm, division, root or exponential left its domain, or a number "
        f"overflowed{_effect(log, name)}. Run `lossdoctor check` on the loss, and look at the batch of this {log.unit}."
    )


def _effect(log: Log, name: str) -> str:
    """What it does to the weights, of a series that decides about them."""
    if name not in (LOSS, GRADIENT):
        return ""
    if log.skips:
        return (
            "; the scaling of the loss skips this update, so that the weights stay as they were, but lowers the scale "
            "at every such batch"
        )
    return "; unless the update is skipped, every one after it is NaN too"
