"""Random loss functions as a user would write them: Python source over `keras.ops` or `tf`, and their specs.

Half are chains of random operations, some guarded against their hazard and some not; half are well-known losses with
a random epsilon, in a random place. Nothing here knows how lossdoctor works.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

KINDS = (
    ("binary", "unit"),
    ("real", "real"),
    ("onehot", "probability"),
    ("onehot", "logit"),
    ("positive", "positive"),
    ("unit", "unit"),
    ("sign", "real"),
    ("positive", "real"),
)
SIZES = (3, 3, 3, 1, 8)  # of the last axis
_SMALL = ("1e-8", "1e-7", "1e-6", "1e-12", "1e-3", "1e-30")
_PLAIN = ("0.5", "1.0", "2.0", "3.0", "0.1", "10.0")
_EXPONENTS = ("0.5", "2.0", "1.5", "3.0", "-1.0", "0.25", "-0.5", "2")
_TF = {
    "log": "tf.math.log", "log1p": "tf.math.log1p", "exp": "tf.exp", "expm1": "tf.math.expm1", "sqrt": "tf.sqrt",
    "abs": "tf.abs", "square": "tf.square", "sigmoid": "tf.sigmoid", "tanh": "tf.tanh", "softplus": "tf.nn.softplus",
    "softmax": "tf.nn.softmax", "log_softmax": "tf.nn.log_softmax", "power": "tf.pow", "where": "tf.where",
    "clip": "tf.clip_by_value", "maximum": "tf.maximum", "minimum": "tf.minimum", "sum": "tf.reduce_sum",
    "mean": "tf.reduce_mean", "max": "tf.reduce_max", "rsqrt": "tf.math.rsqrt", "xlogy": "tf.math.xlogy",
    "divide_no_nan": "tf.math.divide_no_nan", "zeros_like": "tf.zeros_like", "ones_like": "tf.ones_like",
    "logsumexp": "tf.reduce_logsumexp", "reciprocal": "tf.math.reciprocal", "stop_gradient": "tf.stop_gradient",
    "relu": "tf.nn.relu", "log_sigmoid": "tf.math.log_sigmoid", "std": "tf.math.reduce_std",
}  # fmt: skip
_TF_ONLY = frozenset({"xlogy", "divide_no_nan"})
_KERAS = {name: f"ops.{name}" for name in _TF} | {"stop_gradient": "ops.stop_gradient"}


@dataclass(frozen=True)
class RandomLoss:
    name: str
    source: str  # of the function, without imports
    y_true: str  # its kind
    y_pred: str
    size: int  # of the last axis
    by_rows: bool  # each row's loss depends on that row only

    @property
    def specs(self) -> tuple[str, str]:
        return f"float32[B,{self.size}] {self.y_true}", f"float32[B,{self.size}] {self.y_pred}"


class _Writer:
    """Draws pieces of source in neutral names, `t` and `p` being the arguments."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def one_of(self, options: tuple[str, ...] | list[str]) -> str:
        return options[int(self.rng.integers(len(options)))]

    def small(self) -> str:
        return self.one_of(_SMALL)

    def plain(self) -> str:
        return self.one_of(_PLAIN)

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def log(self, x: str) -> str:
        c = self.small()
        return self.one_of([
            f"log({x})", f"log({x} + {c})", f"log(maximum({x}, {c}))", f"log(clip({x}, {c}, 1.0 - {c}))",
            f"log1p(abs({x}))", f"log(square({x}) + {c})", f"log1p({x})", f"log(clip({x}, {c}, 1.0))",
            f"log(1.0 - {x} + {c})", f"log(where({x} > {c}, {x}, {self.plain()}))", f"log(abs({x}) + {c})",
            f"log(1.0 + exp(-abs({x})))", f"log1p(-clip({x}, 0.0, 1.0 - {c}))", f"log_sigmoid({x})",
        ])  # fmt: skip

    def quotient(self, a: str, b: str) -> str:
        c = self.small()
        return self.one_of([
            f"{a} / {b}", f"{a} / ({b} + {c})", f"{a} / maximum({b}, {c})", f"{a} / (abs({b}) + {c})",
            f"{a} / (1.0 + square({b}))", f"where({b} > {c}, {a} / {b}, 0.0)", f"divide_no_nan({a}, {b})",
            f"where({b} > {c}, {a} / where({b} > {c}, {b}, ones_like({b})), zeros_like({b}))", f"{a} * reciprocal({b})",
            f"{a} / (square({b}) + {c})", f"{a} / ({a} + {b})", f"{a} / (abs({a}) + abs({b}) + {c})",
        ])  # fmt: skip

    def root(self, x: str) -> str:
        c = self.small()
        return self.one_of([
            f"sqrt({x})", f"sqrt(abs({x}))", f"sqrt(square({x}) + {c})", f"sqrt(maximum({x}, {c}))",
            f"sqrt(square({x}))", f"rsqrt(square({x}) + {c})", f"sqrt(1.0 + square({x})) - 1.0",
            f"sqrt(sum(square({x}), axis=-1, keepdims=True))", f"sqrt(maximum({x}, 0.0))",
            f"sqrt(sum(square({x}), axis=-1, keepdims=True) + {c})", f"rsqrt(maximum({x}, {c}))",
        ])  # fmt: skip

    def exponential(self, x: str) -> str:
        c = self.plain()
        return self.one_of([
            f"exp({x})", f"exp(-abs({x}))", f"exp(minimum({x}, {c}))", f"exp(clip({x}, -{c}, {c}))", f"expm1({x})",
            f"exp(-square({x}))", f"exp({x} - max({x}, axis=-1, keepdims=True))", f"expm1(-abs({x}))",
            f"expm1(minimum({x}, {c}))", f"exp(0.01 * {x})", f"exp(-{c} * abs({x}))",
        ])  # fmt: skip

    def raised(self, x: str) -> str:
        c, k = self.small(), self.one_of(_EXPONENTS)
        return self.one_of([
            f"power({x}, {k})", f"power(abs({x}), {k})", f"power(maximum({x}, {c}), {k})", f"power(1.0 - {x}, {k})",
            f"power(abs({x}) + {c}, {k})", f"{x} ** 2", f"power(clip({x}, {c}, 1.0), {k})", f"power(sigmoid({x}), {k})",
        ])  # fmt: skip

    def bounded(self, x: str) -> str:
        c = self.plain()
        return self.one_of([
            f"sigmoid({x})", f"tanh({x})", f"softmax({x}, axis=-1)", f"clip({x}, -{c}, {c})", f"minimum({x}, {c})",
            f"maximum({x}, {c})", f"softplus({x})", f"abs({x})", f"square({x})", f"relu({x})", f"1.0 - {x}",
            f"{x} - mean({x}, axis=-1, keepdims=True)", f"{x} / {c}", f"{c} * {x}", f"-{x}", f"{x} + {self.small()}",
            f"clip({x}, {self.small()}, 1.0)", f"log_softmax({x}, axis=-1)", f"softplus(-{x})",
            f"{x} - logsumexp({x}, axis=-1, keepdims=True)", f"max({x}, axis=-1, keepdims=True)",
        ])  # fmt: skip

    def joined(self, a: str, b: str) -> str:
        c = self.plain()
        return self.one_of([
            f"{a} * {b}", f"{a} + {b}", f"{a} - {b}", f"{b} - {a}", f"maximum({a}, {b})", f"minimum({a}, {b})",
            f"where({a} > {c}, {a}, {b})", f"where(t > 0.5, {a}, {b})", f"where(abs({a}) < {c}, square({a}), {b})",
            f"t * {a} + (1.0 - t) * {b}", f"square({a} - {b})", f"abs({a} - {b})", f"xlogy({a}, abs({b}) + 1e-7)",
        ])  # fmt: skip

    def chain(self) -> tuple[list[str], str, bool]:
        """Statements, the result, and whether rows are independent."""
        start = self.one_of(["p", "p", "p - t", "t - p", "t * p", "abs(t - p)", "p + t", "1.0 - p"])
        lines, names, rows = [f"a = {start}"], ["p", "a"], True
        for step in range(int(self.rng.integers(1, 5))):
            x = names[-1] if self.chance(0.75) else self.one_of(names)
            other = self.one_of([*names, "t"])
            kind = self.rng.integers(8)
            text = (
                self.log(x), self.quotient(x, other), self.quotient("t", x), self.root(x), self.exponential(x),
                self.raised(x), self.bounded(x), self.joined(x, other),
            )[kind]  # fmt: skip
            name = "bcdefg"[step]
            lines.append(f"{name} = {text}")
            names.append(name)
        last = names[-1]
        result = self.one_of([last, last, f"t * {last}", f"-t * {last}", f"abs({last})", f"square({last})"])
        return lines, *self.reduced(result, rows)

    def reduced(self, x: str, rows: bool) -> tuple[str, bool]:
        kind = self.one_of(["mean", "mean", "sum", "max", "all"])
        if kind == "all":
            return f"mean({x})", False
        return f"{kind}({x}, axis=-1)", rows

    def known(self) -> tuple[list[str], str, bool]:
        """A well-known loss with a random epsilon and form."""
        c, k = self.small(), self.plain()
        name = self.one_of(list(_KNOWN))
        lines, result = _KNOWN[name](self, c, k)
        final, rows = self.reduced(result, True) if "axis=-1)" not in result.replace("keepdims", "") else (result, True)
        return lines, final, rows and "axis=0" not in " ".join(lines)


