"""Small networks trained in NumPy: losses, a network, an optimizer, and faults that begin at a step."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from benchmarks.run import Run
from numpy.typing import NDArray

Array = NDArray[np.float64]
Slope = tuple[float, Array]  # loss, and its derivative with respect to the outputs


# Losses: outputs and targets to the mean loss and its derivative.
def mse(out: Array, y: Array) -> Slope:
    d = out - y
    return float(np.mean(d * d)), 2 * d / d.size


def cross_entropy(out: Array, y: Array) -> Slope:
    z = out - out.max(axis=1, keepdims=True)
    p = np.exp(z)
    p /= p.sum(axis=1, keepdims=True)
    rows = np.arange(len(y)), y[:, 0].astype(int)
    loss = -float(np.mean(np.log(np.maximum(p[rows], 1e-300))))
    p[rows] -= 1
    return loss, p / len(y)


def likelihood(out: Array, y: Array) -> Slope:
    """Of a normal variable with mean and log deviation: negative for deviations below 0.24."""
    mean, log_s = out[:, :1], np.clip(out[:, 1:2], -8, 8)
    r = (y - mean) * np.exp(-log_s)
    loss = float(np.mean(0.5 * r * r + log_s + 0.919))
    slope = np.concatenate([-r * np.exp(-log_s), 1 - r * r], axis=1) / len(y)
    return loss, slope


@dataclass(frozen=True)
class Setting:
    """How a run is trained. `fault` changes the setting from `onset` on."""

    loss: Callable[[Array, Array], Slope] = mse
    inputs: int = 5
    hidden: tuple[int, ...] = (16,)
    outputs: int = 1
    activation: str = "tanh"
    gain: float = 1.0
    data: int = 512
    batch: int = 32
    steps: int = 400
    rate: float = 0.05
    optimizer: str = "sgd"
    momentum: float = 0.0
    schedule: str = "constant"
    target_noise: float = 0.1
    tails: float = 0.0  # share of targets with Cauchy noise
    scale: float = 1.0  # of the loss
    penalty: float = 0.0  # weight of |w|², logged as a term
    penalty_growth: float = 0.0  # a step, exponential
    dropout: float = 0.0
    sign: float = 1.0
    frozen: bool = False
    ascends: bool = False  # the update has the wrong sign
    clip: float = 0.0
    corrupt: float = 0.0  # factor on the inputs of a batch
    broken: bool = False  # a logarithm of something negative
    shuffled: bool = False  # targets that have nothing to do with the inputs
    dead: bool = False  # biases that keep every unit off
    validate: int = 0  # every so many steps
    log_norm: bool = True
    log_rate: bool = False
    epochs: bool = False  # a row for each epoch
    harder: tuple[int, ...] = ()  # steps at which the task changes


@dataclass
class Net:
    """A multilayer perceptron with its optimizer's state."""

    weights: list[Array]
    biases: list[Array]
    activation: str
    velocity: list[Array] = field(default_factory=list)
    squares: list[Array] = field(default_factory=list)
    count: int = 0

    @staticmethod
    def made(s: Setting, rng: np.random.Generator) -> Net:
        sizes = [s.inputs, *s.hidden, s.outputs]
        weights = [rng.normal(size=(a, b)) * s.gain / math.sqrt(a) for a, b in itertools.pairwise(sizes)]
        biases = [np.zeros(b) - (50.0 if s.dead and i < len(s.hidden) else 0.0) for i, b in enumerate(sizes[1:])]
        return Net(weights, biases, s.activation)

    def forward(
        self, x: Array, rng: np.random.Generator | None = None, dropout: float = 0.0
    ) -> tuple[Array, list[Array], list[Array]]:
        values, masks = [x], []
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            z = values[-1] @ w + b
            if i < len(self.weights) - 1:
                z = {
                    "tanh": np.tanh,
                    "relu": lambda v: np.maximum(v, 0),
                    "sigmoid": lambda v: 1 / (1 + np.exp(-np.clip(v, -60, 60))),
                }[self.activation](z)
                mask = np.ones_like(z)
                if rng is not None and dropout:
                    mask = (rng.random(z.shape) > dropout) / (1 - dropout)
                masks.append(mask)
                z = z * mask
            values.append(z)
        return values[-1], values, masks

    def backward(self, slope: Array, values: list[Array], masks: list[Array]) -> list[Array]:
        grads: list[Array] = []
        for i in reversed(range(len(self.weights))):
            grads += [values[i].T @ slope, slope.sum(axis=0)]
            if i:
                h = values[i] / np.maximum(masks[i - 1], 1e-12)
                local = {"tanh": 1 - h * h, "relu": (h > 0) * 1.0, "sigmoid": h * (1 - h)}[self.activation]
                slope = (slope @ self.weights[i].T) * local * masks[i - 1]
        return grads

    def parameters(self) -> list[Array]:
        return [p for i in reversed(range(len(self.weights))) for p in (self.weights[i], self.biases[i])]

    def step(self, grads: list[Array], rate: float, s: Setting) -> None:
        own = self.parameters()
        if not self.velocity:
            self.velocity, self.squares = [np.zeros_like(p) for p in own], [np.zeros_like(p) for p in own]
        self.count += 1
        for p, g, v, q in zip(own, grads, self.velocity, self.squares, strict=True):
            if s.optimizer == "adam":
                v *= 0.9
                v += 0.1 * g
                q *= 0.999
                q += 0.001 * g * g
                p -= rate * (v / (1 - 0.9**self.count)) / (np.sqrt(q / (1 - 0.999**self.count)) + 1e-8)
            else:
                v *= s.momentum
                v += g
                p -= rate * v


