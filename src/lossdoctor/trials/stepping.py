"""Looking over the shoulder of a training step: tapes, gradients, optimizers, losses, and what leaves TensorFlow."""

from __future__ import annotations

import ast
import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Literal

import numpy as np

from lossdoctor.graph.ir import Span
from lossdoctor.graph.spans import frames
from lossdoctor.readings.model import Array
from lossdoctor.subject.frames import is_user_file

# What the first two parameters of a loss are called, target first.
_TARGETS = frozenset({"y_true", "labels", "label", "target", "targets", "true", "y"})
_PREDICTIONS = frozenset(
    {"y_pred", "logits", "output", "outputs", "pred", "preds", "prediction", "predictions", "y_hat"}
)
_NUMPY = os.path.join("site-packages", "numpy")
_LEAVING = ("numpy", "__float__", "__int__", "__array__")
_LEFT = 16  # events of a kind that are kept
_ALIKE = 0.999  # cosine of two gradients that are one, up to a factor


def key_of(variable: Any) -> int:
    """The same number for a Keras variable and TensorFlow's inside it."""
    return id(getattr(variable, "_value", variable))


def name_of(variable: Any) -> str:
    """`dense/kernel`; the type of what has no name."""
    name = getattr(variable, "path", None)
    if name is None and hasattr(variable, "assign"):
        name = str(variable.name).removesuffix(":0")
    return str(name) if name else "a tensor"


@dataclass
class GradientEvent:
    calls: tuple[Span, ...]
    target: Any
    kind: Literal["tensor", "number", "array", "none"]
    text: str
    sources: list[Any]
    results: list[Any] = field(default_factory=list[Any])
    again: bool = False
    value: float | None = None


@dataclass
class ApplyEvent:
    calls: tuple[Span, ...]
    optimizer: str
    pairs: list[tuple[Any, Any]]
    rate: float | None


