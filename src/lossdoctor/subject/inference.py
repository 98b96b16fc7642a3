"""What a loss is probably given, from its code: contracts in the order in which to try them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

from lossdoctor.findings import UsageError
from lossdoctor.session import Loaded
from lossdoctor.source.evidence import Evidence, Hint, read_evidence
from lossdoctor.source.models import last_layer
from lossdoctor.source.module import SourceFunction, SourceModule
from lossdoctor.source.names import Argument, words
from lossdoctor.source.vocabulary import NAMES
from lossdoctor.spec.model import BATCH, Contract, Kind, Spec
from lossdoctor.spec.parse import parse_contract
from lossdoctor.subject.locate import source_of

Dims = tuple[int | str, ...]

CLASSES = 4  # where the code does not say how many
PIXELS = 8  # height and width of an image, where the code does not ask for more
STEPS = 6  # length of a sequence

# Tried in this order where the code gives no reason to choose.
NATURAL: tuple[tuple[str, str], ...] = (
    ("float32[B,4] real", "float32[B,4] real"),
    ("float32[B,1] real", "float32[B,1] real"),
    ("float32[B,4] binary", "float32[B,4] unit"),
    ("float32[B,1] binary", "float32[B,1] unit"),
    ("float32[B,4] onehot", "float32[B,4] probability"),
    ("int32[B] label(4)", "float32[B,4] logit"),
    ("int32[B,1] label(4)", "float32[B,4] logit"),
    ("float32[B,8,8,1] binary", "float32[B,8,8,1] unit"),
    ("float32[B,8,8,3] unit", "float32[B,8,8,3] unit"),
    ("float32[B,32,32,3] unit", "float32[B,32,32,3] unit"),
    ("float32[B,6,4] real", "float32[B,6,4] real"),
    ("float32[B] real", "float32[B] real"),
    ("float32[B,8,8,4] onehot", "float32[B,8,8,4] probability"),
    ("float32[B,1] binary", "float32[B,2,8] real"),
)


@dataclass(frozen=True)
class _Guess:
    """What is believed of both arguments so far, and why."""

    true: Hint | None
    pred: Hint | None
    reasons: tuple[str, ...]


def infer(loaded: Loaded) -> tuple[Contract, ...]:
    """Contracts for a loss whose specs nobody gave, the most probable first.

    The first comes from the code, if the code says anything; variants of it (labels as (B,) and (B,1), as integers
    and floats) and then the natural contracts follow, for a loss that does not accept it. Each says what it assumes.
    """
    module = source_of(loaded.path) if loaded.path else None
    if module is None:
        return tuple(_natural())
    function = loss_function(module, loaded)
    if function is None:
        return tuple(_natural())
    try:
        own = list(_from_code(module, function, loaded))
    except (RecursionError, UsageError):  # code too deep to read, a spec that contradicts itself
        own = []
    seen: set[tuple[str, str]] = set()
    contracts: list[Contract] = []
    for contract in (*own, *_natural()):
        key = (str(contract.y_true), str(contract.y_pred))
        if key not in seen:
            seen.add(key)
            contracts.append(contract)
    return tuple(contracts)


def loss_function(module: SourceModule, loaded: Loaded) -> SourceFunction | None:
    """The function that computes the loss: the one defined at the loss's line, of a class its `call`."""
    for item in module.classes.values():
        if item.line == loaded.line:
            return _method(module, item.qualname)
    return next((function for function in module.functions.values() if function.line == loaded.line), None)


def _method(module: SourceModule, name: str) -> SourceFunction | None:
    seen: set[str] = set()
    stack = [name]
    while stack:
        item = module.classes.get(stack.pop(0))
        if item is None or item.qualname in seen:
            continue
        seen.add(item.qualname)
        if "call" in item.methods:
            return item.methods["call"]
        if "__call__" in item.methods:
            return item.methods["__call__"]
        stack += item.bases
    return None


