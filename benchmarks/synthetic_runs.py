"""Logs of training drawn from formulas: healthy curves of many shapes, and the same curves with one fault put in.

They are not trained; `training_runs.py` trains. They vary what a few hundred real runs cannot: length from 20 to 5,000
rows, scales from 1e-6 to 1e6, noise from none to heavy tails, and which columns there are.
"""

from __future__ import annotations

import math

import numpy as np
from benchmarks.drawn_curves import Base, base, gradient, rate, scatter
from benchmarks.run import Array, Columns, Run


def _columns(b: Base, loss: Array, **more: Array) -> Columns:
    every = 1 if b.unit == "epoch" else int(b.rng.choice([1, 1, 1, 10]))
    first = int(b.rng.choice([0, 1]))
    columns = {b.unit: (np.arange(b.n) + first) * every, "loss": loss}
    columns.update(more)
    return columns


def _usual(b: Base, loss: Array) -> Columns:
    """Some of the usual further columns of a healthy run."""
    rng = b.rng
    more: Columns = {}
    if rng.random() < 0.5:
        more["grad_norm"] = gradient(b)
    if rng.random() < 0.4:
        more["learning_rate"] = rate(b)
    if rng.random() < 0.5:
        more["val_loss"] = _validation(b)
    return _columns(b, loss, **more)


def _validation(b: Base, mean: Array | None = None) -> Array:
    rng = b.rng
    gap = rng.uniform(0.0, 0.15) * b.drop
    smooth = b.mean if mean is None else mean
    out = (
        smooth
        + gap * (1 - np.clip((b.mean - b.floor) / b.drop, 0, 1))
        + rng.normal(size=b.n) * b.drop * 10 ** rng.uniform(-2.5, -1.3)
    )
    if b.unit == "step" and rng.random() < 0.5:
        keep = np.arange(b.n) % int(rng.choice([10, 20, 50])) == 0
        out = np.where(keep, out, np.nan)  # empty cells
    return out


def healthy(rng: np.random.Generator) -> Run:
    b = base(rng)
    family = str(
        rng.choice(
            ["curve", "curve", "curve", "warm-up", "curriculum", "gan", "returns", "restarts", "bump", "plateau"]
        )
    )
    loss = b.loss()
    t = np.arange(b.n) / b.n
    if family == "warm-up":
        loss = loss + 0.15 * b.drop * np.exp(-(((t - 0.03) / 0.015) ** 2))
    elif family == "curriculum":
        for at in np.sort(rng.uniform(0.3, 0.8, size=2)):
            loss = loss + (t >= at) * 0.25 * b.drop * np.exp(-(t - at) / 0.08)
    elif family == "gan":
        z = np.cumsum(rng.normal(size=b.n)) * 0
        last = 0.0
        for i in range(b.n):
            last = 0.97 * last + rng.normal() * 0.06
            z[i] = last
        loss = b.start * (0.9 + z + 0.05 * rng.normal(size=b.n))
        b.noise = loss - b.mean
        columns = _columns(b, loss)
        return Run("healthy gan", "healthy", None, columns, b.unit)
    elif family == "returns":
        loss = b.mean + rng.normal(size=b.n) * 0.5 * b.drop
    elif family == "restarts":
        period = rng.uniform(0.2, 0.4)
        loss = loss + 0.12 * b.drop * np.exp(-(t % period) / 0.03) * (t > period)
    elif family == "bump":
        at = rng.uniform(0.3, 0.8)
        loss = loss + 0.08 * b.drop * np.exp(-(((t - at) / 0.03) ** 2))
    elif family == "plateau":
        where = rng.uniform(0.1, 0.25)
        b.mean = b.floor + b.drop * (0.3 / (1 + np.exp((t - where) * 60 / 1.0)) + 0.7 * (0.9 ** (t * 20)))
        loss = b.loss()
    return Run(f"healthy {family}", "healthy", None, _usual(b, loss), b.unit)


def _onset(b: Base, low: float = 0.25, high: float = 0.7) -> int:
    return max(int(b.n * b.rng.uniform(low, high)), 8)


