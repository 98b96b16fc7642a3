"""Healthy courses of a loss, of its gradient and of a learning rate, drawn from formulas."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from benchmarks.run import Array


@dataclass
class Base:
    """A healthy run without noise: what the loss falls to, how it falls, and its noise."""

    rng: np.random.Generator
    n: int
    unit: str
    start: float
    floor: float
    mean: Array
    noise: Array

    @property
    def drop(self) -> float:
        return self.start - self.floor

    def loss(self, mean: Array | None = None) -> Array:
        return (self.mean if mean is None else mean) + self.noise


def _lengths(rng: np.random.Generator) -> tuple[int, str]:
    if rng.random() < 0.35:
        return int(rng.choice([20, 30, 40, 60, 100, 200])), "epoch"
    return int(rng.choice([100, 200, 300, 500, 1000, 2000, 5000], p=[0.1, 0.15, 0.2, 0.2, 0.2, 0.1, 0.05])), "step"


def scatter(rng: np.random.Generator, n: int, size: float, level: Array, unit: str) -> Array:
    kind = rng.choice(["plain", "multiplied", "correlated", "heavy", "student"], p=[0.35, 0.3, 0.12, 0.13, 0.1])
    z = rng.normal(size=n)
    if unit == "epoch":
        size *= 0.3
    if kind == "correlated":
        rho = rng.uniform(0.3, 0.9)
        out = np.empty(n)
        last = 0.0
        for i in range(n):
            last = rho * last + math.sqrt(1 - rho * rho) * z[i]
            out[i] = last
        z = out
    elif kind == "heavy":
        sigma = rng.uniform(0.5, 1.0)
        z = (np.exp(sigma * z) - math.exp(sigma**2 / 2)) / sigma
    elif kind == "student":
        z = np.clip(rng.standard_t(3, size=n), -8, 12)
    if kind == "multiplied":
        return z * size * (np.abs(level) + 0.02 * np.abs(level[0]))
    return z * size * np.abs(level[0])


def _shape(rng: np.random.Generator, n: int) -> Array:
    """A curve from about 1 to about 0."""
    t = np.arange(n) / n
    kind = rng.choice(["exponential", "power", "two", "late", "steps", "cosine", "linear", "fast"])
    if kind == "exponential":
        return np.exp(-t / rng.uniform(0.05, 0.5))
    if kind == "power":
        return (1 + t * rng.uniform(5, 200)) ** -rng.uniform(0.3, 1.0)
    if kind == "two":
        return 0.6 * np.exp(-t / 0.03) + 0.4 * np.exp(-t / rng.uniform(0.3, 1.0))
    if kind == "late":
        where = rng.uniform(0.03, 0.15)
        return 1 / (1 + np.exp((t - where) / (where / rng.uniform(2, 5))))
    if kind == "steps":
        out, level = np.empty(n), 1.0
        edges = [0, *sorted(rng.uniform(0.2, 0.9, size=rng.integers(1, 4))), 1.0]
        for a, b in itertools.pairwise(edges):
            inside = (t >= a) & (t < b)
            floor = level * rng.uniform(0.2, 0.6)
            out[inside] = floor + (level - floor) * np.exp(-(t[inside] - a) / rng.uniform(0.02, 0.1))
            level = floor
        return out
    if kind == "cosine":
        return np.exp(-t / 0.1) * 0.6 + 0.4 * (1 + np.cos(np.pi * t)) / 2
    if kind == "linear":
        return 1 - t * rng.uniform(0.5, 0.95)
    return np.exp(-t / rng.uniform(0.005, 0.03))


def base(rng: np.random.Generator, unit: str | None = None) -> Base:
    n, own = _lengths(rng)
    while unit is not None and own != unit:
        n, own = _lengths(rng)
    start = float(rng.choice([1.0, 2.3, 0.7, 5.0, 10 ** rng.uniform(-6, 6)], p=[0.25, 0.25, 0.15, 0.1, 0.25]))
    floor = start * float(rng.choice([0.0, rng.uniform(0.02, 0.7), -rng.uniform(0.3, 3.0)], p=[0.2, 0.65, 0.15]))
    mean = floor + (start - floor) * _shape(rng, n)
    size = 10 ** rng.uniform(-3, -0.7)
    noise = scatter(rng, n, size, mean, own)
    if floor == 0.0:
        noise = noise * np.clip(np.abs(mean) / start, 1e-3, 1)
    return Base(rng, n, own, start, floor, mean, noise)


def gradient(b: Base, size: float = 1.0) -> Array:
    rng = b.rng
    share = np.sqrt(np.clip((b.mean - b.floor) / b.drop, 0, None))
    own = size * abs(b.drop) * 10 ** rng.uniform(-1, 1)
    return own * (share + rng.choice([0.02, 0.1, 0.5])) * np.exp(rng.uniform(0.05, 0.4) * rng.normal(size=b.n))


def rate(b: Base) -> Array:
    rng, t = b.rng, np.arange(b.n) / b.n
    top = 10 ** rng.uniform(-4, -1)
    kind = rng.choice(["constant", "cosine", "steps", "exponential", "linear"])
    if kind == "constant":
        return np.full(b.n, top)
    if kind == "cosine":
        return top * np.minimum(1, (t + 1e-3) / 0.05) * (1 + np.cos(np.pi * t)) / 2
    if kind == "steps":
        return top * 0.1 ** np.floor(t * rng.integers(2, 5))
    if kind == "exponential":
        return top * np.exp(-3 * t)
    return top * (1 - t) + 1e-9
