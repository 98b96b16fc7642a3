"""Compare a float32 loss with exact arithmetic: float64 shows the suspects, balls decide, TensorFlow confirms."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lossdoctor.domains.exact import as_array, exact
from lossdoctor.domains.exact_double import widened_loss
from lossdoctor.domains.exact_error import Inaccuracy, Output, Precision, deviation, flipped, lost
from lossdoctor.domains.interpret import Reading
from lossdoctor.domains.machine import machine
from lossdoctor.engine.precision_points import BATCH, ORDINARY, points
from lossdoctor.graph.ir import LossGraph
from lossdoctor.ops.arrays import Array, is_array
from lossdoctor.rules.precision_loss.mends import mend
from lossdoctor.search.leaves import batch_size, chosen, pair_arrays, pair_specs
from lossdoctor.session import Evaluation, Execution, Pair, Session, SessionError
from lossdoctor.spec import Contract, discrete_values

# Two right digits are what training needs of a gradient and a plot of a loss; a float32 program without a fault keeps
# five to seven, also over a few hundred operations. Between the two lie the many formulas that are merely not the best.
RELATIVE = 1e-2
# An error below a thousandth of the ordinary loss (or gradient) steers nothing: 1 - dice near 0, log_cosh at 1e-3.
NEGLIGIBLE = 1e-3
# Where not one digit is right, a twentieth of that is felt: half of what a residual of a hundredth of the usual one
# adds to a loss that grows like its square.
_NO_DIGIT, _NEGLIGIBLE_WITHOUT = 0.1, 5e-5
# The error has to exceed what the rounding of the inputs explains; a backward stable formula stays within a few times
# that (Higham, Accuracy and Stability of Numerical Algorithms, section 1.6).
CONDITIONING = 8.0

_EXECUTIONS: tuple[Execution, ...] = ("eager", "graph", "xla")
# In the order in which they are told; (output, minor).
_SORTS: tuple[tuple[Output, bool], ...] = (("value", False), ("gradient", False), ("value", True))
_PERTURBED = 4
_ELEMENTS_AT_MOST = 4096  # of all nodes at one point: about 50 ms of exact arithmetic
_ALONE_AT_MOST = 16_384  # of all nodes, of the one sample that is looked at where a batch has more than that
_SCREENED_AT_MOST = 200_000
_SECONDS = 0.4  # of this thread for the screening; the exact part is bounded by the number of suspects
_SUSPECTS = 3  # of each sort, that are decided exactly
_GRAVE = 0.5  # all errors above this weigh the same, so that the plainest input is shown
_FELT = 1e-2  # likewise beside the ordinary loss
# What is negligible is worth a remark where no digit is right and a better form is known, if the error is one that
# float32 makes at the size of the ordinary loss; below, no one could have seen it.
_MINOR_RELATIVE = 0.1
_MINOR_SHARE = 2.0**-27


@dataclass(frozen=True, slots=True)
class _Suspect:
    output: Output
    place: int  # the node of the value or gradient
    index: int  # of the gradient
    pair: Pair
    relative: float
    share: float  # of the absolute error in the ordinary loss or gradient
    minor: bool = False


def precision(
    graph: LossGraph,
    contract: Contract,
    session: Session,
    seed: int = 0,
    batch: int = BATCH,
    given: Pair | None = None,
) -> Precision:
    """Look for inputs at which float32 spoils the value or the gradient.

    Args:
        graph: the loss; only the traced graph of a float32 loss is looked at.
        contract: what it is given.
        session: runs it in TensorFlow, to confirm what the machine and the balls say.
        seed: of the draws.
        batch: how many samples the inputs have.
        given: the only input that is asked about; ordinary ones say how large loss and gradient usually are.

    Raises:
        SessionError: the worker died.
    """
    specs = pair_specs(contract)
    if graph.stage != "traced" or any(spec.dtype in ("float16", "bfloat16", "float64") for spec in specs):
        return Precision()
    tried = points(contract, seed, batch)
    if given is not None:
        tried = [*tried[:ORDINARY], given]
    return _Search(graph, contract, session, widened_loss(graph), given).run(tried)


@dataclass
class _Search:
    graph: LossGraph
    contract: Contract
    session: Session
    wide: LossGraph
    given: Pair | None = None
    limit: str = ""
    limit_node: int | None = None
    scales: dict[int, float] = field(default_factory=dict[int, float])  # of value and gradients at ordinary inputs

    def run(self, pairs: list[Pair]) -> Precision:
        suspects, compared = self._suspects(pairs)
        mendable = any(mend(self.graph, node) is not None for node in self.graph.where(role="forward"))
        found: dict[Any, Inaccuracy] = {}
        for output, minor in _SORTS:
            if minor and (found or not mendable):
                break
            tried = [each for each in suspects if (each.output, each.minor) == (output, minor)][:_SUSPECTS]
            for confirmed in filter(None, map(self._confirmed, tried)):
                calls = self.graph.calls(self.graph[confirmed.node])
                found.setdefault((output, calls[-1].path, calls[-1].line) if calls else output, confirmed)
        return Precision(tuple(found.values()), compared, self.limit, self.limit_node)

    def _outputs(self) -> Iterator[tuple[Output, int, int]]:
        yield "value", self.graph.value, 0
        for index, place in enumerate(self.graph.gradients):
            if place is not None:
                yield "gradient", place, index

    def _inputs(self, pair: Pair) -> dict[int, Array]:
        return dict(zip((*self.graph.y_true, *self.graph.y_pred), pair_arrays(self.contract, pair), strict=True))

    # ---- float32 against float64 -------------------------------------------------------------------------

    def _suspects(self, pairs: list[Pair]) -> tuple[list[_Suspect], int]:
        started = time.thread_time()
        rows: list[_Suspect] = []
        ordinary: dict[int, list[float]] = {}
        other: dict[int, list[float]] = {}
        compared = 0
        for number, pair in enumerate(pairs):
            inputs = self._inputs(pair)
            single = machine(self.graph, inputs)
            if number == 0 and not self._readable(single):
                break
            double = machine(self.wide, {place: _wide(array) for place, array in inputs.items()})
            compared += 1
            for output, place, index in self._outputs():
                got, expected = single[place], double[place]
                if not is_array(got) or not is_array(expected) or not (np.isfinite(got) & np.isfinite(expected)).all():
                    continue
                size = float(np.abs(expected).max(initial=0.0))
                if size:
                    (ordinary if number < ORDINARY else other).setdefault(place, []).append(size)
                relative, absolute = deviation(got.astype(np.float64), expected, output)
                if relative >= RELATIVE / 2:
                    rows.append(_Suspect(output, place, index, pair, relative, absolute))
            if time.thread_time() - started > _SECONDS:
                self.limit = f"the comparison with float64, of {compared} of {len(pairs)} inputs in the time for it"
                break
        # Not the median: a loss of pairs or triplets is nearly zero in most draws, and ordinary in the others.
        self.scales = {place: float(np.mean(found)) for place, found in {**other, **ordinary}.items()}
        rows = [row for row in rows if self.given is None or row.pair is self.given]
        rows = [replace(row, share=self._share(row, row.share)) for row in rows]
        kept = [replace(row, minor=minor) for row in rows if (minor := _minor(row)) is not None]
        return sorted(kept, key=_weight, reverse=True), compared

    def _share(self, suspect: _Suspect, absolute: float) -> float:
        scale = self.scales.get(suspect.place, 0.0)
        return absolute / scale if scale else float("inf")

    def _readable(self, single: Reading[Any]) -> bool:
        elements = _elements(single)
        if elements > _SCREENED_AT_MOST:
            self.limit = f"the comparison with float64, of {elements:,} elements for the smallest input: too many"
            return False
        if not is_array(single[self.graph.value]):
            gap = next(iter(single.gaps), None)
            self.limit, self.limit_node = (gap.op, gap.node) if gap else ("value", self.graph.value)
            return False
        return True

    # ---- exact, and what TensorFlow really gives ---------------------------------------------------------

    def _confirmed(self, suspect: _Suspect) -> Inaccuracy | None:
        inputs = self._inputs(suspect.pair)
        single = machine(self.graph, inputs)
        if _elements(single) > _ELEMENTS_AT_MOST:
            suspect = self._alone(suspect)
            inputs = self._inputs(suspect.pair)
            single = machine(self.graph, inputs)
            if _elements(single) > _ALONE_AT_MOST:
                self.limit = "size: too many elements for exact arithmetic"
                return None
        truth = exact(self.graph, inputs, [suspect.place])
        if truth is None:
            self._unknown(inputs)
            return None
        expected = as_array(truth[suspect.place])
        assert expected is not None
        blamed = lost(self.graph, inputs, single, truth, suspect.place, suspect.output)
        if blamed is None or (suspect.minor and mend(self.graph, blamed.node) is None):
            return None
        if suspect.output == "gradient" and flipped(self.graph, single, truth, suspect.place):
            return None
        floor = self._conditioning(suspect, inputs, expected)
        least = max(_MINOR_RELATIVE if suspect.minor else RELATIVE, CONDITIONING * floor)
        when: list[Execution] = []
        shown: list[tuple[Array, float, float]] = []
        for execution in _EXECUTIONS:
            if execution == "xla" and not when:
                break  # compiling costs more than all the rest
            got = self._run(suspect, execution)
            if got is None or got.shape != expected.shape or not np.isfinite(got).all():
                continue
            relative, absolute = deviation(got, expected, suspect.output)
            share = self._share(suspect, absolute)
            if relative >= least and share >= (_MINOR_SHARE if suspect.minor else _negligible(relative)):
                when.append(execution)
                shown.append((got, relative, share))
        if not shown:
            return None
        got, relative, share = shown[0]
        return Inaccuracy(
            output=suspect.output,
            pair=suspect.pair,
            node=self.graph.origin(blamed.node).id,
            backward=blamed.node.role == "gradient",
            bits=blamed.bits,
            got=got,
            expected=expected,
            relative=relative,
            conditioning=floor,
            share=share,
            when=tuple(when),
            minor=suspect.minor,
            index=suspect.index,
        )

    def _alone(self, suspect: _Suspect) -> _Suspect:
        """The same with the one sample of the batch that is furthest off by itself."""
        found = [suspect]
        for number in range(batch_size(suspect.pair, self.contract)):
            pair = chosen(suspect.pair, self.contract, [number])
            inputs = self._inputs(pair)
            single = machine(self.graph, inputs)[suspect.place]
            double = machine(self.wide, {place: _wide(array) for place, array in inputs.items()})[suspect.place]
            if is_array(single) and is_array(double):
                relative, absolute = deviation(single.astype(np.float64), double, suspect.output)
                share = self._share(suspect, absolute)
                found.append(replace(suspect, pair=pair, relative=relative, share=share))
        return max(found[1:] or found, key=_weight)

    def _run(self, suspect: _Suspect, execution: Execution) -> Array | None:
        try:
            result: Evaluation = self.session.evaluate([suspect.pair], execution)[0]
        except SessionError as problem:
            if problem.died is not None:
                raise
            return None
        array = result.value if suspect.output == "value" else result.gradients[suspect.index]
        return None if result.raised is not None or array is None else np.asarray(array, np.float64)

    def _conditioning(self, suspect: _Suspect, inputs: Mapping[int, Array], expected: Array) -> float:
        """The relative change of the exact result when its continuous inputs move by one ulp (in any directions)."""
        rng = np.random.default_rng(0)
        worst = 0.0
        of = dict(zip((*self.graph.y_true, *self.graph.y_pred), pair_specs(self.contract), strict=True))
        for attempt in range(_PERTURBED):
            moved: dict[int, Array] = {}
            for place, array in inputs.items():
                if array.dtype != np.float32 or discrete_values(of[place]) is not None:
                    moved[place] = array
                    continue
                signs = rng.choice([-1.0, 1.0], array.shape) if attempt > 1 else np.full(array.shape, 1.0 - 2 * attempt)
                moved[place] = np.nextafter(array, np.float32(np.inf) * signs.astype(np.float32)).astype(np.float32)
                moved[place] = np.where(array == 0, array, moved[place])  # the ulp of zero is a denormal
            reading = exact(self.graph, moved, [suspect.place])
            if reading is None:
                return float("inf")  # the exact result does not exist next to it
            found = as_array(reading[suspect.place])
            assert found is not None
            worst = max(worst, deviation(found, expected, suspect.output)[0])
        return worst

    def _unknown(self, inputs: Mapping[int, Array]) -> None:
        reading = exact(self.graph, inputs, [])
        gap = next(iter(reading.gaps), None) if reading is not None else None
        self.limit, self.limit_node = (
            (gap.op, gap.node) if gap else ("a comparison that exact arithmetic leaves open", None)
        )


def _weight(suspect: _Suspect) -> float:
    return min(suspect.relative, _GRAVE) * min(suspect.share, _FELT)


def _elements(single: Reading[Any]) -> int:
    return sum(value.size for value in single.values if is_array(value))


def _minor(suspect: _Suspect) -> bool | None:
    """Whether an error is negligible and worth a remark; None if it is not even that."""
    if suspect.share >= _negligible(suspect.relative) / 2:
        return False
    worth = suspect.output == "value" and suspect.share >= _MINOR_SHARE and suspect.relative >= _MINOR_RELATIVE
    return True if worth else None


def _negligible(relative: float) -> float:
    """The share of the ordinary loss below which an error steers nothing."""
    return _NEGLIGIBLE_WITHOUT if relative >= _NO_DIGIT else NEGLIGIBLE


def _wide(array: Array) -> Array:
    return array.astype(np.float64) if array.dtype == np.float32 else array
