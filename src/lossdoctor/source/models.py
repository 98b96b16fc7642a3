"""The model that a loss is compiled with: what its last layer gives."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lossdoctor.source.calls import argument
from lossdoctor.source.module import SourceModule
from lossdoctor.source.vocabulary import ACTIVATIONS

# Layers with units: the position of the number of units, and of the activation.
_UNITS = {"Dense": (0, 1), "Conv1D": (0, 99), "Conv2D": (0, 99), "Conv3D": (0, 99), "Conv2DTranspose": (0, 99)}


@dataclass(frozen=True, slots=True)
class LastLayer:
    """`kind` is the kind of y_pred that the activation gives, None without activation (logits or real values)."""

    units: int | None
    kind: str | None
    text: str
    node: ast.Call
    compiled: bool = True  # whether the loss is named in the model's `compile`


def last_layer(module: SourceModule, names: Sequence[str]) -> LastLayer | None:
    """The last layer before a `compile(loss=…)` that names one of `names`, in the same function or at module level."""
    for scope in (*_functions(module.tree), module.tree):
        calls = sorted(_calls(scope), key=lambda node: (node.lineno, node.col_offset))
        for node in calls:
            if not (isinstance(node.func, ast.Attribute) and node.func.attr == "compile"):
                continue
            loss = argument(node, "loss", 1)
            if loss is None or not any(isinstance(item, ast.Name) and item.id in names for item in ast.walk(loss)):
                continue
            before = [call for call in calls if call.lineno < node.lineno]
            return _last([call for call in before if _layer(module, call)], module)
    return _only_model(module)


def _only_model(module: SourceModule) -> LastLayer | None:
    """The last layer of the one function that builds layers, where no model of the file is compiled."""
    if any(isinstance(node.func, ast.Attribute) and node.func.attr == "compile" for node in _calls(module.tree)):
        return None
    found: list[LastLayer] = []
    for scope in _functions(module.tree):
        layers = [call for call in _calls(scope) if _layer(module, call)]
        last = _last(sorted(layers, key=lambda node: (node.lineno, node.col_offset)), module)
        if last is not None:
            found.append(replace(last, compiled=False))
    return found[0] if len(found) == 1 else None


def _last(layers: list[ast.Call], module: SourceModule) -> LastLayer | None:
    if not layers:
        return None
    node = layers[-1]
    name = _layer(module, node)
    if name == "Activation":
        earlier = _last([call for call in layers[:-1] if _layer(module, call) in _UNITS], module)
        given = argument(node, "activation", 0)
        return LastLayer(earlier.units if earlier else None, _activation(given, module), ast.unparse(node), node)
    units, activation = _UNITS[name]
    literal = module.literal(argument(node, "units", units) or argument(node, "filters", units) or ast.Constant(None))
    count = literal if isinstance(literal, int) and literal > 0 else None
    return LastLayer(count, _activation(argument(node, "activation", activation), module), ast.unparse(node), node)


def _activation(node: ast.expr | None, module: SourceModule) -> str | None:
    if node is None:
        return None
    literal = module.literal(node)
    name = literal if isinstance(literal, str) else (module.resolve(node) or "").rpartition(".")[2]
    return ACTIVATIONS.get(name)


def _layer(module: SourceModule, node: ast.Call) -> str:
    """ "Dense", "Activation" … for a call that makes such a layer, else ""."""
    name = (module.resolve(node.func) or "").rpartition(".")[2]
    return name if name in _UNITS or name == "Activation" else ""


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _calls(scope: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(scope) if isinstance(node, ast.Call))
