"""Mutations that take the numerical care out of a loss: a guard, an epsilon, a stable form."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from benchmarks.mutation import Definitions, argument, called, expression, made

GROUP = "numerics"
VALUE, GRADIENT, PRECISION = "nonfinite-value", "nonfinite-gradient", "precision-loss"
_BOTH = (VALUE, GRADIENT)
_ANY = (VALUE, GRADIENT, PRECISION)
_SMALL = 2e-2
_ABSORBED = 1e-12  # 1 - 1e-12 is 1 in float32
_ROOTS = ("sqrt", "rsqrt", "log", "pow")


def number(node: ast.expr | None, definitions: Definitions) -> float | None:
    """The number that an expression is, names and K.epsilon() looked up."""
    if isinstance(node, ast.Name):
        node = definitions.get(node.id)
    if called(node) == "epsilon":
        return 1e-7
    if called(node) in ("square", "constant", "cast"):
        inner = number(argument(node, 0), definitions) if isinstance(node, ast.Call) else None
        return inner**2 if inner is not None and called(node) == "square" else inner
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        base, power = number(node.left, definitions), number(node.right, definitions)
        return base**power if base is not None and power is not None else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = number(node.operand, definitions)
        return None if inner is None else -inner
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(node.value)
    return None


def _is_small(node: ast.expr | None, definitions: Definitions) -> bool:
    value = number(node, definitions)
    return value is not None and 0.0 < abs(value) <= _SMALL


def _first(node: ast.expr) -> ast.expr:
    found = argument(node, 0, "x", "input_tensor", "logits", "features", "input", "t", "condition")
    assert found is not None
    return found


def _guarded_sum(node: ast.expr, definitions: Definitions) -> tuple[ast.expr, ast.expr] | None:
    """x and eps of x + eps."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        for x, eps in ((node.left, node.right), (node.right, node.left)):
            if _is_small(eps, definitions) and number(x, definitions) is None:
                return x, eps
    return None


