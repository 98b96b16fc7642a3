"""A loss against its declared formula, at many inputs: value, gradient, and where they depart."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lossdoctor.domains.intervals import Ranges
from lossdoctor.findings import UsageError
from lossdoctor.formula.blame import blamed, place_of
from lossdoctor.formula.coverage import visited
from lossdoctor.formula.expression import Formula
from lossdoctor.formula.gradients import gradient_difference
from lossdoctor.formula.meaning import Declared, Meaning
from lossdoctor.formula.points import Point, points
from lossdoctor.formula.reading import Difference, FormulaCheck, GradientDifference, Reduction
from lossdoctor.formula.relation import relation
from lossdoctor.formula.stabilisers import neutral, value_of, widened
from lossdoctor.graph.ir import LossGraph
from lossdoctor.search.leaves import make_pair, pair_arrays
from lossdoctor.search.shrink import shrink
from lossdoctor.session import Array, Evaluation, Execution, Pair, Session, Settings
from lossdoctor.spec import Contract, Spec

# Differences that rounding explains: a few thousand ulp of float32 for what a formula sums up, and a loss is a mean
# of such. What lies between the two is said, and is no finding: stabilisers of 1e-7 and short decimals make it.
_STRICT, _LOOSE = 1e-5, 1e-3
_ULP = 2.0**-22  # how far inputs are moved to see what their rounding does
_WAYS = 4
_SECONDS = 8.0  # for exact arithmetic and the machine
# Op for op as eager execution, and traced once: hundreds of inputs are tried.
_RUN: Execution = "unoptimised"
_SCALED = 24  # ordinary inputs that say how large values are
_SLOPED = 60  # ordinary inputs at which gradients are compared
_KEPT = 40  # counterexamples that are looked at
_ENOUGH = 8  # at ordinary inputs: from then on nobody asks what else could explain a difference


def compare(
    session: Session,
    meaning: Formula | Meaning,
    contract: Contract,
    graph: LossGraph,
    ranges: Ranges | None,
    settings: Settings,
    sizes: Mapping[str, int],
    batches: tuple[int, ...] = (),
    *,
    first: Pair | None = None,
    many: int = 0,
) -> FormulaCheck:
    """Compare at ordinary inputs, at edges and on both sides of every branch.

    Args:
        graph: as traced.
        sizes: a size that the loss accepts for each name of a dimension.
        batches: the batch sizes that it accepts; () means any.
        first: real data, compared too.
        many: so many random inputs more.

    Raises:
        UsageError: the formula or reference does not fit the shapes of the specs.
    """
    if isinstance(meaning, Formula):
        meaning = Declared(meaning)
    chosen = points(contract, meaning, graph, ranges, settings, sizes, batches, many=many)
    if first is not None:
        chosen.insert(0, Point(first, True))
    return _Comparison(session, meaning, contract, graph).run(chosen)


def common(value: Array, expected: Array) -> tuple[Array, Array, Reduction] | None:
    """Loss and formula in one shape: equal shapes, axes of size 1 aside, or one as the mean of the other. None if
    neither has the axes of the other."""
    if value.shape == expected.shape:
        return value, expected, ""
    if value.size == expected.size and _squeezed(value) == _squeezed(expected):
        return value, expected.reshape(value.shape), ""
    if expected.ndim == 0:
        return np.asarray(value.mean()), expected, "loss to its mean"
    if value.ndim == 0:
        return value, np.asarray(expected.mean()), "formula to its mean"
    if value.ndim > expected.ndim and value.shape[: expected.ndim] == expected.shape:
        rest = tuple(range(expected.ndim, value.ndim))
        return np.asarray(value.mean(axis=rest)), expected, "loss to its mean for each sample"
    if expected.ndim > value.ndim and expected.shape[: value.ndim] == value.shape:
        return value, np.asarray(expected.mean(axis=tuple(range(value.ndim, expected.ndim)))), "formula to its mean"
    return None


def _samples(pair: Pair) -> int:
    return pair.y_pred.shape[0] if isinstance(pair.y_pred, np.ndarray) and pair.y_pred.ndim else 1


def _squeezed(value: Array) -> tuple[int, ...]:
    return tuple(size for size in value.shape if size != 1)


@dataclass
class _Comparison:
    session: Session
    meaning: Meaning
    contract: Contract
    graph: LossGraph
    scale: float = 1.0  # of the formula at ordinary inputs
    compared: int = 0
    stabilised: int = 0
    undefined: int = 0
    largest: float = 0.0
    reduction: Reduction = ""
    agreeing: list[Point] = field(default_factory=list[Point])
    started: float = field(default_factory=time.monotonic)

    @property
    def simplex(self) -> bool:
        pred = self.contract.y_pred
        return isinstance(pred, Spec) and pred.kind in ("probability", "onehot")

    def run(self, chosen: Sequence[Point]) -> FormulaCheck:
        results = self.session.evaluate([point.pair for point in chosen], _RUN)
        usable = [
            (point, result)
            for point, result in zip(chosen, results, strict=True)
            if result.raised is None and result.value is not None and result.value.dtype.kind == "f"
        ]
        self.meaning.prepare([point.pair for point, _ in usable])
        ordinary = [point.pair for point, _ in usable if point.realistic][:_SCALED]
        values = [self.meaning.floats(pair) for pair in ordinary]
        sizes = [float(np.mean(np.abs(value))) for value in values if np.all(np.isfinite(value))]
        self.scale = float(np.median(sizes)) if sizes else 1.0
        doubtful = [(point, result) for point, result in usable if not self._plainly_same(point, result)]
        different = self._settled(doubtful)
        found = FormulaCheck(
            self.meaning.name,
            self.compared,
            len(different),
            self.stabilised,
            self.undefined,
            self.largest,
            self.reduction,
            samples=sum(_samples(point.pair) for point in self.agreeing),
        )
        if different:
            return self._departure(found, different, usable)
        if self.meaning.formula is not None:
            found = replace(found, branches=visited(self.meaning.formula, [point.pair for point in self.agreeing]))
        return self._gradients(found, usable)

    # ---- one input -------------------------------------------------------------------------------------------

    def difference(self, pair: Pair, value: Array, *, exact: bool) -> Difference | None:
        """Both sides at an input, in one shape where there is one; None where one is no finite number."""
        value = np.asarray(value, np.float64)
        expected = self.meaning.floats(pair)
        if exact or not np.all(np.isfinite(expected)):
            expected = self.meaning.exact(pair)
        aligned = common(value, expected)
        if aligned is None:
            return Difference(pair, value, expected)
        value, expected, reduction = aligned
        if not (np.all(np.isfinite(value)) and np.all(np.isfinite(expected))):
            return None
        return Difference(pair, value, expected, reduction)

    def within(self, one: Difference, tolerance: float, slack: float = 0.0) -> bool:
        if one.shapes_differ:
            return False
        bound = tolerance * np.abs(one.expected) + 0.1 * tolerance * min(1.0, self.scale) + slack
        return bool(np.all(np.abs(one.value - one.expected) <= bound))

    def _plainly_same(self, point: Point, result: Evaluation) -> bool:
        assert result.value is not None
        one = self.difference(point.pair, result.value, exact=False)
        if one is None:
            self.undefined += 1
            return True
        self.compared += 1
        self.reduction = self.reduction or one.reduction
        if self.within(one, _STRICT):
            self.agreeing.append(point)
            return True
        return False

    # ---- which differences are real --------------------------------------------------------------------------

    def _settled(self, doubtful: Sequence[tuple[Point, Evaluation]]) -> list[tuple[Point, Difference]]:
        """The inputs at which nothing but another formula explains the difference."""
        if not doubtful:
            return []
        doubled = self.session.evaluate([doubled_pair(self.contract, point.pair) for point, _ in doubtful], _RUN)
        wide = widened(self.graph)
        plain_loss, plain_formula = neutral(wide), self.meaning.plain()
        found: list[tuple[Point, Difference]] = []
        for (point, result), other in zip(doubtful, doubled, strict=True):
            if time.monotonic() - self.started > _SECONDS and found:
                break
            assert result.value is not None
            one = self.difference(point.pair, result.value, exact=len(found) < _KEPT)
            if one is None:
                self.undefined += 1
                self.compared -= 1
                continue
            if one.shapes_differ:
                found.append((point, one))
                continue
            values = [result.value] if other.raised or other.value is None else [result.value, other.value]
            machine = value_of(wide, self.contract, point.pair)
            if machine is not None:
                values.append(machine)
            confirmed = sum(point.realistic for point, _ in found)
            if confirmed >= _ENOUGH and all(self._close(one, value, _LOOSE) is False for value in values):
                found.append((point, one))
                continue
            if any(self._close(one, value, _STRICT) for value in values) or self._by_rounding(one):
                self.agreeing.append(point)
                continue
            far = self._far(one)
            plain = None if plain_loss is None else value_of(plain_loss, self.contract, point.pair)
            explained = self._without_stabilisers(one, values if plain is None else [plain, *values], plain_formula)
            unknown = plain_loss is not None and machine is None
            if far <= _LOOSE or ((explained or unknown) and not point.realistic):
                self.stabilised += 1
                if point.realistic:
                    self.largest = max(self.largest, far)
                self.agreeing.append(point)
                continue
            found.append((point, one))
        return found

    def _close(self, one: Difference, value: Array, tolerance: float) -> bool:
        aligned = common(np.asarray(value, np.float64), one.expected)
        return aligned is not None and self.within(Difference(one.pair, *aligned), tolerance)

    def _far(self, one: Difference) -> float:
        bound = np.abs(one.expected) + min(1.0, self.scale)
        return float(np.max(np.abs(one.value - one.expected) / np.maximum(bound, 1e-30), initial=0.0))

    def _by_rounding(self, one: Difference) -> bool:
        """Whether inputs a few ulp away have such values: next to a jump, or ill-conditioned."""
        rng = np.random.default_rng(0)
        low = high = one.expected
        for _ in range(_WAYS):
            arrays = [
                array * (1.0 + _ULP * rng.choice([-1.0, 1.0], size=array.shape)) if array.dtype.kind == "f" else array
                for array in pair_arrays(self.contract, one.pair)
            ]
            moved = make_pair(self.contract, arrays)
            expected = self.meaning.floats(moved)
            if not np.all(np.isfinite(expected)):
                expected = self.meaning.exact(moved)
            aligned = common(one.value, expected)
            if aligned is not None and np.all(np.isfinite(aligned[1])):
                low, high = np.minimum(low, aligned[1]), np.maximum(high, aligned[1])
        bound = _STRICT * np.abs(one.expected) + 4.0 * (high - low)
        return bool(np.all((one.value >= low - bound) & (one.value <= high + bound)))

    def _without_stabilisers(self, one: Difference, values: Sequence[Array], plain: Meaning | None) -> bool:
        wanted = [one.expected]
        if plain is not None:
            wanted.append(plain.exact(one.pair))
        for expected in wanted:
            for value in values:
                aligned = common(np.asarray(value, np.float64), expected)
                if aligned is not None and self.within(Difference(one.pair, *aligned), 10 * _STRICT):
                    return True
        return False

    # ---- what differs ----------------------------------------------------------------------------------------

    def _departure(
        self,
        found: FormulaCheck,
        different: Sequence[tuple[Point, Difference]],
        usable: Sequence[tuple[Point, Evaluation]],
    ) -> FormulaCheck:
        # Differences at ordinary inputs say more of the formula than those at edges, where rounding is rough.
        ordinary = [one for point, one in different if point.realistic]
        shown = (ordinary or [one for _, one in different])[:_KEPT]
        first = self._shrunk(shown[0])
        both = [
            one
            for point, result in usable
            if point.realistic and result.value is not None
            and (one := self.difference(point.pair, result.value, exact=False)) is not None
        ]  # fmt: skip
        clause = relation([*both, *([] if ordinary else shown)], self.contract, len(self.agreeing), self.compared)
        found = replace(found, difference=first, relation=clause)
        if first.shapes_differ:
            return replace(found, calls=self.graph.calls(self.graph[self.graph.value]))
        return self._blamed(found, shown)

    def _shrunk(self, one: Difference) -> Difference:
        def differs(pairs: list[Pair]) -> list[bool]:
            results = self.session.evaluate(pairs, _RUN)
            return [self._still(one, pair, result) is not None for pair, result in zip(pairs, results, strict=True)]

        pair = shrink(one.pair, self.contract, differs, budget=250)
        result = self.session.evaluate([pair], _RUN)[0]
        if result.value is not None:
            small = self.difference(pair, result.value, exact=True)
            if small is not None and (small.shapes_differ or self._far(small) > 2 * _LOOSE):
                return small
        return one

    def _still(self, one: Difference, pair: Pair, result: Evaluation) -> Difference | None:
        if result.raised is not None or result.value is None:
            return None
        found = self.difference(pair, result.value, exact=False)
        if found is None or found.shapes_differ != one.shapes_differ:
            return None
        if found.shapes_differ:
            return found
        # Clearly different, so that neither rounding nor a stabiliser is what the reader sees.
        return found if self._far(found) > max(2 * _LOOSE, min(0.05, 0.2 * self._far(one))) else None

    def _blamed(self, found: FormulaCheck, shown: Sequence[Difference]) -> FormulaCheck:
        def same(value: Array, pair: Pair) -> bool:
            aligned = common(value, self.meaning.floats(pair))
            return aligned is not None and self.within(Difference(pair, *aligned), 10 * _STRICT)

        alike = [point.pair for point in self.agreeing if point.realistic]
        pairs = [*(one.pair for one in shown[:4]), *alike, *(one.pair for one in shown[4:])]
        try:
            guilty = blamed(widened(self.graph), self.meaning, self.contract, pairs, same)
        except UsageError:
            guilty = None
        if guilty is None:
            return replace(found, calls=self.graph.calls(self.graph[self.graph.value]))
        node = self.graph[guilty.node.id]
        calls = place_of(self.graph, guilty)
        return replace(found, calls=calls, node=node.id, written=node.call, expected=guilty.expected)

    # ---- the gradient ----------------------------------------------------------------------------------------

    def _gradients(self, found: FormulaCheck, usable: Sequence[tuple[Point, Evaluation]]) -> FormulaCheck:
        checked = 0
        wrong: list[GradientDifference] = []
        ordinary = [(point, result) for point, result in usable if point.realistic][:_SLOPED]
        for point, result in ordinary:
            count, worst = gradient_difference(self.meaning, point.pair, result, simplex=self.simplex)
            checked += count
            if worst is not None and self._also_in_double(point.pair):
                wrong.append(worst)
        # One or two may lie at a kink of the loss that the formula writes differently.
        if len(wrong) >= max(2, len(ordinary) // 8):
            return replace(found, gradients=checked, gradient=wrong[0])
        return replace(found, gradients=checked)

    def _also_in_double(self, pair: Pair) -> bool:
        wide = doubled_pair(self.contract, pair)
        result = self.session.evaluate([wide], _RUN)[0]
        if result.raised is not None or result.value is None:
            return True
        return gradient_difference(self.meaning, wide, result, simplex=self.simplex)[1] is not None


def doubled_pair(contract: Contract, pair: Pair) -> Pair:
    """The same input in float64."""
    arrays: list[Any] = [
        array.astype(np.float64) if array.dtype.kind == "f" else array for array in pair_arrays(contract, pair)
    ]
    return make_pair(contract, arrays)