@dataclass
class Recording:
    """What a step did; tensors are kept until it has been read."""

    whole: Any  # a tape around the step
    tapes: int = 0
    active: int = 0
    gradients: list[GradientEvent] = field(default_factory=list[GradientEvent])
    applies: list[ApplyEvent] = field(default_factory=list[ApplyEvent])
    losses: list[tuple[str, tuple[Span, ...], Any, Any]] = field(default_factory=list[Any])
    left: list[tuple[str, tuple[Span, ...], Any]] = field(default_factory=list[Any])
    inside: list[Any] = field(default_factory=list[Any])  # tensors that a function of Keras made arrays of
    created: list[tuple[str, tuple[Span, ...]]] = field(default_factory=list[Any])
    scaled: bool = False
    scaling: bool = False  # an optimizer with a loss scale applied gradients
    half: bool = False  # a layer computes in float16
    owners: dict[int, Any] = field(default_factory=dict[int, Any])
    busy: bool = False  # inside a call that is recorded already

    def watched(self) -> list[Any]:
        """The trainable variables that the step read."""
        return list(self.whole.watched_variables())

    def owner(self, variable: Any) -> Any:
        """Keras's variable around TensorFlow's."""
        return self.owners.get(key_of(variable), variable)

    def _gradient(self, target: Any, source: Any) -> Any:
        if not hasattr(target, "dtype") or not hasattr(target, "shape") or isinstance(target, np.ndarray | np.generic):
            return None
        self.busy = True
        try:
            # The step is over: the tape records nothing more and can be asked as often as need be.
            return self.whole.gradient(target, getattr(source, "_value", source))
        except Exception:
            return None
        finally:
            self.busy = False

    def norm_exists(self, target: Any, source: Any) -> bool:
        """Whether the whole step gives a source a gradient."""
        return self._gradient(target, source) is not None

    def norm_of(self, target: Any, source: Any) -> float:
        """The norm of that gradient; 0 without one."""
        found = self._gradient(target, source)
        return 0.0 if found is None else float(np.linalg.norm(np.nan_to_num(self.array(found))))

    def depends(self, tensor: Any, variables: Sequence[Any] | None = None) -> bool:
        """Whether a tensor has a gradient to some of these variables, by default to those that the step read."""
        if not getattr(getattr(tensor, "dtype", None), "is_floating", False):
            return False
        among = self.watched() if variables is None else [getattr(one, "_value", one) for one in variables]
        self.busy = True
        try:
            return any(one is not None for one in self.whole.gradient(tensor, among))
        except Exception:
            return False
        finally:
            self.busy = False

    @staticmethod
    def array(gradient: Any) -> Array:
        import tensorflow as tf

        return np.asarray(tf.convert_to_tensor(gradient), np.float64)

    def finite(self, gradient: Any) -> bool:
        return bool(np.isfinite(self.array(gradient)).all())

    def origin(self, gradient: Any, variable: Any) -> Any:
        """The source that a gradient belongs to; None if that cannot be told.

        A gradient that was clipped or scaled is told by its direction.
        """
        if gradient is None:
            return None
        found = [
            (source, one)
            for event in self.gradients
            for source, one in zip(event.sources, event.results, strict=False)
            if one is not None
        ]
        for source, one in found:
            if one is gradient:
                return source
        alike = [(source, self._likeness(gradient, one)) for source, one in found]
        own = max((likeness for source, likeness in alike if key_of(source) == key_of(variable)), default=-1.0)
        best = max(alike, key=lambda item: item[1], default=(None, 0.0))
        return best[0] if best[1] > _ALIKE and own < best[1] - 0.1 else None

    def _likeness(self, one: Any, other: Any) -> float:
        first, second = self.array(one).ravel(), self.array(other).ravel()
        size = float(np.linalg.norm(first) * np.linalg.norm(second)) if first.shape == second.shape else 0.0
        return float(first @ second) / size if size and first.size > 1 else -1.0

    def unscaled(self) -> Any:
        """What is wrong with loss scaling: "not-scaled", "no-scaling" or ""."""
        if not self.applies or not self.gradients:
            return ""
        if self.scaling:
            return "" if self.scaled else "not-scaled"
        return "no-scaling" if self.half else ""


def _calls(depth: int = 2) -> tuple[Span, ...]:
    return frames(sys._getframe(depth), None, is_user_file, {})


@contextlib.contextmanager
def recording(*, created: bool) -> Iterator[Recording]:
    """Record what happens in this block.

    Args:
        created: the variables that are made as well; for a step that has run before.
    """
    import tensorflow as tf

    with contextlib.ExitStack() as stack:
        whole = stack.enter_context(tf.GradientTape(persistent=True))
        record = Recording(whole)
        stack.enter_context(_tapes(record))
        stack.enter_context(_optimizers(record))
        stack.enter_context(_layers(record))
        stack.enter_context(_leaving(record))
        if created:
            stack.enter_context(tf.variable_creator_scope(_creator(record)))
        stack.enter_context(_profiled(record))
        yield record


@contextlib.contextmanager
def _patched(owner: Any, **methods: Any) -> Iterator[None]:
    own = {name: owner.__dict__.get(name) for name in methods}
    for name, method in methods.items():
        setattr(owner, name, method)
    try:
        yield
    finally:
        for name, original in own.items():
            if original is None:
                delattr(owner, name)
            else:
                setattr(owner, name, original)