@expression(GROUP, "drop-epsilon", *_ANY)
def drop_epsilon(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    guarded = _guarded_sum(node, definitions)
    if guarded:
        yield guarded[0]


@expression(GROUP, "absorb-epsilon", *_ANY)
def absorb_epsilon(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    """An epsilon that float32 cannot add to 1, nor take from it: `1 - p + eps`, `clip(p, eps, 1 - eps)`."""
    if called(node) == "clip" and isinstance(node, ast.Call):
        low, high = argument(node, 1, "clip_value_min", "min_value", "x_min"), argument(node, 2, "clip_value_max")
        if _is_small(low, definitions) and isinstance(high, ast.BinOp) and isinstance(high.op, ast.Sub):
            yield made(f"tf.clip_by_value(x, {_ABSORBED}, 1.0 - {_ABSORBED})", x=_first(node))
    guarded = _guarded_sum(node, definitions)
    if guarded and isinstance(guarded[0], ast.BinOp) and isinstance(guarded[0].op, ast.Sub):
        yield made(f"x + {_ABSORBED}", x=guarded[0])


@expression(GROUP, "epsilon-outside", *_BOTH)
def epsilon_outside(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) in ("sqrt", "log") and isinstance(node, ast.Call):
        guarded = _guarded_sum(_first(node), definitions)
        if guarded:
            yield made("f(x) + eps", f=node.func, x=guarded[0], eps=guarded[1])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        guarded = _guarded_sum(node.right, definitions)
        if guarded:
            yield made("a / b + eps", a=node.left, b=guarded[0], eps=guarded[1])


@expression(GROUP, "drop-clip", *_BOTH)
def drop_clip(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) == "clip":
        yield _first(node)


@expression(GROUP, "drop-bound", *_BOTH)
def drop_bound(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    """maximum(x, 1e-7) and minimum(x, 10) without their bound."""
    if called(node) in ("maximum", "minimum") and isinstance(node, ast.Call) and len(node.args) == 2:
        for x, bound in (node.args, node.args[::-1]):
            if number(bound, definitions) is not None and number(x, definitions) is None:
                yield x


@expression(GROUP, "drop-where", *_BOTH)
def drop_where(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    """where(c, x, 1.0) as a safe argument, or where(c, x, 0.0) as a mask, without the choice."""
    if called(node) == "where" and isinstance(node, ast.Call) and len(node.args) == 3:
        for x, other in (node.args[1:], node.args[:0:-1]):
            if number(other, definitions) is not None or called(other) in ("ones_like", "zeros_like"):
                yield x


@expression(GROUP, "log-of-softmax", *_ANY)
def log_of_softmax(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) == "log_softmax" and isinstance(node, ast.Call):
        axis = argument(node, 1, "axis") or ast.Constant(-1)
        yield made("tf.math.log(tf.nn.softmax(x, axis=a))", x=_first(node), a=axis)


@expression(GROUP, "log-of-sigmoid", *_ANY)
def log_of_sigmoid(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) == "log_sigmoid":
        yield made("tf.math.log(tf.sigmoid(x))", x=_first(node))


@expression(GROUP, "sigmoid-crossentropy-by-hand", *_ANY)
def sigmoid_crossentropy_by_hand(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) == "sigmoid_cross_entropy_with_logits":
        labels, logits = argument(node, 0, "labels"), argument(node, 1, "logits")
        if labels and logits:
            text = "-(z * tf.math.log(tf.sigmoid(x)) + (1.0 - z) * tf.math.log(1.0 - tf.sigmoid(x)))"
            yield made(text, z=labels, x=logits)


@expression(GROUP, "softmax-crossentropy-by-hand", *_ANY)
def softmax_crossentropy_by_hand(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) == "softmax_cross_entropy_with_logits":
        labels, logits = argument(node, 0, "labels"), argument(node, 1, "logits")
        if labels and logits:
            yield made("-tf.reduce_sum(z * tf.math.log(tf.nn.softmax(x)), axis=-1)", z=labels, x=logits)


@expression(GROUP, "softmax-by-hand", *_BOTH)
def softmax_by_hand(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) == "softmax" and isinstance(node, ast.Call):
        axis = argument(node, 1, "axis") or ast.Constant(-1)
        yield made("tf.exp(x) / tf.reduce_sum(tf.exp(x), axis=a, keepdims=True)", x=_first(node), a=axis)


@expression(GROUP, "sigmoid-by-hand", *_BOTH)
def sigmoid_by_hand(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) == "sigmoid":
        yield made("tf.exp(x) / (1.0 + tf.exp(x))", x=_first(node))
        yield made("1.0 / (1.0 + tf.exp(-x))", x=_first(node))


@expression(GROUP, "tanh-by-hand", *_BOTH)
def tanh_by_hand(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) == "tanh":
        yield made("(tf.exp(x) - tf.exp(-x)) / (tf.exp(x) + tf.exp(-x))", x=_first(node))


@expression(GROUP, "plain-division", *_BOTH)
def plain_division(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) == "divide_no_nan" and isinstance(node, ast.Call) and len(node.args) == 2:
        yield made("a / b", a=node.args[0], b=node.args[1])


@expression(GROUP, "log-of-one-plus", PRECISION)
def log_of_one_plus(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) == "log1p":
        yield made("tf.math.log(1.0 + x)", x=_first(node))


@expression(GROUP, "exp-minus-one", PRECISION)
def exp_minus_one(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) == "expm1":
        yield made("tf.exp(x) - 1.0", x=_first(node))


@expression(GROUP, "softplus-by-hand", *_ANY)
def softplus_by_hand(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) == "softplus":
        yield made("tf.math.log(1.0 + tf.exp(x))", x=_first(node))


@expression(GROUP, "logsumexp-by-hand", *_BOTH)
def logsumexp_by_hand(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) == "logsumexp" and isinstance(node, ast.Call):
        axis = argument(node, 1, "axis") or ast.Constant(None)
        keepdims = argument(node, 2, "keepdims") or ast.Constant(False)
        yield made("tf.math.log(tf.reduce_sum(tf.exp(x), axis=a, keepdims=k))", x=_first(node), a=axis, k=keepdims)


@expression(GROUP, "drop-max-subtraction", *_BOTH)
def drop_max_subtraction(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        right = node.right
        if isinstance(right, ast.Name):
            right = definitions.get(right.id, right)
        if called(right) == "stop_gradient":
            right = _first(right)
        if called(right) == "max":
            yield node.left


@expression(GROUP, "product-with-log", *_BOTH)
def product_with_log(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) in ("xlogy", "multiply_no_nan", "xlog1py") and isinstance(node, ast.Call) and len(node.args) == 2:
        form = {"xlogy": "a * tf.math.log(b)", "xlog1py": "a * tf.math.log1p(b)"}.get(called(node), "a * b")
        yield made(form, a=node.args[0], b=node.args[1])


@expression(GROUP, "drop-abs", *_BOTH)
def drop_abs(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    """abs inside the argument of a root, a logarithm, a power or a denominator."""
    if called(node) in _ROOTS:
        place: ast.expr | None = _first(node)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.Pow):
        place = node.right if isinstance(node.op, ast.Div) else node.left
    else:
        place = None
    if place is None:
        return
    for inner in ast.walk(place):
        if isinstance(inner, ast.expr) and called(inner) == "abs":
            text = ast.unparse(node).replace(ast.unparse(inner), f"({ast.unparse(_first(inner))})", 1)
            yield ast.parse(text, mode="eval").body


@expression(GROUP, "root-of-square", GRADIENT)
def root_of_square(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) == "abs":
        yield made("tf.sqrt(tf.square(x))", x=_first(node))


@expression(GROUP, "textbook-variance", PRECISION, *_BOTH)
def textbook_variance(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    """mean(x²) - mean(x)² for the variance, and its root for the deviation."""
    if called(node) in ("var", "std") and isinstance(node, ast.Call):
        axis, keepdims = argument(node, 1, "axis") or ast.Constant(None), argument(node, 2, "keepdims")
        text = "tf.reduce_mean(tf.square(x), a, keepdims=k) - tf.square(tf.reduce_mean(x, a, keepdims=k))"
        text = f"tf.sqrt({text})" if called(node) == "std" else text
        yield made(text, x=_first(node), a=axis, k=keepdims or ast.Constant(False))
    if called(node) == "mean" and isinstance(node, ast.Call):
        inner = _first(node)
        square = _first(inner) if called(inner) == "square" else None
        centred = definitions.get(square.id) if isinstance(square, ast.Name) else square
        if isinstance(centred, ast.BinOp) and isinstance(centred.op, ast.Sub):
            mean = definitions.get(centred.right.id) if isinstance(centred.right, ast.Name) else centred.right
            axis = argument(node, 1, "axis") or ast.Constant(None)
            if called(mean) == "mean":
                text = "tf.reduce_mean(tf.square(x), a) - tf.square(tf.reduce_mean(x, a))"
                yield made(text, x=centred.left, a=axis)


@expression(GROUP, "expanded-square", PRECISION, *_BOTH)
def expanded_square(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    """sum(a²) + sum(b²) - 2 sum(ab) for sum((a - b)²)."""
    if called(node) == "sum" and isinstance(node, ast.Call) and called(_first(node)) == "square":
        difference = _first(_first(node))
        if isinstance(difference, ast.Name):
            difference = definitions.get(difference.id, difference)
        if isinstance(difference, ast.BinOp) and isinstance(difference.op, ast.Sub):
            axis, keepdims = argument(node, 1, "axis") or ast.Constant(None), argument(node, 2, "keepdims")
            total = "tf.reduce_sum({}, axis=d, keepdims=k)"
            parts = (total.format(part) for part in ("tf.square(a)", "tf.square(b)", "a * b"))
            text = "{} + {} - 2.0 * {}".format(*parts)
            yield made(text, a=difference.left, b=difference.right, d=axis, k=keepdims or ast.Constant(False))


@expression(GROUP, "normalise-by-hand", *_BOTH)
def normalise_by_hand(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    if called(node) == "normalize" and isinstance(node, ast.Call):
        axis = argument(node, 1, "axis") or ast.Constant(-1)
        yield made("x / tf.norm(x, axis=a, keepdims=True)", x=_first(node), a=axis)


@expression(GROUP, "one-minus-sigmoid", PRECISION, *_BOTH)
def one_minus_sigmoid(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    """1 - sigmoid(x) for sigmoid(-x), and log of it for log_sigmoid(-x)."""
    if called(node) in ("sigmoid", "log_sigmoid"):
        inner = _first(node)
        if isinstance(inner, ast.UnaryOp) and isinstance(inner.op, ast.USub):
            text = "1.0 - tf.sigmoid(x)"
            yield made(f"tf.math.log({text})" if called(node) == "log_sigmoid" else text, x=inner.operand)


@expression(GROUP, "norm-without-guard", *_BOTH)
def norm_without_guard(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    """The norm of a vector for the guarded root of its summed squares."""
    if called(node) == "sqrt":
        guarded = _guarded_sum(_first(node), definitions)
        inner = guarded[0] if guarded else None
        if called(inner) == "maximum" or inner is None:
            inner = argument(_first(node), 0) if called(_first(node)) == "maximum" else inner
        if isinstance(inner, ast.Name):
            inner = definitions.get(inner.id, inner)
        if isinstance(inner, ast.Call) and called(inner) == "sum" and called(_first(inner)) == "square":
            axis, keepdims = argument(inner, 1, "axis") or ast.Constant(None), argument(inner, 2, "keepdims")
            x = _first(_first(inner))
            yield made("tf.norm(x, axis=a, keepdims=k)", x=x, a=axis, k=keepdims or ast.Constant(False))


@expression(GROUP, "where-instead-of-guard", *_BOTH)
def where_instead_of_guard(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    """where(x > 0, f(x), 0) for f(maximum(x, eps)): the branch that is not taken still spoils the gradient."""
    if called(node) in ("log", "sqrt") and isinstance(node, ast.Call):
        bare = _unguarded(_first(node), definitions)
        if bare is not None:
            yield made("tf.where(x > 0.0, f(x), 0.0)", f=node.func, x=bare)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        bare = _unguarded(node.right, definitions)
        if bare is not None:
            yield made("tf.where(b > 0.0, a / b, 0.0)", a=node.left, b=bare)


def _unguarded(node: ast.expr, definitions: Definitions) -> ast.expr | None:
    """x of x + eps, maximum(x, c) and clip(x, c, d)."""
    guarded = _guarded_sum(node, definitions)
    if guarded:
        return guarded[0]
    if called(node) == "clip":
        return _first(node)
    if called(node) == "maximum" and isinstance(node, ast.Call) and len(node.args) == 2:
        return next((x for x in node.args if number(x, definitions) is None), None)
    return None


@expression(GROUP, "exponential-link", *_BOTH)
def exponential_link(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    """exp for softplus, as a scale or a rate that has to be positive."""
    if called(node) == "softplus":
        yield made("tf.exp(x)", x=_first(node))


@expression(GROUP, "infinite-mask", *_BOTH)
def infinite_mask(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    value = number(node, definitions) if isinstance(node, ast.Constant) else None
    if value is not None and value >= 1e5:
        yield made("float('inf')")


@expression(GROUP, "log-of-cosh", *_BOTH)
def log_of_cosh(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    """log(cosh(x)) for x + softplus(-2x) - log 2."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and isinstance(node.left, ast.BinOp):
        total = node.left
        if isinstance(total.op, ast.Add) and called(total.right) in ("softplus", "log1p"):
            yield made("tf.math.log(tf.cosh(x))", x=total.left)


@expression(GROUP, "log-of-product", *_BOTH)
def log_of_product(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    """The logarithm of a product, which underflows, for a sum of logarithms."""
    if called(node) in ("sum", "mean") and isinstance(node, ast.Call) and called(_first(node)) == "log":
        axis = argument(node, 1, "axis") or ast.Constant(None)
        yield made("tf.math.log(tf.reduce_prod(x, axis=a))", x=_first(_first(node)), a=axis)


@expression(GROUP, "quotient-of-exponentials", *_BOTH)
def quotient_of_exponentials(node: ast.expr, definitions: Definitions) -> Iterator[ast.expr]:
    """exp(x) / exp(y) for exp(x - y)."""
    if called(node) == "exp" and isinstance(node, ast.Call):
        inner = _first(node)
        if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Sub):
            yield made("tf.exp(x) / tf.exp(y)", x=inner.left, y=inner.right)
