"""Calls under other names: NumPy's where TensorFlow has the same function, and what TensorFlow 1 and Keras 2 had."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from lossdoctor.rewrite.proposal import Proposal, Site
from lossdoctor.rewrite.text import Change

# One to one, with the arguments (x), (x, y), axis= and keepdims=. numpy.var and std divide by n, as TensorFlow's do.
_NUMPY: Mapping[str, str] = {
    "abs": "abs",
    "absolute": "abs",
    "exp": "exp",
    "expm1": "math.expm1",
    "log": "math.log",
    "log1p": "math.log1p",
    "max": "reduce_max",
    "amax": "reduce_max",
    "maximum": "maximum",
    "mean": "reduce_mean",
    "min": "reduce_min",
    "amin": "reduce_min",
    "minimum": "minimum",
    "power": "pow",
    "prod": "reduce_prod",
    "sign": "sign",
    "sqrt": "sqrt",
    "square": "square",
    "std": "math.reduce_std",
    "sum": "reduce_sum",
    "tanh": "tanh",
    "var": "math.reduce_variance",
    "clip": "clip_by_value",
    "where": "where",
    "sin": "sin",
    "cos": "cos",
}
_METHODS = frozenset({"mean", "sum", "max", "min", "std", "var", "prod"})
# TensorFlow 1 -> 2, same arguments (tensorflow/tools/compatibility/renames_v2.py).
_RENAMED: Mapping[str, str] = {
    "log": "math.log",
    "log1p": "math.log1p",
    "lgamma": "math.lgamma",
    "digamma": "math.digamma",
    "erf": "math.erf",
    "rsqrt": "math.rsqrt",
    "div": "divide",
    "mul": "multiply",
    "sub": "subtract",
    "neg": "negative",
    "select": "where",
    "pack": "stack",
    "ceil": "math.ceil",
    "is_nan": "math.is_nan",
    "is_finite": "math.is_finite",
    "is_inf": "math.is_inf",
    "log_sigmoid": "math.log_sigmoid",
    "count_nonzero": "math.count_nonzero",
    "matrix_inverse": "linalg.inv",
    "matrix_determinant": "linalg.det",
    "matrix_diag_part": "linalg.diag_part",
    "cholesky": "linalg.cholesky",
    "trace": "linalg.trace",
    "random_normal": "random.normal",
    "random_uniform": "random.uniform",
}
# keras.backend of Keras 2 -> keras.ops, same arguments and defaults (keras/src/legacy/backend.py).
_SAME = (
    "abs all any cast clip cos equal exp expand_dims greater greater_equal less less_equal log logsumexp max maximum "
    "mean min minimum not_equal ones_like prod relu reshape round sigmoid sign sin softmax softplus sqrt square "
    "squeeze stack std sum tanh tile transpose var zeros_like"
).split()
_BACKEND: Mapping[str, str] = {**{name: name for name in _SAME}, "pow": "power"}
# `tf.keras.losses` has these functions under their short names only; `keras.losses` has both.
_SHORT: Mapping[str, str] = {
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "mean_absolute_percentage_error": "mape",
    "mean_squared_logarithmic_error": "msle",
    "log_cosh": "logcosh",
}
_CASTS: Mapping[str, str] = {"to_float": "float32", "to_int32": "int32", "to_double": "float64", "to_int64": "int64"}
_KEYWORDS: Mapping[str, str] = {"keep_dims": "keepdims", "reduction_indices": "axis"}


def translated(site: Site) -> Iterator[Proposal]:
    """NumPy calls of the function become TensorFlow's; `.numpy()` and the way back to a tensor go."""
    function = site.function
    prefix = _prefix(site)
    if function is None or not prefix:
        return
    changes: list[Change] = []
    for part in ast.walk(function):
        if isinstance(part, ast.Call):
            found = _plain(site, part, prefix)
            if found is None:
                return
            changes += found
    if changes:
        names = dict.fromkeys(change.text for change in changes if change.text.startswith(prefix))
        title = (
            f"{', '.join(name.rstrip('(') for name in names)} in the place of NumPy" if names else "without `.numpy()`"
        )
        yield Proposal(title, tuple(sorted(changes, key=lambda change: change.start)))


