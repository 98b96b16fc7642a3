"""A Keras loss that behaves as the one it wraps, and records what training does with it."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lossdoctor.findings import UsageError
from lossdoctor.runtime import recorder
from lossdoctor.runtime.slots import Capacity, Slot
from lossdoctor.runtime.statistics import COLUMNS, SAMPLE, Plan, plan
from lossdoctor.runtime.untyped_tf import (
    autograph,
    control_flow_util,
    do_not_convert,
    dtype_policy,
    function_loss,
    keras,
    keras_mask,
    ops,
    set_keras_mask,
    tf,
)
from lossdoctor.spec import Contract, Spec
from lossdoctor.spec.model import DTYPES
from lossdoctor.subject.frames import is_user_file
from lossdoctor.subject.locate import definition_of
from lossdoctor.subject.models import named
from lossdoctor.subject.naming import scope_name

_RAGGED = "not recorded: the prediction is a ragged tensor"
_JIT_REPLICAS = (
    "`watch` cannot record under `jit_compile=True` with several replicas: TensorFlow itself cannot compile a step "
    "with a MirroredStrategy on CPUs, with or without lossdoctor. Compile with jit_compile=False, or train on one "
    "replica"
)


@dataclass(frozen=True)
class Given:
    """The structure of y_true and y_pred (tables and lists, None for an array), and whether weights came along."""

    y_true: Any
    y_pred: Any
    weighted: bool


@keras.saving.register_keras_serializable(package="lossdoctor")
class WatchedLoss(keras.losses.Loss):
    """What `lossdoctor.watch` makes: the wrapped loss, with a recorder in the backward pass.

    Name, reduction, dtype, masks, sample weights and serialization are those of the wrapped loss.

    Attributes:
        loss: what was given, a function or a Keras loss.
        every: the period of the statistics in steps; 0 for none.
        notes: what could not be recorded, and why.
    """

    def __init__(self, loss: Any, every: int = 50, rows: int = 4096, max_bytes: int = 64 * 2**20) -> None:
        self.loss = _resolved(loss)
        whole = isinstance(self.loss, keras.losses.Loss)
        # A function gets the same wrapper that `compile` puts around it.
        self.inner = self.loss if whole else function_loss(self.loss, name=_name(self.loss))
        super().__init__(name=self.inner.name, reduction=self.inner.reduction, dtype=dtype_policy(self.inner))
        self.every = whole_number(every, "every", 0)
        self.capacity = Capacity(whole_number(rows, "rows", 1), whole_number(max_bytes, "max_bytes", 1024))
        self.notes: list[str] = []
        self.slots: dict[tuple[int, int], Slot] = {}  # by call within a step, and replica
        self.plans: dict[str, Plan | None] = {}  # by what the loss was given
        self.signatures: list[str] = []  # of every trace of the backward pass, in order
        self.plan: Plan | None = None  # that fills the table
        self.executions: set[str] = set()  # in which the backward pass was built: eager, graph, xla
        self._given: dict[tuple[int, int], Given] = {}
        self._calls: weakref.WeakKeyDictionary[Any, dict[int, int]] = weakref.WeakKeyDictionary()

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return self._called(y_true, y_pred, sample_weight, autograph.control_status_ctx())

    @do_not_convert
    def _called(self, y_true: Any, y_pred: Any, sample_weight: Any, autographed: Any) -> Any:
        if _replicas() > 1 and control_flow_util.GraphOrParentsInXlaContext(ops.get_default_graph()):
            raise UsageError(_JIT_REPLICAS)
        inner = self._inner(autographed)
        if any(isinstance(each, tf.RaggedTensor) for each in tf.nest.flatten(y_pred)):
            self.notes.append(_RAGGED)
            return inner(y_true, y_pred, sample_weight)
        mask = keras_mask(y_pred)
        flat = [tf.convert_to_tensor(each) for each in tf.nest.flatten(y_pred)]
        cast = [tf.cast(each, self.dtype) if each.dtype != self.dtype else each for each in flat]
        floats = [place for place, each in enumerate(cast) if each.dtype.is_floating]
        if not floats:
            return inner(y_true, y_pred, sample_weight)
        index = self._index()
        passage = recorder.Passage()
        given = tf.nest.pack_sequence_as(y_pred, cast)

        def record(gradients: Sequence[Any]) -> Any:
            try:
                return self._record(index, passage, gradients, y_true, given, sample_weight, inner)
            except UsageError:
                raise
            except Exception as problem:  # such as a ragged y_true: the training goes on
                self.notes.append(f"not recorded: {type(problem).__name__}: {' '.join(str(problem).split())[:200]}")
                return tf.zeros([])

        passed = recorder.watched_predictions([cast[place] for place in floats], passage, record)
        for place, tensor in zip(floats, passed, strict=True):
            cast[place] = tensor
        watched = tf.nest.pack_sequence_as(y_pred, cast)
        if mask is not None:
            set_keras_mask(watched, mask)
        return recorder.watched_loss(inner(y_true, watched, sample_weight), passage)

    @property
    def __wrapped__(self) -> Any:
        """What examines a loss looks at the one that is watched."""
        return self.loss

    def _inner(self, autographed: Any) -> Any:
        """The wrapped loss; with a function converted by AutoGraph where a call of it would be (never in `fit`)."""
        if self.inner is self.loss or autographed.status.name != "ENABLED":
            return self.inner
        converted = autograph.tf_convert(self.loss, autographed)
        return function_loss(converted, name=self.name, reduction=self.reduction, dtype=dtype_policy(self))

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The wrapped loss, not recorded."""
        return self.inner.call(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        return {
            "loss": keras.saving.serialize_keras_object(self.loss),
            "every": self.every,
            "rows": self.capacity.rows,
            "max_bytes": self.capacity.bytes,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WatchedLoss:
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})

    def __repr__(self) -> str:
        return f"<WatchedLoss {self.name!r}>"

    @property
    def replicas(self) -> list[Slot]:
        """The recorders of the first call in a step, one for each replica."""
        return [slot for (index, _), slot in sorted(self.slots.items()) if index == 0]

    def rearm(self) -> None:
        """Forget the batch that was captured, so that the next one that goes wrong is kept."""
        for slot in self.slots.values():
            slot.rearm()

    def given(self, index: int, replica: int) -> Given:
        """The structure of what a call was given."""
        return self._given[index, replica]

    # ---- in the backward pass ------------------------------------------------------------------------------

    def _record(
        self,
        index: int,
        passage: recorder.Passage,
        gradients: Sequence[Any],
        y_true: Any,
        y_pred: Any,
        sample_weight: Any,
        inner: Any,
    ) -> Any:
        true = [_tensor(each) for each in tf.nest.flatten(y_true)]
        leaves = [*true, *tf.nest.flatten(y_pred)]
        if sample_weight is not None:
            leaves += [_tensor(each) for each in tf.nest.flatten(sample_weight)]
        contract = self._contract(y_true, y_pred)
        found = None if contract is None else self._planned(contract, inner)
        given = Given(_shape(y_true), _shape(y_pred), sample_weight is not None)
        slot = self._slot(index, leaves, found, given)
        self.executions.add(recorder.execution())
        rows = 0 if slot.table is None else slot.table.shape[0]
        sizes = None if found is None else (len(found.lines), len(found.variables))
        fits = sizes == (rows, len(slot.bodies)) and index == 0
        if fits:
            self.plan = found

        def statistics() -> Any:
            assert found is not None
            true, predicted = (tf.nest.map_structure(self._cast, each) for each in (y_true, y_pred))
            return found(true, predicted, slot.bodies)

        return recorder.advance(
            slot,
            passage.loss,
            passage.scale,
            gradients,
            leaves,
            max(1, self.every),
            statistics if fits else None,
        )

    def _slot(self, index: int, leaves: Sequence[Any], found: Plan | None, given: Given) -> Slot:
        key = (index, _replica())
        if key not in self.slots:
            rows = len(found.lines) if found is not None else 0
            inner = 0 if found is None else len(found.variables) // 2
            self.slots[key] = Slot(leaves, self.capacity, rows, len(COLUMNS) + SAMPLE, bodies=inner)
            self._given[key] = given
        slot = self.slots[key]
        if [buffer.dtype for buffer in slot.buffers] != [leaf.dtype for leaf in leaves]:
            raise UsageError(
                f"the watched loss {self.name!r} is called with other arguments than before; watch each use of a loss "
                "by itself"
            )
        return slot

    def _index(self) -> int:
        """Which call of this loss within one graph it is: a loss may serve several outputs."""
        if tf.executing_eagerly():
            return 0
        counts = self._calls.setdefault(ops.get_default_graph(), {})
        replica = _replica()
        counts[replica] = counts.get(replica, 0) + 1
        return counts[replica] - 1

    # ---- statistics -------------------------------------------------------------------------------------------

    def _planned(self, contract: Contract, inner: Any) -> Plan | None:
        """The copy of the loss that makes statistics for these arguments; None, with a note, where there is none."""
        if not self.every:
            return None
        key = f"y_true: {contract.y_true}, y_pred: {contract.y_pred}"
        if not self.signatures or self.signatures[-1] != key:
            self.signatures.append(key)
        if key not in self.plans:
            self.plans[key] = None
            try:
                self.plans[key] = plan(inner.call, contract, self._is_user)
            except Exception as problem:  # the training goes on, whatever the copy of the loss does
                text = " ".join(str(problem).split())[:200]
                self.notes.append(f"no statistics of the intermediates: {type(problem).__name__}: {text}")
        return self.plans[key]

    def _is_user(self, path: str) -> bool:
        return is_user_file(path) or path == definition_of(self.loss).path

    def _contract(self, y_true: Any, y_pred: Any) -> Contract | None:
        try:
            return Contract(_structure(y_true, self.dtype), _structure(y_pred, self.dtype))
        except (TypeError, ValueError):
            return None

    def _cast(self, value: Any) -> Any:
        return tf.cast(_tensor(value), self.dtype)


