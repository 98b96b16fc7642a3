"""Mutations of single expressions on the side of the framework: axes, shapes, dtypes, batch, graph, gradient."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from benchmarks.mutation import Definitions, Mutation, argument, called, expression, made, operator, replaced

GROUP = "api"
REDUCTIONS = ("sum", "mean", "max", "min", "prod", "var", "std", "logsumexp")
_UNARY = ("abs", "exp", "log", "log1p", "sqrt", "square", "sigmoid", "softplus", "tanh", "sign")
_NUMPY = {name: f"np.{name}" for name in ("abs", "exp", "log", "log1p", "sqrt", "square", "tanh", "maximum", "minimum")}


def first(node: ast.expr) -> ast.expr:
    found = argument(node, 0, "x", "input_tensor", "tensor", "input", "logits", "features", "params")
    return ast.Constant(None) if found is None else found


def predictions(tree: ast.Module, index: int = 1) -> Iterator[ast.Name]:
    """The uses of the second argument (of that at `index`) of each function with two arguments that must be given."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        names = [each.arg for each in function.args.args if each.arg != "self"]
        if len(names) - len(function.args.defaults) < 2:
            continue
        for statement in function.body:
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and node.id == names[index] and isinstance(node.ctx, ast.Load):
                    yield node


def on_argument(name: str, template: str, *families: str, index: int = 1) -> None:
    """Register an operator that puts something around a use of the prediction (of the target at index 0), called x."""

    @operator(GROUP, name)
    def around(tree: ast.Module) -> Iterator[Mutation]:
        for place in predictions(tree, index):
            yield Mutation(replaced(tree, place, made(template, x=place)), place.lineno, families)


on_argument("prediction-to-integer", "tf.cast(tf.cast(x, tf.int32), tf.float32)", "no-gradient", "dtype")
on_argument("prediction-rounded", "tf.round(x)", "no-gradient")
on_argument("prediction-compared", "tf.cast(x > 0.5, tf.float32)", "no-gradient")
on_argument("prediction-argmax", "tf.one_hot(tf.argmax(x, axis=-1), tf.shape(x)[-1])", "no-gradient")
on_argument("prediction-to-numpy", "x.numpy()", "no-gradient", "graph-mode")
on_argument("stop-gradient", "tf.stop_gradient(x)", "no-gradient", "wrong-gradient")
on_argument("softmax-again", "tf.nn.softmax(x)", "keras-contract")
on_argument("sigmoid-again", "tf.sigmoid(x)", "keras-contract")
on_argument("prediction-squeezed", "tf.squeeze(x)", "shape", "broadcast")
on_argument("prediction-flattened", "tf.reshape(x, [-1])", "shape", "broadcast", "reduction")
on_argument("prediction-column", "x[..., 0]", "broadcast", "shape")
on_argument("target-squeezed", "tf.squeeze(x, axis=-1)", "broadcast", "shape", index=0)
on_argument("target-column", "x[..., 0]", "broadcast", "shape", index=0)
on_argument("target-to-integer", "tf.cast(x, tf.int32)", "dtype", index=0)
on_argument("target-to-double", "tf.cast(x, tf.float64)", "dtype", index=0)
on_argument("target-to-numpy", "np.asarray(x)", "graph-mode", index=0)


def _axis(node: ast.expr) -> ast.expr | None:
    return argument(node, 1, "axis") if isinstance(node, ast.Call) else None


def _with_axis(node: ast.expr, axis: ast.expr | None) -> ast.expr:
    """The reduction over another axis, or over all."""
    assert isinstance(node, ast.Call)
    keywords = [keyword for keyword in node.keywords if keyword.arg != "axis"]
    added = [] if axis is None else [ast.keyword("axis", axis)]
    return ast.Call(node.func, node.args[:1], [*added, *keywords])


def _reduces(node: ast.expr) -> bool:
    return called(node) in REDUCTIONS and _axis(node) is not None


