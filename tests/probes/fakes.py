"""A subject made from a live function or Loss instance, and the standard losses with the specs they are made for."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from lossdoctor.graph.ir import Span
from lossdoctor.session import Loaded
from lossdoctor.spec import Contract, Spec


class FakeSubject:
    """The part of `lossdoctor.subject.Subject` that the probes use."""

    def __init__(self, loss: Any, make: Callable[[], Any] | None = None, user_files: tuple[str, ...] = ()) -> None:
        self.object = loss
        self.make = make or (lambda: loss)
        self.user_files = user_files
        definition = loss if inspect.isfunction(loss) else type(loss)
        path, line = inspect.getsourcefile(definition) or "", inspect.getsourcelines(definition)[1]
        name = definition.__name__
        kind = "function" if inspect.isfunction(loss) else "instance"
        span = Span(path, line, 1, line, 2, "", "")
        self.loaded = Loaded(name, name, kind, path, line, ("y_true", "y_pred"), span, "")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.object.call(y_true, y_pred) if hasattr(self.object, "call") else self.object(y_true, y_pred)

    def keras_call(self, y_true: Any, y_pred: Any) -> Any:
        return self.object(y_true, y_pred)

    def is_user(self, filename: str) -> bool:
        return filename in self.user_files


def spec(text: str) -> Spec:
    """`float32[B,3] label(4)`, without the errors of the real parser."""
    head, _, kind = text.partition(" ")
    dtype, _, inner = head.rstrip("]").partition("[")
    dims = tuple(int(dim) if dim.isdigit() else dim for dim in inner.split(",") if dim)
    name, _, classes = (kind or "real").rstrip(")").partition("(")
    return Spec(dtype, dims, name, int(classes) if classes else None)  # type: ignore[arg-type]


def contract(y_true: str, y_pred: str) -> Contract:
    return Contract(spec(y_true), spec(y_pred))


def load(path: Path) -> ModuleType:
    """Import a file as a module of its own."""
    name = f"probed_{path.stem}_{abs(hash(str(path)))}"
    description = importlib.util.spec_from_file_location(name, path)
    assert description is not None
    assert description.loader is not None
    module = importlib.util.module_from_spec(description)
    sys.modules[name] = module
    description.loader.exec_module(module)
    return module


def subject_of(path: Path, name: str) -> FakeSubject:
    """The loss `name` of a file; a class is instantiated with its defaults."""
    target = getattr(load(path), name)
    if inspect.isclass(target):
        return FakeSubject(target(), target, (str(path),))
    return FakeSubject(target, None, (str(path),))


def written(folder: Path, source: str, name: str = "loss") -> FakeSubject:
    """The loss `name` of a file with this source."""
    path = folder / "user_losses.py"
    path.write_text(source)
    return subject_of(path, name)


REAL = contract("float32[B,5] real", "float32[B,5] real")
POSITIVE = contract("float32[B,5] positive", "float32[B,5] positive")
BINARY = contract("float32[B,5] binary", "float32[B,5] unit")
LOGIT = contract("float32[B,5] binary", "float32[B,5] logit")
CLASSES = contract("float32[B,4] onehot", "float32[B,4] probability")
CLASS_LOGIT = contract("float32[B,4] onehot", "float32[B,4] logit")
MARGIN = contract("float32[B,5] sign", "float32[B,5] real")

# Natural specs, by function; a class has those of its function.
NATURAL: dict[str, tuple[Contract, ...]] = {
    "mean_squared_error": (REAL,),
    "mean_absolute_error": (REAL,),
    "mean_absolute_percentage_error": (REAL, POSITIVE),
    "mean_squared_logarithmic_error": (POSITIVE,),
    "cosine_similarity": (REAL,),
    "huber": (REAL,),
    "log_cosh": (REAL,),
    "poisson": (POSITIVE,),
    "kl_divergence": (contract("float32[B,4] probability", "float32[B,4] probability"), CLASSES),
    "hinge": (MARGIN,),
    "squared_hinge": (MARGIN,),
    "categorical_hinge": (CLASSES, CLASS_LOGIT),
    "binary_crossentropy": (BINARY,),
    "binary_focal_crossentropy": (BINARY,),
    "categorical_crossentropy": (CLASSES,),
    "categorical_focal_crossentropy": (CLASSES,),
    "categorical_generalized_cross_entropy": (contract("int32[B] label(4)", "float32[B,4] probability"),),
    "sparse_categorical_crossentropy": (
        contract("int32[B] label(4)", "float32[B,4] probability"),
        contract("int32[B,1] label(4)", "float32[B,4] probability"),
    ),
    "dice": (contract("float32[B,6,6,1] binary", "float32[B,6,6,1] unit"),),
    "tversky": (contract("float32[B,6,6,1] binary", "float32[B,6,6,1] unit"),),
    "circle": (contract("int32[B] label(3)", "float32[B,8] unit"),),
    "ctc": (contract("int32[B,3] label(4)", "float32[B,7,4] logit"),),
}
FROM_LOGITS: dict[str, Contract] = {
    "BinaryCrossentropy": LOGIT,
    "BinaryFocalCrossentropy": LOGIT,
    "CategoricalCrossentropy": CLASS_LOGIT,
    "CategoricalFocalCrossentropy": CLASS_LOGIT,
    "SparseCategoricalCrossentropy": contract("int32[B] label(4)", "float32[B,4] logit"),
}


def standard_losses() -> Iterator[tuple[str, FakeSubject, Contract]]:
    """Every loss of keras.losses: functions, classes, and those with `from_logits`."""
    import keras

    snake = {name.replace("_", ""): name for name in NATURAL}
    for name in dir(keras.losses):
        item = getattr(keras.losses, name)
        if inspect.isfunction(item) and name in NATURAL:
            for one in NATURAL[name]:
                yield name, FakeSubject(item), one
        elif inspect.isclass(item) and issubclass(item, keras.losses.Loss) and item is not keras.losses.Loss:
            for one in NATURAL[snake[name.lower()]]:
                yield name, FakeSubject(item(), item), one
            if name in FROM_LOGITS:
                made: Any = item(from_logits=True)  # type: ignore[call-arg]
                yield f"{name}(from_logits=True)", FakeSubject(made, lambda made=made: made), FROM_LOGITS[name]
