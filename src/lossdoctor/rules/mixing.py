"""Samples of a batch that meet where they should not, shown by the batch against its samples one by one."""

from __future__ import annotations

from lossdoctor.graph.ir import Node
from lossdoctor.probes.batches import Batches
from lossdoctor.rules.registry import Rule, Suspicion


def mixing(rule: Rule, node: Node, message: str, batches: Batches) -> Suspicion:
    """The suspicion that a node mixes samples, with the batch that shows it where one was found."""
    return rule.at(
        node,
        message,
        evidence="proved",
        symptom="batch-mismatch" if batches.evidence is not None else None,
        pair=batches.evidence,
        replay="welcome",
    )
