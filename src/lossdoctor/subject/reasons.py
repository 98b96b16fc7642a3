"""From single hints to one belief about each argument of a loss."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lossdoctor.source.hints import Evidence, Hint
from lossdoctor.source.names import Argument, words
from lossdoctor.source.vocabulary import NAMES, OVERLAPS


@dataclass(frozen=True)
class Belief:
    """The kinds of both arguments, and the sentences that say why."""

    true: Hint | None
    pred: Hint | None
    reasons: tuple[str, ...]


def believe(evidence: Evidence, names: tuple[str, ...], line: int) -> Belief:
    """Weigh everything that the code shows; names of the loss count less than its code."""
    _from_names(evidence, names, line)
    _from_events(evidence)
    return _settle(evidence)


def like_image(evidence: Evidence) -> bool:
    return evidence.image is not None or max(evidence.rank.values(), default=1) >= 4


def _from_names(evidence: Evidence, names: tuple[str, ...], line: int) -> None:
    if "y_true" in evidence.width:
        return  # it is set against some columns of y_pred, which are parameters then and no classes
    for name in names:
        parts = set(words(name))
        for marks, true, pred in NAMES:
            found = parts & marks
            if found and not (found <= OVERLAPS and _corners(evidence)):
                reason = f"the name `{name}` says {min(found)}"
                evidence.hints.append(Hint("y_true", true, 1, reason, line))
                evidence.hints.append(Hint("y_pred", pred, 1, reason, line))
                return


def _corners(evidence: Evidence) -> bool:
    """Whether four columns of both arguments are read one by one: boxes, and not masks, whose overlap is taken."""
    return all(
        any(evidence.columns.get((role, axis), set()) >= {0, 1, 2, 3} for axis in (-1, 1, 2))
        for role in ("y_true", "y_pred")
    )


def _from_events(evidence: Evidence) -> None:
    """What several places of the code say together."""
    events = evidence.events

    def add(role: Argument, kind: str, strength: int, reason: str, event: str) -> None:
        evidence.hints.append(Hint(role, kind, strength, reason, events[event]))

    if "log(y_pred)" in events:
        if "log(1 - y_pred)" in events:
            add("y_pred", "unit", 5, "log of it and of 1 minus it are taken", "log(y_pred)")
            add("y_true", "binary", 4, "it weighs log(y_pred) against log(1 - y_pred)", "log(y_pred)")
        elif "log(y_true)" in events:
            add("y_pred", "probability", 4, "log(y_true) and log(y_pred) are compared", "log(y_pred)")
            add("y_true", "probability", 4, "log(y_true) and log(y_pred) are compared", "log(y_true)")
        elif "1 - y_pred" in events and "1 - y_true" in events:
            add("y_pred", "unit", 4, "1 minus it and its log are taken", "log(y_pred)")
            add("y_true", "binary", 3, "1 minus it is a weight", "1 - y_true")
        elif any(hint.role == "y_pred" and hint.kind == "positive" for hint in evidence.hints):
            add(
                "y_pred", "positive", 4, "its log is taken", "log(y_pred)"
            )  # and the name says rates, not probabilities
        else:
            add("y_pred", "probability", 3, "its log is taken", "log(y_pred)")
            add("y_true", "onehot", 2, "the log of y_pred is taken", "log(y_pred)")
    if "clip y_pred" in events:
        add("y_pred", "unit", 4, "it is clipped to [0, 1]", "clip y_pred")
    if "hinge" in events:
        add("y_true", "sign", 5, "it is multiplied with y_pred to a margin", "hinge")
        add("y_pred", "real", 5, "it is multiplied with y_true to a margin", "hinge")
    if "product" in events and "hinge" not in events:
        if "1 - y_pred" in events:
            add("y_pred", "unit", 2, "1 minus it is taken", "1 - y_pred")
        if "1 - y_true" in events:
            add("y_true", "binary", 3, "1 minus it is taken", "1 - y_true")
    elif "1 - y_true" in events:
        add("y_true", "binary", 3, "it and 1 minus it weigh two terms", "1 - y_true")
        if "1 - y_pred" in events:
            add("y_pred", "unit", 2, "1 minus it is taken", "1 - y_pred")
    if "integer y_true" in events and "y_true is 0 or 1" not in events:
        add("y_true", "label", 2, "it is cast to an integer", "integer y_true")
    if "named labels" in events and {"integer y_true", "flatten y_true"} & set(events):
        add("y_true", "label", 2, "it is called labels", "named labels")
    if "y_true is 0 or 1" in events:
        add("y_true", "binary", 2, "it is compared with 0 or 1", "y_true is 0 or 1")
    for role in ("y_true", "y_pred"):
        if f"root of {role}" in events:
            kind = "unit" if like_image(evidence) else "positive"
            add(role, kind, 3, "a root of it is taken", f"root of {role}")
    if like_image(evidence) and "difference" in events:
        for role in ("y_true", "y_pred"):
            add(role, "unit", 1, "it is compared as an image", "difference")


def _settle(evidence: Evidence) -> Belief:
    """The strongest hint for each argument, the other one's kind following where it has none of its own."""
    true, pred = evidence.best("y_true"), evidence.best("y_pred")
    if true is None and pred is not None:
        true = _partner(pred, "y_true", evidence)
    if pred is None and true is not None:
        pred = _partner(true, "y_pred", evidence)
    if true is not None and pred is not None:
        # A class axis and independent probabilities exclude each other; the stronger reason decides.
        if true.kind in ("onehot", "label") and pred.kind == "unit":
            pred = replace(pred, kind="probability") if true.strength >= 2 else pred
        classes = "classes" in evidence.events
        if true.kind in ("onehot", "label") and true.strength == 1 and pred.kind in ("unit", "logit") and not classes:
            true = replace(true, kind="binary")
        if true.kind == "binary" and true.strength < 4 and classes:
            true = replace(true, kind="onehot")
        if pred.kind == "positive" and pred.strength == 1 and evidence.rank.get("y_pred", 1) > 2:
            pred = replace(pred, kind="real")  # embeddings rather than a distance
        if pred.kind == "probability" and true.kind in ("binary", "real"):
            true = replace(true, kind="onehot")
        if true.kind == "label" and true.strength >= 5 and pred.strength == 1 and "log(y_pred)" not in evidence.events:
            pred = replace(pred, kind="logit")
    reasons = tuple(_sentence(hint) for hint in (true, pred) if hint is not None)
    return Belief(true, pred, reasons)


def _partner(hint: Hint, role: Argument, evidence: Evidence) -> Hint | None:
    softmax = "classes" in evidence.events
    to_true = {
        "logit": "onehot" if softmax else "binary",
        "unit": "unit" if "difference" in evidence.events else "binary",
        "probability": "onehot",
        "positive": "positive" if "difference" in evidence.events else "real",
    }
    to_pred = {
        "label": "probability" if "log(y_pred)" in evidence.events else "logit",
        "onehot": "probability",
        "probability": "probability",
        "positive": "positive",
        "unit": "unit",
        "binary": "unit" if "product" in evidence.events else "real",
    }
    kind = (to_true if role == "y_true" else to_pred).get(hint.kind)
    return Hint(role, kind, 1, f"it fits {hint.role}", hint.line) if kind else None


_PLURAL = {
    "logit": "logits",
    "probability": "probabilities along the last axis",
    "unit": "values in [0, 1]",
    "binary": "0 or 1",
    "onehot": "one-hot classes",
    "label": "class labels",
    "sign": "-1 or 1",
    "positive": "positive values",
    "real": "real values",
}


def _sentence(hint: Hint) -> str:
    return f"{hint.role} is taken as {_PLURAL[hint.kind]} since {hint.reason} (line {hint.line})"
