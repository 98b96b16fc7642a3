"""Faults that only a batch of one shows: a variance over the batch, or the pairs in it, are nothing with nobody else.

The last batch of an epoch can have one sample, so such a fault is no less true, but it is one of a calling.
"""

from __future__ import annotations

from lossdoctor.domains.axes import Broadcast
from lossdoctor.domains.coupling import relation_of_samples
from lossdoctor.engine.blame import Blame
from lossdoctor.engine.readings import Readings, sizes_of
from lossdoctor.engine.witnesses import Witnesses, shows
from lossdoctor.findings import Severity
from lossdoctor.search.leaves import repeated
from lossdoctor.session import Execution

_LARGER = (2, 3)


def severity_alone(readings: Readings, witnesses: Witnesses, blame: Blame, execution: Execution) -> Severity | None:
    """The severity of a fault that no larger batch shows; None for one that larger batches show as well.

    It is a warning, and by design for a loss that compares the samples of a batch: there is nothing to compare.
    """
    contract = readings.contract
    if sizes_of(blame.pair, contract).get("B") != 1:
        return None
    larger = [repeated(blame.pair, contract, size) for size in _LARGER]
    if any(shows(result, blame.symptom) for result in readings.session.evaluate(larger, execution)):
        return None
    results = zip(witnesses.pairs, witnesses.results[blame.stage], strict=True)
    if any(sizes_of(pair, contract)["B"] > 1 and shows(result, blame.symptom) for pair, result in results):
        return None
    broadcasts = readings.available(tuple[Broadcast, ...])
    related = broadcasts is not None and relation_of_samples(readings.graph("traced"), broadcasts) is not None
    return "info" if related else "warning"