def non_finite(rng: np.random.Generator) -> Run:
    b = base(rng)
    at = _onset(b)
    loss = b.loss()
    family = str(rng.choice(["nan for good", "inf", "one nan", "inf then nan", "gradient only"]))
    columns = _usual(b, loss)
    if family == "gradient only":
        columns["grad_norm"] = gradient(b)
        columns["grad_norm"][at] = rng.choice([np.nan, np.inf])
        loss[at + 1 :] = np.nan
        columns["grad_norm"][at + 1 :] = np.nan
    elif family == "one nan":
        loss[at] = np.nan
    else:
        loss[at:] = np.nan if family == "nan for good" else np.inf
        if family == "inf then nan":
            loss[at + 1 :] = np.nan
        if "grad_norm" in columns:
            columns["grad_norm"][at:] = np.nan
    return Run(f"non-finite {family}", "non-finite", at, columns, b.unit)


def divergence(rng: np.random.Generator) -> Run:
    b = base(rng)
    family = str(rng.choice(["exponential", "linear", "slow", "jump", "from start", "to nan", "quadratic"]))
    at = 0 if family == "from start" else _onset(b)
    u = np.clip(np.arange(b.n) - at, 0, None).astype(float)
    rows = b.n - at
    level = abs(b.mean[at] - b.floor) + 0.3 * abs(b.drop)
    if family == "from start":
        mean = b.start * np.ones(b.n) if b.start else b.mean
        with np.errstate(over="ignore"):
            mean = b.start * (1 + np.expm1(np.minimum(u * rng.uniform(4, 15) / rows, 80)))
    elif family in ("exponential", "to nan"):
        mean = np.where(u > 0, b.mean[at], b.mean) + level * np.expm1(
            np.minimum(u / max(rows * rng.uniform(0.03, 0.2), 2), 80)
        )
    elif family == "linear":
        mean = np.where(u > 0, b.mean[at], b.mean) + level * u / rows * rng.uniform(2, 10)
    elif family == "quadratic":
        mean = np.where(u > 0, b.mean[at], b.mean) + level * (u / rows) ** 2 * rng.uniform(5, 30)
    elif family == "slow":
        mean = np.where(u > 0, b.mean[at], b.mean) + level * u / rows * rng.uniform(1.0, 2.5)
    else:
        mean = np.where(u > 0, b.mean[at] + 3 * abs(b.start) * (1 + u / rows * 2), b.mean)
    loss = mean + b.noise * np.clip(np.abs(mean) / (abs(b.start) + 1e-30), 1, 1e6)
    if family == "to nan":
        loss[at + int(0.8 * rows) :] = np.nan
    columns = _columns(b, loss)
    if rng.random() < 0.5:
        growth = np.clip(np.abs(mean) / np.maximum(np.abs(b.mean), 1e-3 * abs(b.start)), 1, 1e12)
        columns["grad_norm"] = gradient(b) * np.sqrt(growth)
    if rng.random() < 0.3:
        columns["learning_rate"] = np.full(b.n, 0.1)
    return Run(f"divergence {family}", "divergence", at, columns, b.unit)


def unbounded(rng: np.random.Generator) -> Run:
    b = base(rng)
    family = str(rng.choice(["linear", "quadratic", "exponential", "from onset"]))
    at = 0
    t = np.arange(b.n) / b.n
    k = rng.uniform(5, 100)
    if family == "linear":
        mean = b.start * (1 - k * t)
    elif family == "quadratic":
        mean = b.start * (1 - k * t**2)
    elif family == "exponential":
        mean = b.start * (1 - np.expm1(np.minimum(t * rng.uniform(4, 20), 80)) * 0.5)
    else:
        at = _onset(b)
        u = np.clip(t - at / b.n, 0, None)
        mean = np.where(u > 0, b.mean[at], b.mean) - b.drop * k * u - b.drop * k * 3 * u**2
    loss = mean + b.noise * np.clip(np.abs(mean) / abs(b.start), 1, 1e9) * 0.3
    columns = _columns(b, loss)
    if rng.random() < 0.4:
        columns["grad_norm"] = gradient(b) * np.sqrt(1 + np.abs(mean / b.start))
    return Run(f"unbounded {family}", "unbounded", at, columns, b.unit)


def spike(rng: np.random.Generator) -> Run:
    b = base(rng)
    at = _onset(b)
    family = str(rng.choice(["one row", "recovering"]))
    size = 10 ** rng.uniform(0.5, 2) * max(abs(b.mean[at] - b.floor), 6 * float(np.std(b.noise)), 0.1 * b.drop)
    loss = b.loss()
    if family == "one row":
        loss[at] += size
    else:
        tail = rng.uniform(1.5, min(12, b.n / 8))
        u = np.arange(b.n) - at
        loss = loss + np.where(u >= 0, size * np.exp(-np.clip(u, 0, 1e3) / tail), 0)
    columns = _usual(b, loss)
    if "grad_norm" in columns and rng.random() < 0.6:
        columns["grad_norm"][at] *= rng.uniform(3, 50)
    return Run(f"spike {family}", "spike", at, columns, b.unit)