def _shape(value: Any) -> Any:
    """The structure of a value, its tensors left out."""
    if isinstance(value, Mapping):
        return {str(key): _shape(value[key]) for key in sorted(value)}
    return [_shape(part) for part in value] if isinstance(value, list | tuple) else None


def _structure(value: Any, dtype: str) -> Any:
    """The specs of what the loss is given, after Keras's cast."""
    if isinstance(value, Mapping):
        return {str(key): _structure(part, dtype) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_structure(part, dtype) for part in value)
    tensor = _tensor(value)
    if tensor.dtype.name not in DTYPES:
        raise TypeError(tensor.dtype.name)
    dims = tensor.shape.as_list()  # ValueError for an unknown rank
    named = ["B" if axis == 0 else f"D{axis}" if dim is None else dim for axis, dim in enumerate(dims)]
    return Spec(dtype, tuple(named))


def _tensor(value: Any) -> Any:
    return tf.convert_to_tensor(value)


def _replicas() -> int:
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def _replica() -> int:
    context = tf.distribute.get_replica_context()
    if _replicas() == 1 or context is None:
        return 0
    number = context.replica_id_in_sync_group
    return int(number if isinstance(number, int) else tf.get_static_value(number))


def _resolved(loss: Any) -> Any:
    """The function or Keras loss that is meant.

    Raises:
        UsageError: it is neither.
    """
    if isinstance(loss, str):
        return named(loss)
    if isinstance(loss, keras.losses.Loss) or (callable(loss) and not isinstance(loss, type)):
        return loss
    raise UsageError(
        "Invalid value for `loss`. Expected a function of (y_true, y_pred), a Keras loss or its name. "
        f"Received: {loss!r}"
    )


def _name(loss: Any) -> str:
    """As Keras names a function given to `compile`."""
    given = getattr(loss, "name", None)
    return str(given) if given else scope_name(getattr(loss, "__name__", None) or type(loss).__name__)


def whole_number(value: Any, argument: str, least: int) -> int:
    """The value. Raises `UsageError` for anything but a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UsageError(
            f"Invalid value for `{argument}`. Expected a whole number of at least {least}. Received: {value!r}"
        )
    return value