@contextlib.contextmanager
def _tapes(record: Recording) -> Iterator[None]:
    import tensorflow as tf

    tape: Any = tf.GradientTape
    enter, leave, gradient = tape.__enter__, tape.__exit__, tape.gradient

    def entered(self: Any) -> Any:
        if not record.busy:
            record.tapes += 1
            record.active += 1
        return enter(self)

    def left(self: Any, *args: Any) -> Any:
        if not record.busy:
            record.active -= 1
        return leave(self, *args)

    def differentiated(self: Any, target: Any, sources: Any, *args: Any, **kwargs: Any) -> Any:
        if record.busy or self is record.whole:
            return gradient(self, target, sources, *args, **kwargs)
        flat = tf.nest.flatten(sources)
        calls = _calls()
        event = GradientEvent(calls, target, _kind(target), _argument(calls), flat, value=_value(record, target))
        record.gradients.append(event)
        for one in flat:
            if hasattr(one, "_value"):
                record.owners[key_of(one)] = one
        try:
            results = gradient(self, target, sources, *args, **kwargs)
        except RuntimeError as problem:
            event.again = "non-persistent" in str(problem)
            raise
        event.results = tf.nest.flatten(results) if results is not None else [None] * len(flat)
        return results

    with _patched(tape, __enter__=entered, __exit__=left, gradient=differentiated):
        yield


def _kind(target: Any) -> Any:
    if target is None:
        return "none"
    if isinstance(target, np.ndarray | np.generic):
        return "array"
    return "number" if isinstance(target, int | float) else "tensor"


def _value(record: Recording, target: Any) -> float | None:
    record.busy = True
    try:
        return float(np.mean(np.asarray(target)))
    except Exception:
        return None
    finally:
        record.busy = False


def _argument(calls: tuple[Span, ...]) -> str:
    """The text of the first argument of the call at the deepest frame."""
    if not calls:
        return ""
    try:
        node = ast.parse(calls[-1].text.strip(), mode="eval").body
    except SyntaxError:
        return ""
    return ast.unparse(node.args[0]) if isinstance(node, ast.Call) and node.args else ""


@contextlib.contextmanager
def _optimizers(record: Recording) -> Iterator[None]:
    from keras.optimizers import LossScaleOptimizer, Optimizer

    base: Any = next(cls for cls in Optimizer.__mro__ if "apply" in vars(cls))
    apply, scale = base.apply, LossScaleOptimizer.scale_loss
    own: Any = vars(LossScaleOptimizer).get("apply")

    def wrapped(original: Any) -> Any:
        def applied(self: Any, grads: Any, trainable_variables: Any = None) -> Any:
            if record.busy:
                return original(self, grads, trainable_variables)
            gradients = list(grads)
            variables = self._trainable_variables if trainable_variables is None else trainable_variables
            pairs = list(zip(gradients, variables, strict=False))
            record.applies.append(ApplyEvent(_calls(), type(self).__name__, pairs, _rate(self)))
            record.scaling |= isinstance(self, LossScaleOptimizer)
            for _, variable in pairs:
                record.owners.setdefault(key_of(variable), variable)
            record.busy = True
            try:
                return original(self, gradients, trainable_variables)
            finally:
                record.busy = False

        return applied

    def scaled(self: Any, loss: Any) -> Any:
        record.scaled = True
        return scale(self, loss)

    with contextlib.ExitStack() as stack:
        stack.enter_context(_patched(base, apply=wrapped(apply)))
        methods = {"scale_loss": scaled} | ({} if own is None else {"apply": wrapped(own)})
        stack.enter_context(_patched(LossScaleOptimizer, **methods))
        yield


def _rate(optimizer: Any) -> float | None:
    from lossdoctor.trials.experiments import rate_of

    try:
        return rate_of(optimizer)
    except Exception:
        return None


@contextlib.contextmanager
def _layers(record: Recording) -> Iterator[None]:
    import keras

    layer: Any = keras.layers.Layer
    call = layer.__call__

    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        for variable in getattr(self, "_trainable_variables", ()):
            record.owners.setdefault(key_of(variable), variable)
        record.half |= getattr(self, "compute_dtype", "") == "float16"
        return call(self, *args, **kwargs)

    with _patched(layer, __call__=called):
        yield