@expression(GROUP, "axis-to-zero", "reduction", "shape", "broadcast")
def axis_to_zero(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if _reduces(node):
        yield _with_axis(node, ast.Constant(0))


@expression(GROUP, "axis-shifted", "reduction", "shape", "broadcast")
def axis_shifted(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    """-1 becomes -2, and [1, 2, 3] becomes [0, 1, 2], as for images without a batch."""
    if not _reduces(node) and called(node) not in ("softmax", "log_softmax"):
        return
    axis = _axis(node)
    try:
        value = ast.literal_eval(axis) if axis is not None else -1
    except ValueError:
        return
    if value == -1:
        yield _with_axis(node, ast.Constant(-2))
        if not _reduces(node):
            yield _with_axis(node, ast.Constant(0))
    elif isinstance(value, list | tuple):
        yield _with_axis(node, ast.List([ast.Constant(each - 1) for each in value], ast.Load()))


@expression(GROUP, "axis-dropped", "reduction")
def axis_dropped(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if _reduces(node):
        yield _with_axis(node, None)


@expression(GROUP, "flattened-first", "reduction", "shape")
def flattened_first(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if _reduces(node) and isinstance(node, ast.Call):
        yield made("f(tf.reshape(x, [-1]), axis=-1)", f=node.func, x=first(node))


@expression(GROUP, "keepdims-dropped", "broadcast", "shape")
def keepdims_dropped(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if isinstance(node, ast.Call) and any(each.arg == "keepdims" for each in node.keywords):
        yield ast.Call(node.func, node.args, [each for each in node.keywords if each.arg != "keepdims"])


@expression(GROUP, "keepdims-added", "broadcast", "shape")
def keepdims_added(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if _reduces(node) and isinstance(node, ast.Call) and all(each.arg != "keepdims" for each in node.keywords):
        yield ast.Call(node.func, node.args, [*node.keywords, ast.keyword("keepdims", ast.Constant(True))])


@expression(GROUP, "unreduced", "reduction")
def unreduced(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if _reduces(node):
        yield first(node)


@expression(GROUP, "sum-for-mean", "reduction")
def sum_for_mean(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) == "mean":
        yield _with_axis(made("tf.reduce_sum(x)", x=first(node)), _axis(node))
        yield made("tf.reduce_sum(x)", x=first(node))


@expression(GROUP, "slice-for-range", "broadcast", "shape")
def slice_for_range(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    """x[:, 0] for x[:, 0:1], x[..., 0] for x[..., :1]."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):
        parts = node.slice.elts
        for index, part in enumerate(parts):
            if isinstance(part, ast.Slice) and isinstance(part.upper, ast.Constant):
                low = ast.Constant(0) if part.lower is None else part.lower
                places = ast.Tuple([*parts[:index], low, *parts[index + 1 :]], ast.Load())
                yield ast.Subscript(node.value, places, ast.Load())


@expression(GROUP, "range-for-slice", "broadcast", "shape")
def range_for_slice(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    """x[:, 0:1] for x[:, 0]."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):
        parts = node.slice.elts
        for index, part in enumerate(parts):
            if index and isinstance(part, ast.Constant) and isinstance(part.value, int):
                whole = ast.Slice(part, ast.Constant(part.value + 1))
                places = ast.Tuple([*parts[:index], whole, *parts[index + 1 :]], ast.Load())
                yield ast.Subscript(node.value, places, ast.Load())


@expression(GROUP, "expand-dims-dropped", "broadcast", "shape")
def expand_dims_dropped(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) in ("expand_dims", "reshape"):
        yield first(node)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):
        last = node.slice.elts[-1]
        if ast.unparse(last) in ("None", "tf.newaxis"):
            yield node.value


@expression(GROUP, "cast-dropped", "dtype")
def cast_dropped(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) == "cast":
        yield first(node)


@expression(GROUP, "constant-batch-size", "shape", "reduction")
def constant_batch_size(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if _is_batch_size(node):
        yield ast.Constant(4)
    if called(node) == "reshape" and isinstance(node, ast.Call) and len(node.args) == 2:
        shape = node.args[1]
        if isinstance(shape, ast.List | ast.Tuple) and len(shape.elts) > 1 and ast.unparse(shape.elts[0]) == "-1":
            yield made("tf.reshape(x, s)", x=node.args[0], s=ast.List([ast.Constant(4), *shape.elts[1:]], ast.Load()))


def _is_batch_size(node: ast.expr) -> bool:
    return isinstance(node, ast.Subscript) and called(node.value) == "shape" and ast.unparse(node.slice) == "0"


@expression(GROUP, "static-batch-size", "shape", "graph-mode")
def static_batch_size(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if _is_batch_size(node) and isinstance(node, ast.Subscript):
        yield made("x.shape[0]", x=first(node.value))


@expression(GROUP, "divided-by-batch", "reduction")
def divided_by_batch(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    """A mean written as a sum over everything divided by a constant number of samples."""
    if called(node) == "mean" and _axis(node) is not None:
        yield made("tf.reduce_sum(x) / 32.0", x=first(node))


@expression(GROUP, "call-arguments-swapped", "keras-contract", "wrong-direction")
def call_arguments_swapped(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    """Of calls with target and prediction as they are."""
    pair = node.args[:2] if isinstance(node, ast.Call) else []
    tensors = [each for each in pair if isinstance(each, ast.Name) and _is_open(definitions.get(each.id))]
    if isinstance(node, ast.Call) and len(tensors) == 2:
        yield ast.Call(node.func, [node.args[1], node.args[0], *node.args[2:]], node.keywords)
    if called(node) in ("sigmoid_cross_entropy_with_logits", "softmax_cross_entropy_with_logits"):
        labels, logits = argument(node, 0, "labels"), argument(node, 1, "logits")
        if labels is not None and logits is not None and isinstance(node, ast.Call):
            yield made("f(labels=b, logits=a)", f=node.func, a=labels, b=logits)


def _is_open(definition: ast.expr | None) -> bool:
    """Whether a name may stand for a tensor: an argument, or what is computed, but no constant."""
    return not (isinstance(definition, ast.Constant) and definition.value is not None)


@expression(GROUP, "numpy-function", "no-gradient", "graph-mode")
def numpy_function(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) in _NUMPY and isinstance(node, ast.Call):
        yield ast.Call(ast.parse(_NUMPY[called(node)], mode="eval").body, node.args, [])
    if called(node) in ("mean", "sum") and _axis(node) is not None:
        yield made(f"np.{called(node)}(x, axis=a)", x=first(node), a=_axis(node) or ast.Constant(None))


@expression(GROUP, "python-function", "efficiency", "no-gradient", "graph-mode")
def python_function(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) in _UNARY and isinstance(node, ast.Call):
        yield made("tf.py_function(f, [x], tf.float32)", f=node.func, x=first(node))
        yield made("tf.numpy_function(lambda a: f(a).numpy(), [x], tf.float32)", f=node.func, x=first(node))


@expression(GROUP, "map-over-batch", "efficiency")
def map_over_batch(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) in _UNARY and isinstance(node, ast.Call):
        yield made("tf.map_fn(f, x)", f=node.func, x=first(node))
    axis = _axis(node)
    if _reduces(node) and isinstance(node, ast.Call) and axis is not None and ast.unparse(axis) == "-1":
        yield made("tf.map_fn(lambda row: f(row, axis=-1), x)", f=node.func, x=first(node))


@expression(GROUP, "python-loop-over-batch", "graph-mode", "shape", "efficiency")
def python_loop_over_batch(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    axis = _axis(node)
    if _reduces(node) and isinstance(node, ast.Call) and axis is not None and ast.unparse(axis) == "-1":
        for rows in ("tf.unstack(x)", "x", "[x[i] for i in range(x.shape[0])]"):
            yield made(f"tf.stack([f(row, axis=-1) for row in {rows}])", f=node.func, x=first(node))


@expression(GROUP, "product-then-diagonal", "efficiency")
def product_then_diagonal(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    """All products of rows for the sum of the products of equal rows."""
    inner = first(node) if called(node) == "sum" and isinstance(node, ast.Call) else None
    if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Mult):
        yield made("tf.linalg.diag_part(tf.matmul(a, b, transpose_b=True))", a=inner.left, b=inner.right)


@expression(GROUP, "python-if", "graph-mode")
def python_if(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    """A branch of Python on a tensor for a choice an element, or for a maximum."""
    if called(node) == "where" and isinstance(node, ast.Call) and len(node.args) == 3:
        condition, yes, no = node.args
        yield made("a if tf.reduce_all(c) else b", c=condition, a=yes, b=no)
    if called(node) == "cond" and isinstance(node, ast.Call) and len(node.args) == 3:
        yield made("f() if c else g()", c=node.args[0], f=node.args[1], g=node.args[2])


@expression(GROUP, "python-number", "graph-mode", "no-gradient")
def python_number(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) in ("sum", "mean", "max") and isinstance(node, ast.Call) and _axis(node) is None:
        yield made("float(x)", x=node)


@expression(GROUP, "batch-dims-dropped", "shape", "broadcast")
def batch_dims_dropped(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if isinstance(node, ast.Call) and any(each.arg == "batch_dims" for each in node.keywords):
        yield ast.Call(node.func, node.args, [each for each in node.keywords if each.arg != "batch_dims"])


@expression(GROUP, "from-logits-flipped", "keras-contract", "dead-gradient")
def from_logits_flipped(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if not isinstance(node, ast.Call):
        return
    for index, keyword in enumerate(node.keywords):
        if keyword.arg == "from_logits" and isinstance(keyword.value, ast.Constant):
            flipped = ast.keyword("from_logits", ast.Constant(not keyword.value.value))
            yield ast.Call(node.func, node.args, [*node.keywords[:index], flipped, *node.keywords[index + 1 :]])
    labels, logits = argument(node, 0, "labels"), argument(node, 1, "logits")
    if labels is not None and logits is not None:
        if called(node) == "sigmoid_cross_entropy_with_logits":
            yield made("tf.keras.backend.binary_crossentropy(t, p)", t=labels, p=logits)
        if called(node) == "softmax_cross_entropy_with_logits":
            yield made("tf.keras.losses.categorical_crossentropy(t, p)", t=labels, p=logits)
