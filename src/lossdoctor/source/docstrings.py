"""Shapes that docstrings state: "y_pred: logits of shape (batch, 10)"."""

from __future__ import annotations

import ast
import re

from lossdoctor.source.module import SourceFunction, SourceModule
from lossdoctor.source.names import Argument

Dims = tuple[int | str, ...]

_SHAPE = re.compile(r"[\(\[]\s*((?:[A-Za-z_]\w*|\d+|None|-1|\.\.\.)(?:\s*,\s*(?:[A-Za-z_]\w*|\d+))*\s*,?)\s*[\)\]]")
_BATCH_WORDS = frozenset({"b", "n", "bs", "batch", "batch_size", "batchsize", "none", "-1", "num_samples", "samples"})
_USUAL = {"h": 8, "height": 8, "w": 8, "width": 8, "d": 8, "dim": 8, "dims": 8, "embedding": 8}
_USUAL |= {
    "t": 6,
    "time": 6,
    "timesteps": 6,
    "steps": 6,
    "seq": 6,
    "length": 6,
    "seq_len": 6,
}


def documented_shapes(module: SourceModule, function: SourceFunction) -> dict[Argument, Dims]:
    """The shapes that docstrings give for the arguments: of the function, its class or factory, and the module.

    Names of axes get a small usual size; the first axis is the batch, "B".
    """
    texts = [function.docstring]
    outer = function.qualname.split(".")[0]
    if outer in module.classes:
        texts.append(ast.get_docstring(module.classes[outer].node) or "")
    elif outer in module.functions and outer != function.name:
        texts.append(module.functions[outer].docstring)
    texts.append(ast.get_docstring(module.tree) or "")
    names: dict[str, Argument] = dict(zip(function.parameters[:2], ("y_true", "y_pred"), strict=False))
    found: dict[Argument, Dims] = {}
    for text in texts:
        for name, role in names.items():
            for mention in re.finditer(rf"\b{re.escape(name)}\b", text):
                rest = text[mention.end() : mention.end() + 100]
                # Up to the next mention of an argument the text is about this one.
                ends = [rest.find(other) for other in names if other in rest]
                dims = next(filter(None, map(_dims, _SHAPE.findall(rest[: min(ends, default=len(rest))]))), None)
                if dims is not None:
                    found.setdefault(role, dims)
    return found


def _dims(text: str) -> Dims | None:
    parts = [part.strip().lower() for part in text.split(",") if part.strip()]
    if not parts or parts[0] not in _BATCH_WORDS:
        return None
    dims: list[int | str] = ["B"]
    for part in parts[1:]:
        if part.isdecimal():
            dims.append(int(part))
        else:
            dims.append(_USUAL.get(part, 4))
    return tuple(dims) if all(dim != 0 for dim in dims) else None