def no_learning(rng: np.random.Generator) -> Run:
    b = base(rng)
    family = str(rng.choice(["noise", "exact", "guessing", "zero gradient", "tiny drop"]))
    level = math.log(int(rng.choice([2, 3, 10, 100, 1000]))) if family == "guessing" else b.start
    size = 10 ** rng.uniform(-3.5, -1.2)
    loss = np.full(b.n, level) + (0 if family == "exact" else 1) * level * size * rng.normal(size=b.n)
    if family == "tiny drop":
        loss += 0.05 * level * np.exp(-np.arange(b.n) / 5)
    more: Columns = {}
    if family == "zero gradient":
        more["grad_norm"] = np.zeros(b.n)
    elif rng.random() < 0.5:
        more["grad_norm"] = 0.1 * level * np.exp(0.3 * rng.normal(size=b.n))
    if rng.random() < 0.4:
        more["learning_rate"] = np.full(b.n, 1e-3)
    if rng.random() < 0.4:
        more["val_loss"] = level * (1 + 0.3 * size * rng.normal(size=b.n))
    return Run(f"no-learning {family}", "no-learning", 0, _columns(b, loss, **more), b.unit)


def _falling(rng: np.random.Generator) -> Base:
    """A base that still falls at 0.3 to 0.6 of its length."""
    b = base(rng)
    t = np.arange(b.n) / b.n
    if b.floor == 0.0:
        b.floor = 0.1 * b.start
    b.mean = b.floor + b.drop * np.exp(-t / rng.uniform(0.3, 0.8))
    b.noise = scatter(rng, b.n, 10 ** rng.uniform(-3, -1.5), b.mean, b.unit)
    return b


def stall(rng: np.random.Generator) -> Run:
    b = _falling(rng)
    at = _onset(b, 0.25, 0.5)
    family = str(rng.choice(["frozen", "flat", "rate collapse"]))
    u = np.arange(b.n)
    mean = np.where(u >= at, b.mean[at], b.mean)
    loss = mean + b.noise
    columns = _columns(b, loss)
    if family == "frozen":
        loss[at:] = loss[at]
    if family == "rate collapse":
        columns["learning_rate"] = np.where(u >= at, rng.choice([0.0, 1e-10, 1e-8]), 1e-2)
    if rng.random() < 0.5:
        g = gradient(b)
        g[at:] = np.median(g[max(at - 8, 0) : at]) * np.exp(0.2 * rng.normal(size=b.n - at))
        columns["grad_norm"] = g
    return Run(f"stall {family}", "stall", at, columns, b.unit)


def vanishing(rng: np.random.Generator) -> Run:
    b = _falling(rng)
    family = str(rng.choice(["decays", "drops", "from start"]))
    at = 0 if family == "from start" else _onset(b, 0.2, 0.5)
    u = np.arange(b.n)
    loss = np.where(u >= at, b.mean[at], b.mean) + b.noise
    g = gradient(b)
    lowest = 10 ** rng.uniform(-10, -5)
    if family == "decays":
        g = np.where(
            u >= at, g[at] * np.maximum(np.exp(-(u - at) / max((b.n - at) * rng.uniform(0.02, 0.1), 1.5)), lowest), g
        )
        g = g * np.exp(0.2 * rng.normal(size=b.n))
    else:
        g = np.where(u >= at, g * lowest, g)
    return Run(f"vanishing {family}", "vanishing", at, _columns(b, loss, grad_norm=g), b.unit)


