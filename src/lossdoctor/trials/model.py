"""A compiled model on one batch: every layer, loss and gradient, and what changes when one thing is replaced."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lossdoctor.findings import UsageError
from lossdoctor.graph.ir import Span
from lossdoctor.graph.spans import raised
from lossdoctor.readings.model import Array, Batch, Flow, LossUse, ModelRun, Output, TermRun, VariableRun
from lossdoctor.session import Raised
from lossdoctor.subject.frames import is_user_file
from lossdoctor.subject.models import own_compute_loss
from lossdoctor.trials.arrays import Given
from lossdoctor.trials.experiments import Program, experiments
from lossdoctor.trials.forward import Recorder, activation_of, layer_runs, maker_of, recorded
from lossdoctor.trials.labels import takes_labels
from lossdoctor.trials.losses import flow_of, term
from lossdoctor.trials.operations import operations
from lossdoctor.trials.uses import losses_by_output, use_of


def examine(model: Any, given: Given, *, seed: int = 0) -> tuple[Batch, ModelRun]:
    """Run a compiled model on a batch, once as `fit` does and then with one thing replaced at a time.

    Weights, optimizer, metrics and random numbers are put back.

    Raises:
        UsageError: the model has no loss, or y does not belong to its outputs.
    """
    import keras

    if not getattr(model, "compiled", False) and own_compute_loss(type(model)) is None:
        raise UsageError(
            "Invalid value for `loss`. Expected a compiled model beside x and y. Received: a model that is not "
            "compiled; call model.compile(optimizer, loss) first"
        )
    keras.utils.set_random_seed(seed)
    started = time.perf_counter()
    if not model.built:  # building creates the weights, which stay
        with contextlib.suppress(Exception):
            model(given.inputs())
    with unchanged(model):
        base = _Base(model, given)
        base.run()
        seconds = {"run": time.perf_counter() - started}
        program = Program(model, given, base.predictions, base.losses, base.activations)
        run = experiments(program, base.result(), seed=seed)
    seconds["experiments"] = time.perf_counter() - started - seconds["run"]
    return base.batch(), replace(run, seconds=seconds)


@contextlib.contextmanager
def unchanged(model: Any) -> Iterator[None]:
    """Every variable of the model, its metrics and its optimizer is put back at the end."""
    optimizer = getattr(model, "optimizer", None)
    variables = [*model.variables, *getattr(model, "metrics_variables", []), *getattr(optimizer, "variables", [])]
    before = [variable.numpy().copy() for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


class _Base:
    """The first run."""

    def __init__(self, model: Any, given: Given) -> None:
        self.model = model
        self.given = given
        self.names: list[str] = []
        self.predictions: dict[str, Any] = {}  # tensors
        self.losses: dict[str, Any] = {}
        self.activations: dict[str, str] = {}
        self.layers: dict[str, str] = {}
        self.recorder = Recorder()
        self.problem: Raised | None = None
        self.stage: Any = ""
        self.value: float | None = None
        self.origin: tuple[Span, ...] = ()
        self.torn: tuple[Span, ...] = ()
        self.torn_what = ""
        self.terms: list[TermRun] = []
        self.variables: tuple[VariableRun, ...] = ()

    def run(self) -> None:
        import tensorflow as tf

        x, y, weight = self.given.inputs(), self.given.targets(), self.given.weights()
        with tf.GradientTape(persistent=True) as tape:
            try:
                with recorded() as self.recorder:
                    prediction = self.model(x, training=True)
            except UsageError:
                raise
            except Exception as problem:
                self.problem, self.stage = raised(problem, is_user_file), "model"
                self._symbolic()
                return
            self._outputs(prediction)
            total = None
            try:
                total = self.model.compute_loss(x=x, y=y, y_pred=prediction, sample_weight=weight)
            except Exception as problem:
                self.problem, self.stage = raised(problem, is_user_file), "loss"
            added = list(self.model.losses)
            parts = self._differentiable_terms() if len(self.losses) + len(added) > 1 else {}
        self._terms(added)
        if total is not None:
            self.value = float(total)
            parts |= {f"add_loss {place}": one for place, one in enumerate(added)} if parts else {}
            self.variables = self._gradients(tape, total, parts)
            if not np.isfinite(self.value) or any(one.flow in ("none", "nonfinite") for one in self.variables):
                self._explain(x, y, weight)

    def _explain(self, x: Any, y: Any, weight: Any) -> None:
        """The operations that tear a gradient off, or are the first to give NaN or infinity: in a second run."""
        import tensorflow as tf

        places = [place for place, one in enumerate(self.variables) if one.flow == "none" and one.called]
        without = [self.model.trainable_variables[place].value for place in places]
        values = [variable.value for variable in self.model.trainable_variables]
        with operations() as ran, tf.GradientTape(persistent=True) as tape:
            prediction = self.model(x, training=True)
            total = self.model.compute_loss(x=x, y=y, y_pred=prediction, sample_weight=weight)
            with tape.stop_recording():
                gradients = [one for one in tape.gradient(total, values) if one is not None]

        def alive(tensor: Any) -> bool:
            return tensor.dtype.is_floating and any(one is not None for one in tape.gradient(tensor, without))

        found = ran.wrong([total]) or ran.wrong([getattr(one, "values", one) for one in gradients])
        self.origin = () if found is None else found.calls
        if not without:
            return
        read = {id(variable) for variable in tape.watched_variables()}
        unread = {place for place, value in zip(places, without, strict=True) if id(value) not in read}
        self.variables = tuple(replace(one, read=place not in unread) for place, one in enumerate(self.variables))
        torn = ran.tear(total, alive)
        if torn is not None:
            self.torn, self.torn_what = torn.calls, torn.kind

    def _symbolic(self) -> None:
        """The outputs of a model that raises, as far as they are known without running it."""
        names = list(getattr(self.model, "output_names", None) or [""])
        self.names = [""] if len(names) == 1 else names
        self.losses = losses_by_output(self.model, self.names)
        outputs = getattr(self.model, "outputs", None) or []
        for name, tensor in zip(self.names, outputs, strict=False):
            layer = getattr(getattr(tensor, "_keras_history", None), "operation", None)
            self.activations[name], self.layers[name] = activation_of(layer), getattr(layer, "name", "")

    def _outputs(self, prediction: Any) -> None:
        if isinstance(prediction, Mapping):
            parts = {str(name): part for name, part in prediction.items()}
        elif isinstance(prediction, list | tuple):
            names = list(getattr(self.model, "output_names", None) or [])
            names = names if len(names) == len(prediction) else [str(place) for place in range(len(prediction))]
            parts = dict(zip(names, prediction, strict=True))
        else:
            parts = {"": prediction}
        if len(parts) == 1:
            parts = {"": next(iter(parts.values()))}
        self.names, self.predictions = list(parts), parts
        self.losses = losses_by_output(self.model, self.names)
        for name, tensor in parts.items():
            layer = maker_of(self.model, self.recorder, tensor)
            self.layers[name] = getattr(layer, "name", "")
            self.activations[name] = activation_of(layer)

    def target(self, name: str) -> Array | None:
        """y of an output, by name or by place."""
        return _of(self.given.y, name, self.names)

    def weight(self, name: str) -> Array | None:
        found = _of(self.given.weight, name, self.names)
        return next(iter(self.given.weight.values())) if found is None and len(self.given.weight) == 1 else found

    def _pairs(self) -> Iterator[tuple[str, Any, Any, Any]]:
        """Output, loss, y and weights as tensors, of the outputs that have a loss and a target."""
        import tensorflow as tf

        rows = list(self.given.rows)
        for name in self.names:
            loss, true = self.losses.get(name), self.target(name)
            if loss is None or true is None or true.dtype == object:
                continue
            weight = self.weight(name)
            yield name, loss, tf.constant(true[rows]), None if weight is None else tf.constant(weight[rows])

    def _differentiable_terms(self) -> dict[str, Any]:
        from lossdoctor.trials.losses import weighted

        found: dict[str, Any] = {}
        for name, loss, true, weight in self._pairs():
            with contextlib.suppress(Exception):
                found[name] = weighted(loss, true, self.predictions[name], weight)
        return found

    def _terms(self, added: Sequence[Any]) -> None:
        for name, loss, true, weight in self._pairs():
            prediction = np.asarray(self.predictions[name])
            self.terms.append(term(name, loss, true, prediction, weight, self.given.rows))
        for place, one in enumerate(added):
            value = float(np.mean(np.asarray(one)))
            calls = self.recorder.added.get(id(one), ())
            self.terms.append(TermRun(f"add_loss {place}", value, "unknown", added=True, calls=calls))

    def _gradients(self, tape: Any, total: Any, parts: Mapping[str, Any]) -> tuple[VariableRun, ...]:
        variables = list(self.model.trainable_variables)
        values = [variable.value for variable in variables]
        gradients = tape.gradient(total, values)
        by_term: dict[str, list[Flow]] = {
            name: [flow_of(one) for one in tape.gradient(part, values)] for name, part in parts.items()
        }
        called = {id(variable) for call in self.recorder.calls for variable in call.layer.variables}
        owners = {
            id(variable): call.layer.name
            for call in reversed(self.recorder.calls)
            for variable in call.layer.trainable_variables
        }
        found: list[VariableRun] = []
        for place, (variable, gradient) in enumerate(zip(variables, gradients, strict=True)):
            flows: dict[str, Flow] = {name: term[place] for name, term in by_term.items()}
            layer = owners.get(id(variable), str(variable.path).rsplit("/", 2)[-2] if "/" in variable.path else "")
            found.append(_variable(variable, gradient, layer, id(variable) in called, flows))
        return tuple(found)

    def result(self) -> ModelRun:
        last = {id(maker_of(self.model, self.recorder, tensor)) for tensor in self.predictions.values()}
        optimizer = getattr(self.model, "optimizer", None)
        return ModelRun(
            layers=layer_runs(self.recorder, self.given.rows, last),
            variables=self.variables,
            terms=tuple(self.terms),
            value=self.value,
            raised=self.problem,
            stage=self.stage,
            optimizer=type(optimizer).__name__ if optimizer is not None else "",
            origin=self.origin,
            torn=self.torn,
            torn_what=self.torn_what,
        )

    def _use(self, name: str) -> LossUse | None:
        loss = self.losses.get(name)
        if loss is None:
            return None
        use, true = use_of(loss), self.target(name)
        if use.stock or true is None or name not in self.predictions:
            return use
        return replace(use, labels=takes_labels(loss, true[list(self.given.rows)], np.asarray(self.predictions[name])))

    def batch(self) -> Batch:
        embedded = {
            id(tensor)
            for call in self.recorder.calls
            if type(call.layer).__name__ == "Embedding"
            for tensor in call.inputs
        }
        del embedded  # inputs are copied on the way in; integers are told by their dtype instead
        outputs = tuple(
            Output(
                name=name,
                layer=self.layers.get(name, ""),
                activation=self.activations.get(name, ""),
                y_true=self.target(name),
                y_pred=np.asarray(self.predictions[name], np.float32) if name in self.predictions else None,
                weight=self.weight(name),
                loss=self._use(name),
                masked=getattr(self.predictions.get(name), "_keras_mask", None) is not None,
            )
            for name in self.names
        )
        integers = frozenset(name for name, array in self.given.x.items() if array.dtype.kind in "iu")
        return Batch(tuple(self.given.x.items()), outputs, self.given.size, self.given.rows, integers)


def _of(parts: Mapping[str, Array], name: str, names: Sequence[str]) -> Array | None:
    if not parts:
        return None
    if name in parts:
        return parts[name]
    if len(parts) == 1 and len(names) == 1:
        return next(iter(parts.values()))
    return parts.get(str(names.index(name)))


def _variable(variable: Any, gradient: Any, layer: str, called: bool, by_term: Mapping[str, Flow]) -> VariableRun:
    import tensorflow as tf

    weights = np.asarray(variable, np.float64)
    flow = flow_of(gradient)
    slope = None if gradient is None else np.asarray(tf.convert_to_tensor(gradient), np.float64)
    kernel = weights.ndim >= 2 and weights.shape[-1] >= 2
    return VariableRun(
        path=str(variable.path),
        layer=layer,
        shape=tuple(int(size) for size in weights.shape),
        flow=flow,
        norm=0.0 if slope is None else float(np.linalg.norm(slope[np.isfinite(slope)])),
        size=float(np.sqrt(np.mean(np.square(weights)))) if weights.size else 0.0,
        called=called,
        alike=kernel and bool((weights == weights[..., :1]).all()),
        alike_gradient=kernel and slope is not None and bool(np.allclose(slope, slope[..., :1], rtol=1e-4, atol=0)),
        by_term=by_term,
        dtype=str(variable.dtype),
    )