def _plain(site: Site, call: ast.Call, prefix: str) -> list[Change] | None:
    """The changes of one call; None where NumPy does something that TensorFlow spells another way."""
    source, function = site.source, call.func
    name = source.module.resolve(function) or ""
    start, end = source.region(call)
    if name.startswith("numpy."):
        known = _NUMPY.get(name.removeprefix("numpy."))
        if known is None or any(item.arg not in ("axis", "keepdims") for item in call.keywords):
            return None
        return [source.replace(function, f"{prefix}.{known}")]
    if name in ("tensorflow.constant", "tensorflow.convert_to_tensor") and call.args:
        inner = call.args[0]
        if isinstance(inner, ast.Constant | ast.List | ast.Tuple) or call.keywords or len(call.args) > 1:
            return []
        low, high = source.region(inner)
        return [Change(start, low, ""), Change(high, end, "")]
    if isinstance(function, ast.Attribute) and not name.startswith(("tensorflow.", "keras.", "numpy.")):
        low, high = source.region(function.value)
        if function.attr == "numpy" and not call.args:
            return [Change(high, end, "")]
        if function.attr in _METHODS:
            comma = ", " if call.args or call.keywords else ""
            opened = source.text.index("(", high) + 1
            return [Change(low, low, f"{prefix}.{_NUMPY[function.attr]}("), Change(high, opened, comma)]
    return []


def modern(site: Site) -> Iterator[Proposal]:
    """Names and keywords of TensorFlow 1 in the function, as TensorFlow 2 has them."""
    function = site.function
    if function is None:
        return
    source = site.source
    changes: list[Change] = []
    texts: list[str] = []
    for call in (part for part in ast.walk(function) if isinstance(part, ast.Call)):
        name = source.module.resolve(call.func) or ""
        if change := _shortened(site, call.func, name):
            changes.append(change)
            texts.append(change.text)
            continue
        if not name.startswith("tensorflow.") or not isinstance(call.func, ast.Attribute):
            continue
        short, prefix = name.removeprefix("tensorflow."), source.of(call.func.value)
        if short in _RENAMED:
            changes.append(source.replace(call.func, f"{prefix}.{_RENAMED[short]}"))
            texts.append(changes[-1].text)
        elif short in _CASTS and len(call.args) == 1 and not call.keywords:
            changes.append(source.replace(call, f"{prefix}.cast({source.of(call.args[0])}, {prefix}.{_CASTS[short]})"))
            texts.append(changes[-1].text)
        for item in call.keywords:
            new = _KEYWORDS.get(item.arg or "")
            if item.arg is not None and new is not None:
                low, _ = source.region(item.value)
                begin = source.text.rindex(item.arg, 0, low)
                changes.append(Change(begin, begin + len(item.arg), new))
                texts.append(f"{new}=")
    if changes:
        yield Proposal(", ".join(dict.fromkeys(texts)), tuple(sorted(changes, key=lambda change: change.start)))


def _shortened(site: Site, function: ast.expr, name: str) -> Change | None:
    """A function of `tf.keras.losses` under the name that it has there."""
    last = name.rpartition(".")[2]
    if not isinstance(function, ast.Attribute) or last not in _SHORT:
        return None
    if f".losses.{last}` does not exist" not in site.finding.message:
        return None
    return site.source.replace(function, f"{site.source.of(function.value)}.{_SHORT[last]}")


def backend(site: Site) -> Iterator[Proposal]:
    """Functions that `keras.backend` had in Keras 2, as `keras.ops` has them."""
    source = site.source
    imports = [
        (part, name)
        for part in source.module.tree.body
        if isinstance(part, ast.ImportFrom) and part.module == "keras" and len(part.names) == 1
        for name in part.names
        if name.name == "backend"
    ]
    if len(imports) != 1 or "does not exist" not in site.finding.message or "ops" in source.module.aliases:
        return
    statement, alias = imports[0]
    prefix = alias.asname or alias.name
    used = [
        part
        for part in ast.walk(source.module.tree)
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == prefix
    ]
    moved = [part for part in used if part.attr in _BACKEND]
    if not moved:
        return
    changes = [source.replace(part, f"ops.{_BACKEND[part.attr]}") for part in moved]
    written = "from keras import ops"
    if len(moved) < len(used):
        written = f"{source.of(statement)}\n{written}"
    changes.append(source.replace(statement, written))
    names = ", ".join(dict.fromkeys(f"ops.{_BACKEND[part.attr]}" for part in moved))
    yield Proposal(f"from keras import ops; {names}", tuple(sorted(changes, key=lambda change: change.start)))


def _prefix(site: Site) -> str:
    """The name that the file has for TensorFlow; empty if it has none."""
    aliases = site.source.module.aliases.items()
    return next((name for name, origin in aliases if origin == "tensorflow"), "")