def _rate(s: Setting, step: int) -> float:
    t = step / s.steps
    if s.schedule == "cosine":
        return s.rate * (1 + math.cos(math.pi * t)) / 2
    if s.schedule == "steps":
        return s.rate * 0.2 ** int(t * 4)
    if s.schedule == "warm-up":
        return s.rate * min(1.0, (step + 1) / (0.1 * s.steps))
    if s.schedule == "restarts":
        return s.rate * (0.02 + 0.98 * (1 + math.cos(math.pi * ((t * 4) % 1))) / 2)
    return s.rate


def _task(s: Setting, rng: np.random.Generator) -> tuple[Array, Array]:
    x = rng.normal(size=(s.data * 2, s.inputs))
    teacher = rng.normal(size=(s.inputs, 8)) / math.sqrt(s.inputs)
    y = np.tanh(x @ teacher) @ rng.normal(size=(8, 1))
    if s.loss is cross_entropy:
        scores = np.tanh(x @ teacher) @ rng.normal(size=(8, s.outputs)) * 3
        y = np.argmax(scores + s.target_noise * 3 * rng.normal(size=scores.shape), axis=1)[:, None].astype(float)
    else:
        y = y + s.target_noise * rng.normal(size=y.shape)
        wild = rng.random(y.shape) < s.tails
        y = np.where(wild, y + rng.standard_cauchy(size=y.shape), y)
    return x, rng.permutation(y) if s.shuffled else y


def train(
    name: str,
    kind: str,
    s: Setting,
    seed: int,
    fault: dict[str, object] | None = None,
    onset: int | None = None,
    until: int | None = None,
) -> Run:
    """Train, with `fault` from step `onset` on (to `until`), and return the log."""
    rng = np.random.default_rng(seed)
    x, y = _task(s, rng)
    xv, yv, x, y = x[s.data :], y[s.data :], x[: s.data], y[: s.data]
    net = Net.made(s, rng)
    rows: dict[str, list[float]] = {}
    weight = s.penalty
    now = s
    with np.errstate(all="ignore"):
        for step in range(s.steps):
            if fault and step == onset:
                now = replace(s, **fault)  # type: ignore[arg-type]
            if fault and until is not None and step == until:
                now = s
            if step in s.harder:
                _, y = _task(replace(s, shuffled=False), np.random.default_rng(seed + step))
                y = y[: s.data]
            pick = rng.integers(0, s.data, now.batch) if now.batch < s.data else np.arange(s.data)
            xb, yb = x[pick], y[pick]
            if now.corrupt:
                yb = yb + now.corrupt * rng.normal(size=yb.shape)
            out, values, masks = net.forward(xb, rng, now.dropout)
            loss, slope = now.loss(out, yb)
            loss, slope = now.sign * now.scale * loss, now.sign * now.scale * slope
            if now.broken:
                loss = float(np.log(-abs(loss)))
                slope = slope * np.nan
            grads = net.backward(slope, values, masks)
            row: dict[str, float] = {}
            if weight or now.penalty_growth:
                weight *= math.exp(now.penalty_growth)
                square = weight * sum(float(np.sum(w * w)) for w in net.weights)
                row["term/data"], row["term/penalty"] = loss, square
                loss += square
                grads = [
                    g + (2 * weight * p if p.ndim == 2 else 0) for g, p in zip(grads, net.parameters(), strict=True)
                ]
            norm = math.sqrt(sum(float(np.sum(g * g)) for g in grads))
            rate = _rate(now, step)
            row["loss"] = loss
            if now.log_norm:
                row["grad_norm"] = norm
            if now.log_rate:
                row["learning_rate"] = rate
            if now.validate and step % now.validate == 0:
                row["val_loss"] = now.scale * now.loss(net.forward(xv)[0], yv)[0]
            if now.clip and norm > now.clip:
                grads = [g * now.clip / norm for g in grads]
            if not now.frozen:
                net.step(grads, -rate if now.ascends else rate, now)
            for key in row.keys() | rows.keys():
                rows.setdefault(key, [math.nan] * step).append(row.get(key, math.nan))
    return _as_run(name, kind, s, rows, onset)


