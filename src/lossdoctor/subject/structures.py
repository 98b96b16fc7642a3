"""Arguments that are several tensors, from how the code of a loss takes them apart.

`x_hat, mu, log_var = y_pred` and `y_pred["mean"]` are for training loops of one's own: Keras hands a loss one tensor.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from lossdoctor.source.discover import losses_of_compile
from lossdoctor.source.module import SourceFunction, SourceModule, own_nodes
from lossdoctor.spec.model import Contract
from lossdoctor.spec.parse import parse_contract

# In this order: one width for all, then a target of one number beside them.
_LEAVES = ("float32[B,4] real", "float32[B,1] real", "float32[B] real")


@dataclass(frozen=True, slots=True)
class Parts:
    """What an argument is made of: so many tensors, or one for each key; and the line that says so."""

    keys: tuple[str, ...]  # empty: a tuple
    count: int
    line: int

    def spec(self, leaf: str) -> object:
        return dict.fromkeys(self.keys, leaf) if self.keys else [leaf] * self.count

    def __str__(self) -> str:
        if self.keys:
            return f"a table of tensors {', '.join(map(repr, self.keys))}, since the loss takes them by name"
        return f"{self.count} tensors, since the loss unpacks it"


def structured(module: SourceModule, function: SourceFunction, name: str) -> Iterator[Contract]:
    """Contracts with several tensors for an argument that the code takes apart; none for a loss that the same file
    compiles, which is given one tensor whatever it expects."""
    if name in losses_of_compile(module) or len(function.parameters) < 2:
        return
    true, pred = (_parts(function, parameter) for parameter in function.parameters[:2])
    if true is None and pred is None:
        return
    reasons = tuple(
        f"{role} is taken as {parts} (line {parts.line}); Keras would hand it one output at a time"
        for role, parts in (("y_true", true), ("y_pred", pred))
        if parts is not None
    )
    for leaf in _LEAVES:
        specs = [leaf if parts is None else parts.spec(leaf) for parts in (true, pred)]
        sizes = f"where nothing fixes a size, a small one is assumed: each tensor is {leaf}"
        yield parse_contract(specs[0], specs[1], origin="inferred", assumptions=(*reasons, sizes))


def _parts(function: SourceFunction, parameter: str) -> Parts | None:
    keys: dict[str, int] = {}
    for node in own_nodes(function.node):
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=parts) | ast.List(elts=parts)], value=ast.Name(id=value)):
                starred = any(isinstance(part, ast.Starred) for part in parts)
                if value == parameter and not starred:
                    return Parts((), len(parts), node.lineno)
            case ast.Subscript(value=ast.Name(id=value), slice=ast.Constant(value=str(key))):
                if value == parameter:
                    keys.setdefault(key, node.lineno)
            case _:
                pass
    return Parts(tuple(sorted(keys)), len(keys), min(keys.values())) if keys else None
