"""What a script counts to show that a graph still has operations that it does not need."""

from __future__ import annotations

from typing import Any

from lossdoctor.graph.ir import LossGraph
from lossdoctor.ops import TABLE


def counted(graph: LossGraph, *ops: str, count: int | None = None) -> dict[str, Any]:
    """For a suspicion: the operations of TensorFlow behind canonical ones, and how many of them there are (`count`,
    where only some of them are too many)."""
    rows = [TABLE.by_name[op] for op in ops]
    types = tuple(dict.fromkeys(name for row in rows for name in row.tf))
    number = sum(1 for _ in graph.where(*ops, role="forward")) if count is None else count
    return {
        "symptom": "operations-left",
        "arguments": {"types": types, "count": number},
        "replay": "welcome",
    }