def _from_code(module: SourceModule, function: SourceFunction, loaded: Loaded) -> Iterator[Contract]:
    evidence = read_evidence(function)
    documented = _documented(module, function)
    layer = last_layer(module, _names(function, loaded))
    if layer is not None:
        if layer.kind:
            strength = 5 if layer.compiled else 2
            evidence.hint("y_pred", layer.kind, strength, f"the model's last layer is `{layer.text}`", layer.node)
        if layer.units:
            evidence.last.setdefault("y_pred", layer.units)
    _from_names(evidence, function, loaded)
    _from_events(evidence)
    guess = _settle(evidence)
    if guess.true is None and guess.pred is None and not (documented or _shape_known(evidence)):
        return
    true_kind = guess.true.kind if guess.true else "real"
    pred_kind = guess.pred.kind if guess.pred else "real"
    classes = guess.true.classes if guess.true else None
    pred_dims = documented.get("y_pred") or _dims(evidence, "y_pred", pred_kind, true_kind, classes, loaded)
    true_dims = documented.get("y_true")
    missing = "missing" in evidence.events
    reasons = list(guess.reasons)
    for role in documented:
        reasons.append(f"the shape of {role} is that of the docstring or annotation")
    if missing:
        reasons.append(
            f"y_true is taken to have missing entries since they are looked for (line {evidence.events['missing']})"
        )
    pred = Spec("float32", pred_dims, _kind(pred_kind))
    for true in _true_specs(evidence, true_kind, classes, pred, true_dims, missing):
        shapes = f"y_true is {true}, y_pred is {pred}"
        yield Contract(
            true, pred, "inferred", (*reasons, f"where nothing fixes a size, a small one is assumed: {shapes}")
        )


def _true_specs(
    evidence: Evidence, kind: str, classes: int | None, pred: Spec, dims: Dims | None, missing: bool
) -> Iterator[Spec]:
    """The spec of y_true with its variants, the most natural first."""
    if kind == "label":
        last = pred.dims[-1] if len(pred.dims) > 1 else None
        count = classes or (last if isinstance(last, int) and last > 1 else CLASSES)
        without = pred.dims[:-1] if len(pred.dims) > 1 else pred.dims
        column: Dims = (*without, 1)
        # A column is what Keras makes of labels; who flattens or squeezes them expects it.
        flattened = any(f"{how} y_true" in evidence.events for how in ("squeeze", "flatten"))
        shapes = (
            [dims]
            if dims
            else ([column, without] if flattened or evidence.rank.get("y_true", 1) > 1 else [without, column])
        )
        for dtype in ("int32", "float32"):
            for shape in shapes:
                yield Spec(dtype, shape, "label", count)
        return
    own = dims or _own_dims(evidence, "y_true", pred.dims)
    if dims is None and len(own) > 2 and kind in ("binary", "sign") and "flatten y_true" in evidence.events:
        own = (BATCH, 1)  # one label for each sample
    if kind == "onehot" and (not own or own == (BATCH,)):
        own = pred.dims
    yield Spec("float32", own, _kind(kind), None, missing)
    if own != pred.dims:
        yield Spec("float32", pred.dims, _kind(kind), None, missing)


def _own_dims(evidence: Evidence, role: Argument, other: Dims) -> Dims:
    """The other argument's dims, unless the code fixes sizes of this one's own."""
    last = evidence.last.get(role)
    rank = evidence.rank.get(role)
    if rank is not None and rank > len(other):
        return (BATCH, *([PIXELS] * (rank - 2)), last or 1)
    least = max(
        [size for (name, axis), size in evidence.sizes.items() if name == role and axis in (-1, len(other) - 1)] or [0]
    )
    if last and last != other[-1] and len(other) > 1:
        return (*other[:-1], last)
    if least and len(other) > 1 and isinstance(other[-1], int) and least > other[-1]:
        return (*other[:-1], least)
    return other


