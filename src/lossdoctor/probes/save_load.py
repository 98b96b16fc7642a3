"""Does a `Loss` instance survive saving and loading?

Each constructor argument is given another value; the loss is then saved and loaded as Keras does it and must
still compute the same. An argument whose change does not show in the value is not judged.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from lossdoctor.graph.spans import is_user, raised, statement_span
from lossdoctor.probes.calls import Caller, Subject, caller
from lossdoctor.probes.draws import pair as draw_pair
from lossdoctor.readings import SavedArgument, SaveLoad
from lossdoctor.session import Array, Pair, Raised
from lossdoctor.source.parsed import classes, parsed
from lossdoctor.spec import Contract, Spec

Way = Literal["from_config", "deserialize"]
# Arguments of keras.losses.Loss itself that change no values.
IGNORED = ("name", "dtype")
MOST_ARGUMENTS = 12
_SAVING = re.compile(
    r"\b(?:load_model|save_model|custom_objects|clone_model)\b|\b(?:model|keras)\w*\.save\(|ModelCheckpoint"
)
_SLOW = 0.07  # seconds for one sample, from which one has to do
_PLAIN = (bool, int, float, str, bytes)


def probe(subject: Subject, contract: Contract, *, seed: int = 0, repeats: bool | None = None) -> SaveLoad:
    """Construct, save, load and compare, argument by argument.

    Args:
        repeats: whether equal calls give equal values, if that is known.
    """
    import keras

    loss = subject.object
    if not isinstance(loss, keras.losses.Loss):
        return SaveLoad(False, "a function has nothing to save")
    kind = type(loss)
    facts = {**_facts(kind), "of_library": not is_user(inspect.getsourcefile(kind) or "")}
    rng = np.random.default_rng(seed)
    call = caller(subject, contract, rng)
    try:
        fixed, arguments = _arguments(kind, loss)
        plain = kind(**fixed)
    except _Unknown as problem:
        return SaveLoad(False, str(problem), **facts)
    except Exception as problem:  # the class is the user's: anything may be raised
        return SaveLoad(False, "it cannot be constructed", construction=raised(problem, subject.is_user), **facts)
    if call is None:
        return SaveLoad(False, "the loss does not accept ordinary inputs of its specs", **facts)
    samples = _samples(call, contract, rng)
    trip = _Trip(kind, call, samples[:1], subject.is_user, getattr(subject, "given", None))
    started = time.perf_counter()
    try:
        default = trip.evaluate(plain)
        if time.perf_counter() - started < _SLOW:
            rest = replace(trip, samples=samples[1:])
            default += rest.evaluate(plain)
            trip = replace(trip, samples=samples)
    except Exception as problem:
        return SaveLoad(False, "it cannot be called", construction=raised(problem, subject.is_user), **facts)
    if not repeats and not _same(trip.evaluate(plain), default):
        return SaveLoad(False, "two calls with the same input differ", **facts)
    unchanged = trip(plain, default).raised
    facts["config_is"] = _in_place_of_table(plain)
    # Arguments that matter only with a switch on (`alpha` with `apply_class_balancing`) are tried with all on.
    switched = {**fixed, **{name: not value for name, (value, _) in arguments.items() if isinstance(value, bool)}}
    changed: list[SavedArgument] = []
    with_all: list[Array] | None = None  # what the loss with all switches on gives
    for name, (value, choices) in arguments.items():
        result = _change(trip, fixed, default, name, value, choices)
        if result.outcome == "unjudged" and choices and len(switched) > len(fixed) and not isinstance(value, bool):
            with_all = with_all if with_all is not None else _evaluated(trip, switched)
            result = _change(trip, switched, with_all, name, value, choices)
        unnamed = name not in inspect.signature(kind).parameters
        changed.append(replace(result, at_default=_holds(loss, name, value), among_kwargs=unnamed))
    return SaveLoad(True, "", tuple(changed), unchanged, **facts)


class _Unknown(Exception):
    """A constructor argument whose value cannot be told."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    way: Way = "from_config"
    values: list[Array] | None = None
    raised: Raised | None = None


@dataclass(frozen=True)
class _Trip:
    """Save and load in both of Keras's ways; the first one that differs or raises, else the last."""

    kind: type[Any]
    call: Caller
    samples: tuple[Pair, ...]
    is_user: Callable[[str], bool]
    given: Callable[[Any, Any], tuple[Any, Any]] | None = None  # what the loss is given for padded rows

    def evaluate(self, loss: Any) -> list[Array]:
        """What Keras gets from the loss, reduction included, for each sample."""
        pairs = [self.call.tensors(sample.y_true, sample.y_pred) for sample in self.samples]
        if self.given is not None:
            pairs = [self.given(*pair) for pair in pairs]
        return [np.asarray(loss(y_true, y_pred), dtype=np.float64) for y_true, y_pred in pairs]

    def __call__(self, loss: Any, before: list[Array]) -> _Loaded:
        """Save and load a loss that evaluates to `before`."""
        import keras

        def from_config() -> Any:
            return self.kind.from_config(loss.get_config())

        def deserialize() -> Any:
            # Its own name and the registered one: what is tested is the configuration, not the registration.
            custom = {self.kind.__name__: self.kind, keras.saving.get_registered_name(self.kind): self.kind}
            return keras.losses.deserialize(keras.losses.serialize(loss), custom_objects=custom)

        ways: tuple[tuple[Way, Callable[[], Any]], ...] = (("from_config", from_config), ("deserialize", deserialize))
        result = _Loaded()
        for way, load in ways:
            try:
                loaded = load()
                result = _Loaded(way, before if _same_state(loaded, loss) else self.evaluate(loaded))
            except Exception as problem:
                return _Loaded(way, raised=raised(problem, self.is_user))
            if result.values is None or not _same(result.values, before):
                break
        return result