def exploding(rng: np.random.Generator) -> Run:
    b = base(rng)
    at = _onset(b)
    family = str(rng.choice(["grows", "jumps", "to nan", "bursts"]))
    u = np.clip(np.arange(b.n) - at, 0, None).astype(float)
    g, loss = gradient(b), b.loss()
    rows = b.n - at
    if family == "jumps":
        g[at:] *= 10 ** rng.uniform(2, 6)
    elif family == "bursts":
        where = np.arange(at, b.n, max(rows // 12, 2))
        g[where] *= 10 ** rng.uniform(2.5, 5, size=len(where))
    else:
        g = g * np.exp(np.minimum(u / max(rows * rng.uniform(0.02, 0.08), 1.5), 60))
    if rng.random() < 0.5:
        loss = loss + b.drop * np.clip(u / rows, 0, 1) * rng.uniform(0.1, 1.0)
    if family == "to nan":
        stop = at + max(int(rows * 0.6), 12)
        loss[stop:] = np.nan
        g[stop:] = np.nan
    return Run(f"exploding {family}", "exploding", at, _columns(b, loss, grad_norm=g), b.unit)


def oscillation(rng: np.random.Generator) -> Run:
    b = base(rng)
    at = int(rng.choice([0, _onset(b, 0.15, 0.4)]))
    family = str(rng.choice(["alternating", "sine", "growing"]))
    u = np.clip(np.arange(b.n) - at, 0, None).astype(float)
    period = 2.0 if family == "alternating" else rng.uniform(3, max(min(30.0, (b.n - at) / 5), 3.5))
    size = rng.uniform(0.15, 0.6) * max(b.drop, 0.5 * abs(b.start))
    if family == "growing":
        size = size * np.minimum(u / (4 * period), 1.5)
    mean = np.where(u > 0, b.mean[at], b.mean) if at else b.floor + 0.5 * b.drop
    wave = np.cos(np.pi * u) if family == "alternating" else np.sin(2 * np.pi * u / period)
    loss = mean + np.where(np.arange(b.n) >= at, size * wave, 0) + b.noise * 0.5
    columns = _columns(b, loss)
    if rng.random() < 0.4:
        columns["grad_norm"] = gradient(b) * (1 + 0.5 * np.abs(wave))
    return Run(f"oscillation {family}", "oscillation", at, columns, b.unit)


def overfitting(rng: np.random.Generator) -> Run:
    b = _falling(rng)
    at = _onset(b, 0.2, 0.5)
    u = np.clip(np.arange(b.n) - at, 0, None).astype(float)
    family = str(rng.choice(["linear", "curved"]))
    mean = np.where(u > 0, b.mean[at], b.mean)
    rise = u / (b.n - at)
    mean = mean + b.drop * rng.uniform(0.25, 1.5) * (rise if family == "linear" else rise**1.5)
    return Run(f"overfitting {family}", "overfitting", at, _columns(b, b.loss(), val_loss=_validation(b, mean)), b.unit)


def term_imbalance(rng: np.random.Generator) -> Run:
    b = base(rng)
    family = str(rng.choice(["takeover", "takeover", "dominates"]))
    t = np.arange(b.n) / b.n
    small = abs(b.drop) * rng.uniform(0.05, 0.3)
    data = np.abs(b.mean - b.floor) + 0.1 * b.drop
    at = 0
    if family == "takeover":
        at = _onset(b, 0.2, 0.5)
        u = np.clip(t - at / b.n, 0, None) / (1 - at / b.n)
        other = small * (1 + rng.uniform(30, 300) * u ** rng.uniform(1, 2))
    else:
        other = abs(b.drop) * rng.uniform(100, 1000) * np.ones(b.n)
        data = np.full(b.n, data[0])
    data = data * (1 + 0.03 * rng.normal(size=b.n))
    other = other * (1 + 0.03 * rng.normal(size=b.n))
    names = [("term/data", "term/penalty"), ("data_loss", "reg_loss"), ("loss_a", "loss_b"), ("mse", "kl")]
    first, second = names[int(rng.integers(len(names)))]
    columns = _columns(b, data + other, **{first: data, second: other})
    return Run(f"term-imbalance {family}", "term-imbalance", at, columns, b.unit)


def healthy_terms(rng: np.random.Generator) -> Run:
    b = base(rng)
    data = np.abs(b.mean - b.floor) * (1 + 0.05 * rng.normal(size=b.n)) + 1e-3 * b.drop
    penalty = (
        abs(b.drop)
        * 10 ** rng.uniform(-4, -0.7)
        * (1 + 0.01 * rng.normal(size=b.n))
        * np.linspace(1, rng.uniform(0.7, 2.5), b.n)
    )
    return Run("healthy terms", "healthy", None, _columns(b, data + penalty, data=data, penalty=penalty), b.unit)


FAULTS = (
    non_finite,
    divergence,
    unbounded,
    spike,
    no_learning,
    stall,
    vanishing,
    exploding,
    oscillation,
    overfitting,
    term_imbalance,
)


def draw(count: int, seed: int) -> list[Run]:
    """`count` runs, about half of them healthy."""
    rng = np.random.default_rng(seed)
    runs: list[Run] = []
    for number in range(count):
        draw_one = FAULTS[number // 2 % len(FAULTS)]
        if number % 2:
            draw_one = healthy_terms if rng.random() < 0.1 else healthy
        runs.append(draw_one(rng))
    return runs
