"""LD701: a series becomes NaN or infinite."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.detector import Detector
from lossdoctor.runtime.detectors.log import LOSS, Log


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
                found = self.alert(log, name, log.step, 1.0, _message(name, log.broken[name], seen))
        for name in log.broken.keys() | {n for n, s in log.series.items() if s.rows[-1] != log.row}:
            self._gaps.add(name)
        return found


def _message(name: str, value: float, seen: int) -> str:
    shown = {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan")
    before = "from the first row on" if seen == 0 else f"after {seen} finite values"
    return (
        f"`{name}` is {shown}, {before}. A logarithm, division, root or exponential left its "
        "domain, or a number overflowed; every update "
        "after it is NaN too. Run `lossdoctor check` on the loss, and look at the batch of this step."
    )
