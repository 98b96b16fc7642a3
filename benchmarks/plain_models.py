"""Small models in plain NumPy with gradients written by hand, and the loop that trains and logs them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Columns = dict[str, Array]
Step = Callable[[int], tuple[Any, ...]]  # of a step: loss, gradients, and further series if there are any
Rate = float | Callable[[int], float]

_ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "tanh": (np.tanh, lambda h: 1 - h**2),
    "relu": (lambda z: np.maximum(z, 0), lambda h: (h > 0) * 1.0),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-np.clip(z, -60, 60))), lambda h: h * (1 - h)),
    "linear": (lambda z: z, np.ones_like),
}


class Layers:
    """Dense layers; the derivative of an activation is a function of its value."""

    def __init__(self, rng: np.random.Generator, sizes: tuple[int, ...], act: str = "tanh", scale: float = 1.0) -> None:
        self.act, self.slope = _ACTIVATIONS[act]
        self.params: list[Array] = []
        for before, after in pairwise(sizes):
            self.params += [rng.normal(0, scale / np.sqrt(before), (before, after)), np.zeros(after)]

    def __call__(self, x: Array) -> Array:
        self.seen = [x]
        last = len(self.params) - 2
        for i in range(0, len(self.params), 2):
            z = self.seen[-1] @ self.params[i] + self.params[i + 1]
            self.seen.append(z if i == last else self.act(z))
        return self.seen[-1]

    def back(self, d: Array) -> list[Array]:
        grads: list[Array] = []
        for i in range(len(self.params) - 2, -1, -2):
            before = self.seen[i // 2]
            grads = [before.T @ d, d.sum(0), *grads]
            d = d @ self.params[i].T
            if i:
                d = d * self.slope(before)
        self.inner = d  # with respect to the input
        return grads


class Recurrent:
    """A tanh cell whose last state is read by a dense layer."""

    def __init__(self, rng: np.random.Generator, inputs: int, hidden: int, out: int, radius: float = 1.0) -> None:
        wh = np.linalg.qr(rng.normal(size=(hidden, hidden)))[0] * radius
        wx = rng.normal(0, 1 / np.sqrt(inputs), (inputs, hidden))
        wo = rng.normal(0, 1 / np.sqrt(hidden), (hidden, out))
        self.params = [wx, wh, np.zeros(hidden), wo, np.zeros(out)]

    def __call__(self, x: Array) -> Array:
        wx, wh, b, wo, bo = self.params
        self.x, self.states = x, [np.zeros((len(x), wh.shape[0]))]
        for t in range(x.shape[1]):
            self.states.append(np.tanh(x[:, t] @ wx + self.states[-1] @ wh + b))
        return self.states[-1] @ wo + bo

    def back(self, d: Array) -> list[Array]:
        wx, wh, b, wo, _ = self.params
        gx, gh, gb = np.zeros_like(wx), np.zeros_like(wh), np.zeros_like(b)
        go, gbo, s = self.states[-1].T @ d, d.sum(0), d @ wo.T
        for t in range(self.x.shape[1] - 1, -1, -1):
            z = s * (1 - self.states[t + 1] ** 2)
            gx, gh, gb = gx + self.x[:, t].T @ z, gh + self.states[t].T @ z, gb + z.sum(0)
            s = z @ wh.T
        return [gx, gh, gb, go, gbo]


def softmax(logits: Array) -> Array:
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def crossentropy(logits: Array, y: Any) -> tuple[float, Array]:
    p, rows = softmax(logits), np.arange(len(y))
    d = p.copy()
    d[rows, y] -= 1
    return float(-np.log(np.maximum(p[rows, y], 1e-300)).mean()), d / len(y)


def binary(logits: Array, y: Array) -> tuple[float, Array]:
    z = logits[:, 0]
    value = np.logaddexp(0, z) - y * z
    return float(value.mean()), ((_ACTIVATIONS["sigmoid"][0](z) - y) / len(y))[:, None]


def squares(out: Array, y: Array) -> tuple[float, Array]:
    d = out - y.reshape(out.shape)
    return float((d**2).mean()), 2 * d / d.size


def huber(out: Array, y: Array) -> tuple[float, Array]:
    d = out - y.reshape(out.shape)
    c = np.clip(d, -1, 1)
    return float((c * d - c**2 / 2).mean()), c / d.size


class Sgd:
    def __init__(self, momentum: float = 0.0) -> None:
        self.momentum, self.v = momentum, []

    def update(self, params: list[Array], grads: list[Array], rate: float) -> None:
        self.v = self.v or [np.zeros_like(p) for p in params]
        for p, g, v in zip(params, grads, self.v, strict=True):
            v *= self.momentum
            v -= rate * g
            p += v


class Adam:
    """Adam; without its first moment and correction RMSProp, and with a sum for a mean Adagrad."""

    def __init__(self, first: float = 0.9, second: float = 0.999, small: float = 1e-8, kind: str = "adam") -> None:
        self.first, self.second, self.small, self.kind = first, second, small, kind
        self.m: list[Array] = []
        self.v: list[Array] = []
        self.t = 0

    def update(self, params: list[Array], grads: list[Array], rate: float) -> None:
        if not self.m:
            self.m, self.v = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params]
        self.t += 1
        for p, g, m, v in zip(params, grads, self.m, self.v, strict=True):
            if self.kind == "adagrad":
                v += g * g
                p -= rate * g / (np.sqrt(v) + self.small)
                continue
            m += (1 - self.first) * (g - m)
            v += (1 - self.second) * (g * g - v)
            fix = (1, 1) if self.kind == "rmsprop" else (1 - self.first**self.t, 1 - self.second**self.t)
            p -= rate * (m / fix[0]) / (np.sqrt(v / fix[1]) + self.small)


def rmsprop() -> Adam:
    return Adam(0.0, 0.9, 1e-7, "rmsprop")


def adagrad() -> Adam:
    return Adam(kind="adagrad")


def size(grads: list[Array]) -> float:
    return float(np.sqrt(sum(float((g * g).sum()) for g in grads)))


def loop(
    params: list[Array],
    step: Step,
    optimizer: Any,
    rate: Rate,
    steps: int,
    *,
    log: str = "full",  # or "loss", or "norm", or "rate"
    every: int = 1,
    mean: bool = False,  # whether a row is the mean since the last
    epoch: int = 0,  # steps of an epoch, where rows are epochs
    validate: Callable[[], float] | None = None,
    val_every: int = 0,
    clip: float | None = None,
    decay: float = 0.0,
) -> Columns:
    """Train, and return the log as a script would have written it."""
    rows: dict[str, list[float]] = {}
    recent: list[float] = []
    span = epoch or every
    with np.errstate(all="ignore"):
        for t in range(steps):
            loss, grads, *more = step(t)
            now = rate(t) if callable(rate) else rate
            norm = size(grads)
            if clip is not None and norm > clip:
                grads = [g * (clip / norm) for g in grads]
            optimizer.update(params, grads, now)
            if decay:
                for p in params:
                    p *= 1 - now * decay
            recent.append(float(loss))
            if (t + 1) % span if (mean or epoch) else t % span:
                continue
            row: dict[str, float] = {("epoch" if epoch else "step"): t // epoch if epoch else t}
            row["loss"] = float(np.mean(recent)) if mean or epoch else float(loss)
            recent = []
            if log in ("full", "norm"):
                row["grad_norm"] = norm
            if log in ("full", "rate"):
                row["learning_rate"] = now
            if validate is not None:
                due = epoch or not val_every or (t + 1) % val_every == 0
                row["val_loss"] = validate() if due else np.nan
            row |= more[0] if more else {}
            for key, value in row.items():
                rows.setdefault(key, []).append(float(value))
    return {key: np.array(values) for key, values in rows.items()}


def supervised(
    rng: np.random.Generator,
    model: Any,
    loss: Callable[..., tuple[float, Array]],
    x: Array,
    y: Any,
    batch: int,
    seen: Callable[..., tuple[Any, Any]] | None = None,  # what becomes of a batch at a step
    twist: Callable[[int, float, list[Array]], tuple[Any, ...]] | None = None,  # and of loss and gradients
    ordered: bool = False,
) -> Step:
    order = np.arange(len(x)) if ordered else rng.permutation(len(x))
    per = max(len(x) // batch, 1)

    def step(t: int) -> tuple[Any, ...]:
        nonlocal order
        if t % per == 0 and t and not ordered:
            order = rng.permutation(len(x))
        rows = order[(t % per) * batch : (t % per + 1) * batch]
        xb, yb = (x[rows], y[rows]) if seen is None else seen(t, x[rows], y[rows])
        value, d = loss(model(xb), yb)
        grads = model.back(d)
        return (value, grads) if twist is None else twist(t, value, grads)

    return step


def blobs(rng: np.random.Generator, n: int, d: int = 8, k: int = 4, apart: float = 2.0) -> tuple[Array, Any]:
    y = rng.integers(0, k, n)
    return (rng.normal(size=(k, d)) * apart / 2)[y] + rng.normal(size=(n, d)), y


def rings(rng: np.random.Generator, n: int, noise: float = 0.15) -> tuple[Array, Array]:
    y = rng.integers(0, 2, n).astype(float)
    a, r = rng.uniform(0, 2 * np.pi, n), 1 + y + rng.normal(0, noise, n)
    return np.stack([r * np.cos(a), r * np.sin(a)], 1), y


def line(rng: np.random.Generator, n: int, d: int = 10, noise: float = 0.3) -> tuple[Array, Array]:
    x = rng.normal(size=(n, d))
    return x, x @ rng.normal(size=d) + noise * rng.normal(size=n)


def wave(rng: np.random.Generator, n: int, noise: float = 0.1) -> tuple[Array, Array]:
    x = rng.uniform(-2, 2, (n, 3))
    return x, np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] / 2 + noise * rng.normal(size=n)


def sums(rng: np.random.Generator, n: int, length: int = 12) -> tuple[Array, Array]:
    x = rng.uniform(0, 1, (n, length, 2))
    x[:, :, 1] = 0
    for row in x:
        row[rng.choice(length, 2, replace=False), 1] = 1
    return x, (x[:, :, 0] * x[:, :, 1]).sum(1)


def held(model: Any, loss: Callable[..., tuple[float, Array]], x: Array, y: Any) -> Callable[[], float]:
    return lambda: loss(model(x), y)[0]


def lowest(values: Array, width: int = 5) -> int:
    """Where the smoothed series is lowest, before the first that is no number."""
    broken = np.flatnonzero(~np.isfinite(values))
    values = values[: broken[0]] if len(broken) else values
    return (
        int(np.argmin(np.convolve(values, np.ones(width) / width, mode="valid"))) + width // 2
        if len(values) > width
        else 0
    )
