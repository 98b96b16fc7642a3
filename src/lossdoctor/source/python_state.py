"""Python numbers that a loss reads and that other code of its file changes: attributes, globals, table entries.

Read off the source text of one file. Names are compared, not objects: what is found here says where a state is
read and where it is changed; whether the change reaches the loss is for an execution to show.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from lossdoctor.source.parsed import nodes

Holder = Literal["attribute", "global", "item", "closure"]
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
# Calls whose result differs from one to the next.
DRAWS = ("np.random.", "numpy.random.", "random.", "time.", "secrets.")
# Names under which code usually holds a loss object.
LOSS_WORDS = ("loss", "criterion", "objective", "cost")
# Names of objects that have attributes of their own, so that `model.beta = …` does not mean the loss.
OTHERS = ("model", "optimizer", "config", "args", "self", "cls")


@dataclass(frozen=True, slots=True)
class State:
    """A piece of Python state; `owner` is what holds an attribute or entry: "self", "self.settings", "STATE", "".
    Of a variable of an enclosing function (`closure`) the key is its name, or that of its entry, with it as owner."""

    holder: Holder
    owner: str
    key: str

    @property
    def name(self) -> str:
        match self.holder:
            case "attribute":
                return f"{self.owner}.{self.key}"
            case "item":
                return f"{self.owner}[{self.key!r}]"
            case "closure" if self.owner:
                return f"{self.owner}[{self.key}]"
            case _:
                return self.key


@dataclass(frozen=True, slots=True)
class Place:
    """An AST node and the qualified name of the function that holds it."""

    node: ast.expr | ast.stmt
    function: str


@dataclass(frozen=True, slots=True)
class Usage:
    read: Place
    changed: Place | None = None  # outside construction
    in_call: bool = False  # the change is made by the loss itself


@dataclass(frozen=True, slots=True)
class _Scope:
    function: Function
    owner: str  # class that has it as a method, or ""
    name: str


@dataclass(frozen=True, slots=True)
class Definition:
    """The loss in its file: a function by its first line, or a class by its name and those of its bases."""

    line: int = 0
    classes: tuple[str, ...] = ()


def usages(tree: ast.Module, loss: Definition) -> dict[State, Usage]:
    """The states that a loss reads; the first reading of each, and where other code changes it."""
    reached = reachable(tree, loss)
    owners = set(loss.classes) or {scope.owner for scope in reached if scope.owner}
    globals_ = _module_names(tree) | {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    found: dict[State, Usage] = {}
    for scope in reached:
        found |= _closed_over(scope, reached, tree, found)
        for state, node in _reads(scope, globals_):
            if state not in found:
                changed = _change(state, owners, tree)
                in_call = changed is not None and any(changed[1] is one for one in reached)
                place = Place(changed[0], changed[1].name) if changed else None
                found[state] = Usage(Place(node, scope.name), place, in_call)
    return found


def _closed_over(
    scope: _Scope, reached: tuple[_Scope, ...], tree: ast.Module, known: dict[State, Usage]
) -> dict[State, Usage]:
    """Variables of enclosing functions that the scope reads and some function changes: by `nonlocal`, or an entry."""
    outer = [other for other in _all_scopes(tree) if _encloses(other, scope)]
    free = {name for other in outer for name in _locals(other.function)} - _locals(scope.function)
    found: dict[State, Usage] = {}
    for node in _own(scope.function) if free else ():
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in free:
            state = State("closure", "", node.id)
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and dotted(node.value) in free:
            state = State("closure", dotted(node.value), repr(node.slice.value))
        else:
            continue
        changed = None if state in known else next(_changes_of(state, tree), None)
        if changed is not None:
            in_call = any(changed[1] is one for one in reached)
            found.setdefault(state, Usage(Place(node, scope.name), Place(changed[0], changed[1].name), in_call))
    return found


def _encloses(outer: _Scope, inner: _Scope) -> bool:
    one, other = outer.function, inner.function
    if one is other or not one.lineno <= other.lineno <= (one.end_lineno or other.lineno):
        return False  # a walk through every function of a large file takes longer than all the rest
    return any(node is other for node in ast.walk(one))


def _changes_of(state: State, tree: ast.Module) -> Iterator[tuple[ast.stmt | ast.expr, _Scope]]:
    """Where a function assigns to a variable of an enclosing one, or to its entry."""
    for scope, _, assigned in _assigning(tree):
        declared = {name for node in _own(scope.function) if isinstance(node, ast.Nonlocal) for name in node.names}
        local = _locals(scope.function)
        for node, target in assigned:
            if isinstance(target, ast.Name):
                means = not state.owner and target.id == state.key and state.key in declared
            else:
                entry = target.slice if isinstance(target, ast.Subscript) else None
                of = dotted(target.value) if isinstance(target, ast.Subscript) else ""
                means = isinstance(entry, ast.Constant) and of == state.owner and repr(entry.value) == state.key
                means = means and of not in local
            if means:
                yield node, scope


def draws(tree: ast.Module, loss: Definition) -> Iterator[Place]:
    """Calls that give something new each time (random numbers of Python and NumPy, clocks, `next` of an iterator that
    outlives the call) in the loss and what it calls in its file."""
    globals_ = _module_names(tree)
    generators = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _is_generator(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for scope in reachable(tree, loss):
        for node in _own(scope.function):
            if isinstance(node, ast.Call):
                path = dotted(node.func)
                parts = path.split(".")
                own = parts[0] == "self" and len(parts) == 3 and parts[1].strip("_") in ("rng", "random", "generator")
                if path.startswith(DRAWS) or parts[0] in generators or own:
                    yield Place(node, scope.name)
                elif path == "next" and node.args:
                    source = dotted(node.args[0])
                    if source.startswith("self.") or source in globals_ - _locals(scope.function):
                        yield Place(node, scope.name)


def additions(tree: ast.Module, loss: Definition) -> Iterator[tuple[str, str, Place]]:
    """Calls `self.NAME.append(…)` and `NAME.append(…)` (or extend, insert) of a list that outlives the call, as
    ("self" or "", NAME, place)."""
    for scope in reachable(tree, loss):
        local = _locals(scope.function)
        for node in _own(scope.function):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr not in ("append", "extend", "insert"):
                continue
            parts = dotted(node.func.value).split(".")
            if len(parts) == 2 and parts[0] == "self":
                yield "self", parts[1], Place(node, scope.name)
            elif len(parts) == 1 and parts[0] and parts[0] not in local:
                yield "", parts[0], Place(node, scope.name)


def prints(tree: ast.Module, loss: Definition) -> Iterator[Place]:
    """Calls of `print` in the loss and what it calls in its file."""
    for scope in reachable(tree, loss):
        for node in _own(scope.function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print" and node.args:
                yield Place(node, scope.name)


def keeps(tree: ast.Module, loss: Definition) -> Iterator[tuple[State, Place]]:
    """What the loss assigns that outlives the call: attributes of self, globals, entries of a global table."""
    globals_ = _module_names(tree)
    for scope in reachable(tree, loss):
        local = _locals(scope.function)
        declared = {name for node in _own(scope.function) if isinstance(node, ast.Global) for name in node.names}
        for node in _own(scope.function):
            for target in _targets(node) if isinstance(node, ast.stmt) else ():
                state = _kept_in(target, scope, declared, globals_ - local)
                if state is not None and isinstance(node, ast.stmt):
                    yield state, Place(node, scope.name)


def _kept_in(target: ast.expr, scope: _Scope, declared: set[str], globals_: frozenset[str]) -> State | None:
    if isinstance(target, ast.Attribute) and dotted(target.value) == "self" and scope.owner:
        return State("attribute", "self", target.attr)
    if isinstance(target, ast.Name) and target.id in declared:
        return State("global", "", target.id)
    if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
        owner = dotted(target.value)
        return State("item", owner, str(target.slice.value)) if owner in globals_ else None
    return None


@lru_cache(maxsize=8)  # several questions are asked of one loss, and a library's file is long
def reachable(tree: ast.Module, loss: Definition) -> tuple[_Scope, ...]:
    """The functions of the file that run when the loss is called, the loss (for a class its `call`) first."""
    scopes = _all_scopes(tree)
    if loss.classes:
        calls = [scope for scope in scopes if scope.owner in loss.classes and scope.name.endswith(".call")]
        starts = sorted(calls, key=lambda scope: loss.classes.index(scope.owner))
    else:
        starts = [scope for scope in scopes if _starts(scope.function, loss.line)]
    reached: list[_Scope] = []
    stack = list(reversed(starts[:1]))
    while stack:
        scope = stack.pop()
        if scope in reached:
            continue
        reached.append(scope)
        used = {dotted(node) for node in _own(scope.function) if isinstance(node, ast.Name | ast.Attribute)}
        inner = set(map(id, ast.walk(scope.function)))
        stack.extend(other for other in scopes if id(other.function) in inner)
        family = set(loss.classes) if scope.owner in loss.classes else {scope.owner}
        for other in scopes:
            short = other.name.rpartition(".")[2]
            method = other.owner in family and other.owner and f"self.{short}" in used
            if short not in ("__init__", "get_config") and (method or (not other.owner and short in used)):
                stack.append(other)
    return tuple(reached)


@lru_cache(maxsize=8)
def _all_scopes(tree: ast.Module) -> tuple[_Scope, ...]:
    return tuple(_scopes(tree))


def _scopes(node: ast.AST, owner: str = "", prefix: str = "") -> Iterator[_Scope]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _scopes(child, child.name, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield _Scope(child, owner, f"{prefix}{child.name}")
            yield from _scopes(child, owner, prefix)
        elif isinstance(child, ast.Lambda):
            yield _Scope(child, owner, f"{prefix}<lambda>")
            yield from _scopes(child, owner, prefix)
        else:
            yield from _scopes(child, owner, prefix)


def _starts(function: Function, line: int) -> bool:
    decorators = [] if isinstance(function, ast.Lambda) else function.decorator_list
    return line in {function.lineno, *(decorator.lineno for decorator in decorators)}


def _own(function: Function) -> Iterator[ast.AST]:
    """The nodes of a function in source order, without its decorators and the functions inside it."""
    body: list[ast.AST] = [function.body] if isinstance(function, ast.Lambda) else list(function.body)
    stack = list(reversed(body))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            stack.extend(reversed(list(ast.iter_child_nodes(node))))


@lru_cache(maxsize=8)
def _module_names(tree: ast.Module) -> frozenset[str]:
    """Names that the module itself assigns."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return frozenset(names)


