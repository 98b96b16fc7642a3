"""Calls of the losses that Keras and TensorFlow bring, and what these say about their arguments."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from lossdoctor.source import vocabulary as words
from lossdoctor.source.calls import argument
from lossdoctor.source.module import SourceModule

_NAMES = {"KLDivergence": "kl_divergence"}  # classes whose function is not their name in small letters


@dataclass(frozen=True, slots=True)
class StockCall:
    """One call: which expressions are target and prediction, and of which kinds they then are.

    `classes` says that the last axis is one of classes; `elementwise` that the result has the shape of the prediction.
    """

    name: str
    target: ast.expr | None
    prediction: ast.expr | None
    kinds: tuple[str, str]
    strength: int
    classes: bool
    elementwise: bool = False


def stock_call(node: ast.Call, module: SourceModule) -> StockCall | None:
    """What a call of a loss of Keras or TensorFlow says; None for any other call.

    `keras.losses.binary_crossentropy(t, p)`, `keras.losses.BinaryCrossentropy(from_logits=True)(t, p)`, and
    `self.bce(t, p)` where some `self.bce = keras.losses.BinaryCrossentropy(…)` stands in the file.
    """
    dotted = module.resolve(node.func) or ""
    name = dotted.rpartition(".")[2]
    if name in words.WITH_LOGITS:
        kind, form = words.WITH_LOGITS[name]
        labels, logits = argument(node, "labels", 0), argument(node, "logits", 1)
        classes = form == "classes"
        return StockCall(name, labels, logits, (kind, "logit"), 8, classes, not classes)
    source = node
    if isinstance(node.func, ast.Call) or dotted.startswith("self.") or dotted in module.names:
        made = node.func if isinstance(node.func, ast.Call) else _maker(dotted, module)
        if made is None:
            return None
        source, dotted = made, module.resolve(made.func) or ""
        name = _snake(dotted.rpartition(".")[2])
    if name not in words.LOSSES or not dotted.startswith(("keras.", "tensorflow.")):
        return None
    true, usual, with_logits = words.LOSSES[name]
    flag = argument(source, "from_logits", 2 if source is node else 0)
    kind = with_logits if flag is not None and module.literal(flag) is True else usual
    # keras.backend and keras.ops have (target, output), keras.losses (y_true, y_pred), in the same order.
    target = argument(node, "y_true", 0) or argument(node, "target", 0)
    prediction = argument(node, "y_pred", 1) or argument(node, "output", 1)
    return StockCall(name, target, prediction, (true, kind), 2 if usual == "real" else 7, "categorical" in name)


def _maker(dotted: str, module: SourceModule) -> ast.Call | None:
    """The call that made an attribute or a global."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Assign) and any(ast.unparse(target) == dotted for target in node.targets):
            return node.value if isinstance(node.value, ast.Call) else None
    return None


def _snake(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    return "".join("_" + char.lower() if char.isupper() and index else char.lower() for index, char in enumerate(name))