def _dims(evidence: Evidence, role: Argument, kind: str, other: str, classes: int | None, loaded: Loaded) -> Dims:
    """Dims of y_pred from ranks, sizes and totals, with small sizes where nothing fixes them."""
    if role in evidence.total:
        return (BATCH, evidence.total[role])
    other_role: Argument = "y_true" if role == "y_pred" else "y_pred"
    rank = max(evidence.rank.get(role, 1), evidence.rank.get(other_role, 1) if other != "label" else 1)
    exact = evidence.last.get(role) or (evidence.last.get(other_role) if other != "label" else None)
    pairs = bool({"contrastive", "siamese"} & set(words(loaded.name)))
    along_classes = kind == "probability" or other in ("onehot", "label") or "classes" in evidence.events
    if evidence.image is not None:
        channels = exact or (3 if kind in ("unit", "real") else 1)
        return (BATCH, 32, 32, channels)
    if exact is None:
        least = max([size for (_, axis), size in evidence.sizes.items() if axis in (-1, rank - 1)] or [0])
        exact = (classes or CLASSES) if along_classes else None
        if (
            exact is None
            and other == "binary"
            and ("contrastive" in words(loaded.name) or f"squeeze {role}" in evidence.events)
        ):
            exact = 1
        exact = max(exact or 0, least) or None
    middle = [max(_least(evidence, axis), PIXELS if rank == 4 else STEPS) for axis in range(1, rank - 1)]
    if other == "label" and rank <= 2 and "reduced y_true" in evidence.events:
        return (BATCH, STEPS, exact or CLASSES)  # one label for each step of a sequence
    if rank <= 2 and along_classes and _PIXELS & set(words(loaded.name)):
        return (BATCH, PIXELS, PIXELS, exact or CLASSES)
    if rank == 3 and "several axes" in evidence.events and not along_classes:
        return (BATCH, PIXELS, PIXELS, exact or 1)  # sums over two spatial axes
    if rank >= 4:
        return (BATCH, *middle, exact or (1 if other == "binary" else 3))
    if rank == 3:
        small = [max(_least(evidence, 1), 2)] if _least(evidence, 1) else middle
        return (BATCH, *small, exact or CLASSES)
    return (BATCH, exact or 4)


def _least(evidence: Evidence, axis: int) -> int:
    return max([size for (_, place), size in evidence.sizes.items() if place == axis] or [0])


def _shape_known(evidence: Evidence) -> bool:
    return bool(
        evidence.last
        or evidence.total
        or evidence.image
        or any(rank > 2 for rank in evidence.rank.values())
        or evidence.sizes
    )


def _from_names(evidence: Evidence, function: SourceFunction, loaded: Loaded) -> None:
    """Words in the name of the loss; weaker than anything in its code."""
    for name in dict.fromkeys((loaded.name, *_names(function, loaded))):
        parts = set(words(name))
        for marks, true, pred in NAMES:
            found = parts & marks
            if found:
                reason = f"the name `{name}` says {min(found)}"
                evidence.hint("y_true", true, 1, reason, function.node)
                evidence.hint("y_pred", pred, 1, reason, function.node)
                return


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
            add(
                role,
                "unit" if evidence.image or _like_image(evidence) else "positive",
                3,
                "a root of it is taken",
                f"root of {role}",
            )
    if _like_image(evidence) and "difference" in events:
        for role in ("y_true", "y_pred"):
            add(role, "unit", 1, "it is compared as an image", "difference")


def _like_image(evidence: Evidence) -> bool:
    return evidence.image is not None or max(evidence.rank.values(), default=1) >= 4


_PIXELS = frozenset({"pixel", "pixels", "pixelwise", "segmentation", "unet"})


