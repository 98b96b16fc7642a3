"""Proposals for one expression of a loss, straight from its graph."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

from lossdoctor.findings import Family, Finding, Location
from lossdoctor.rewrite import Proposal, Source, propose
from lossdoctor.rewrite.proposal import Site
from lossdoctor.source.module import read_module
from lossdoctor.spec import parse_contract
from lossdoctor.worker.local import LocalSession

_numbers = count()
HEAD = "import keras\nimport tensorflow as tf\nfrom keras import ops\n\n"


def proposals(
    folder: Path,
    code: str,
    at: str,
    family: Family = "nonfinite-value",
    y_true: str = "float32[B,3] real",
    y_pred: str = "float32[B,3] real",
    name: str = "loss",
    rule: str = "x",
    message: str = "",
    head: str = HEAD,
) -> list[tuple[Proposal, str]]:
    """Every proposal for the expression (or line) `at` of the code, each with the text that it leads to."""
    path = Path(os.path.realpath(folder)) / f"losses{next(_numbers)}.py"
    path.write_text(head + code, encoding="utf-8")
    source = Source(read_module(path))
    start = source.text.index(at)
    location = Location(str(path), *source.position(start), *source.position(start + len(at)))
    session = LocalSession()
    loaded = session.load(f"{path}:{name}")
    contract = parse_contract(y_true, y_pred)
    traced = session.trace(contract)
    finding = Finding("LD000", rule, family, "error", "witnessed", (), message, location)
    expr = next(
        (node for (low, high), node in source._regions.items() if (low, high) == (start, start + len(at))), None
    )
    site = Site(source, str(path), expr, traced.traced, finding, loaded, contract)
    return [(proposal, site.result(proposal.changes)[len(head) :]) for proposal in propose(site)]


def one(expression: str) -> str:
    """A loss that returns the mean of an expression."""
    return f"def loss(y_true, y_pred):\n    return tf.reduce_mean({expression}, axis=-1)\n"