_Form = Callable[[_Writer, str, str], tuple[list[str], str]]
_KNOWN: dict[str, _Form] = {
    "cross-entropy": lambda w, c, k: ([f"a = {w.log('p')}", f"b = {w.log('(1.0 - p)')}"], "-(t * a + (1.0 - t) * b)"),
    "focal": lambda w, c, k: (
        [w.one_of(["q = p", f"q = clip(p, {c}, 1.0 - {c})", "q = sigmoid(p)"]), f"a = -t * {w.log('q')}"],
        f"power(1.0 - q, {w.one_of(_EXPONENTS)}) * a",
    ),
    "softmax cross-entropy": lambda w, c, k: (
        [w.one_of(["e = exp(p)", "e = exp(p - max(p, axis=-1, keepdims=True))"]),
         "q = e / sum(e, axis=-1, keepdims=True)"],
        f"-t * {w.log('q')}",
    ),
    "divergence": lambda w, c, k: (
        [w.one_of(["a = t", f"a = clip(t, {c}, 1.0)"]), w.one_of(["b = p", f"b = clip(p, {c}, 1.0)"])],
        w.one_of(["a * log(a / b)", f"a * (log(a + {c}) - log(b + {c}))", "xlogy(a, a) - xlogy(a, b)"]),
    ),
    "dice": lambda w, c, k: (
        ["i = sum(t * p, axis=-1)",
         w.one_of(["u = sum(t + p, axis=-1)", "u = sum(square(t), axis=-1) + sum(square(p), axis=-1)"])],
        f"1.0 - {w.quotient('2.0 * i', 'u')} + 0.0 * sum(p, axis=-1)",
    ),
    "cosine": lambda w, c, k: (
        [f"n = {w.root('sum(square(p), axis=-1, keepdims=True)')}",
         f"m = sqrt(sum(square(t), axis=-1, keepdims=True) + {c})"],
        w.quotient("-t * p", "(n * m)"),
    ),
    "percentage": lambda w, c, k: (["d = abs(t - p)"], f"100.0 * {w.quotient('d', 't')}"),
    "log error": lambda w, c, k: ([], f"square({w.log('p')} - {w.log('t')})"),
    "pseudo-huber": lambda w, c, k: ([f"d = (t - p) / {k}"], w.root("d")),
    "log-cosh": lambda w, c, k: (
        ["d = p - t"],
        w.one_of(["d + softplus(-2.0 * d) - log(2.0 + 0.0 * d)", "log((exp(d) + exp(-d)) / 2.0)",
                  "log1p(square(d) / 2.0)"]),
    ),
    "gaussian": lambda w, c, k: (
        [w.one_of(["v = abs(p)", f"v = maximum(p, {c})", f"v = softplus(p) + {c}", "v = exp(p)", "v = softplus(p)"])],
        f"0.5 * (log(v) + {w.quotient('square(t)', 'v')})",
    ),
    "poisson": lambda w, c, k: ([], w.one_of([f"p - t * {w.log('p')}", "exp(p) - t * p", f"p - t * log(p + {c})"])),
    "hinge": lambda w, c, k: ([], w.one_of(["maximum(1.0 - t * p, 0.0)", "square(relu(1.0 - t * p))",
                                            "softplus(-t * p)", "log(1.0 + exp(-t * p))", "exp(-t * p)"])),
    "standardised": lambda w, c, k: (
        [w.one_of(["m = mean(p, axis=-1, keepdims=True)", "m = mean(p, axis=0, keepdims=True)"]),
         "s = mean(square(p - m), axis=-1, keepdims=True)",
         w.one_of([f"z = (p - m) / sqrt(s + {c})", "z = (p - m) / sqrt(s)", f"z = (p - m) / (sqrt(s) + {c})"])],
        "square(z - t)",
    ),
    "contrastive": lambda w, c, k: (
        [f"d = {w.root('sum(square(t - p), axis=-1, keepdims=True)')}"], f"square(maximum({k} - d, 0.0)) + d * t"
    ),
    "normalised": lambda w, c, k: (
        [f"q = {w.quotient('p', 'sum(p, axis=-1, keepdims=True)')}"], f"-t * {w.log('q')}",
    ),
    "piecewise": lambda w, c, k: (
        ["d = t - p", "a = abs(d)"],
        w.one_of([f"where(a < {k}, 0.5 * square(d), {k} * (a - 0.5 * {k}))", f"where(a > {c}, sqrt(a), a)",
                  f"where(p > {c}, -t * log(p), 1.0 - p)", "where(p >= t, square(d), exp(-a))",
                  f"where(p > {c}, power(p, 0.5), {k} * p)"]),
    ),
}  # fmt: skip


