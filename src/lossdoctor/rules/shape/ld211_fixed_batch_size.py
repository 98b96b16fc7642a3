"""LD211: the loss accepts some batch sizes and fails at others."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.axes import Broadcast
from lossdoctor.probes.batches import Batches
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.session import Traced
from lossdoctor.spec import Contract

RULE = Rule(code="LD211", name="fixed-batch-size", family="shape", severity="error")


@RULE.check
def fixed_batch_size(batches: Batches, broadcasts: tuple[Broadcast, ...], contract: Contract) -> Iterator[Suspicion]:
    """Of ragged rows the lengths differ from batch to batch, too: that is LD491's."""
    if contract.ragged is None and batches.fixed and not any(found.accidental for found in broadcasts):
        yield _fixed(batches)


@RULE.check
def fixed_without_graph(batches: Batches, traced: Traced) -> Iterator[Suspicion]:
    """The same of a loss that cannot be traced at all."""
    raised = batches.fails[0].raised if batches.fails else None
    if traced.traced is None and batches.fixed and not (raised and "to unpack" in raised.message):  # that is LD522's
        yield _fixed(batches)


def _fixed(batches: Batches) -> Suspicion:
    failing = batches.fails[0]
    raised = failing.raised
    reason = f" ({raised.type})" if raised else ""
    works = ", ".join(str(size) for size in batches.works)
    alone = failing.size == 1 and len(batches.fails) == 1
    return RULE.at(
        None,
        f"fails for a batch of {failing.size}{reason}; of the sizes tried it runs only with {works}"
        if not alone
        else f"fails for a batch of one{reason}, as the last batch of an epoch may be",
        calls=raised.calls if raised else (),
        evidence="witnessed",
        symptom="raises",
        arguments={"batch": failing.size},
        when=("batch-of-one",) if alone else ("partial-batch",),
    )