def _samples(call: Caller, contract: Contract, rng: np.random.Generator) -> tuple[Pair, ...]:
    """Ordinary inputs, and predictions near zero and far out, where margins and thresholds show."""
    pairs = [draw_pair(contract, rng, call.sizes) for _ in range(3)]
    spec = contract.y_pred
    if isinstance(spec, Spec) and spec.kind in ("real", "positive", "logit"):
        factors = (1.0, 0.1, 10.0)
        pairs = [
            Pair(one.y_true, np.asarray(factor * one.y_pred).astype(one.y_pred.dtype))
            for factor, one in zip(factors, pairs, strict=True)
        ]
    return tuple(pairs)


def _differs(one: Array, other: Array) -> bool:
    # Loaded numbers are equal numbers: only the order of float32 sums may differ.
    return one.shape != other.shape or not np.allclose(one, other, 1e-5, 1e-7, equal_nan=True)


def _same(one: list[Array], other: list[Array]) -> bool:
    return not any(_differs(*both) for both in zip(one, other, strict=True))


def _same_state(one: Any, other: Any) -> bool:
    """Whether two losses are of one class and hold the same plain values, so that they compute the same."""
    return type(one) is type(other) and _equal(vars(one), vars(other))


def _equal(one: Any, other: Any) -> bool:
    """Whether two values are equal for certain; objects of which it is not known count as different."""
    import keras

    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, keras.DTypePolicy):
        return one.get_config() == other.get_config()
    return type(one) in _PLAIN and bool(one == other)


def _facts(kind: type) -> dict[str, Any]:
    import keras

    name = keras.saving.get_registered_name(kind)
    known = keras.saving.get_registered_object(name) is kind
    path = inspect.getsourcefile(kind)
    span = init_span = config_span = None
    if path is not None:
        definition = _definition(kind)
        if definition is not None:
            span = statement_span(path, definition.lineno, kind.__name__)
            own = {node.name: node for node in definition.body if isinstance(node, ast.FunctionDef)}
            init_span, config_span = (
                statement_span(path, own[name].lineno, f"{kind.__name__}.{name}") if name in own else None
                for name in ("__init__", "get_config")
            )
    return {
        "registered": name if known else "",
        "overrides_get_config": _defines(kind, "get_config"),
        "saved_in_file": _saves_models(path),
        "span": span,
        "init_span": init_span,
        "config_span": config_span,
    }


def _saves_models(path: str | None) -> bool:
    """Whether the text of a file saves or loads models."""
    try:
        return path is not None and _saves(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError):  # a notebook's cell
        return False


@lru_cache(maxsize=16)
def _saves(text: str) -> bool:
    return _SAVING.search(text) is not None


def _definition(kind: type) -> ast.ClassDef | None:
    """The statement that defines a class; None where its text is not to be had."""
    try:
        lines = linecache.getlines(inspect.getsourcefile(kind) or "")
        return classes(parsed("".join(lines))).get(kind.__qualname__)
    except (OSError, SyntaxError, TypeError, ValueError):
        return None


def _defines(kind: type, method: str) -> bool:
    """Whether the class or a base of it, short of Keras's `Loss`, defines a method."""
    import keras

    bases = [base for base in kind.__mro__ if issubclass(base, keras.losses.Loss) and base is not keras.losses.Loss]
    return any(method in vars(base) for base in bases)


def _arguments(kind: type, loss: Any) -> tuple[dict[str, Any], dict[str, tuple[Any, tuple[Any, ...]]]]:
    """What construction needs, and the arguments to change: their value in this loss, and other values."""
    fixed: dict[str, Any] = {}
    arguments: dict[str, tuple[Any, tuple[Any, ...]]] = {}
    words = _words(kind)
    parameters = list(inspect.signature(kind).parameters.values())
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or parameter.name in IGNORED:
            continue
        value = parameter.default
        if value is parameter.empty:
            value = _attribute(loss, parameter.name)
            fixed[parameter.name] = value
        others = _others(value, words) if parameter.name != "reduction" else ("sum", "sum_over_batch_size")
        arguments[parameter.name] = (value, tuple(other for other in others if other != value))
    if "reduction" not in arguments and any(one.kind is one.VAR_KEYWORD for one in parameters):
        arguments["reduction"] = ("sum_over_batch_size", ("sum",))
    return fixed, dict(list(arguments.items())[:MOST_ARGUMENTS])