def _settle(evidence: Evidence) -> _Guess:
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
        if pred.kind in ("unit", "logit") and true.kind in ("onehot", "label") and true.strength == 1:
            if "classes" not in evidence.events:
                true = replace(true, kind="binary")
        if true.kind == "binary" and true.strength == 1 and "classes" in evidence.events:
            true = replace(true, kind="onehot")
        if "classes" in evidence.events and true.kind == "binary" and true.strength < 4:
            true = replace(true, kind="onehot")
        if pred.kind == "positive" and pred.strength == 1 and evidence.rank.get("y_pred", 1) > 2:
            pred = replace(pred, kind="real")  # embeddings rather than a distance
        if pred.kind == "probability" and true.kind in ("binary", "real"):
            true = replace(true, kind="onehot")
        if true.kind == "label" and true.strength >= 5 and pred.strength == 1 and "log(y_pred)" not in evidence.events:
            pred = replace(pred, kind="logit")
    reasons = tuple(_sentence(hint) for hint in (true, pred) if hint is not None)
    return _Guess(true, pred, reasons)


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


def _kind(name: str) -> Kind:
    return cast(Kind, name)  # the kinds of hints are those of specs


def _names(function: SourceFunction, loaded: Loaded) -> tuple[str, ...]:
    """Names under which the loss is known: its own, its class's, that of the factory that makes it."""
    parts = [part for part in function.qualname.split(".") if part not in ("<locals>", "call", "__call__")]
    return tuple(dict.fromkeys((loaded.name, *parts)))


_SHAPE = re.compile(r"[\(\[]\s*((?:[A-Za-z_]\w*|\d+|None|-1|\.\.\.)(?:\s*,\s*(?:[A-Za-z_]\w*|\d+))*\s*,?)\s*[\)\]]")
_BATCH_WORDS = frozenset({"b", "n", "bs", "batch", "batch_size", "batchsize", "none", "-1", "num_samples", "samples"})
_USUAL = {"h": PIXELS, "height": PIXELS, "w": PIXELS, "width": PIXELS, "d": 8, "dim": 8, "dims": 8, "embedding": 8}
_USUAL |= {
    "t": STEPS,
    "time": STEPS,
    "timesteps": STEPS,
    "steps": STEPS,
    "seq": STEPS,
    "length": STEPS,
    "seq_len": STEPS,
}


def _documented(module: SourceModule, function: SourceFunction) -> dict[Argument, Dims]:
    """Shapes that the docstrings state: of the function, its class or factory, and the module if that has one loss."""
    texts = [function.docstring]
    parts = function.qualname.split(".")
    outer = module.classes.get(parts[0])
    if outer is not None:
        texts.append(ast.get_docstring(outer.node) or "")
    elif parts[0] in module.functions and parts[0] != function.name:
        texts.append(module.functions[parts[0]].docstring)
    texts.append(ast.get_docstring(module.tree) or "")
    found: dict[Argument, Dims] = {}
    for text in texts:
        for role, name in zip(("y_true", "y_pred"), function.parameters[:2], strict=False):
            for mention in re.finditer(rf"\b{re.escape(name)}\b", text):
                rest = text[mention.end() : mention.end() + 100]
                others = [other for other in function.parameters[:2] if other != name]
                cut = min([rest.find(other) for other in others if other in rest] or [len(rest)])
                for shape in _SHAPE.finditer(rest[:cut]):
                    dims = _shape_dims(shape.group(1))
                    if dims is not None:
                        found.setdefault(role, dims)  # pyright: ignore[reportArgumentType]
                        break
    return found


def _shape_dims(text: str) -> Dims | None:
    parts = [part.strip().lower() for part in text.split(",") if part.strip()]
    if not parts or parts[0] not in _BATCH_WORDS:
        return None
    dims: list[int | str] = [BATCH]
    for part in parts[1:]:
        if part.isdecimal():
            dims.append(int(part))
        else:
            dims.append(_USUAL.get(part, CLASSES))
    return tuple(dims) if all(dim != 0 for dim in dims) else None


def _natural() -> Iterator[Contract]:
    for index, (true, pred) in enumerate(NATURAL):
        why = "nothing in the code says what y_true and y_pred hold" if index == 0 else "the loss accepts it"
        yield parse_contract(
            true, pred, origin="inferred", assumptions=(f"y_true is taken as {true} and y_pred as {pred}, since {why}",)
        )
