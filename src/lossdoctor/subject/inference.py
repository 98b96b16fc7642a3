"""What a loss is probably given, from its code: contracts in the order in which to try them.

Nothing is imported or run here: the text of the file that defines the loss is read.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from lossdoctor.findings import UsageError
from lossdoctor.session import Loaded
from lossdoctor.source.docstrings import documented_shapes, formula_section
from lossdoctor.source.evidence import read_evidence
from lossdoctor.source.models import last_layer
from lossdoctor.source.module import SourceFunction, SourceModule
from lossdoctor.spec.model import Contract, Kind, Spec
from lossdoctor.spec.parse import parse_contract
from lossdoctor.subject.locate import source_of
from lossdoctor.subject.raggedness import ragged
from lossdoctor.subject.reasons import believe
from lossdoctor.subject.shapes import fixes_shape, pred_dims, true_specs
from lossdoctor.subject.structures import structured
from lossdoctor.targets import parse_target

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
    ("float32[B,1] real", "float32[B,3] real"),
    ("int32[B,8] label(4)", "float32[B,8,4] logit"),
)
_REEXPORTS = 6  # how many modules a name may be passed on through


def infer(target: str | Loaded, root: str | Path | None = None) -> tuple[Contract, ...]:
    """Contracts for a loss whose specs nobody gave, the most probable first.

    The decorator `@contract` comes first. Then comes what the code shows, with variants of it (labels as (B,) and
    (B,1), as integers and floats), then the natural contracts, for a loss that accepts none of these. Each says
    what it assumes and why.

    Args:
        target: the loss, as text or loaded.
        root: the folder that a relative path starts from.

    Raises:
        UsageError: the target is none, or the decorator's spec is invalid.
    """
    found = _definition(target, Path(root or "."))
    if found is None:
        return tuple(_natural())
    module, function, name = found
    stated = declared_contract(module, function)
    if stated is not None:
        return (stated,)
    apart = list(structured(module, function, name))
    try:
        own = list(_from_code(module, function, name, _options(target)))
    except RecursionError:  # expressions too deep to read
        own = []
    contracts: dict[tuple[str, str], Contract] = {}
    for item in [*ragged(function, own), *apart, *own, *_in_other_shapes(own), *_natural()]:
        contracts.setdefault((str(item.y_true), str(item.y_pred)), item)
    return tuple(contracts.values())


def declared_contract(module: SourceModule, function: SourceFunction) -> Contract | None:
    """The contract that the decorator `lossdoctor.contract` states, on the function, its class or its factory.

    Raises:
        UsageError: a spec is invalid.
    """
    for given in _stated(module, function):
        if given.get("y_true") is not None and given.get("y_pred") is not None:
            return parse_contract(given["y_true"], given["y_pred"], origin="contract")
    return None


def declared_formula(target: str | Loaded, root: str | Path | None = None) -> str | None:
    """The formula that the decorator `lossdoctor.contract` states, as text; None without one.

    Args:
        target: the loss, as text or loaded.
        root: the folder that a relative path starts from.
    """
    return declared(target, root).formula


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the decorator says a loss computes: a formula, or a target that computes the same."""

    formula: str | None = None
    reference: str | None = None


def declared(target: str | Loaded, root: str | Path | None = None) -> Declaration:
    """What the decorator `lossdoctor.contract` says that the loss computes; arguments as `declared_formula`."""
    found = _definition(target, Path(root or "."))
    if found is None:
        return Declaration()
    stated = list(_stated(found[0], found[1]))

    def text(key: str) -> str | None:
        return next((given[key] for given in stated if isinstance(given.get(key), str)), None)

    return Declaration(text("formula"), text("reference"))


def documented_formula(target: str | Loaded, root: str | Path | None = None) -> str | None:
    """The formula of a section "Formula:" in the docstring of the function, its class or its factory, over y_true
    and y_pred; None where there is none. Arguments as `declared_formula`."""
    found = _definition(target, Path(root or "."))
    return None if found is None else formula_section(found[0], found[1])


