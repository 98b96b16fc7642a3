"""Which names of a file are losses."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from lossdoctor.source.calls import argument, literal_arguments
from lossdoctor.source.module import SourceClass, SourceFunction, SourceModule, own_nodes, read_module
from lossdoctor.source.names import is_loose_pair, is_loss_name, is_other_name, is_pair, sounds_like_loss

CandidateKind = Literal["function", "class", "instance", "factory"]

_NOT_LOSSES = ("keras.metrics.", "keras.Metric", "keras.layers.", "keras.Layer", "keras.Model", "keras.models.")
# Calls that give back a callable like the one they get.
_WRAPPERS = frozenset({"tensorflow.function", "functools.partial", "functools.wraps", "jax.jit"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A loss of a file. `name` is what stands after the colon of a target, with arguments where it needs some and
    the file itself calls it with literals.

    `parameters` are those of the function, of the constructor or of the factory; `required` those without default
    (of a class or factory), which have to be given in the target.
    """

    name: str
    kind: CandidateKind
    line: int
    parameters: tuple[str, ...]
    required: tuple[str, ...] = ()


def discover(path: str | Path) -> tuple[Candidate, ...]:
    """The losses of a file in the order in which they stand.

    Raises:
        UsageError: no such file or not Python.
    """
    return losses_of(read_module(path))


def losses_of(module: SourceModule) -> tuple[Candidate, ...]:
    """The losses of a file in the order in which they stand, from its text alone."""
    return tuple(sorted(_Discovery(module).candidates(), key=lambda candidate: candidate.line))


def passed_by(path: str | Path) -> tuple[tuple[str, int, str], ...]:
    """Name, line and why, of the functions of a file that are called like losses and are not among `discover`'s.

    Raises:
        UsageError: no such file or not Python.
    """
    module = read_module(path)
    return tuple(sorted(_Discovery(module).passed_by(), key=lambda found: found[1]))


