"""LD491: the loss raises whatever calls it."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.probes.batches import Batches
from lossdoctor.probes.callings import Callings
from lossdoctor.rules.exceptions import family_of, reason
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.session import Loaded
from lossdoctor.source.names import argument_role
from lossdoctor.spec import Contract

RULE = Rule(code="LD491", name="raises", family="crash", severity="error")


@RULE.check
def raises(callings: Callings, batches: Batches, loaded: Loaded) -> Iterator[Suspicion]:
    run = callings.get("raw", "eager")
    if run is None or run.raised is None or callings.works or batches.works or loaded.lacking:
        return
    swapped = tuple(map(argument_role, loaded.parameters)) == ("y_pred", "y_true")
    order = f"; the parameters are declared as ({', '.join(loaded.parameters)}), and Keras passes y_true first"
    yield RULE.at(
        None,
        reason(run.raised) + (order if swapped else ""),
        calls=(loaded.span,) if swapped else run.raised.calls,
        evidence="witnessed",
        symptom="raises",
        pair=callings.pair,
        arguments={"execution": "eager", "calling": "raw"},
        when=("eager", "graph"),
        family="keras-contract" if swapped else family_of(run.raised),
    )


@RULE.check
def raises_for_rows(callings: Callings, batches: Batches, contract: Contract) -> Iterator[Suspicion]:
    """A loss of ragged tensors that computes for some lengths of the rows, and not for others."""
    run = callings.get("raw", "eager")
    if contract.ragged is None or run is None or run.raised is None or not (callings.works or batches.works):
        return
    yield RULE.at(
        None,
        f"raises {run.raised.type} where rows differ in length, and computes where they do not: {run.raised.message}",
        calls=run.raised.calls,
        evidence="witnessed",
        symptom="raises",
        pair=callings.pair,
        arguments={"execution": "eager", "calling": "raw"},
        when=("eager", "graph"),
        family=family_of(run.raised),
    )
