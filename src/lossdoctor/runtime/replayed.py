"""What replaying a capture found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lossdoctor.findings import Finding
from lossdoctor.runtime.capture import About

# stands: the loss still gives a value or gradient that is not finite. mended: it did, and its source has changed
# since. finite: the batch was captured for another reason. elsewhere: what broke lies outside of the loss.
# not-reproduced: the same source gives finite numbers now.
Status = Literal["stands", "mended", "finite", "elsewhere", "not-reproduced"]


@dataclass(frozen=True)
class Replayed:
    """A capture, run through the loss as it is now.

    Attributes:
        file: the capture.
        target: the loss that was run.
        about: what the capture says of itself.
        status: see `Status`.
        statement: what was found, in a sentence.
        samples: the samples of the batch that break, counted from 0.
        smallest: how many samples are enough to show it.
        executions: in which it shows.
        findings: one for each cause.
        changed: the source files that differ from those that the capture was made with.
        seconds: what it took, without imports.
    """

    file: str
    target: str
    about: About
    status: Status
    statement: str
    samples: tuple[int, ...] = ()
    smallest: int = 0
    executions: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    changed: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Whether the loss gives finite numbers on the captured batch, and it is known why."""
        return self.status in ("mended", "finite")
