"""The judge of numerical mutants: each is run in TensorFlow beside its original, on the inputs of `edge_grid`.

Shares no code with lossdoctor but the parser of specs. A mutant is wrong where it gives NaN or infinity, or few
right digits at ordinary inputs, and its original does not. What it finds depends on the inputs that it tries.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from benchmarks.edge_grid import Case, Grid
from numpy.typing import NDArray

from lossdoctor.spec import Contract, leaves

Array = NDArray[Any]
Health = tuple[bool, bool]  # of value and gradient

# Runs of a loss that couples its samples.
_SINGLY = {"eager": 60, "graph": 400, "xla": 60}
# Rounding leaves a careful float32 program five digits; a mutant that has fewer than two, and whose error is felt
# beside the ordinary loss (or gradient), is wrong, unless its original is no better there.
RELATIVE, FELT, BETTER = 3e-2, 3e-3, 10.0


def load(source: str, target: str) -> Callable[[Any, Any], Any]:
    """The loss of a module given as text, as a function of two tensors.

    Raises:
        Exception: whatever the module raises.
    """
    import keras

    module = types.ModuleType("mutant")
    exec(compile(source, "<mutant>", "exec"), module.__dict__)
    found = eval(target, module.__dict__)
    if isinstance(found, type):
        found = found()
    return found.call if isinstance(found, keras.losses.Loss) else found


class Runner:
    """Value and gradient of one loss in one execution."""

    def __init__(self, loss: Callable[[Any, Any], Any], grid: Grid, execution: str) -> None:
        import tensorflow as tf

        count = len(leaves(grid.contract.y_true))

        def both(*parts: Any) -> tuple[Any, ...]:
            with tf.GradientTape() as tape:
                watched = [part for part in parts[count:] if part.dtype.is_floating]
                tape.watch(watched)
                value = tf.convert_to_tensor(loss(*grid.pair(parts)))
            found = tape.gradient(value, watched, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            return (value, *found)

        self._tf = tf
        self._run = both if execution == "eager" else tf.function(both, autograph=False, reduce_retracing=True)
        if execution == "xla":
            self._run = tf.function(both, autograph=False, jit_compile=True)

    def __call__(self, case: Case) -> tuple[Array, ...]:
        return tuple(part.numpy() for part in self._run(*(self._tf.constant(part) for part in case)))


@dataclass
class Verdict:
    """What is wrong with a mutant: family -> an input (its leaves) in words. `raised` if it does not even run."""

    families: dict[str, str] = field(default_factory=dict[str, str])
    raised: str = ""
    precision_judged: bool = False


@dataclass
class Judge:
    """Brute force on the mutants of one original."""

    original: str
    target: str
    grid: Grid
    executions: tuple[str, ...] = ("eager", "graph")
    _by_rows: bool | None = None
    _healthy: dict[str, list[Health]] = field(default_factory=dict[str, list[Health]])
    _precise: dict[tuple[int, int], float] = field(default_factory=dict[tuple[int, int], float])

    def judge(self, mutant: str) -> Verdict:
        """What goes wrong in the mutant and not in the original."""
        verdict = Verdict()
        try:
            loss = load(mutant, self.target)
            for execution in self.executions:
                self._finite(loss, execution, verdict)
        except Exception as problem:
            verdict.raised = f"{type(problem).__name__}: {' '.join(str(problem).split())[:120]}"
            return verdict
        if not verdict.families:
            self._precision(mutant, verdict)
        return verdict

    def by_rows(self) -> bool:
        """Whether each sample's loss and gradient depend on that sample only, so that all inputs make one batch."""
        if self._by_rows is None:
            run = Runner(load(self.original, self.target), self.grid, "eager")
            cases = self.grid.ordinary[:4]
            self._by_rows = _batched(self.grid.contract)
            if self._by_rows:
                alone = [run(case) for case in cases]
                together = run(_together(cases))
                self._by_rows = all(
                    part.ndim > 0
                    and part.shape == np.concatenate(parts).shape
                    and np.allclose(part, np.concatenate(parts), rtol=1e-3, atol=1e-6, equal_nan=True)
                    for part, parts in zip(together, zip(*alone, strict=True), strict=True)
                )  # fmt: skip
        return self._by_rows

    def _run(self, run: Runner, cases: Sequence[Case]) -> list[tuple[Array, ...]]:
        """Value and gradients of each case (of each sample of it, where samples are independent)."""
        if not self.by_rows():
            return [run(case) for case in cases]
        results = run(_together(cases))
        return [tuple(part[row : row + 1] for part in results) for row in range(len(results[0]))]

    def _units(self, cases: Sequence[Case]) -> list[Case]:
        """The cases, or their samples where these are independent: what `_run` gives results for."""
        if not self.by_rows():
            return list(cases)
        return [tuple(part[row : row + 1] for part in case) for case in cases for row in range(len(case[0]))]

    def _cases(self, execution: str) -> list[Case]:
        """All inputs at once where samples are independent; else some of them, in batches of two and three.

        A loss that compares samples has nothing to compare in a batch of one, so that a fault there is by design.
        """
        if self.by_rows():
            return self.grid.edges
        coupled = [case for case in self.grid.edges if case[-1].shape[:1] > (1,)]
        single = [case for case in self.grid.edges if case[-1].shape[:1] <= (1,)]
        if _batched(self.grid.contract):
            single = [tuple(np.repeat(part, 2, 0) for part in case) for case in single]
        most = _SINGLY[execution]
        return [*coupled[:: max(1, 2 * len(coupled) // most)], *single[:: max(1, 2 * len(single) // most)]]

    def _finite(self, loss: Callable[[Any, Any], Any], execution: str, verdict: Verdict) -> None:
        cases = self._cases(execution)
        if execution not in self._healthy:
            original = Runner(load(self.original, self.target), self.grid, execution)
            self._healthy[execution] = [_finite(result) for result in self._run(original, cases)]
        found = [_finite(result) for result in self._run(Runner(loss, self.grid, execution), cases)]
        for case, before, (value, gradient) in zip(self._units(cases), self._healthy[execution], found, strict=True):
            if before[0] and not value:
                verdict.families.setdefault("nonfinite-value", _told(case, execution))
            elif all(before) and value and not gradient:
                verdict.families.setdefault("nonfinite-gradient", _told(case, execution))

    def _precision(self, mutant: str, verdict: Verdict) -> None:
        try:
            if not self._precise:
                self._precise = {place: error for place, error, _ in self._errors(self.original)}
            for place, error, share in self._errors(mutant):
                if error >= RELATIVE and share >= FELT and error > BETTER * self._precise.get(place, 0.0):
                    what = "value" if place[1] == 0 else "gradient"
                    case = self._units([*self.grid.ordinary, *self.grid.converged])[place[0]]
                    verdict.families["precision-loss"] = f"{what} off by {error:.2g}, {_told(case, 'eager')}"
                    break
            verdict.precision_judged = True
        except Exception:  # a module that cannot be run in float64
            verdict.precision_judged = False

    def _errors(self, source: str) -> Iterator[tuple[tuple[int, int], float, float]]:
        """For each realistic case and output: its relative error, and the error relative to the ordinary output."""
        import keras

        single = Runner(load(source, self.target), self.grid, "eager")  # the graph optimiser mends some
        cases = [*self.grid.ordinary, *self.grid.converged]
        before = keras.config.floatx()
        try:
            keras.config.set_floatx("float64")
            double = Runner(load(source.replace("float32", "float64"), self.target), self.grid, "graph")
            wide = self._run(double, [tuple(map(_wide, case)) for case in cases])
        finally:
            keras.config.set_floatx(before)
        ordinary = len(self._units(self.grid.ordinary))
        scales = [
            np.mean([np.abs(result[output]).max(initial=0.0) for result in wide[:ordinary]])
            for output in range(len(wide[0]))
        ]
        for index, (narrow, right) in enumerate(zip(self._run(single, cases), wide, strict=True)):
            for output, (got, exact) in enumerate(zip(narrow, right, strict=True)):
                if exact.dtype != np.float64 or not (np.isfinite(exact).all() and np.isfinite(got).all()):
                    continue
                error = np.abs(got.astype(np.float64) - exact)
                size = np.abs(exact) if output == 0 else np.full_like(exact, np.abs(exact).max(initial=0.0))
                relative = float((error / np.maximum(size, 1e-300)).max(initial=0.0)) if error.any() else 0.0
                worst = float(error.max(initial=0.0))
                yield (index, output), relative, worst / float(scales[output]) if scales[output] else 0.0


def _wide(part: Array) -> Array:
    return part.astype(np.float64) if part.dtype == np.float32 else part


def _batched(contract: Contract) -> bool:
    """Whether the batch is the first axis of every argument, and of none another."""
    specs = [spec for part in (contract.y_true, contract.y_pred) for _, spec in leaves(part)]
    return all(spec.dims[:1] == ("B",) and "B" not in spec.dims[1:] for spec in specs)


def _together(cases: Sequence[Case]) -> Case:
    return tuple(np.concatenate(parts) for parts in zip(*cases, strict=True))


def _finite(results: tuple[Array, ...]) -> tuple[bool, bool]:
    value, *gradients = results
    return bool(np.isfinite(value).all()), all(bool(np.isfinite(gradient).all()) for gradient in gradients)


def _told(case: Case, execution: str) -> str:
    shown = ["[" + " ".join(f"{value:.9g}" for value in np.unique(part.astype(np.float64))[:4]) + "]" for part in case]
    return f"{execution}: {', '.join(shown)}"
