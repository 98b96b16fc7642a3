"""Value, gradient and conflict of the terms, at drawn inputs and at data: one run of one graph for each input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossdoctor.domains.dependence import dependence
from lossdoctor.experiments.additive import Additive
from lossdoctor.experiments.reading import Gradient, Measures, Route, TermMeasure
from lossdoctor.experiments.routes import finder, follow
from lossdoctor.findings import UsageError
from lossdoctor.graph.frontend_tf import Live
from lossdoctor.graph.run_tf import Executable
from lossdoctor.graph.untyped_tf import tf
from lossdoctor.probes.calls import TRIED
from lossdoctor.probes.draws import Sizes, sizes
from lossdoctor.search.leaves import make_pair, pair_arrays, pair_specs
from lossdoctor.session import Array, Pair
from lossdoctor.spec import BATCH, Contract, leaves, sample

REALISTIC = 200  # draws that shares and gradients are measured on
_LARGE = 1e4  # of "large", as `check` examines
_MODERATE = 10.0  # magnitude of the draws that look for regions without gradient or value


@dataclass(frozen=True)
class _Run:
    """One input: sums of value and terms, the largest difference, products of gradients, flags."""

    total: float
    sums: Array  # (T,)
    residual: float
    products: Array  # (T, T)
    finite_value: Array  # (T,) bool
    finite_gradient: Array


class Meter:
    """Runs the terms of a traced loss."""

    def __init__(self, live: Live, found: Additive, route: Route) -> None:
        self.live = live
        self.count = len(found.parts)
        graph = live.program.graph
        names = {tensor.op.name for tensor in live.program.inputs}
        records = live.program.records
        made = [op for op in graph.get_operations() if not records.is_gradient(op) and op.name not in names]
        find = finder(made, live.program.inputs)
        with graph.as_default():
            self.contributions = [follow(route, find, {number}) for number in range(self.count)]
            self.fetches = self._fetches(self.contributions)
            weights = [
                tf.reduce_mean(_wide(follow(route, find, {number}, ones=True, plain=plain)))
                for plain in (False, True)
                for number in range(self.count)
            ]
        self.weigh = Executable(graph, weights, effects=False)
        self.executable = Executable(graph, self.fetches, effects=False)
        self.slopes = Executable(graph, [self.stacked], effects=False)
        self.added = Executable(graph, self.contributions, effects=False)

    def _fetches(self, contributions: list[Any]) -> list[Any]:
        predictions = [x for x, leaf in self._predictions() if x.dtype.is_floating]
        value = _wide(self.live.staged.value)
        wide = [_wide(one) for one in contributions]
        gap = tf.abs(value - tf.add_n(wide))
        size = tf.add_n([tf.abs(one) for one in wide])
        residual = tf.reduce_max(tf.where(tf.math.is_finite(gap), gap / tf.maximum(size, 1e-30), tf.zeros_like(gap)))
        flat: list[Any] = []
        self.reached: list[tuple[bool, ...]] = []
        for one in contributions:
            slopes = tf.gradients(one, predictions) if predictions and one.dtype.is_floating else []
            self.reached.append(tuple(slope is not None for slope in slopes))
            parts = [
                tf.zeros_like(x) if slope is None else tf.convert_to_tensor(slope)
                for slope, x in zip(slopes, predictions, strict=True)
            ]
            joined = [tf.reshape(_wide(part), [-1]) for part in parts]
            flat.append(tf.concat(joined, 0) if joined else tf.zeros([1], tf.float64))
        self.stacked = stacked = tf.stack(flat)
        finite = tf.reduce_all(tf.math.is_finite(stacked), axis=1)
        sound = tf.where(tf.math.is_finite(stacked), stacked, tf.zeros_like(stacked))
        return [
            tf.reduce_sum(value),
            tf.stack([tf.reduce_sum(one) for one in wide]),
            residual,
            tf.matmul(sound, sound, transpose_b=True),
            tf.stack([tf.reduce_all(tf.math.is_finite(one)) for one in wide]),
            finite,
        ]

    def _predictions(self) -> Iterator[tuple[Any, Any]]:
        for tensor, leaf in zip(self.live.program.inputs, self.live.program.leaves, strict=True):
            if leaf.role == "y_pred":
                yield tensor, leaf

    def reaches(self, number: int) -> tuple[str, ...]:
        """The keys of the parts of y_pred that the gradient of a term reaches."""
        keys = [leaf.key for x, leaf in self._predictions() if x.dtype.is_floating]
        return tuple(key for key, reached in zip(keys, self.reached[number], strict=False) if reached)

    def connected(self, number: int) -> bool:
        return any(self.reached[number])

    def run(self, pair: Pair) -> _Run:
        """Raises what TensorFlow raises."""
        total, sums, residual, products, value, gradient = (
            x.numpy() for x in self.executable(self.live.feeds(pair), optimised=True)
        )
        return _Run(float(total), sums, float(residual), products, value, gradient)

    def gradients(self, pair: Pair) -> Array:
        """The gradient of each term, (T, entries of y_pred)."""
        return self.slopes(self.live.feeds(pair), optimised=True)[0].numpy()

    def contributed(self, pair: Pair) -> list[Array]:
        """What each term contributes to the value, of its shape."""
        return [x.numpy() for x in self.added(self.live.feeds(pair), optimised=True)]

    def weights(self, pair: Pair) -> Array:
        """The factor of each term at an input, with the sign."""
        found = np.array([float(x.numpy()) for x in self.weigh(self.live.feeds(pair), optimised=True)])
        scaled, plain = found[: self.count], found[self.count :]
        return np.divide(scaled, plain, out=np.full(self.count, np.nan), where=plain != 0)


def _wide(tensor: Any) -> Any:
    return tf.cast(tensor, tf.float64)


def drawn(contract: Contract, rng: np.random.Generator, known: Sizes, style: str, count: int = 1) -> Iterator[Pair]:
    """Inputs: realistic, with boundary values, or with y_pred equal to y_true where the specs allow it.

    Drawn as one large batch, which is many times faster.
    """
    many = {**known, BATCH: known.get(BATCH, 1) * count}
    wanted = "mixed" if style in ("mixed", "large") else "realistic"
    magnitude = _LARGE if style == "large" else _MODERATE
    y_true = sample(contract.y_true, rng, many, magnitude, style=wanted)
    whole = Pair(y_true, sample(contract.y_pred, rng, many, magnitude, style=wanted))
    if style == "target":
        whole = _at_target(contract, whole)
    specs, arrays = pair_specs(contract), pair_arrays(contract, whole)
    for number in range(count):
        parts: list[Array] = []
        for spec, array in zip(specs, arrays, strict=True):
            for axis, dim in enumerate(spec.dims):
                if dim == BATCH:
                    size = known[BATCH]
                    array = np.take(array, np.arange(number * size, (number + 1) * size), axis=axis)
            parts.append(array)
        yield make_pair(contract, parts)


def accepted_sizes(meter: Meter, contract: Contract) -> Sizes:
    """Sizes of the named dimensions that the loss runs with.

    Raises:
        UsageError: there are none.
    """
    problem: Exception | None = None
    for batch, other in TRIED:
        known = sizes(contract, batch, other)
        try:
            meter.run(next(drawn(contract, np.random.default_rng(0), known, "realistic")))
        except Exception as error:  # the loss is the user's
            problem = error
            continue
        return known
    raise UsageError(f"the loss runs for no ordinary input: {problem}")


def measure(
    live: Live, found: Additive, route: Route, contract: Contract, given: Pair | None, seed: int, draws: int
) -> Measures:
    """Measure all terms.

    Args:
        given: real data, on which shares and gradients are measured instead of draws.
        draws: inputs at which the sum of the terms is compared with the loss.
    """
    meter = Meter(live, found, route)
    rng = np.random.default_rng(seed)
    known = accepted_sizes(meter, contract)
    usual = [(pair, meter.run(pair)) for pair in drawn(contract, rng, known, "realistic", min(REALISTIC, draws))]
    others = max(draws - len(usual), 0)
    equal = others // 8 if _alike(contract) else 0
    edges = list(usual)
    at_target: list[tuple[Pair, _Run]] = []
    for style, count in (("target", equal), ("mixed", others - equal)):
        if not count:
            continue
        made = [(pair, meter.run(pair)) for pair in drawn(contract, rng, known, style, count)]
        (at_target if style == "target" else edges).extend(made)
    realistic = [run for _, run in usual]
    runs = [meter.run(given)] if given is not None else realistic
    weighed = meter.weights(given if given is not None else usual[0][0])
    constant, trained = _origins(live, found)
    terms = tuple(
        _term(
            meter,
            number,
            runs,
            edges,
            at_target,
            None if not constant[number] else float(weighed[number]),
            trained[number],
        )
        for number in range(meter.count)
    )
    terms = _shared(terms, runs)
    residual = max(run.residual for run in [*(run for _, run in [*edges, *at_target]), *runs])
    return Measures(terms, _conflict(meter, runs), residual, draws, "data" if given is not None else "draws")


def _alike(contract: Contract) -> bool:
    """Whether a part of y_pred has the shape of a part of y_true."""
    trues = [spec.dims for _, spec in leaves(contract.y_true)]
    return any(spec.dims in trues for _, spec in leaves(contract.y_pred))


def _at_target(contract: Contract, pair: Pair) -> Pair:
    """The pair with each part of y_pred equal to the part of y_true of its shape, if there is one."""
    specs, arrays = pair_specs(contract), pair_arrays(contract, pair)
    count = len(leaves(contract.y_true))
    for place in range(count, len(specs)):
        same = [k for k in range(count) if specs[k].dims == specs[place].dims]
        if same:
            arrays[place] = arrays[same[0]].astype(arrays[place].dtype)
    return make_pair(contract, arrays)


def _origins(live: Live, found: Additive) -> tuple[list[bool], list[bool]]:
    """For each term whether its factor is the same for every input, and whether variables are part of it."""
    values = dependence(live.traced)
    constant = {part.node: True for part in found.parts}
    trained = {part.node: False for part in found.parts}
    parts = set(constant)

    def walk(place: int, fixed: bool, moving: bool) -> None:
        if place in parts:
            constant[place] &= fixed
            trained[place] |= moving
            return
        on_way = found.expanded.get(place, ())
        node = live.traced[place]
        if node.op in ("multiply", "divide", "divide_no_nan", "matmul"):
            others = [values[arg] for arg in node.args if arg not in on_way]
            fixed = fixed and not any(other.on_data or other.random for other in others)
            moving = moving or any(other.variables for other in others)
        for arg in on_way:
            walk(arg, fixed, moving)

    walk(live.traced.value, True, False)
    return [constant[part.node] for part in found.parts], [trained[part.node] for part in found.parts]


def _term(
    meter: Meter,
    number: int,
    runs: list[_Run],
    edges: list[tuple[Pair, _Run]],
    at_target: list[tuple[Pair, _Run]],
    weight: float | None,
    trained: bool,
) -> TermMeasure:
    norms = np.array([run.products[number, number] for run in runs])
    finite = all(run.finite_gradient[number] and run.finite_value[number] for run in runs)
    tried = [*edges, *at_target]
    broken = [pair for pair, run in tried if not (run.finite_value[number] and run.finite_gradient[number])]
    live = [run for _, run in edges if run.finite_value[number]]
    dead = float(np.mean([run.products[number, number] == 0 for run in live])) if live else 0.0
    gradient: Gradient = "finite"
    if not meter.connected(number):
        gradient = "none"
    elif not finite:
        gradient = "non-finite"
    elif not np.any(norms):
        gradient = "zero"
    return TermMeasure(
        None if weight is None or not np.isfinite(weight) else float(f"{weight:.7g}"),
        trained,
        float(np.mean([run.sums[number] for run in runs])),
        0.0,
        0.0,
        gradient,
        meter.reaches(number),
        dead,
        len(broken) / max(len(tried), 1),
        broken[0] if broken else None,
    )


def _shared(terms: tuple[TermMeasure, ...], runs: list[_Run]) -> tuple[TermMeasure, ...]:
    from dataclasses import replace

    values = np.nan_to_num(np.abs([term.value for term in terms]), nan=0.0, posinf=0.0)
    norms = np.mean([np.sqrt(np.clip(np.diagonal(run.products), 0, None)) for run in runs], axis=0)
    total, slope = float(np.sum(values)), float(np.sum(norms))
    return tuple(
        replace(
            term,
            value_share=float(values[k] / total) if total else 0.0,
            gradient_share=float(norms[k] / slope) if slope else 0.0,
        )
        for k, term in enumerate(terms)
    )


def _conflict(meter: Meter, runs: list[_Run]) -> tuple[tuple[float | None, ...], ...]:
    """Mean cosine of the gradients, over the inputs where both are not zero."""
    rows: list[tuple[float | None, ...]] = []
    for i in range(meter.count):
        row: list[float | None] = []
        for j in range(meter.count):
            found: list[float] = []
            for run in runs:
                size = np.sqrt(run.products[i, i] * run.products[j, j])
                if size > 0:
                    found.append(float(np.clip(run.products[i, j] / size, -1, 1)))
            row.append(float(np.mean(found)) if found else None)
        rows.append(tuple(row))
    return tuple(rows)
