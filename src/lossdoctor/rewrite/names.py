"""How the user calls TensorFlow or keras.ops, and how a function is spelled there."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lossdoctor.rewrite.text import Source
from lossdoctor.source.module import canonical

# Canonical name -> name in the module. Only functions that exist in it, with the arguments used in `rewrite`.
_TENSORFLOW: Mapping[str, str] = {
    "abs": "abs",
    "asinh": "asinh",
    "bessel_i0e": "math.bessel_i0e",
    "cast": "cast",
    "clip": "clip_by_value",
    "cumsum": "math.cumsum",
    "divide_no_nan": "math.divide_no_nan",
    "exp": "exp",
    "expand_dims": "expand_dims",
    "expm1": "math.expm1",
    "eye": "eye",
    "isfinite": "math.is_finite",
    "isnan": "math.is_nan",
    "log": "math.log",
    "log1p": "math.log1p",
    "log_sigmoid": "math.log_sigmoid",
    "log_softmax": "nn.log_softmax",
    "logsumexp": "reduce_logsumexp",
    "max": "reduce_max",
    "maximum": "maximum",
    "mean": "reduce_mean",
    "minimum": "minimum",
    "pow": "pow",
    "reciprocal_no_nan": "math.reciprocal_no_nan",
    "reshape": "reshape",
    "shape": "shape",
    "sigmoid": "sigmoid",
    "sign": "sign",
    "size": "size",
    "softmax": "nn.softmax",
    "softplus": "math.softplus",
    "sqrt": "sqrt",
    "square": "square",
    "stop_gradient": "stop_gradient",
    "sum": "reduce_sum",
    "var": "math.reduce_variance",
    "vectorized_map": "vectorized_map",
    "where": "where",
    "xlogy": "math.xlogy",
}
_OPS: Mapping[str, str] = {
    "abs": "abs",
    "asinh": "arcsinh",
    "cast": "cast",
    "clip": "clip",
    "cumsum": "cumsum",
    "divide_no_nan": "divide_no_nan",
    "exp": "exp",
    "expand_dims": "expand_dims",
    "expm1": "expm1",
    "eye": "eye",
    "isfinite": "isfinite",
    "isnan": "isnan",
    "log": "log",
    "log1p": "log1p",
    "log_sigmoid": "log_sigmoid",
    "log_softmax": "log_softmax",
    "logsumexp": "logsumexp",
    "max": "max",
    "maximum": "maximum",
    "mean": "mean",
    "minimum": "minimum",
    "pow": "power",
    "reshape": "reshape",
    "shape": "shape",
    "sigmoid": "sigmoid",
    "sign": "sign",
    "size": "size",
    "softmax": "softmax",
    "softplus": "softplus",
    "sqrt": "sqrt",
    "square": "square",
    "stop_gradient": "stop_gradient",
    "sum": "sum",
    "var": "var",
    "vectorized_map": "vectorized_map",
    "where": "where",
}
# `tf.keras.backend`, what Keras 3 keeps of it.
_BACKEND: Mapping[str, str] = {
    "abs": "abs",
    "cast": "cast",
    "clip": "clip",
    "exp": "exp",
    "log": "log",
    "max": "max",
    "maximum": "maximum",
    "mean": "mean",
    "minimum": "minimum",
    "pow": "pow",
    "reshape": "reshape",
    "shape": "shape",
    "sigmoid": "sigmoid",
    "softmax": "softmax",
    "softplus": "softplus",
    "sqrt": "sqrt",
    "square": "square",
    "stop_gradient": "stop_gradient",
    "sum": "sum",
}
_MODULES: Mapping[str, Mapping[str, str]] = {
    "tensorflow": _TENSORFLOW,
    "tensorflow.compat.v2": _TENSORFLOW,
    "tensorflow.compat.v1": _TENSORFLOW,
    "keras.ops": _OPS,
    "keras.backend": _BACKEND,
}


@dataclass(frozen=True)
class Api:
    """One module that offers array functions, under the name that the user's file has for it."""

    prefix: str  # "tf", "ops", "keras.ops", "K"
    module: str

    def __getitem__(self, function: str) -> str | None:
        """The full name of a function (canonical name), None if the module lacks it."""
        name = _MODULES[self.module].get(function)
        return None if name is None else f"{self.prefix}.{name}"

    def call(self, function: str, *arguments: str) -> str | None:
        """The source text of a call, None if the module lacks the function. Empty arguments are left out."""
        name = self[function]
        return None if name is None else f"{name}({', '.join(argument for argument in arguments if argument)})"


def apis(source: Source, node: ast.AST) -> tuple[Api, ...]:
    """The modules that can be used at a node: that of the expression itself first, then those around it."""
    found: dict[Api, None] = {}
    for area in _areas(source, node):
        for part in ast.walk(area):
            if isinstance(part, ast.Call):
                found.update(dict.fromkeys(_module(source, part.func)))
    for name, origin in source.module.aliases.items():
        for module in _MODULES:
            if canonical(origin) == module:
                found[Api(name, module)] = None
            elif canonical(origin) == "keras" and module == "keras.ops":
                found[Api(f"{name}.ops", module)] = None
    return tuple(found)


def _areas(source: Source, node: ast.AST) -> Iterator[ast.AST]:
    yield node
    statement, scope = source.statement(node), source.scope(node)
    if statement is not None:
        yield statement
    if scope is not None:
        yield scope


def _module(source: Source, function: ast.expr) -> Iterator[Api]:
    """The known module that a called name starts with: `tf` of `tf.math.log`, `keras.ops` of `keras.ops.log`."""
    while isinstance(function, ast.Attribute):
        function = function.value
        module = source.module.resolve(function)
        if module is not None and module in _MODULES:
            yield Api(source.of(function), module)
            return