class _Discovery:
    def __init__(self, module: SourceModule) -> None:
        self.module = module

    def candidates(self) -> Iterator[Candidate]:
        found = self._losses()
        helpers = self._helpers(set(found))
        for name, candidate in found.items():
            if name in self.compiled:
                yield candidate
                continue
            if name.startswith("_") or name in self.metrics:
                continue
            # What another loss of the file calls is a helper, unless it is a `Loss` or calls itself a loss.
            own = candidate.kind == "class" or (candidate.kind != "instance" and is_loss_name(name))
            if own or name not in helpers:
                yield candidate

    def passed_by(self) -> Iterator[tuple[str, int, str]]:
        """Functions of two arguments that have the name of a loss, whose arguments do not say which is which."""
        losses = self._losses()
        helpers = self._helpers({*losses, *(function.name for function in self.module.functions.values())})
        for function in self.module.functions.values():
            name, parameters = function.name, function.parameters
            if function.qualname != name or name in losses or name in helpers or name.startswith("_"):
                continue
            takes_two = function.required == 2 and not function.required_keywords
            if not takes_two or not function.returns_value or is_pair(parameters) or is_other_name(name):
                continue
            if is_loss_name(name) or sounds_like_loss(name):
                given = " and ".join(f"`{parameter}`" for parameter in parameters[:2])
                yield name, function.line, f"whose arguments {given} do not say which is y_true and which is y_pred"

    def _losses(self) -> dict[str, Candidate]:
        """Everything that is a loss by its form."""
        found: dict[str, Candidate] = {}
        for function in self.module.functions.values():
            if function.qualname != function.name or function.owner is not None:
                continue  # nested functions and methods cannot be named
            if function.name not in self.module.names:
                continue
            candidate = self._function(function)
            if candidate is not None:
                found[function.name] = candidate
        for item in self.module.classes.values():
            if item.qualname == item.name and item.name in self.module.names and self.is_loss_class(item.name):
                candidate = self._class(item)
                if candidate is not None:
                    found[item.name] = candidate
        for statement in self.module.statements:
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                target, value = statement.targets[0], statement.value
            elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
                target, value = statement.target, statement.value
            else:
                continue
            if isinstance(target, ast.Name) and isinstance(value, ast.Call) and self._makes_loss(value, found):
                found[target.id] = Candidate(target.id, "instance", statement.lineno, ())
        return found

    def _function(self, function: SourceFunction) -> Candidate | None:
        name, parameters = function.name, function.parameters
        if function.required <= 2 <= len(parameters) and not function.required_keywords:
            if name in self.compiled and not self._returns_loss(function):
                return Candidate(name, "function", function.line, parameters)
            # What calls itself a loss and returns nothing has lost its `return`.
            returns = function.returns_value or (is_loss_name(name) and not _is_abstract(function))
            loose = is_loss_name(name) and function.required == 2 and is_loose_pair(parameters)
            if (is_pair(parameters) or loose) and returns and not is_other_name(name):
                return Candidate(name, "function", function.line, parameters)
        if is_pair(parameters) and not self._returns_loss(function):
            # More than a loss is given: a helper, unless it is compiled as it is, which fails.
            return Candidate(name, "function", function.line, parameters) if name in self.compiled else None
        if self._returns_loss(function) and not is_other_name(name):
            required = (*parameters[: function.required], *function.required_keywords)
            return self._with_arguments(Candidate(name, "factory", function.line, parameters, required))
        return None

    def _class(self, item: SourceClass) -> Candidate | None:
        if self._method(item.name, "call") is None and not self._has_stock_base(item.name):
            return None  # a base class that leaves the loss to its heirs
        call = item.methods.get("call")
        if call is not None and _is_abstract(call):
            return None
        constructor = self._method(item.name, "__init__")
        parameters = constructor.parameters if constructor else ()
        required = (*parameters[: constructor.required], *constructor.required_keywords) if constructor else ()
        return self._with_arguments(Candidate(item.name, "class", item.line, parameters, required))

    def _with_arguments(self, candidate: Candidate) -> Candidate:
        """Where arguments are required, take those of the first call in the file that has only literals."""
        if not candidate.required:
            return candidate
        for node in ast.walk(self.module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == candidate.name:
                arguments = literal_arguments(node, self.module)
                if arguments is not None:
                    return Candidate(
                        f"{candidate.name}({arguments})", candidate.kind, candidate.line, candidate.parameters
                    )
        return candidate

    def is_loss_class(self, name: str, seen: frozenset[str] = frozenset()) -> bool:
        """Whether a class of the file is a loss, by its bases, or by a base called …Loss and a method `call`."""
        item = self.module.classes.get(name)
        if item is None or name in seen:
            return False
        for base in item.bases:
            if base in self.module.classes:
                if self.is_loss_class(base, seen | {name}):
                    return True
            elif _is_keras_loss(base):
                return True
            elif base.rpartition(".")[2].endswith("Loss") and not base.startswith("torch."):
                call = item.methods.get("call")
                if call is not None and len(call.parameters) >= 2:
                    return True
        return False

    def _has_stock_base(self, name: str, seen: frozenset[str] = frozenset()) -> bool:
        """Whether `call` comes from a loss that Keras or another module brings."""
        item = self.module.classes.get(name)
        if item is None or name in seen:
            return False
        return any(
            self._has_stock_base(base, seen | {name})
            if base in self.module.classes
            else base.rpartition(".")[2] != "Loss" and base.rpartition(".")[2].lower() != "object"
            for base in item.bases
        )

    def _method(self, name: str, method: str, seen: frozenset[str] = frozenset()) -> SourceFunction | None:
        """The method of a class of the file or of its bases in the file."""
        item = self.module.classes.get(name)
        if item is None or name in seen:
            return None
        if method in item.methods:
            return item.methods[method]
        for base in item.bases:
            found = self._method(base, method, seen | {name})
            if found is not None:
                return found
        return None

    def _returns_loss(self, function: SourceFunction) -> bool:
        """Whether a function returns an inner function of (y_true, y_pred), a lambda of such, or a `Loss`."""
        for node in own_nodes(function.node):
            if not isinstance(node, ast.Return) or node.value is None:
                continue
            value = node.value
            while isinstance(value, ast.Call) and self.module.resolve(value.func) in _WRAPPERS and value.args:
                value = value.args[0]
            if isinstance(value, ast.Lambda) and is_pair([argument.arg for argument in value.args.args]):
                return True
            if isinstance(value, ast.Name):
                inner = self.module.functions.get(f"{function.qualname}.<locals>.{value.id}")
                named = is_loss_name(function.name) or function.name in self.factories
                fits = inner is not None and inner.required <= 2 <= len(inner.parameters)
                if inner is not None and fits and (named or is_pair(inner.parameters)):
                    return True
            if isinstance(value, ast.Call) and is_loss_name(function.name):
                made = self.module.resolve(value.func) or ""
                if self.is_loss_class(made) or (_is_keras_loss(made) and made.rpartition(".")[2][:1].isupper()):
                    return True
        return False

    def _makes_loss(self, value: ast.Call, found: dict[str, Candidate]) -> bool:
        """Whether a module-level call makes a loss that is not the same as its class or factory by itself."""
        made = self.module.resolve(value.func) or ""
        if made in _WRAPPERS:
            inner = value.args[0] if value.args else None
            name = inner.id if isinstance(inner, ast.Name) else ""
            function = self.module.functions.get(name)
            return function is not None and is_pair(function.parameters) and name not in found
        if made in self.module.classes and self.is_loss_class(made):
            return self._differs(value, made, found)
        if made in self.module.functions:
            return self._returns_loss(self.module.functions[made]) and self._differs(value, made, found)
        return _is_keras_loss(made) and made.rpartition(".")[2][:1].isupper() and made.rpartition(".")[2] != "Loss"

    def _differs(self, value: ast.Call, made: str, found: dict[str, Candidate]) -> bool:
        if not (value.args or value.keywords):
            return False
        known = found.get(made)  # named with arguments where it cannot do without
        same = f"{made}({literal_arguments(value, self.module)})"
        return known is None or known.name != same

    def _helpers(self, losses: set[str]) -> frozenset[str]:
        """Names that the code of other losses of the file refers to, directly or through other functions."""
        return frozenset(name for user, names in self._uses.items() if user in losses for name in names - {user})

    @cached_property
    def _uses(self) -> dict[str, set[str]]:
        """For every definition of the file the top-level names that it reaches."""
        direct: dict[str, set[str]] = {}
        for statement in self.module.statements:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = statement.name
            elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                name = statement.targets[0].id
            else:
                continue
            used = {
                node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
            }
            if isinstance(statement, ast.ClassDef):  # a base class is no helper
                used -= {node.id for base in statement.bases for node in ast.walk(base) if isinstance(node, ast.Name)}
            elif isinstance(statement, ast.Assign):
                used = set()
            direct[name] = used & self.module.names
        reached: dict[str, set[str]] = {}
        for name in direct:
            seen: set[str] = set()
            stack = list(direct[name])
            while stack:
                other = stack.pop()
                if other not in seen:
                    seen.add(other)
                    stack.extend(direct.get(other, ()))
            reached[name] = seen
        return reached

    @cached_property
    def compiled(self) -> frozenset[str]:
        return losses_of_compile(self.module)

    @cached_property
    def factories(self) -> frozenset[str]:
        """Names called to make the `loss` of a `compile`."""
        return frozenset(
            node.func.id
            for value in compile_arguments(self.module, "loss", 1)
            for node in _values(value)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        )

    @cached_property
    def metrics(self) -> frozenset[str]:
        return frozenset(
            node.id
            for keyword, position in (("metrics", 3), ("weighted_metrics", 4))
            for value in compile_arguments(self.module, keyword, position)
            for node in _values(value)
            if isinstance(node, ast.Name)
        )


def losses_of_compile(module: SourceModule) -> frozenset[str]:
    """Names passed as `loss` to a `compile`."""
    return frozenset(
        node.id
        for value in compile_arguments(module, "loss", 1)
        for node in _values(value)
        if isinstance(node, ast.Name)
    )


def compile_arguments(module: SourceModule, keyword: str, position: int) -> Iterator[ast.expr]:
    """The values of one argument over all calls of a method `compile` in the file."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "compile":
            value = argument(node, keyword, position)
            if value is not None and module.resolve(node.func) != "re.compile":
                yield value


def _values(value: ast.expr) -> Iterator[ast.expr]:
    """The expression, or those inside a list, tuple or table."""
    if isinstance(value, ast.List | ast.Tuple):
        for item in value.elts:
            yield from _values(item)
    elif isinstance(value, ast.Dict):
        for item in value.values:
            yield from _values(item)
    else:
        yield value


def _is_keras_loss(dotted: str) -> bool:
    if dotted.startswith(_NOT_LOSSES):
        return False
    return dotted == "keras.Loss" or dotted.startswith(("keras.losses.", "tensorflow_addons.losses."))


def _is_abstract(function: SourceFunction) -> bool:
    """Whether a function does nothing, or nothing but raise, or is marked as abstract."""
    decorators = [function.module.resolve(item) or "" for item in getattr(function.node, "decorator_list", [])]
    if any(item.rpartition(".")[2] == "abstractmethod" for item in decorators):
        return True
    body = [item for item in function.body if not (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant))]
    return not body or (len(body) == 1 and isinstance(body[0], ast.Raise | ast.Pass))
