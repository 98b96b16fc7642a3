"""LD704: one isolated outburst of the loss that recovers."""

from __future__ import annotations

from dataclasses import dataclass

from lossdoctor.runtime.detectors.alert import Alert
from lossdoctor.runtime.detectors.detector import Detector
from lossdoctor.runtime.detectors.log import Log


@dataclass
class Spike(Detector):
    """Parameters.

    warm_up: rows before the first spike can be told. window: rows that say what is usual. factor: how many times
    larger than the largest usual excess. share:
    of the descent so far, or of the level. recovery: rows within which it has to recover.
    """

    code, name, family, severity = "LD704", "spike", "spike", "warning"

    warm_up: int = 20
    window: int = 100
    factor: float = 4.0
    share: float = 0.3
    recovery: int = 12

    def look(self, log: Log) -> Alert | None:
        return None
