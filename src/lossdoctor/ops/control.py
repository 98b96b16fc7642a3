"""Sources of values, control flow, and operations that pass a value on."""

from __future__ import annotations

from typing import Any

import numpy as np

from lossdoctor.ops.arrays import Array
from lossdoctor.ops.table import op


def _identity(x: Array) -> Array:
    return x


def _all(*x: Array) -> tuple[Array, ...]:
    return x


def _shown(x: Array, *_: Array) -> Array:
    return x


def _content(optional: tuple[Array, ...]) -> tuple[Array, ...]:
    if not optional:
        raise ValueError("an optional without value")
    return optional


def _check_numerics(x: Array, *, message: str = "") -> Array:
    if not np.all(np.isfinite(x)):
        raise FloatingPointError(message or "a tensor has NaN or Inf")  # TensorFlow raises as well
    return x


# Sources. The frontend gives `constant` its array and `dims` its dimensions; `item` takes a part of a tuple.
op("input", "input", tf=("Placeholder",), ulps=0.0)
op("constant", "input", tf=("Const",), flow=("none",), ulps=0.0)
op("variable", "input", tf=("ReadVariableOp", "VariableV2"), ulps=0.0)
op("dims", "input", flow=("none",), ulps=0.0)
op("item", "input", value=lambda parts, index: parts[index], trend=(1,), ulps=0.0)


def _pass(name: str, tf: tuple[str, ...], value: Any = _identity, **facts: Any) -> None:
    op(name, "control", tf=tf, value=value, trend=(1,), ulps=0.0, **facts)


_pass("identity", ("Identity", "Snapshot", "DeepCopy", "EnsureShape", "PlaceholderWithDefault"))
_pass("identity_n", ("IdentityN",), _all, outputs=0)
_pass("stop_gradient", ("StopGradient",), flow=("stop",))
# What a variable holds after the loss itself has put it there; the frontend makes it of a read behind a write.
_pass("assigned", (), flow=("none",))
# Gradients through this one raise in TensorFlow.
_pass("prevent_gradient", ("PreventGradient",), flow=("none",))
_pass("check_numerics", ("CheckNumerics", "CheckNumericsV2"), _check_numerics, attrs={"message": "message"})
_pass("print", ("Print",), _shown)
op("print_line", "control", tf=("PrintV2",), flow=("none",), ulps=0.0)
op("assert", "control", tf=("Assert",), flow=("none",), ulps=0.0)
op("no_op", "control", tf=("NoOp",), flow=("none",), ulps=0.0)

# Bodies: `while` has (condition, body), `cond` has (else, then), or the branches by index. The first argument of
# `cond` is what decides.
op("while", "control", tf=("While", "StatelessWhile"), outputs=0, ulps=0.0)
op("cond", "control", tf=("If", "StatelessIf", "Case", "StatelessCase"), flow=("none", "smooth"), outputs=0, ulps=0.0)
op("call", "control", tf=("PartitionedCall", "StatefulPartitionedCall"), outputs=0, ulps=0.0)
# The same after lowering, as the graph optimiser may leave it.
op("switch", "control", tf=("Switch",), flow=("smooth", "none"), outputs=2, ulps=0.0)
op("switch_n", "control", tf=("_SwitchN",), flow=("smooth", "none"), outputs=0, ulps=0.0)
op("merge", "control", tf=("Merge",), outputs=2, ulps=0.0)
op("enter", "control", tf=("Enter",), ulps=0.0)
op("exit", "control", tf=("Exit",), ulps=0.0)
op("next_iteration", "control", tf=("NextIteration",), ulps=0.0)
op("loop_condition", "control", tf=("LoopCond",), flow=("none",), ulps=0.0)

# Variables that the loss itself writes.
for _name, _tf in (("assign", "AssignVariableOp"), ("assign_add", "AssignAddVariableOp"),
                   ("assign_subtract", "AssignSubVariableOp"), ("scatter_assign", "ResourceScatterNdUpdate"),
                   ("scatter_assign_add", "ResourceScatterNdAdd")):  # fmt: skip
    op(_name, "control", tf=(_tf,), flow=("none",), ulps=0.0)
# What a branch keeps for its gradient; none for the branch that was not taken.
op("optional", "control", tf=("OptionalFromValue",), value=_all, ulps=0.0)
op("optional_value", "control", tf=("OptionalGetValue",), value=_content, outputs=0, ulps=0.0)
op("optional_none", "control", tf=("OptionalNone",), value=_all, flow=("none",), ulps=0.0)
