"""Small changes of a loss that make it its formula: another constant, a mean for a sum, another sign.

A change that mends the loss at several inputs is strong evidence of where it departs, also where its steps look like
no part of the formula. Whether it mends the value or the gradient is for the caller to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lossdoctor.formula.stabilisers import computed, value_of
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.session import Array, Pair
from lossdoctor.spec import Contract

Same = Callable[[Array, Pair], bool]
# What is put in the place of nodes at an input; None where it cannot be told.
Changed = Callable[[Pair], dict[int, Array] | None]
Mends = Callable[[Changed], bool]
_RUNS = 400  # of the machine, at the first input


@dataclass(frozen=True, slots=True)
class Repair:
    """`expected`: what should stand at `node`, in words."""

    node: Node
    expected: str


def by_value(wide: LossGraph, contract: Contract, pairs: Sequence[Pair], same: Same) -> Mends:
    """Whether with a change the loss has the value that `same` wants, at all of the inputs."""

    def mends(changed: Changed) -> bool:
        for pair in pairs:
            override = changed(pair)
            value = None if override is None else value_of(wide, contract, pair, override)
            if value is None or not same(value, pair):
                return False
        return bool(pairs)

    return mends


def constants(wide: LossGraph, named: Sequence[float], mends: Mends) -> Repair | None:
    """A number of the loss that should be another one: of the formula, or near it by a factor of 2 or a sign."""
    reached = wide.graph.ancestors(wide.value)
    users = wide.graph.users()
    runs = 0
    for node in wide.nodes:
        value = node.constant
        if (
            node.op != "constant"
            or node.id not in reached
            or value is None
            or value.size != 1
            or value.dtype.kind != "f"
        ):
            continue
        readers = [wide[user] for user in users[node.id] if user in reached and wide[user].role == "forward"]
        number = float(value.reshape(-1)[0])
        if not readers or not np.isfinite(number):
            continue
        for other in _others(number, named):
            runs += 1
            if runs > _RUNS:
                return None
            put = {node.id: np.full_like(value, other)}
            if mends(lambda pair, put=put: put):
                return Repair(readers[0], f"{other:.6g} instead of {number:.6g}")
    return None


def reductions(wide: LossGraph, contract: Contract, mends: Mends) -> Repair | None:
    """A sum that should be a mean, a mean that should be a sum, a value that lacks a minus."""
    reached = wide.graph.ancestors(wide.value)
    nodes = [node for node in wide.nodes if node.id in reached and node.role == "forward"]
    for ops, word in ((("sum",), "a mean"), (("mean",), "a sum")):
        for node in nodes:
            if node.op not in ops:
                continue

            def changed(pair: Pair, node: Node = node) -> dict[int, Array] | None:
                held = computed(wide, contract, pair)
                before, after = held[node.args[0]], held[node.id]
                if not isinstance(before, np.ndarray) or not np.size(after):
                    return None
                count = before.size / np.size(after)
                return (
                    {node.id: np.asarray(after / count if node.op == "sum" else after * count)} if count != 1 else None
                )

            if mends(changed):
                return Repair(node, word)
    return None


def branches(wide: LossGraph, contract: Contract, mends: Mends) -> Repair | None:
    """A choice whose two sides should change places."""
    reached = wide.graph.ancestors(wide.value)
    for node in wide.where("where", role="forward"):
        if node.id not in reached or len(node.args) != 3:
            continue

        def changed(pair: Pair, node: Node = node) -> dict[int, Array] | None:
            held = computed(wide, contract, pair)
            condition, first, second = (held[arg] for arg in node.args)
            if not all(isinstance(one, np.ndarray | np.generic) for one in (condition, first, second)):
                return None
            return {node.id: np.asarray(np.where(condition, second, first))}

        if mends(changed):
            return Repair(node, "the other branch")
    return None


def _others(number: float, named: Sequence[float]) -> Iterator[float]:
    """Numbers that may have been meant, plain ones of the formula first."""
    seen = {number}
    for other in (
        *named,
        *(-one for one in named),
        *(1 - one for one in named),
        -number,
        2 * number,
        number / 2,
        0.0,
        1.0,
    ):
        if other not in seen and np.isfinite(other):
            seen.add(other)
            yield other
