"""Mutations of functions and classes on the side of Keras: parameters, returns, constructors, configurations."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator

from benchmarks.api_mutations import GROUP
from benchmarks.mutation import Mutation, operator, replaced


def _edited(tree: ast.Module, place: ast.stmt, edit: Callable[[ast.stmt], list[ast.stmt]]) -> ast.Module:
    """A copy with other statements in the place of one, its lines those of its source."""
    copied = copy.deepcopy(tree)
    originals, copies = list(ast.walk(tree)), list(ast.walk(copied))
    twin = copies[originals.index(place)]
    for node in copies:
        for field in ("body", "orelse"):
            body = getattr(node, field, None)
            if isinstance(body, list) and any(each is twin for each in body):
                index = next(index for index, each in enumerate(body) if each is twin)
                assert isinstance(twin, ast.stmt)
                body[index : index + 1] = edit(twin)
    return ast.parse(ast.unparse(ast.fix_missing_locations(copied)))


def _losses(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """Functions with two arguments that must be given; of several, a helper comes before what uses it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            names = [each for each in node.args.args if each.arg != "self"]
            if len(names) - len(node.args.defaults) >= 2:
                yield node


def _returns(tree: ast.Module) -> Iterator[ast.Return]:
    for function in _losses(tree):
        for node in function.body:
            if isinstance(node, ast.Return) and node.value is not None:
                yield node


@operator(GROUP, "parameters-swapped")
def parameters_swapped(tree: ast.Module) -> Iterator[Mutation]:
    for function in _losses(tree):
        mutated = copy.deepcopy(tree)
        twin = list(ast.walk(mutated))[list(ast.walk(tree)).index(function)]
        assert isinstance(twin, ast.FunctionDef)
        start = 1 if twin.args.args[0].arg == "self" else 0
        arguments = twin.args.args
        arguments[start], arguments[start + 1] = arguments[start + 1], arguments[start]
        yield Mutation(mutated, function.lineno, ("keras-contract", "wrong-direction"))


@operator(GROUP, "default-dropped")
def default_dropped(tree: ast.Module) -> Iterator[Mutation]:
    """A third argument that Keras does not give."""
    for function in _losses(tree):
        if function.args.defaults and len(function.args.args) - len(function.args.defaults) >= 2:
            mutated = copy.deepcopy(tree)
            twin = list(ast.walk(mutated))[list(ast.walk(tree)).index(function)]
            assert isinstance(twin, ast.FunctionDef)
            del twin.args.defaults[0]
            yield Mutation(mutated, function.lineno, ("keras-contract",))


@operator(GROUP, "sign-flipped")
def sign_flipped(tree: ast.Module) -> Iterator[Mutation]:
    for place in _returns(tree):
        assert place.value is not None
        value = place.value
        if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
            flipped: ast.expr = value.operand
        elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.Sub) and isinstance(value.left, ast.Constant):
            flipped = value.right  # 1 - score
        else:
            flipped = ast.UnaryOp(ast.USub(), value)
        yield Mutation(replaced(tree, value, flipped), place.lineno, ("wrong-direction",))


@operator(GROUP, "term-sign-flipped")
def term_sign_flipped(tree: ast.Module) -> Iterator[Mutation]:
    """A sum of two terms becomes their difference."""
    for node in ast.walk(tree):
        simple = (ast.Name, ast.Call, ast.BinOp)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and isinstance(node.right, simple):
            difference = ast.BinOp(node.left, ast.Sub(), node.right)
            yield Mutation(replaced(tree, node, difference), node.lineno, ("wrong-direction",))


