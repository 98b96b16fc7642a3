"""The worker's side of `decompose`: the terms of the traced loss, measured."""

from __future__ import annotations

from typing import Any

from lossdoctor.experiments.additive import Additive, Loop, additive
from lossdoctor.experiments.measure import measure
from lossdoctor.experiments.reading import Route, Terms
from lossdoctor.experiments.routes import route
from lossdoctor.experiments.term import Term
from lossdoctor.graph.frontend_tf import Live
from lossdoctor.session import Pair, SessionError
from lossdoctor.spec import Contract


def terms_of(live: Live, name: str) -> tuple[Additive, Route]:
    """The terms of a traced loss and their route."""
    records, graph = live.program.records, live.program.graph
    loops: dict[int, Loop] = {}
    for node in live.traced.nodes:
        tensor = live.staged.tensors.get(node.id)
        if tensor is not None and (held := records.loops.get((id(graph), tensor.op.name))):
            loops[node.id] = held
    found = additive(live.traced, name, loops, live.staged.tensors.__contains__)
    return found, route(live, found)


def probe(
    subject: Any, contract: Contract, *, live: Live | None, pair: Pair | None = None, seed: int = 0, draws: int = 1000
) -> Terms:
    """Split the loss that was traced last, and measure its terms.

    Raises:
        SessionError: it was not traced.
    """
    if live is None:
        raise SessionError("the loss could not be traced")
    found, way = terms_of(live, subject.loaded.name)
    return Terms(found, way, measure(live, found, way, contract, pair, seed, draws))


def with_weight(subject: Any, contract: Contract, live: Live, term: str, factor: float) -> Any:
    """The loss with the weight of one term multiplied by a factor; left out, not multiplied, for 0.

    Raises:
        SessionError: there is no such term.
    """
    found, way = terms_of(live, subject.loaded.name)
    names = [part.name for part in found.parts]
    if term not in names:
        raise SessionError(f"there is no term {term!r}")
    number = names.index(term)
    others = tuple(k for k in range(len(names)) if k != number)
    rest = Term(subject.call, contract, way, others, f"without {term}")
    if factor == 0:
        return rest
    alone = Term(subject.call, contract, way, (number,), term)
    return lambda y_true, y_pred: rest(y_true, y_pred) + factor * alone(y_true, y_pred)


def names_of_terms(subject: Any, live: Live) -> tuple[str, ...]:
    """The terms that the predictions change."""
    found, _ = terms_of(live, subject.loaded.name)
    return tuple(part.name for part in found.parts if part.depends)