def _stated(module: SourceModule, function: SourceFunction) -> Iterator[dict[str | None, Any]]:
    """The literal arguments of each `lossdoctor.contract` that decorates the function, its class or its factory."""
    first = function.qualname.split(".")[0]
    outer = module.classes.get(first) or module.functions.get(first)
    for node in (function.node, outer.node if outer else None):
        for decorator in getattr(node, "decorator_list", []):
            if isinstance(decorator, ast.Call) and module.resolve(decorator.func) in (
                "lossdoctor.contract",
                "lossdoctor.contract.contract",
            ):
                yield {item.arg: _literal(item.value, module) for item in decorator.keywords}


def loss_function(module: SourceModule, name: str, line: int | None = None) -> SourceFunction | None:
    """The function that computes a loss: of a class its `call`, of a factory what it returns, of a name that was
    assigned that of what it was made from.

    Args:
        module: the file.
        name: a name of its top level.
        line: of the definition, where it is known; it counts more than the name.
    """
    if line is not None:
        at_line = next((item.qualname for item in module.classes.values() if item.line == line), None)
        if at_line is not None:
            return _method(module, at_line)
        function = next((function for function in module.functions.values() if function.line == line), None)
        if function is not None:
            return function
    if name in module.classes:
        return _method(module, name)
    function = module.functions.get(name)
    if function is not None:
        inner = [item for key, item in module.functions.items() if key.startswith(f"{name}.<locals>.")]
        returned = {
            node.id
            for statement in ast.walk(function.node)
            if isinstance(statement, ast.Return) and statement.value is not None
            for node in ast.walk(statement.value)
            if isinstance(node, ast.Name)
        }
        made = next((item for item in inner if item.name in returned and len(item.parameters) >= 2), None)
        if made is not None:
            return made
        makers = sorted(returned & module.classes.keys())
        return _method(module, makers[0]) if makers and len(function.parameters) != 2 else function
    for statement in module.statements:
        if isinstance(statement, ast.Assign) and any(ast.unparse(item) == name for item in statement.targets):
            names = [node.id for node in ast.walk(statement.value) if isinstance(node, ast.Name) and node.id != name]
            known = [item for item in names if item in module.functions or item in module.classes]
            return loss_function(module, known[0]) if known else None
    return None


def _definition(target: str | Loaded, root: Path) -> tuple[SourceModule, SourceFunction, str] | None:
    """The file, the function and the name of a target."""
    if isinstance(target, Loaded):
        module = source_of(target.path) if target.path else None
        function = loss_function(module, target.name, target.line) if module else None
        return (module, function, target.name) if module and function else None
    reference = parse_target(target, root)
    if reference.name is None:
        return None
    name = reference.name.split(".")[0]
    path = reference.path or _module_file(reference.module or "", root)
    for _ in range(_REEXPORTS):
        module = source_of(path) if path else None
        if module is None:
            return None
        function = loss_function(module, name)
        if function is not None:
            return module, function, name
        origin, _, name = module.aliases.get(name, "").rpartition(".")
        path = _module_file(origin, root)
    return None


def _module_file(dotted: str, root: Path) -> str | None:
    """The file of a module, looked for on sys.path without importing its packages."""
    if not dotted or dotted.startswith("."):
        return None
    for folder in (str(root), *sys.path):
        place = Path(folder or ".", *dotted.split("."))
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return str(file)
    return None


def _options(target: str | Loaded) -> dict[str, object]:
    """The keyword arguments that are written in a target, where they are literals."""
    before, bracket, after = (target.target if isinstance(target, Loaded) else target).partition("(")
    try:
        call = ast.parse(f"{before.rpartition(':')[2]}{bracket}{after}", mode="eval").body
        keywords = call.keywords if isinstance(call, ast.Call) else []
        return {item.arg: ast.literal_eval(item.value) for item in keywords if item.arg is not None}
    except (SyntaxError, ValueError, TypeError):
        return {}


def _method(module: SourceModule, name: str) -> SourceFunction | None:
    """`call` of a class of the file, its own or of a base in the file."""
    seen: set[str] = set()
    stack = [name]
    while stack:
        item = module.classes.get(stack.pop(0))
        if item is None or item.qualname in seen:
            continue
        seen.add(item.qualname)
        for method in ("call", "__call__"):
            if method in item.methods:
                return item.methods[method]
        stack += item.bases
    return None