def _reads(scope: _Scope, globals_: frozenset[str]) -> Iterator[tuple[State, ast.expr]]:
    local = _locals(scope.function)
    for node in _own(scope.function):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            owner = dotted(node.value)
            root = owner.partition(".")[0]
            if (root == "self" and scope.owner) or (root in globals_ and root not in local):
                yield State("attribute", owner, node.attr), node
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and isinstance(node.value, ast.Name):
            if isinstance(node.slice, ast.Constant) and node.value.id in globals_ and node.value.id not in local:
                yield State("item", node.value.id, str(node.slice.value)), node
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in globals_ - local:
            yield State("global", "", node.id), node


def _locals(function: Function) -> set[str]:
    arguments = function.args
    names = {one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    declared: set[str] = set()
    for node in _own(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            declared.update(node.names)
    return names - declared


def _change(state: State, owners: set[str], tree: ast.Module) -> tuple[ast.stmt | ast.expr, _Scope] | None:
    """Where some function assigns the state, except in the construction of its owner."""
    naming = _Naming(owners, _instances(tree, owners), _sole_owner(state, owners, tree))
    for scope, declared, assigned in _assigning(tree):
        constructing = scope.owner in owners and scope.name.endswith((".__init__", ".build", ".from_config"))
        if constructing and state.owner == "self":
            continue
        for node, target in assigned:
            if naming.means(target, state, scope, declared):
                return node, scope
    return None


@lru_cache(maxsize=8)
def _assigning(
    tree: ast.Module,
) -> tuple[tuple[_Scope, frozenset[str], tuple[tuple[ast.stmt | ast.expr, ast.expr], ...]], ...]:
    """What each function assigns to, in source order, with its `global` names."""
    return tuple(
        (
            scope,
            frozenset(name for node in _own(scope.function) if isinstance(node, ast.Global) for name in node.names),
            tuple(
                (node, target)
                for node in _own(scope.function)
                if isinstance(node, ast.stmt | ast.expr)
                for target in _targets(node)
            ),
        )
        for scope in _all_scopes(tree)
        if not isinstance(scope.function, ast.Lambda)
    )


@dataclass(frozen=True, slots=True)
class _Naming:
    """Under which names the file speaks of the object that owns a state."""

    owners: set[str]  # the classes of the loss
    instances: set[str]  # lower-case names that are assigned an instance
    unique: bool  # only one class has such an attribute

    def means(self, target: ast.expr, state: State, scope: _Scope, declared: frozenset[str]) -> bool:
        """Whether an assignment target in `scope` is the state; `declared` are the scope's `global` names."""
        if state.holder == "global":
            return isinstance(target, ast.Name) and target.id == state.key and state.key in declared
        if state.holder == "item":
            return (
                isinstance(target, ast.Subscript)
                and dotted(target.value) == state.owner
                and isinstance(target.slice, ast.Constant)
                and str(target.slice.value) == state.key
            )
        if not isinstance(target, ast.Attribute) or target.attr != state.key:
            return False
        base = dotted(target.value)
        if "." in state.owner:  # an object that the loss holds, by the same name elsewhere
            return base.rpartition(".")[2] == state.owner.rpartition(".")[2] or (
                base == "self" and self.unique and not scope.name.endswith(".__init__")
            )
        if base in self.owners:  # an attribute of the class
            return True
        if state.owner != "self":
            # The object that a global holds: by its name, or inside the methods of its own class.
            return base == state.owner or (base == "self" and self.unique and not scope.name.endswith(".__init__"))
        if base == "self":
            return scope.owner in self.owners
        last = base.rpartition(".")[2].lower()
        if not base or last in OTHERS:
            return False
        return last in self.instances or self.unique or any(word in last for word in LOSS_WORDS)


def _targets(node: ast.AST) -> list[ast.expr]:
    """What a node assigns to; `setattr(x, "a", …)` counts as `x.a = …`, `x.update(a=…)` as `x["a"] = …`."""
    if isinstance(node, ast.Assign):
        tuples = [target.elts if isinstance(target, ast.Tuple) else [target] for target in node.targets]
        return [part for parts in tuples for part in parts]
    if isinstance(node, ast.AugAssign | ast.AnnAssign):
        return [node.target] if not isinstance(node, ast.AnnAssign) or node.value is not None else []
    if isinstance(node, ast.Call) and dotted(node.func) == "setattr" and len(node.args) == 3:
        name = node.args[1]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            return [ast.Attribute(node.args[0], name.value, ast.Store())]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "update":
        return [
            ast.Subscript(node.func.value, ast.Constant(word.arg), ast.Store()) for word in node.keywords if word.arg
        ]
    return []


def _sole_owner(state: State, owners: set[str], tree: ast.Module) -> bool:
    """Whether one class only has an attribute of that name, so that `anything.name = …` means it."""
    having = {name for name, attribute in _own_attributes(tree) if attribute == state.key}
    return state.holder == "attribute" and len(having) == 1 and (state.owner != "self" or having <= owners)


@lru_cache(maxsize=8)
def _own_attributes(tree: ast.Module) -> frozenset[tuple[str, str]]:
    """Each class of the file with each attribute of self that it assigns."""
    return frozenset(
        (node.name, part.attr)
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store) and dotted(part.value) == "self"
    )


def _instances(tree: ast.Module, owners: set[str]) -> set[str]:
    """Lower-case names that are assigned an instance of one of the classes."""
    found: set[str] = set()
    for node in nodes(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and dotted(node.value.func) in owners:
            found |= {dotted(target).rpartition(".")[2].lower() for target in node.targets}
    return found - {""}


def _is_generator(call: ast.Call) -> bool:
    return dotted(call.func).rpartition(".")[2] in ("default_rng", "RandomState", "Random", "Generator")


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or attribute, "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""
