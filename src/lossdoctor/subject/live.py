"""Bringing a live object back: the loader source for what `lossdoctor.check(obj)` is given."""

from __future__ import annotations

import ast
import inspect
import os
import sys
from types import ModuleType
from typing import Any

from lossdoctor.subject.importing import PREFIX
from lossdoctor.subject.kinds import is_loss, is_model, wrapped_function
from lossdoctor.subject.loader import loader_source
from lossdoctor.subject.locate import source_of
from lossdoctor.subject.realise import Made


def live_loader(value: Any, made: Made) -> tuple[str, ModuleType | None, str]:
    """Loader source for a live object, its module, and why there is no source if there is none.

    An object can be brought back if its module can be imported again from a file, and either a global name of the
    module holds it, or it is an instance that its configuration rebuilds.
    """
    if is_model(value):
        return "", None, "the loss of a live model cannot be imported again"
    inner = wrapped_function(value)
    owner = inner if inspect.isclass(inner) or hasattr(inner, "__qualname__") else type(inner)
    module = sys.modules.get(getattr(owner, "__module__", None) or "")
    if module is None:
        return "", None, "its module is not known"
    imports = _imports(module)
    if imports is None:
        return "", module, _reason(module)
    name = _global_name(value, module)
    if name is not None:
        return loader_source(imports, name, made, is_loss(made.value)), module, ""
    if is_loss(value):
        return _from_config(value, made, module, imports)
    return "", module, "it is a lambda or was made inside a function, so a fresh process cannot import it"


def _imports(module: ModuleType) -> str | None:
    """Source that imports the module again as `_module`; None if that cannot be done without running a script."""
    file = getattr(module, "__file__", None)
    if not file or not os.path.isfile(file):
        return None
    path = os.path.abspath(file)
    if module.__name__ != "__main__" and not module.__name__.startswith(PREFIX):
        folders = [os.path.abspath(item or ".") for item in sys.path]
        root = os.path.dirname(path)
        for _ in range(module.__name__.count(".") + (os.path.basename(path) == "__init__.py")):
            root = os.path.dirname(root)
        if root in folders:
            return f"sys.path.insert(0, {root!r})\n_module = importlib.import_module({module.__name__!r})\n"
    if module.__name__ == "__main__" and _acts(path):
        return None
    folder, stem = os.path.split(path)
    return (
        f"sys.path.insert(0, {folder!r})\n"
        f"_spec = importlib.util.spec_from_file_location({'_user_' + stem.removesuffix('.py')!r}, {path!r})\n"
        "_module = importlib.util.module_from_spec(_spec)\n"
        "sys.modules[_spec.name] = _module\n"
        "_spec.loader.exec_module(_module)\n"
    )


def _acts(path: str) -> bool:
    """Whether a script acts (trains, reads files) outside `if __name__ == "__main__":`, beside defining things."""
    source = source_of(path)
    if source is None:
        return True
    return any(
        isinstance(statement, ast.For | ast.While)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call))
        for statement in source.statements
    )


def _reason(module: ModuleType) -> str:
    if getattr(module, "__file__", None):
        return "importing its script again would run the script; guard it with `if __name__ == '__main__':`"
    return "it was defined in a notebook or a shell, which a fresh process cannot import"


def _global_name(value: Any, module: ModuleType) -> str | None:
    qualname = getattr(value, "__qualname__", None)
    names = [qualname] if qualname and "<" not in qualname else []
    names += [name for name, item in vars(module).items() if item is value]
    for name in names:
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is value:
            return name
    return None


def _from_config(value: Any, made: Made, module: ModuleType, imports: str) -> tuple[str, ModuleType, str]:
    """Rebuild a `Loss` instance from its configuration, if that is made of literals and gives the same attributes."""
    cls = type(value)
    name = _global_name(cls, module)
    if name is None:
        return "", module, f"its class `{cls.__name__}` is not a global name of its module"
    reason = f"the configuration of `{cls.__name__}` does not rebuild it (see `get_config`)"
    try:
        config = value.get_config()
        text = repr(config)
        if ast.literal_eval(text) != config:
            return "", module, reason
        twin = cls.from_config(config)
    except Exception:
        return "", module, reason
    if not _same_attributes(value, twin):
        return "", module, reason
    rebuilt = Made(value, made.kind, made.make, f"{{0}}.from_config({text.replace('{', '{{').replace('}', '}}')})")
    return loader_source(imports, name, rebuilt, True), module, ""


def _same_attributes(one: Any, other: Any) -> bool:
    plain = (int, float, str, bool, tuple, list, dict, type(None))
    first = {key: item for key, item in vars(one).items() if isinstance(item, plain)}
    second = {key: item for key, item in vars(other).items() if isinstance(item, plain)}
    try:
        return bool(first == second)
    except Exception:  # arrays inside
        return False
