"""The loss once more, with its floating inputs in float16 or bfloat16: what `--dtype` asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lossdoctor.engine.half import half_rounding, in_half
from lossdoctor.engine.place import Places
from lossdoctor.engine.readings import Readings
from lossdoctor.engine.settle import Settler
from lossdoctor.engine.witnesses import search
from lossdoctor.findings import Fact, Family, Finding, Gap
from lossdoctor.readings import HalfRounding
from lossdoctor.rules.registry import Suspicion

# What may turn out to be a matter of the precision.
NUMERIC: tuple[Family, ...] = ("nonfinite-value", "nonfinite-gradient", "low-precision")


@dataclass(frozen=True)
class Narrowed:
    """What the examination in half precision says beyond that in the dtypes of the spec."""

    findings: tuple[Finding, ...] = ()
    facts: tuple[Fact, ...] = ()
    gaps: tuple[Gap, ...] = ()


def narrowed(
    readings: Readings, places: Places, suspicions: Callable[[Readings], Iterable[Suspicion]], notes: list[str]
) -> Narrowed:
    """Examine the loss under the contract of `readings` with `settings.dtype` for float32 and float64.

    Only faults that the float32 twin does not have are told; a loss that half precision spoils is else as it was.
    Afterwards the session has the contract of `readings` again.

    Args:
        readings: of the loss under its own contract.
        places: where its lines are.
        suspicions: what the rules of the families `NUMERIC` suspect, given readings.
        notes: to which what went wrong in lossdoctor itself is added.

    Raises:
        SessionError: the worker died.
    """
    dtype, session = readings.settings.dtype, readings.session
    contract = readings.contract if dtype is None else in_half(readings.contract, dtype)
    if contract == readings.contract:
        return Narrowed()
    traced = session.trace(contract)
    try:
        if traced.traced is None or traced.calling != readings.traced.calling:
            # The call as `compile` makes it, which may run in its place, casts to float32.
            raised = traced.raised.type if traced.raised is not None else "it cannot be traced"
            calls = traced.raised.calls if traced.raised is not None else ()
            location, _ = places.locate(calls)
            return Narrowed(gaps=(Gap(f"{dtype}: {raised}", location.path, location.line, "low-precision"),))
        half = Readings(session, readings.loaded, contract, traced, readings.settings)
        witnesses = search(half)
        half.offered[HalfRounding] = lambda: half_rounding(session, contract, traced, witnesses)
        settled = Settler(half, witnesses, places, notes).settle(suspicions(half))
        found = tuple(finding for finding in settled if finding.family == "low-precision")
        clean = witnesses.all_finite("nonfinite-value") and witnesses.all_finite("nonfinite-gradient")
        statement = f"finite value and gradient at all {witnesses.tried()} inputs tried in {dtype}"
        facts = (Fact("finite-half", statement, "witnessed", ("eager", "graph")),) if clean and not found else ()
        return Narrowed(found, facts)
    finally:
        session.trace(readings.contract)
