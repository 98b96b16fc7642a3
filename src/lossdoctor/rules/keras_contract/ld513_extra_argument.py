"""LD513: the loss requires more than y_true and y_pred."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.findings import Fix
from lossdoctor.probes.callings import Callings
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.session import Loaded

RULE = Rule(code="LD513", name="extra-argument", family="keras-contract", severity="error")


@RULE.check
def extra_argument(loaded: Loaded, callings: Callings) -> Iterator[Suspicion]:
    run = callings.get("raw", "eager")
    if not loaded.lacking or run is None or run.raised is None:
        return
    names = ", ".join(f"`{name}`" for name in loaded.lacking)
    yield RULE.at(
        None,
        f"requires {names} beside y_true and y_pred, which Keras never passes",
        evidence="proved",
        symptom="raises",
        pair=callings.pair,
        arguments={"execution": "eager", "calling": "raw"},
        when=("keras-compile", "raw"),
        fix=Fix(f"functools.partial({loaded.name}, {loaded.lacking[0]}=…), a closure, or a default"),
    )
