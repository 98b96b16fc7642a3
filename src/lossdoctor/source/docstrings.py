"""What docstrings state: shapes ("y_pred: logits of shape (batch, 10)"), and the formula of a section "Formula:"."""

from __future__ import annotations

import ast
import re

from lossdoctor.source.module import SourceFunction, SourceModule
from lossdoctor.source.names import Argument

Dims = tuple[int | str, ...]

_SHAPE = re.compile(r"[\(\[]\s*((?:[A-Za-z_]\w*|\d+|None|-1|\.\.\.)(?:\s*,\s*(?:[A-Za-z_]\w*|\d+))*\s*,?)\s*[\)\]]")
_SECTION = re.compile(r"^(?P<lead>[ \t]*)Formula:[ \t]*(?P<inline>[^\n]*)$", re.MULTILINE)
_NAMED = re.compile(r"^(?:loss|L|output|result)\s*(?:\([^()]*\)\s*)?=(?!=)\s*")
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
    texts = [*_texts(module, function), ast.get_docstring(module.tree) or ""]
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


def formula_section(module: SourceModule, function: SourceFunction) -> str | None:
    """The text of the first section "Formula:" in the docstring of the function, its class or its factory.

    A fence, a leading "loss =" and the argument's own names are taken away. None without such a section, and where it
    holds more than one formula: that is prose.
    """
    for text in _texts(module, function):
        match = _SECTION.search(text)
        if match is None:
            continue
        formula = _NAMED.sub("", " ".join(_block(match, text))).strip(" `")
        # Another equals sign than those of `axis=` and comparisons: several statements.
        rest = re.sub(r"\b(?:axis|keepdims)\s*=(?!=)", "", formula)
        if not formula or (re.search(r"(?<![<>=!])=(?!=)", rest) and "\\" not in formula):
            return None
        for own, name in zip(function.parameters[:2], ("y_true", "y_pred"), strict=False):
            if len(own) > 1:
                formula = re.sub(rf"\b{re.escape(own)}\b", name, formula)
        return formula
    return None


def _block(match: re.Match[str], text: str) -> list[str]:
    """The lines of a section: what follows on its own line, a fenced block, or the indented lines under it."""
    if match["inline"].strip():
        return [match["inline"].strip()]
    lines = text[match.end() :].split("\n")[1:]
    while lines and not lines[0].strip():
        lines.pop(0)
    fenced = bool(lines) and lines[0].strip().startswith("```")
    found: list[str] = []
    for line in lines[1:] if fenced else lines:
        if line.strip().startswith("```") if fenced else not line.startswith(match["lead"] + " "):
            break
        found.append("" if line.strip() == ".. math::" else line.strip())
    return [line for line in found if line]


def _texts(module: SourceModule, function: SourceFunction) -> list[str]:
    """The docstrings of the function, and of its class or factory."""
    texts = [function.docstring]
    outer = function.qualname.split(".")[0]
    if outer in module.classes:
        texts.append(ast.get_docstring(module.classes[outer].node) or "")
    elif outer in module.functions and outer != function.name:
        texts.append(module.functions[outer].docstring)
    return texts


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