def random_losses(count: int, seed: int) -> list[RandomLoss]:
    """`count` losses named loss_0, loss_1, …; the same for the same seed."""
    rng = np.random.default_rng(seed)
    return [_random_loss(f"loss_{index}", rng) for index in range(count)]


def _random_loss(name: str, rng: np.random.Generator) -> RandomLoss:
    writer = _Writer(rng)
    lines, result, by_rows = writer.chain() if rng.random() < 0.5 else writer.known()
    y_true, y_pred = KINDS[int(rng.integers(len(KINDS)))]
    size = SIZES[int(rng.integers(len(SIZES)))]
    text = "\n".join(["    t, p = y_true, y_pred", *(f"    {line}" for line in lines), f"    return {result}"])
    words = set(re.findall(r"\b(\w+)\(", text))
    table = _TF if words & _TF_ONLY or rng.random() < 0.5 else _KERAS
    text = re.sub(r"(?<![\w.])(\w+)\(", lambda match: f"{table.get(match[1], match[1])}(", text)
    return RandomLoss(name, f"def {name}(y_true, y_pred):\n{text}\n", y_true, y_pred, size, by_rows)


def module_source(losses: list[RandomLoss]) -> str:
    """A Python file that defines the losses."""
    return "import tensorflow as tf\nfrom keras import ops\n\n\n" + "\n\n".join(loss.source for loss in losses)
