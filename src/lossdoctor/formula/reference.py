"""Another implementation as the meaning of a loss: it runs beside the loss, in float64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from lossdoctor.findings import UsageError
from lossdoctor.formula.expression import Expression, Formula
from lossdoctor.formula.meaning import Meaning
from lossdoctor.formula.stabilisers import computed, neutral, value_of, widened
from lossdoctor.graph.ir import LossGraph
from lossdoctor.readings import ReferenceInfo
from lossdoctor.search.leaves import pair_arrays
from lossdoctor.session import Array, Evaluation, Pair, Session
from lossdoctor.spec import Contract

_AT_ONCE = 200  # inputs of one request, so that it stays far below the time limit


@dataclass
class Reference:
    """The function that a reference computes.

    Args:
        session: with the loss loaded.
        contract: what both are given.
        target: the reference, with an absolute path, or a live object.
        shown: how it was written.
    """

    session: Session
    contract: Contract
    target: Any
    shown: str
    formula: Formula | None = None
    _known: dict[bytes, Evaluation] = field(default_factory=dict[bytes, Evaluation])
    _info: ReferenceInfo | None = None

    @property
    def name(self) -> str:
        return f"the reference {self.shown}"

    @property
    def info(self) -> ReferenceInfo:
        """What it is.

        Raises:
            UsageError: there is no such loss, or it does not accept the specs.
        """
        if self._info is None:
            self._info = self._ask()
        assert self._info is not None
        return self._info

    @property
    def graph(self) -> LossGraph | None:
        return self._wide

    @cached_property
    def _wide(self) -> LossGraph | None:
        return None if self.info.graph is None else widened(self.info.graph)

    @property
    def numbers(self) -> tuple[float, ...]:
        graph = self.graph
        if graph is None:
            return ()
        constants = (node.constant for node in graph.where("constant", role="forward"))
        return tuple(
            float(value.reshape(-1)[0])
            for value in constants
            if value is not None and value.size == 1 and value.dtype.kind == "f"
        )

    def prepare(self, pairs: Sequence[Pair]) -> None:
        unknown = {key: pair for pair in pairs if (key := _key(self.contract, pair)) not in self._known}
        keys = list(unknown)
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            found: list[Evaluation] = self._ask(pairs=[unknown[key] for key in some])
            self._known.update(zip(some, found, strict=True))

    def at(self, pair: Pair) -> Evaluation:
        """Value and gradient at one input."""
        self.prepare([pair])
        return self._known[_key(self.contract, pair)]

    def floats(self, pair: Pair) -> Array:
        found = self.at(pair)
        if found.raised is not None or found.value is None:
            raise UsageError(
                f"Invalid value for `reference`. Expected a loss that accepts the specs. Received: {self.shown}, which "
                f"raises {found.raised.type if found.raised else 'nothing and returns no tensor'}"
            )
        return np.asarray(found.value, np.float64)

    def exact(self, pair: Pair) -> Array:
        """A reference is as exact as float64."""
        return self.floats(pair)

    def slopes(self, pair: Pair, along: Array) -> tuple[Array, Array]:
        value = self.floats(pair)
        if self.info.numpy:
            return value, np.asarray(self._ask(pairs=[pair], along=along))
        gradients = self.at(pair).gradients
        if len(gradients) != 1 or gradients[0] is None:
            return value, np.full(len(along), np.nan)
        used = np.asarray(gradients[0], np.float64)
        return value, np.array([float(np.sum(used * one)) for one in along])

    def parts(self, pair: Pair) -> dict[Expression, Array]:
        """What each operation of its program computes; only the value itself where it could not be traced."""
        graph = self.graph
        if graph is None:
            return {self._part(0, "value", self.shown): self.floats(pair)}
        held = computed(graph, self.contract, pair)
        reached = graph.graph.ancestors(graph.value)
        return {
            self._part(node.id, "number" if node.op == "constant" else node.op, node.call): np.asarray(held[node.id])
            for node in graph.nodes
            if node.id in reached and node.role == "forward" and isinstance(held[node.id], np.ndarray | np.generic)
        }

    def plain(self) -> Meaning | None:
        graph = self.graph
        without = None if graph is None else neutral(graph)
        return None if without is None else _Plain(self, without)

    def _part(self, place: int, op: str, text: str) -> Expression:
        """The same object for the same operation at every input."""
        key = (place, op)
        if key not in self._parts:
            self._parts[key] = Expression(op, text=text)
        return self._parts[key]

    def _ask(self, **arguments: Any) -> Any:
        return self.session.probe("reference", self.contract, target=self.target, **arguments)

    def __post_init__(self) -> None:
        self._parts: dict[tuple[int, str], Expression] = {}


class _Plain(Reference):
    """The same program without its stabilisers, computed by the machine."""

    def __init__(self, reference: Reference, graph: LossGraph) -> None:
        super().__init__(reference.session, reference.contract, reference.target, reference.shown)
        self._without = graph

    def floats(self, pair: Pair) -> Array:
        value = value_of(self._without, self.contract, pair)
        return np.array(np.nan) if value is None else value


def _key(contract: Contract, pair: Pair) -> bytes:
    return b"|".join(f"{array.dtype}{array.shape}".encode() + array.tobytes() for array in pair_arrays(contract, pair))
