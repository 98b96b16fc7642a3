"""Small inputs at which a loss is likely to show what is wrong with it, plain ones first.

Random draws miss what matters: the ends of a range, ties, empty masks, saturation. So every edge value of y_true
meets every edge value of y_pred, one element at an edge stands among ordinary ones, inputs meet each branch of
the loss from both sides, and boxes that the intervals could not clear are tried at their corners. Ordinary draws
fill the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossdoctor.domains.intervals import Ranges
from lossdoctor.graph.ir import LossGraph
from lossdoctor.ops import TABLE
from lossdoctor.search.boxes import box_points
from lossdoctor.search.leaves import examined, make_pair, pair_arrays, pair_specs, specs
from lossdoctor.search.rounding import rounded_rows
from lossdoctor.search.thresholds import crossings
from lossdoctor.session import Pair, Settings
from lossdoctor.spec import Contract, Spec, boundary_values, dim_names, hard_values, numpy_dtype, sample, shape_of

Array = NDArray[Any]
Parts = tuple[Array, ...]

_CROSSED = 160  # pairs of edge values
_DOUBTFUL = 24  # inputs for a doubt
_TABLE, _VECTORS = 65_536, 4  # elements of a constant that is looked at, and how many of its vectors
_TARGETS = 6  # edge values of y_true that meet all those of y_pred
_ROWS = frozenset({"onehot", "probability"})
# Windows of convolutions and pooling need more than a few pixels.
_NAMED, _NAMED_WINDOW = 3, 16
# Kernels compute whole packets of 8 or 16 numbers by other code than the rest of an array, and round otherwise: what is
# exactly 0 in one element may be 1e-8 in a batch, and 0 times inf becomes inf.
_PACKET = 16


def candidates(
    contract: Contract, graph: LossGraph | None, ranges: Ranges | None, settings: Settings, rng: np.random.Generator
) -> list[Pair]:
    """A few hundred valid pairs, most of batch size 1, the plainest first; the same for the same seed.

    Args:
        contract: what the pairs are valid for; names of dimensions other than B get small sizes.
        graph: the traced loss, for its branch points; None leaves these out.
        ranges: its intervals, for boxes in which a node may go wrong; None leaves these out.
        settings: `draws` bounds the number of random pairs, `magnitude` the values.
        rng: the source of all randomness.
    """
    of = pair_specs(contract)
    named = _NAMED_WINDOW if graph is not None and _has_windows(graph) else _NAMED
    names = dim_names(contract.y_true, contract.y_pred)
    sizes = {name: 1 if name == "B" else named for name in names}
    magnitude = min(settings.magnitude, contract.magnitude)
    found: dict[bytes, Pair] = {}

    def keep(proposals: Iterator[Parts], limit: int) -> None:
        count = 0
        for parts in proposals:
            key = b"|".join(repr(array.shape).encode() + array.tobytes() for array in parts)
            if key in found or not examined(parts, of, magnitude):
                continue
            found[key] = make_pair(contract, parts)
            count += 1
            if count >= limit:
                return

    shapes = [shape_of(spec, sizes) for spec in of]
    true = len(specs(contract.y_true))
    ordinary = pair_arrays(contract, _drawn(contract, rng, sizes, magnitude))
    keep(_crossed(of, shapes, true, magnitude), _CROSSED)
    keep(_equal(of, shapes, true, magnitude, ordinary), 48)
    keep(_missing(of, ordinary), 12)
    if graph is not None:
        keep(_along_constants(graph, of, shapes, ordinary), 16)
        keep(_thresholds(graph, of, shapes, magnitude), 96)
    if ranges is not None:
        keep(box_points(contract, ranges, ordinary, magnitude), 64)
    keep(_one_at_an_edge(of, shapes, magnitude, ordinary), 80)
    keep(_spreads(of, shapes, magnitude, ordinary), 40)
    keep(_batches(contract, of, sizes, rng, magnitude), 16)
    if graph is not None and "B" in sizes and _compares_samples(graph):
        couple = [shape_of(spec, {**sizes, "B": 2}) for spec in of]
        keep(_spreads(of, couple, magnitude, [_alternating(*each) for each in zip(of, couple, strict=True)]), 24)
    packets, rounded = rng.spawn(1)[0], rng.spawn(1)[0]
    keep(_packets(contract, of, true, sizes, packets, magnitude), 40)
    keep(rounded_rows(contract, _drawn(contract, rounded, {**sizes, "B": _PACKET}, magnitude), rounded), 24)
    keep(_random(contract, rng, sizes, magnitude, named), max(16, settings.draws // 4))
    return list(found.values())


def doubtful(contract: Contract, ranges: Ranges, settings: Settings, rng: np.random.Generator) -> list[Pair]:
    """Single samples in the regions in which, by `ranges`, a node may go wrong, the plainest first."""
    of, magnitude = pair_specs(contract), min(settings.magnitude, contract.magnitude)
    sizes = {name: 1 if name == "B" else _NAMED for name in dim_names(contract.y_true, contract.y_pred)}
    ordinary = pair_arrays(contract, _drawn(contract, rng, sizes, magnitude))
    found = islice(box_points(contract, ranges, ordinary, magnitude), _DOUBTFUL)
    return [make_pair(contract, parts) for parts in found if examined(parts, of, magnitude)]


def _has_windows(graph: LossGraph) -> bool:
    rows = (TABLE.by_name.get(node.op) for node in graph.nodes)
    return any(row is not None and row.kind == "image" for row in rows)


def _drawn(contract: Contract, rng: np.random.Generator, sizes: dict[str, int], magnitude: float) -> Pair:
    y_true = sample(contract.y_true, rng, sizes, magnitude, style="realistic")
    return Pair(y_true, sample(contract.y_pred, rng, sizes, magnitude, style="realistic"))


def _edges(spec: Spec, magnitude: float) -> list[float]:
    """The edge values of one element, plainest first: 0, 1, -1, 0.5, then the ends, then the rest."""
    values = [float(value) for value in boundary_values(spec, magnitude)]
    finite = [value for value in values if value == value]
    plain = [value for value in (0.0, 1.0, -1.0, 0.5) if value in finite]
    ends = [max(finite), min(finite)]
    return list(dict.fromkeys([*plain, *ends, *sorted(finite, key=abs)]))


def _fills(spec: Spec, shape: tuple[int, ...], magnitude: float) -> list[Array]:
    """Arrays of one value (of one row, for kinds whose last axis is one thing), plainest first."""
    dtype = numpy_dtype(spec.dtype)
    if spec.kind not in _ROWS or not shape or not shape[-1]:
        return [np.full(shape, value).astype(dtype) for value in _edges(spec, magnitude)]
    classes = shape[-1]
    rows = [np.eye(classes)[i] for i in dict.fromkeys((0, classes - 1, 1)) if 0 <= i < classes]
    if spec.kind == "probability":
        half = np.zeros(classes)
        half[:2] = 1.0 / min(classes, 2)
        rows += [half, np.full(classes, 1.0 / classes)]
    return [np.broadcast_to(row, shape).astype(dtype) for row in rows]


def _crossed(of: Sequence[Spec], shapes: Sequence[tuple[int, ...]], true: int, magnitude: float) -> Iterator[Parts]:
    """Every edge of y_true with every edge of y_pred; the leaves of a structure move together."""
    fills = [_fills(spec, shape, magnitude) for spec, shape in zip(of, shapes, strict=True)]
    targets = max((len(options) for options in fills[:true]), default=1)
    outputs = max((len(options) for options in fills[true:]), default=1)
    pairs = product(range(min(targets, _TARGETS)), range(outputs))
    for t, p in sorted(pairs, key=lambda pair: (pair[0] + pair[1], pair)):
        yield tuple(options[min(t if i < true else p, len(options) - 1)] for i, options in enumerate(fills))


def _equal(
    of: Sequence[Spec], shapes: Sequence[tuple[int, ...]], true: int, magnitude: float, ordinary: Sequence[Array]
) -> Iterator[Parts]:
    """Predictions equal to the target (as numbers, classes or confident scores), and equal to its opposite."""
    if len(of) != 2:
        return
    (t_spec, p_spec), shape = of, shapes[1]
    starts = [*_fills(t_spec, shapes[0], magnitude), ordinary[0], *_landmarks(t_spec, shapes[0])]
    for y_true in starts:
        for numbers in _as_prediction(t_spec, y_true, p_spec, shape, magnitude):
            yield y_true, numbers.astype(numpy_dtype(p_spec.dtype))


def _landmarks(spec: Spec, shape: tuple[int, ...]) -> Iterator[Array]:
    """Arrays at which products and norms of rows are exact: the identity of square matrices, rows that are an axis,
    and rows of mean 0 and norm 2, of which a correlation is exactly 1."""
    width = shape[-1] if shape else 0
    if spec.kind != "real" or width < 2:
        return
    dtype = numpy_dtype(spec.dtype)
    if shape[-2:] == (width, width) and len(shape) > 2:
        yield np.broadcast_to(np.eye(width), shape).astype(dtype)
    axis = np.zeros(width)
    axis[0] = 1.0
    yield np.broadcast_to(axis, shape).astype(dtype)
    if width >= 4:
        row = np.zeros(width)
        row[:4] = (1.0, 1.0, -1.0, -1.0)
        yield np.broadcast_to(row, shape).astype(dtype)


def _along_constants(
    graph: LossGraph, of: Sequence[Spec], shapes: Sequence[tuple[int, ...]], ordinary: Sequence[Array]
) -> Iterator[Parts]:
    """Rows that are vectors which the loss itself holds, such as class centres: there a cosine is 1, a distance 0."""
    tables = [node.constant for node in graph.where("constant") if node.constant is not None]
    tables = [table for table in tables if table.dtype.kind == "f" and table.ndim > 1 and 1 < table.size <= _TABLE]
    for index, (spec, shape) in enumerate(zip(of, shapes, strict=True)):
        if spec.kind not in ("real", "logit") or not shape:
            continue
        for table in tables:
            for axis in (axis for axis in range(table.ndim) if table.shape[axis] == shape[-1]):
                for vector in np.moveaxis(table, axis, -1).reshape(-1, shape[-1])[:_VECTORS]:
                    yield _replaced(ordinary, index, np.broadcast_to(vector, shape))


def _as_prediction(
    t_spec: Spec, y_true: Array, p_spec: Spec, shape: tuple[int, ...], magnitude: float
) -> Iterator[Array]:
    target = y_true.astype(np.float64)
    if t_spec.kind == "label" and shape and shape[-1] == t_spec.classes:
        rows = np.eye(shape[-1])[np.nan_to_num(target).astype(int)]
        if rows.size and rows.size % int(np.prod(shape)) == 0:  # several labels a row, as of a sample with several tags
            target = rows.reshape((*shape[:-1], -1, shape[-1])).max(axis=-2)
    if target.size == int(np.prod(shape)):
        target = target.reshape(shape)
    if target.shape != shape:
        return
    if p_spec.kind in ("logit", "real") and t_spec.kind in ("binary", "onehot", "label"):
        for size in (1.0, 20.0, 100.0, magnitude):
            yield (2.0 * target - 1.0) * size
            yield (1.0 - 2.0 * target) * size
    yield target
    if p_spec.kind in ("unit", "binary"):
        yield 1.0 - target
    elif p_spec.kind in ("onehot", "probability") and shape and shape[-1]:
        yield np.roll(target, 1, axis=-1)
    elif p_spec.kind in ("real", "sign"):
        yield -target


def _replaced(parts: Sequence[Array], index: int, array: Array) -> Parts:
    return (*parts[:index], array.astype(parts[index].dtype), *parts[index + 1 :])


def _missing(of: Sequence[Spec], ordinary: Sequence[Array]) -> Iterator[Parts]:
    """Everything missing, all but one entry, one entry."""
    for index, spec in enumerate(of):
        if not spec.missing:
            continue
        known = np.nan_to_num(ordinary[index].astype(np.float64))
        yield _replaced(ordinary, index, np.full_like(known, np.nan))
        for rest in (True, False):
            mask = np.full(known.size, rest)
            mask[:1] = not rest
            yield _replaced(ordinary, index, np.where(mask.reshape(known.shape), np.nan, known))


def _one_at_an_edge(
    of: Sequence[Spec], shapes: Sequence[tuple[int, ...]], magnitude: float, ordinary: Sequence[Array]
) -> Iterator[Parts]:
    """One element (one row) at an edge or hard value, the rest ordinary; then the whole leaf."""
    for index, spec in reversed(list(enumerate(of))):
        if spec.kind in _ROWS:
            for fill in _fills(spec, shapes[index], magnitude):
                yield _replaced(ordinary, index, fill)
            continue
        hard = [float(value) for value in hard_values(spec, magnitude)]
        near_one = sorted(hard, key=lambda value: (abs(np.log10(abs(value) or 1.0)), value))
        values = dict.fromkeys([*_edges(spec, magnitude)[:8], *near_one])
        for value in values:
            array = ordinary[index].copy()
            array.reshape(-1)[:1] = value
            yield _replaced(ordinary, index, array)
            yield _replaced(ordinary, index, np.full(shapes[index], value))


def _spreads(
    of: Sequence[Spec], shapes: Sequence[tuple[int, ...]], magnitude: float, ordinary: Sequence[Array]
) -> Iterator[Parts]:
    """Large differences within a row, as saturated scores have: one high, one low, alternating."""
    for index, spec in enumerate(of):
        if spec.kind in _ROWS:
            continue
        edges = _edges(spec, magnitude)
        low, high = min(edges), max(edges)
        size = int(np.prod(shapes[index]))
        place = np.arange(size)
        for top in dict.fromkeys(value for value in (high, 100.0, 20.0) if low <= value <= high):
            bottom = max(low, -top)
            for pattern in (place == 0, place != 0, place % 2 == 0, place == size - 1):
                yield _replaced(ordinary, index, np.where(pattern, top, bottom).reshape(shapes[index]))
                yield _replaced(ordinary, index, np.where(pattern, top, 0.0).reshape(shapes[index]))


def _thresholds(
    graph: LossGraph, of: Sequence[Spec], shapes: Sequence[tuple[int, ...]], magnitude: float
) -> Iterator[Parts]:
    """Constant inputs at each branch point, next to it on both sides, and clearly on both sides."""
    places = {node: index for index, node in enumerate((*graph.y_true, *graph.y_pred))}
    if len(places) != len(of):
        return
    fills = [_fills(spec, shape, magnitude) for spec, shape in zip(of, shapes, strict=True)]
    true = len(graph.y_true)
    for turn in range(3):
        parts = [options[min(turn if i < true else 0, len(options) - 1)] for i, options in enumerate(fills)]
        # The elements of a one-hot row are 0 and 1.
        row_kind = true and of[0].kind in _ROWS
        targets = [0.0, 1.0] if row_kind else [float(parts[0].reshape(-1)[0]) if true and parts[0].size else 0.0]
        for crossing in (crossing for target in targets for crossing in crossings(graph, target)):
            index = places[crossing.place]
            if of[index].kind in _ROWS:
                continue
            dtype, at = numpy_dtype(of[index].dtype), crossing.value
            with np.errstate(over="ignore", invalid="ignore"):
                exact = np.asarray(at).astype(dtype)
                sides = [exact, *(_next(exact, dtype, way) for way in (-1, 1))]
                sides += [np.asarray(at + way * max(1e-3, 1e-2 * abs(at))).astype(dtype) for way in (-1, 1)]
            for value in sides:
                yield _replaced(parts, index, np.full(shapes[index], value))


def _next(value: Array, dtype: np.dtype[Any], way: int) -> Array:
    """The neighbour of a number in its dtype."""
    if dtype.kind in "iu":
        return np.asarray(value + np.asarray(way).astype(dtype)) if dtype.kind == "i" or value > 0 else value
    if dtype.kind == "f":
        return np.nextafter(value, np.asarray(way * np.inf).astype(dtype))
    return np.asarray(value.astype(np.float64) * (1 + way * 2.0**-7)).astype(dtype)


def _compares_samples(graph: LossGraph) -> bool:
    """Whether samples meet each other: the batch stands in a shape twice, or as a row."""
    shapes = (node.shape for node in graph.where(role="forward"))
    return any(shape is not None and "B" in shape[1:] for shape in shapes)


def _alternating(spec: Spec, shape: tuple[int, ...]) -> Array:
    """Samples that differ: the first at the low end of the plain values, the second at the high one."""
    fills = _fills(spec, shape, 1.0)
    second = np.arange(int(np.prod(shape))).reshape(shape) >= np.prod(shape[1:])
    return np.where(second, fills[min(1, len(fills) - 1)], fills[0]).astype(numpy_dtype(spec.dtype))


def _batches(
    contract: Contract, of: Sequence[Spec], sizes: dict[str, int], rng: np.random.Generator, magnitude: float
) -> Iterator[Parts]:
    """Two or three samples: equal rows, edges in one of them only, one class for all."""
    if "B" not in sizes:
        return
    for batch in (2, 3):
        wider = {**sizes, "B": batch}
        shapes = [shape_of(spec, wider) for spec in of]
        drawn = pair_arrays(contract, _drawn(contract, rng, wider, magnitude))
        fills = [_fills(spec, shape, magnitude) for spec, shape in zip(of, shapes, strict=True)]
        yield tuple(drawn)
        yield tuple(_first_repeated(spec, array) for spec, array in zip(of, drawn, strict=True))
        for index in range(len(of)):
            for fill in fills[index][:3]:
                yield _replaced(drawn, index, fill)


def _packets(
    contract: Contract, of: Sequence[Spec], true: int, sizes: dict[str, int], rng: np.random.Generator, magnitude: float
) -> Iterator[Parts]:
    """Ties and edges in a batch that fills a packet, for predictions of a few numbers a sample."""
    if "B" not in sizes or max(int(np.prod(shape_of(spec, sizes))) for spec in of[true:]) >= _PACKET:
        return
    wide = {**sizes, "B": _PACKET}
    shapes = [shape_of(spec, wide) for spec in of]
    drawn = pair_arrays(contract, _drawn(contract, rng, wide, magnitude))
    yield from islice(_equal(of, shapes, true, magnitude, drawn), 24)
    yield from islice(_crossed(of, shapes, true, magnitude), 16)


def _first_repeated(spec: Spec, array: Array) -> Array:
    """The first sample in all places of the batch."""
    if "B" not in spec.dims:
        return array
    axis = spec.dims.index("B")
    return np.repeat(np.take(array, [0], axis=axis), array.shape[axis], axis=axis)


def _random(
    contract: Contract, rng: np.random.Generator, sizes: dict[str, int], magnitude: float, named: int
) -> Iterator[Parts]:
    """Realistic draws and mixed ones, of one to three samples and named sizes around the usual one."""
    for turn in range(1000):
        drawn = {name: (1, 1, 2, 3)[turn % 4] if name == "B" else named + turn % 2 for name in sizes}
        style = "realistic" if turn % 3 == 0 else "mixed"
        y_true = sample(contract.y_true, rng, drawn, magnitude, style=style)
        y_pred = sample(contract.y_pred, rng, drawn, magnitude, style=style)
        yield tuple(pair_arrays(contract, Pair(y_true, y_pred)))