def _attribute(loss: Any, name: str) -> Any:
    for attribute in (name, f"_{name}"):
        if hasattr(loss, attribute):
            return getattr(loss, attribute)
    raise _Unknown(f"the value of its constructor argument `{name}` is not known")


def _in_place_of_table(loss: Any) -> str | None:
    """What get_config returns, in words, where that is no table."""
    try:
        config = loss.get_config()
    except Exception:  # the class is the user's: anything may be raised
        return None
    if isinstance(config, Mapping):
        return None
    return "None (a `return` is missing)" if config is None else f"a {type(config).__name__}"


def _holds(loss: Any, name: str, value: object) -> bool:
    """Whether a loss was made with this value of an argument, as far as its attributes tell."""
    wrapped = getattr(loss, "_fn_kwargs", {})  # where Keras's wrapper of a function keeps them
    if isinstance(wrapped, dict) and name in wrapped:
        return _equals(wrapped[name], value)
    return any(hasattr(loss, one) and _equals(getattr(loss, one), value) for one in (name, f"_{name}"))


def _equals(kept: object, value: object) -> bool:
    """Whether an attribute holds a value, as it is or as a tensor or array of it."""
    try:
        return bool(np.array_equal(cast(Any, kept), cast(Any, value)))
    except Exception:  # what cannot be made an array, and what refuses to be compared
        return False


def _others(value: object, words: tuple[str, ...]) -> tuple[Any, ...]:
    """Other values of the same type, those that stay in the usual ranges first."""
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int | np.integer):
        return (int(value) + 1, 2 * int(value) + 3, max(int(value) - 1, 0))
    if isinstance(value, float | np.floating):
        number = float(value)
        varied = (number * 1.7 + 0.3, number * 0.5 + 0.1, number * 0.5, number + 1.0)
        return tuple(float(f"{one:.6g}") for one in varied)  # plain numbers, for the message
    if isinstance(value, str):
        return words
    if value is None:
        return (0.7, 2, True)
    if isinstance(value, list | tuple) and value:
        varied = [_others(item, ()) for item in value]
        if all(varied):
            return tuple(type(value)(options[turn] for options in varied) for turn in range(min(map(len, varied))))
    return ()


def _words(kind: type) -> tuple[str, ...]:
    """The strings that the class compares something with: the values that a string argument may have."""
    definition = _definition(kind)
    if definition is None:
        return ()

    def strings(node: ast.AST) -> Iterator[str]:
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value

    compared = [node for node in ast.walk(definition) if isinstance(node, ast.Compare)]
    return tuple(dict.fromkeys(word for node in compared for word in strings(node)))


def _evaluated(trip: _Trip, arguments: dict[str, Any]) -> list[Array]:
    """What a loss made with these arguments gives; nothing where they exclude each other."""
    try:
        return trip.evaluate(trip.kind(**arguments))
    except Exception:  # the class is the user's: anything may be raised
        return []


def _change(
    trip: _Trip, fixed: dict[str, Any], default: list[Array], name: str, value: object, choices: tuple[Any, ...]
) -> SavedArgument:
    """Give one argument another value that shows in what the loss gives with `fixed` alone; save and load."""
    if not choices:
        return SavedArgument(name, "unjudged", value, reason="no other valid value is known")
    if not default:
        return SavedArgument(name, "unjudged", value, reason="no other valid value was found")
    constructed = False
    for other in choices:
        try:
            loss = trip.kind(**{**fixed, name: other})
            before = trip.evaluate(loss)
        except Exception:  # not a valid value: try the next
            continue
        constructed = True
        shows = [_differs(*both) and bool(np.all(np.isfinite(both[0]))) for both in zip(before, default, strict=True)]
        # A loss that keeps Keras from reducing may do it itself, by another name.
        if name == "reduction" and getattr(loss, "reduction", other) != other and not any(shows):
            return SavedArgument(name, "ignored", getattr(loss, "reduction", value), other)
        if not any(shows):
            continue
        loaded = trip(loss, before)
        at = shows.index(True)
        if loaded.values is None:
            return SavedArgument(
                name, "raises", value, other, _mean(before[at]), None, trip.samples[at], loaded.way, loaded.raised
            )
        lost = [_differs(*both) for both in zip(before, loaded.values, strict=True)]
        if not any(lost):
            return SavedArgument(name, "kept", value, other, _mean(before[at]), _mean(loaded.values[at]))
        at = next((index for index, both in enumerate(zip(lost, shows, strict=True)) if all(both)), lost.index(True))
        return SavedArgument(
            name, "lost", value, other, _mean(before[at]), _mean(loaded.values[at]), trip.samples[at], loaded.way
        )
    reason = "its change does not show in the value" if constructed else "no other valid value was found"
    return SavedArgument(name, "unjudged", value, reason=reason)


def _mean(value: Array) -> float:
    return float(np.mean(value))
