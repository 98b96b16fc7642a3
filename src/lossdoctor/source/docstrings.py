"""Shapes that docstrings state: "y_pred: logits of shape (batch, 10)"."""

from __future__ import annotations

import ast
import re

from lossdoctor.source.module import SourceFunction, SourceModule
from lossdoctor.source.names import Argument

Dims = tuple[int | str, ...]

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


