"""The judge of mutants of the API side: brute force on what a loss does in Keras, in a graph and in batches.

Each mutant is run in TensorFlow beside its original: raw and through Keras, eagerly and as a graph of unknown batch
size, in batches of several sizes against their samples one by one, with weights, with its gradient against the
change of its value, at targets met and missed, and through its configuration. What the original does not do either
is no fault. Each symptom allows the families that a finding may truly have. Shares no code with the probes and the
rules; what it finds depends on the inputs that it tries.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from benchmarks.api_inputs import NAMED_WINDOW, Inputs
from benchmarks.api_trial import Trial, attempt, load, tensors_of
from benchmarks.edge_grid import Array, Case
from benchmarks.float_judge import Verdict

from lossdoctor.spec import Contract

SIZES = (5, 1, 2, 3, 7)
_DTYPE = re.compile(
    r"dtype|\btype (int|float|bool|double)|DataType|to be a (int|float|double|bool)|of type|must be .* type|not in the "
    r"list of allowed|Value for attr|inconsistent|same type|as input #|unsupported operand|should be float",
    re.IGNORECASE,
)
_SHAPE = re.compile(
    r"shape|dimension|incompatible|broadcast|rank|axis|size|squeeze|out of (bounds|range)|slice|indices", re.IGNORECASE
)
_GRAPH = re.compile(
    r"symbolic|Python.{0,3}bool|terating over|numpy\(\)|'numpy'|__array__|NumPy|SymbolicTensor|KerasTensor|truth value"
)
_STATIC = re.compile("None|hape|unstack|num|tensor_list")


@dataclass
class ApiJudge:
    """Brute force on the mutants of one original."""

    original: str
    target: str
    contract: Contract
    _same: bool | None = None

    def __post_init__(self) -> None:
        self.inputs = Inputs(self.contract)
        self.before = Trial(load(self.original, self.target), self.inputs)
        if self.before.raw(5)[1]:  # windows need more than three pixels
            self.inputs = Inputs(self.contract, NAMED_WINDOW)
            self.before = Trial(load(self.original, self.target), self.inputs)
        self.sizes = [size for size in SIZES if not self.before.raw(size)[1]]

    def judge(self, mutant: str) -> Verdict:
        """What goes wrong in the mutant and not in the original."""
        verdict = Verdict()
        if not self.sizes or self.sizes[0] != 5:
            verdict.raised = f"original raises: {self.before.raw(5)[1]}"
            return verdict
        if not self._deterministic():
            verdict.raised = "original gives another value at each call"
            return verdict
        loss, problem = attempt(lambda: load(mutant, self.target))
        if problem:
            _note(verdict, f"cannot be made: {problem}", "keras-contract", "crash")
            return verdict
        after = Trial(loss, self.inputs)
        for check in (self._raises, self._returned, self._graph, self._batch, self._gradient, self._direction,
                      self._swapped, self._cost, self._config):  # fmt: skip
            stop = check(after, verdict)
            if stop:
                break
        return verdict

    def _raises(self, after: Trial, verdict: Verdict) -> bool:
        before_keras = self.before.keras(self.inputs.batch(5))[1]
        raw, keras = after.raw(5)[1], after.keras(self.inputs.batch(5))[1]
        if raw or (keras and not before_keras):
            problem = raw or keras
            families = _named(problem)
            if not raw:
                families |= {"keras-contract", "dtype"}
            if self.before.swapped() == raw:
                families |= {"keras-contract"}
            gradient = "numpy" in problem
            _note(verdict, problem, *families, *(("no-gradient",) if gradient else ()))
            return True
        for size in self.sizes:
            if after.raw(size)[1]:
                _note(
                    verdict, f"batch of {size}: {after.raw(size)[1]}", "shape", *_named(after.raw(size)[1]) - {"crash"}
                )
        return False

    def _returned(self, after: Trial, verdict: Verdict) -> bool:
        found, reference = after.raw(5)[0], self.before.raw(5)[0]
        if not isinstance(found, np.ndarray | np.generic) or not _is_tensor(after):
            if isinstance(reference, np.ndarray | np.generic):
                _note(verdict, f"returns {type(found).__name__}", "keras-contract", "no-gradient", "dtype")
            return False
        if np.asarray(found).dtype.kind not in "f" and np.asarray(reference).dtype.kind == "f":
            _note(verdict, f"returns {np.asarray(found).dtype}", "dtype", "no-gradient")
        if not np.isfinite(found).all() and np.isfinite(reference).all():
            _note(verdict, "not finite", "nonfinite-value", "nonfinite-gradient", "keras-contract", "wrong-direction")
        return False

    def _graph(self, after: Trial, verdict: Verdict) -> bool:
        if self.before.graph(5)[1] or after.keras(self.inputs.batch(5))[1]:
            return False
        for size in self.sizes:
            found, problem = after.graph(size)
            if problem and not self.before.graph(size)[1]:
                extra = (
                    {"shape", "efficiency"} if re.search("None|hape|unstack|num|tensor_list", problem) else set[str]()
                )
                _note(verdict, f"graph, batch of {size}: {problem}", "graph-mode", *extra, *_named(problem) - {"crash"})
                return False
            eager, _ = after.keras(self.inputs.batch(size))
            if eager is not None and not _close(found, eager):
                _note(verdict, f"graph {found}, eager {eager}", "graph-mode")
                return False
        return False

    def _deterministic(self) -> bool:
        if self._same is None:
            first, second = (self.before.keras(self.inputs.batch(5))[0] for _ in range(2))
            self._same = first is None or _close(first, second)
        return self._same

    def _batch(self, after: Trial, verdict: Verdict) -> bool:
        """The loss of a batch against those of its samples, without and with weights."""
        if not self.inputs.batched or after.keras(self.inputs.batch(5))[1]:
            return False
        for size in self.sizes:
            case = self.inputs.batch(size)
            for weights in (None, np.linspace(0.5, 2.0, size).astype(np.float32)):
                if size == 1 or not self._adds_up(self.before, case, weights) or self._adds_up(after, case, weights):
                    continue
                raw, reference = after.raw(size)[0], self.before.raw(size)[0]
                if weights is not None and self._by_pixel(raw, size):
                    continue
                larger = np.size(raw) > np.size(reference)
                samples = [after.keras(_row(case, index))[0] for index in range(size)]
                whole = after.keras(case)[0]
                summed = None not in samples and whole is not None and _close(whole, sum(samples))
                if weights is not None or (summed and np.ndim(raw) == 0):
                    _note(verdict, f"batch of {size} with weights {weights}", "reduction",
                          *(("broadcast", "shape") if larger or np.ndim(raw) else ()))  # fmt: skip
                else:
                    _note(verdict, f"batch of {size} against one by one", "broadcast", "reduction", "shape")
                return False
        return False

    def _by_pixel(self, raw: Any, size: int) -> bool:
        """A value a pixel or step, as the losses of Keras return it: weights for it have more axes than one."""
        pred = self.inputs.batch(size)[-1].shape
        return len(pred) > 2 and 1 < np.ndim(raw) < len(pred) and np.shape(raw)[:1] == (size,)

    def _adds_up(self, trial: Trial, case: Case, weights: Array | None) -> bool:
        size = len(case[-1])
        whole, problem = trial.keras(case, weights)
        if problem:
            return False
        total = 0.0
        for index in range(size):
            value, problem = trial.keras(_row(case, index))
            if problem:
                return False
            total += value * (1.0 if weights is None else float(weights[index]))
        return _close(whole, total / size)

    def _gradient(self, after: Trial, verdict: Verdict) -> bool:
        dead = [0, 0]
        for seed in range(6):
            case = self.inputs.batch(5, seed)
            found, reference = after.gradient(case), self.before.gradient(case)
            pairs = list(zip(found, reference, strict=False))
            if any(new is None and old is not None for new, old in pairs) and not after.keras(case)[1]:
                _note(verdict, "gradient None", "no-gradient")
                return False
            for new, old in pairs:
                if new is not None and old is not None and self.inputs.batched:
                    zero = [~part.reshape(len(part), -1).any(axis=1) for part in (new, old)]
                    dead[0] += int((zero[0] & ~zero[1]).sum())
                    dead[1] += int(np.size(zero[0]))
        if dead[1] and dead[0] > 0.05 * dead[1]:
            _note(verdict, f"gradient zero in {dead[0]} of {dead[1]} samples", "no-gradient", "dead-gradient",
                  "keras-contract")  # fmt: skip
        for seed in range(4):
            problem = self._path(after, seed)
            if problem and not self._path(self.before, seed):
                _note(verdict, problem, "no-gradient", "wrong-gradient", "dead-gradient")
                break
        return False

    def _path(self, trial: Trial, seed: int) -> str:
        """Whether the value along a short line changes as the integral of its gradient says (Simpson, 32 steps)."""
        case, rng = self.inputs.batch(3, seed), np.random.default_rng(seed)
        specs = self.inputs.specs
        directions = [
            np.zeros_like(part)
            if index < self.inputs.count or part.dtype.kind != "f"
            else rng.standard_normal(part.shape).astype(part.dtype)
            for index, part in enumerate(case)
        ]
        step = 0.02 if any(spec.kind in ("unit", "probability", "positive") for spec in specs) else 0.15
        points: list[Case] = []
        for place in np.linspace(-1.0, 1.0, 33):
            moved = [part + (step * place * way).astype(part.dtype) for part, way in zip(case, directions, strict=True)]
            limits = {"unit": (1e-3, 0.999), "probability": (1e-3, 0.999), "positive": (1e-3, 1e9)}
            for index in range(self.inputs.count, len(moved)):
                if specs[index].kind in limits and moved[index].dtype.kind == "f":
                    low, high = limits[specs[index].kind]
                    if (moved[index] < low).any() or (moved[index] > high).any():
                        return ""
            points.append(tuple(moved))
        gradients = [trial.gradient(point) for point in points]
        if any(part is None for each in gradients for part in each):
            return ""
        ways = [way for index, way in enumerate(directions) if index >= self.inputs.count and way.dtype.kind == "f"]
        slopes = [
            sum(float(np.sum(part * way)) for part, way in zip(each, ways, strict=True) if part is not None)
            for each in gradients
        ]
        integral, coarse = (_simpson(slopes[::every], step * 2.0 / (32 // every)) for every in (1, 2))
        change = trial.value(points[-1]) - trial.value(points[0])
        size = max(abs(integral), abs(change), 1e-3 * abs(trial.value(points[0])), 1e-6)
        if not abs(integral - coarse) <= 0.05 * size:
            return ""  # a pole or a jump on the way: the sum says nothing
        return (
            ""
            if abs(change - integral) <= 0.1 * size
            else f"value changes by {change:.4g}, gradient says {integral:.4g}"
        )

    def _direction(self, after: Trial, verdict: Verdict) -> bool:
        """Targets met against targets missed."""
        above = high = 0
        rounds = 8
        for seed in range(rounds):
            case = self.inputs.batch(5, seed)
            best = self.inputs.perfect(case)
            if best is None or not self.inputs.batched:
                return False
            closer = (case[0], (0.7 * best[1] + 0.3 * case[1]).astype(case[1].dtype))
            if not self.before.value(best) < self.before.value(closer) < self.before.value(case):
                continue
            met, near, missed = after.value(best), after.value(closer), after.value(case)
            above += met > missed + 1e-6 * abs(missed) or (met > near + 1e-6 * abs(near) and met > missed)
            reference = self.before.value(best), self.before.value(case)
            if self.inputs.specs[1].kind in ("unit", "probability", "logit"):
                high += 0.0 <= 20.0 * reference[0] <= reference[1] and met >= 0.3 * missed > 0.0
        if above > rounds // 3:
            _note(verdict, f"larger at the target in {above} of {rounds}", "wrong-direction", "keras-contract",
                  "wrong-math")  # fmt: skip
        elif high > rounds // 2:
            _note(verdict, f"not small at the target in {high} of {rounds}", "wrong-direction", "keras-contract",
                  "wrong-math", "no-gradient")  # fmt: skip
        return False

    def _swapped(self, after: Trial, verdict: Verdict) -> bool:
        """The original's values with the arguments exchanged, and not the original's."""
        cases = [self.inputs.batch(5, seed) for seed in range(3)]
        if len(cases[0]) != 2 or cases[0][0].shape != cases[0][1].shape:
            return False
        same = [_close(after.value(case), self.before.value(case)) for case in cases]
        exchanged = [_close(after.value(case), self.before.value((case[1], case[0]))) for case in cases]
        if all(exchanged) and not any(same):
            _note(verdict, "arguments exchanged", "keras-contract", "wrong-direction", "wrong-math")
        return False

    def _cost(self, after: Trial, verdict: Verdict) -> bool:
        new = after.ops() - self.before.ops()
        if new & {"While", "StatelessWhile"}:
            _note(verdict, "a loop in the graph", "efficiency")
        if any(name.startswith(("PyFunc", "EagerPyFunc", "PyFuncStateless")) for name in new):
            _note(verdict, "calls Python from the graph", "efficiency", "no-gradient", "graph-mode", "keras-contract")
        if self.inputs.batched:
            (small, few), (large, many) = after.largest(64), after.largest(128)
            (small_before, few_before), (large_before, many_before) = self.before.largest(64), self.before.largest(128)
            if small and large > 3 * small and large_before < 3 * small_before:
                _note(verdict, f"{large} elements for a batch of 128", "efficiency", "broadcast", "reduction")
            if few and many > 1.5 * few and many_before < 1.5 * few_before:
                _note(verdict, f"{many} operations for a batch of 128", "efficiency", "graph-mode", "shape")
        return False

    def _config(self, after: Trial, verdict: Verdict) -> bool:
        """Through get_config and back, with each number of the constructor changed, and another reduction."""
        if after.loss.kind is None:
            return False
        for name, parameter in inspect.signature(after.loss.kind.__init__).parameters.items():
            default = parameter.default
            number = isinstance(default, int | float) and not isinstance(default, bool)
            if number or name in ("kwargs", "reduction"):
                options = {name: 0.5 * default + 0.1 if isinstance(default, float) else default + 1} if number else {}
                options = options or {"reduction": "sum"}
                if self._round_trip(self.before, options) == "" and (problem := self._round_trip(after, options)):
                    _note(verdict, f"configuration of {options}: {problem}", "keras-contract")
        return False

    def _round_trip(self, trial: Trial, options: dict[str, Any]) -> str:
        case, kind = self.inputs.batch(5), trial.loss.kind

        def both() -> str:
            one = kind(**options)
            two = kind.from_config(one.get_config())
            values = [float(each(*self.inputs.pair(tensors_of(case)))) for each in (one, two)]
            if "reduction" in options and one.reduction != options["reduction"]:
                return f"reduction is {one.reduction}"
            return "" if _close(*values) else f"{values[0]} becomes {values[1]}"

        found, problem = attempt(both)
        return problem or found


def _note(verdict: Verdict, text: str, *families: str) -> None:
    for family in families:
        verdict.families.setdefault(family, text)


def _named(problem: str) -> set[str]:
    """The families that a message of TensorFlow, Keras or Python speaks of."""
    found: set[str] = set()
    if problem.startswith(("NameError", "UnboundLocalError")):
        return {"crash"}
    if _DTYPE.search(problem):
        found.add("dtype")
    if _SHAPE.search(problem):
        found |= {"shape", "broadcast", "crash"}
    if _GRAPH.search(problem):
        found |= {"graph-mode", "no-gradient"}
    if "positional argument" in problem:
        found = {"keras-contract"}
    return found or {"crash", "keras-contract"}


def _is_tensor(trial: Trial) -> bool:
    import tensorflow as tf

    case = trial.inputs.batch(5)
    return isinstance(attempt(lambda: trial.loss.raw(*trial.inputs.pair(tensors_of(case))))[0], tf.Tensor)


def _simpson(slopes: list[float], step: float) -> float:
    weights = np.array([1.0, *([4.0, 2.0] * len(slopes))[: len(slopes) - 2], 1.0])
    return float(weights @ np.array(slopes)) * step / 3.0


def _row(case: Case, index: int) -> Case:
    return tuple(part[index : index + 1] for part in case)


def _close(first: Any, second: Any) -> bool:
    return bool(np.isclose(first, second, rtol=2e-3, atol=1e-5, equal_nan=True))
