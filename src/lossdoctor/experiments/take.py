"""A term as the loss under examination, for `decompose --check`."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from lossdoctor.experiments.term import Term
from lossdoctor.experiments.terms import terms_of
from lossdoctor.findings import UsageError
from lossdoctor.graph.frontend_tf import Live
from lossdoctor.session import SessionError
from lossdoctor.spec import Contract


def probe(subject: Any, contract: Contract, *, live: Live | None, names: tuple[str, ...]) -> Any:
    """The subject of some terms of the loss that was traced last; the session examines it from now on.

    Raises:
        SessionError: the loss was not traced.
        UsageError: there is no such term.
    """
    if live is None:
        raise SessionError("the loss could not be traced")
    found, way = terms_of(live, subject.loaded.name)
    known = [part.name for part in found.parts]
    for name in names:
        if name not in known:
            raise UsageError(f"Invalid value for `term`. Expected one of {', '.join(known)}. Received: {name!r}")
    wanted = tuple(number for number, name in enumerate(known) if name in names)
    title = " + ".join(names)
    term = Term(subject.call, contract, way, wanted, title)
    return subject_of_term(subject, term, title)


def subject_of_term(subject: Any, term: Term, title: str) -> Any:
    """The subject of the whole loss with the term in its place; no fresh process can import it."""
    made: Any = copy.copy(subject)
    made.__dict__.pop("given", None)  # a term of padded rows takes them as they are
    made.__dict__.pop("inner", None)
    made.object = term
    made.loaded = replace(subject.loaded, name=title, kind="function", loader="", attributes=(), serializable=True)
    made.call = term
    made.keras_call = _through_keras(term)
    made.make = lambda: term
    made._model = None
    return made


def _through_keras(term: Term) -> Any:
    models: list[Any] = []

    def keras_call(y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        import keras

        if not models:
            models.append(keras.Model())
            models[0].compile(loss=term)
        return models[0].compute_loss(y=y_true, y_pred=y_pred, sample_weight=sample_weight)

    return keras_call