def lowest(run: Run) -> Run:
    """The run with the onset where its validation loss, smoothed, is lowest."""
    values = run.columns["val_loss"]
    smooth = np.convolve(values, np.ones(9) / 9, mode="valid")
    return replace(run, onset=int(np.argmin(smooth)) + 4)


def _as_run(name: str, kind: str, s: Setting, rows: dict[str, list[float]], onset: int | None) -> Run:
    columns = {key: np.array(values) for key, values in rows.items()}
    if not s.epochs:
        return Run(name, kind, onset, {"step": np.arange(s.steps, dtype=float), **columns})
    width = max(s.data // s.batch, 1)
    count = s.steps // width
    made = {
        key: np.array(
            [
                np.nanmean(v[i * width : (i + 1) * width])
                if not np.isnan(v[i * width : (i + 1) * width]).all()
                else np.nan
                for i in range(count)
            ]
        )
        for key, v in columns.items()
    }
    return Run(
        name, kind, None if onset is None else onset // width, {"epoch": np.arange(count, dtype=float), **made}, "epoch"
    )


def recurrent(name: str, kind: str, seed: int, *, growth: float, onset: int | None, steps: int = 300) -> Run:
    """A linear recurrent net over 20 time steps whose matrix is pushed beyond radius 1 by its own training target."""
    rng = np.random.default_rng(seed)
    n, length = 8, 20
    w = rng.normal(size=(n, n)) / math.sqrt(n) * 0.7
    out = rng.normal(size=(n, 1)) / math.sqrt(n)
    losses, norms = [], []
    for step in range(steps):
        if onset is not None and step >= onset:
            w *= growth
        x = rng.normal(size=(32, length, n))
        states = [np.zeros((32, n))]
        for t in range(length):
            states.append(
                np.tanh(states[-1] @ w * 0.3 + x[:, t] * 0.5) if growth == 1.0 else states[-1] @ w + x[:, t] * 0.5
            )
        y = x[:, -1, :1]
        p = np.tanh(states[-1] @ out)
        loss, slope = mse(p, y)
        slope = slope * (1 - p * p)
        g_out = states[-1].T @ slope
        d = slope @ out.T
        g_w = np.zeros_like(w)
        for t in reversed(range(length)):
            if growth == 1.0:
                d = d * (1 - states[t + 1] ** 2)
            g_w += states[t].T @ d
            d = d @ w.T
        norm = math.sqrt(float(np.sum(g_w**2) + np.sum(g_out**2)))
        losses.append(loss)
        norms.append(norm)
        scale = 0.05 * min(1.0, 1.0 / max(norm, 1e-12))
        w -= scale * g_w
        out -= scale * g_out
    return Run(
        name,
        kind,
        onset,
        {"step": np.arange(steps, dtype=float), "loss": np.array(losses), "grad_norm": np.array(norms)},
    )


def adversarial(name: str, seed: int, steps: int = 600) -> Run:
    """Two players: a generator of one number and a logistic critic; the log is the generator's loss."""
    rng = np.random.default_rng(seed)
    shift, scale, a, b = 0.0, 1.0, 0.1, 0.0
    losses = []
    for _ in range(steps):
        z = rng.normal(size=32)
        fake, real = shift + scale * z, 2 + 0.5 * rng.normal(size=32)
        pr, pf = 1 / (1 + np.exp(-(a * real + b))), 1 / (1 + np.exp(-(a * fake + b)))
        a += 0.02 * float(np.mean((1 - pr) * real) - np.mean(pf * fake)) - 0.002 * a
        b += 0.02 * float(np.mean(1 - pr) - np.mean(pf)) - 0.002 * b
        losses.append(-float(np.mean(np.log(pf + 1e-9))))
        shift += 0.02 * float(np.mean((1 - pf) * a))
        scale = max(scale + 0.02 * float(np.mean((1 - pf) * a * z)), 0.05)
    return Run(name, "healthy", None, {"step": np.arange(steps, dtype=float), "loss": np.array(losses)})


def bandit(name: str, seed: int, steps: int = 800) -> Run:
    """A policy over ten arms that learns from noisy returns; the log is minus the return of a batch."""
    rng = np.random.default_rng(seed)
    worth, prefer, base = rng.normal(size=10), np.zeros(10), 0.0
    losses = []
    for _ in range(steps):
        p = np.exp(prefer - prefer.max())
        p /= p.sum()
        arms = rng.choice(10, size=16, p=p)
        got = worth[arms] + rng.normal(size=16)
        losses.append(-float(got.mean()))
        base = 0.9 * base + 0.1 * float(got.mean())
        for arm, r in zip(arms, got, strict=True):
            g = -p.copy()
            g[arm] += 1
            prefer += 0.01 * (r - base) * g
    return Run(name, "healthy", None, {"step": np.arange(steps, dtype=float), "loss": np.array(losses)})