def _from_code(
    module: SourceModule, function: SourceFunction, name: str, options: Mapping[str, object]
) -> Iterator[Contract]:
    evidence = read_evidence(function, options)
    documented = documented_shapes(module, function)
    outer = [part for part in function.qualname.split(".") if part not in ("<locals>", "call", "__call__")]
    names = tuple(dict.fromkeys((name, *outer)))
    layer = last_layer(module, names)
    if layer is not None and layer.units:
        evidence.last.setdefault("y_pred", layer.units)
    if layer is not None and layer.kind:
        strength = 5 if layer.compiled else 2
        evidence.hint("y_pred", layer.kind, strength, f"the model's last layer is `{layer.text}`", layer.node)
    belief = believe(evidence, names, function.line)
    known = belief.true or belief.pred or documented or "missing" in evidence.events
    if not known and not fixes_shape(evidence):
        return
    kind = belief.pred.kind if belief.pred else "real"
    other = belief.true.kind if belief.true else "real"
    classes = belief.true.classes if belief.true else None
    dims = documented.get("y_pred") or pred_dims(evidence, kind, other, classes, name)
    reasons = list(belief.reasons)
    reasons += [f"the shape of {role} is that of the docstring" for role in documented]
    if "missing" in evidence.events:
        line = evidence.events["missing"]
        reasons.append(f"y_true is taken to have missing entries since they are looked for (line {line})")
    if belief.true is None or belief.pred is None:
        reasons.append("where the code does not say what the values are, real values are assumed")
    pred = Spec("float32", dims, cast(Kind, kind))
    for true in true_specs(evidence, other, classes, pred, documented.get("y_true"), "missing" in evidence.events):
        try:
            contract = parse_contract(str(true), str(pred), origin="inferred")
        except UsageError:  # the pieces contradict each other
            continue
        sizes = f"where nothing fixes a size, a small one is assumed: y_true is {true}, y_pred is {pred}"
        yield Contract(contract.y_true, contract.y_pred, "inferred", (*reasons, sizes))


def _in_other_shapes(own: Sequence[Contract]) -> Iterator[Contract]:
    """The values that the code shows, in the natural shapes, for a loss that accepts none of the shapes read off it:
    a logarithm of y_pred is no better for having been given real numbers of the right shape."""
    first = own[0] if own else None
    if first is None or not isinstance(first.y_true, Spec) or not isinstance(first.y_pred, Spec):
        return
    if (first.y_true.kind, first.y_pred.kind) == ("real", "real"):
        return
    for natural in _natural():
        true, pred = cast(Spec, natural.y_true), cast(Spec, natural.y_pred)
        of_classes = {first.y_true.kind, first.y_pred.kind} & {"onehot", "probability"}
        if of_classes and pred.dims[-1] == 1:
            continue
        if (first.y_true.kind == "label") == (true.kind == "label"):
            true = replace(first.y_true, dims=true.dims, classes=true.classes if true.kind == "label" else None)
        elif first.y_true.kind == "label" or first.y_pred.kind != "unit":
            continue  # but an ordinal regression compares ranks with a probability for each threshold
        pred = replace(first.y_pred, dims=pred.dims)
        sizes = f"the loss accepts these sizes and not those before: y_true is {true}, y_pred is {pred}"
        try:
            contract = parse_contract(str(true), str(pred), origin="inferred")
        except UsageError:
            continue
        yield Contract(contract.y_true, contract.y_pred, "inferred", (*first.assumptions[:-1], sizes))


def _natural() -> Iterator[Contract]:
    for index, (true, pred) in enumerate(NATURAL):
        why = "nothing in the code says what they hold" if index == 0 else "the loss accepts these and not those before"
        assumption = f"y_true is taken as {true} and y_pred as {pred}, since {why}"
        yield parse_contract(true, pred, origin="inferred", assumptions=(assumption,))


def _literal(node: ast.expr, module: SourceModule) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return module.literal(node)