@contextlib.contextmanager
def _leaving(record: Recording) -> Iterator[None]:
    """Tensors that a line of the user's turns into NumPy arrays or Python numbers under a tape."""
    from tensorflow.python.framework import ops

    base: Any = ops._EagerTensorBase

    def wrapped(name: str, original: Any) -> Any:
        def leaving(self: Any, *args: Any, **kwargs: Any) -> Any:
            caller = sys._getframe(1)
            if record.active > 0 and not record.busy and len(record.left) < _LEFT:
                if _by_user(caller):
                    what = ".numpy()" if name == "numpy" else f"{name.strip('_')}()"
                    record.left.append(("a NumPy function" if name == "__array__" else what, _calls(), self))
                elif len(record.inside) < _LEFT:
                    record.inside.append(self)
            return original(self, *args, **kwargs)

        return leaving

    methods = {name: wrapped(name, getattr(base, name)) for name in _LEAVING if hasattr(base, name)}
    with _patched(base, **methods):
        yield


def _converted(frame: FrameType, record: Recording) -> None:
    """A tensor that the user's code passes to a function of NumPy, which reads its memory and asks nobody."""
    import tensorflow as tf

    if frame.f_back is None or not is_user_file(frame.f_back.f_code.co_filename) or len(record.left) >= _LEFT:
        return
    given = next((value for value in frame.f_locals.values() if isinstance(value, tf.Tensor)), None)
    if given is not None:
        called = f"`{frame.f_code.co_name}` of NumPy"
        record.left.append((called, frames(frame.f_back, None, is_user_file, {}), given))


def _handed_back(frame: FrameType, result: Any, record: Recording) -> None:
    """Arrays that a function of Keras (`predict`) gives the user for the tensors that it computed."""
    import tensorflow as tf

    caller = frame.f_back
    if caller is None or not is_user_file(caller.f_code.co_filename) or is_user_file(frame.f_code.co_filename):
        return
    if any(isinstance(one, np.ndarray) for one in tf.nest.flatten(result)):
        calls = frames(caller, None, is_user_file, {})
        called = f"`{calls[-1].text.partition('(')[0]}`" if calls else "a function of Keras"
        record.left += [(called, calls, tensor) for tensor in record.inside]
    record.inside.clear()


def _by_user(frame: FrameType | None) -> bool:
    """Whether a frame is the user's, or NumPy called by the user."""
    while frame is not None and _NUMPY in frame.f_code.co_filename:
        frame = frame.f_back
    return frame is not None and is_user_file(frame.f_code.co_filename)


def _creator(record: Recording) -> Any:
    def creator(following: Any, **kwargs: Any) -> Any:
        variable = following(**kwargs)
        if not record.busy or not record.created:
            record.created.append((name_of(variable), _calls()))
        return variable

    return creator


@contextlib.contextmanager
def _profiled(record: Recording) -> Iterator[None]:
    """Calls of losses by the user's code, told by the names of their first two parameters."""

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        if event == "return" and record.inside:
            _handed_back(frame, argument, record)
        if event != "call" or record.busy:
            return
        code = frame.f_code
        if record.active > 0 and _NUMPY in code.co_filename:
            _converted(frame, record)
            return
        names = code.co_varnames[: code.co_argcount]
        if names and names[0] == "self":
            names = names[1:]
        if len(names) < 2 or names[0] not in _TARGETS or names[1] not in _PREDICTIONS:
            return
        caller = frame.f_back
        while caller is not None and caller.f_code.co_filename.endswith(("traceback_utils.py", "dispatch.py")):
            caller = caller.f_back
        if caller is None or not is_user_file(caller.f_code.co_filename) or len(record.losses) >= _LEFT:
            return
        values = frame.f_locals
        calls = frames(caller, None, is_user_file, {})
        owner = values.get("self")
        name = type(owner).__name__ if owner is not None else code.co_name
        record.losses.append((name, calls, values[names[0]], values[names[1]]))

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(before)
