"""Source text that calls a loss: what the bodies of reproduction scripts are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from textwrap import dedent
from typing import Any

from lossdoctor.search.literals import source
from lossdoctor.spec import Contract, Spec, Structure

Arguments = Mapping[str, Any]
Demonstration = Callable[[Contract, Arguments], str]

DIFFERENT = "not np.allclose({0}, {1}, rtol={2}, atol={2}, equal_nan=True)"


def signature(structure: Structure) -> str:
    """Source of the TensorSpec (or structure of them) of a spec, with unknown named axes."""
    if isinstance(structure, Spec):
        dims = ", ".join("None" if isinstance(dim, str) else str(dim) for dim in structure.dims)
        return f'tf.TensorSpec([{dims}], "{structure.dtype}")'
    if isinstance(structure, Mapping):
        return "{" + ", ".join(f"{key!r}: {signature(part)}" for key, part in structure.items()) + "}"
    return "(" + "".join(signature(part) + ", " for part in structure) + ")"


def compiled(function: str, execution: str, contract: Contract) -> str:
    """Source of `function(y_true, y_pred)` as an execution runs it; `fit` traces without AutoGraph."""
    if execution in ("eager", "unoptimised"):
        return function
    jit = ", jit_compile=True" if execution == "xla" else ""
    specs = f"[{signature(contract.y_true)}, {signature(contract.y_pred)}]"
    return f"tf.function({function}, autograph=False{jit}, input_signature={specs})"


def called(arguments: Arguments) -> str:
    """The name of the loss as the calling at hand calls it."""
    return "keras_loss" if arguments.get("calling") in ("keras-compile", "keras-loss") else "loss"


def gradient_function(arguments: Arguments) -> str:
    """Source of `value_and_gradient(y_true, y_pred)`."""
    return dedent(f"""\
        def value_and_gradient(y_true, y_pred):
            with tf.GradientTape() as tape:
                tape.watch(y_pred)
                value = tf.convert_to_tensor({called(arguments)}(y_true, y_pred))
            return value, tape.gradient(value, y_pred)

        """)


def evaluated(contract: Contract, arguments: Arguments) -> str:
    run = compiled("value_and_gradient", str(arguments.get("execution", "eager")), contract)
    return gradient_function(arguments) + f"value, gradient = {run}(y_true, y_pred)\n"


def source_tensors(value: Any, structure: Structure) -> str:
    """Source of the tensors of a value of the given specs."""
    plain = source(value)
    if not isinstance(structure, Spec):
        return f"tf.nest.map_structure(tf.constant, {plain})"
    return f"tf.constant({plain})"


# By symptom: what the script says it shows, and its body.


def assignable(holder: str, name: str) -> str:
    """`self.epoch` -> `_loss.epoch`; of a global `EPOCH`, `STATE['epoch']`, `schedule.epoch` -> `_module.EPOCH` …; a
    variable of an enclosing function by its cell."""
    if holder == "closure":
        variable, bracket, key = name.partition("[")
        cell = f"_loss.__closure__[_loss.__code__.co_freevars.index({variable!r})].cell_contents"
        return f"{cell}{bracket}{key}"
    own = holder == "attribute" and name.startswith("self.")
    return f"_loss.{name.removeprefix('self.')}" if own else f"_module.{name}"