@operator(GROUP, "returned-wrong")
def returned_wrong(tree: ast.Module) -> Iterator[Mutation]:
    """A tuple, a list, a NumPy array, a dictionary, or nothing."""
    for place in _returns(tree):
        assert place.value is not None
        value = ast.unparse(place.value)
        for text in (f"({value}, 0.0)", f"({value}).numpy()", f"{{'loss': {value}}}", f"[{value}]"):
            made = ast.parse(text, mode="eval").body
            yield Mutation(replaced(tree, place.value, made), place.lineno, ("keras-contract", "no-gradient"))
        bare = _edited(tree, place, lambda twin: [ast.Expr(twin.value)] if isinstance(twin, ast.Return) else [twin])  # type: ignore[arg-type]
        yield Mutation(bare, place.lineno, ("keras-contract",))


@operator(GROUP, "flattened-at-the-start")
def flattened_at_the_start(tree: ast.Module) -> Iterator[Mutation]:
    for function in _losses(tree):
        names = [each.arg for each in function.args.args if each.arg != "self"][:2]
        added = [ast.parse(f"{name} = tf.reshape({name}, [-1])").body[0] for name in names]
        start = 1 if ast.get_docstring(function) is not None else 0
        place = function.body[start] if len(function.body) > start else function.body[-1]
        mutated = _edited(tree, place, lambda twin, added=added: [*copy.deepcopy(added), twin])
        yield Mutation(mutated, place.lineno + 1, ("reduction", "shape"))


def _methods(tree: ast.Module, name: str) -> Iterator[tuple[ast.ClassDef, ast.FunctionDef]]:
    for owner in ast.walk(tree):
        if isinstance(owner, ast.ClassDef):
            for node in owner.body:
                if isinstance(node, ast.FunctionDef) and node.name == name:
                    yield owner, node


@operator(GROUP, "super-init-dropped")
def super_init_dropped(tree: ast.Module) -> Iterator[Mutation]:
    """The line is that of the class: nothing is left of what is wrong."""
    for owner, method in _methods(tree, "__init__"):
        for statement in method.body:
            if isinstance(statement, ast.Expr) and ast.unparse(statement).startswith("super().__init__("):
                mutated = _edited(tree, statement, lambda _: [])
                yield Mutation(mutated, owner.lineno, ("keras-contract",))


@operator(GROUP, "super-options-lost")
def super_options_lost(tree: ast.Module) -> Iterator[Mutation]:
    """Name and reduction are taken and not handed on."""
    for _, method in _methods(tree, "__init__"):
        for statement in method.body:
            if isinstance(statement, ast.Expr) and ast.unparse(statement).startswith("super().__init__("):
                bare = ast.parse("super().__init__()").body[0]
                mutated = _edited(tree, statement, lambda _, bare=bare: [copy.deepcopy(bare)])
                yield Mutation(mutated, method.lineno, ("keras-contract",))


@operator(GROUP, "config-dropped")
def config_dropped(tree: ast.Module) -> Iterator[Mutation]:
    """`get_config` is gone; the line is that of the class."""
    for owner in ast.walk(tree):
        if isinstance(owner, ast.ClassDef) and len(owner.body) > 1:
            for method in owner.body:
                if isinstance(method, ast.FunctionDef) and method.name == "get_config":
                    yield Mutation(_edited(tree, method, lambda _: []), owner.lineno, ("keras-contract",))


@operator(GROUP, "config-entry")
def config_entry(tree: ast.Module) -> Iterator[Mutation]:
    """An argument is left out of the configuration, or has another name there."""
    for _, method in _methods(tree, "get_config"):
        for node in ast.walk(method):
            if not isinstance(node, ast.Dict):
                continue
            for index, key in enumerate(node.keys):
                if not isinstance(key, ast.Constant):
                    continue
                keys, values = list(node.keys), list(node.values)
                less = ast.Dict([*keys[:index], *keys[index + 1 :]], [*values[:index], *values[index + 1 :]])
                yield Mutation(replaced(tree, node, less), method.lineno, ("keras-contract",))
                renamed = ast.Dict([*keys[:index], ast.Constant(f"{key.value}_value"), *keys[index + 1 :]], values)
                yield Mutation(replaced(tree, node, renamed), method.lineno, ("keras-contract",))
