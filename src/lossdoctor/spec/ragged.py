"""Rows of different length: specs such as `float32[B,(T)] real`, and the padded arrays on which they are examined.

TensorFlow writes the shape of a ragged tensor `[B, (T)]`. A loss of ragged tensors is examined as a function of plain
arrays: the rows, padded to one length, and an array of truth values that says which places a row has. Every array of
truth values is a ragged tensor, so that rows of any length, empty and full ones too, are drawn, searched and shrunk
as all else is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from lossdoctor.findings import UsageError
from lossdoctor.spec.arrays import as_array, contract_of, from_array, row_lengths
from lossdoctor.spec.model import BATCH, Contract, Ragged, Spec, leaves
from lossdoctor.spec.values import Array

_AXIS = 1  # the one that may be ragged


def is_ragged(spec: Spec) -> bool:
    return any(isinstance(dim, str) and dim.startswith("(") for dim in spec.dims)


def lowered(contract: Contract) -> Contract:
    """The contract of the padded rows, of one with ragged arguments; any other as it is.

    Raises:
        UsageError: another axis than the second is ragged, or an argument is a structure.
    """
    of = [spec for part in (contract.y_true, contract.y_pred) for _, spec in leaves(part)]
    if contract.ragged is not None or not any(map(is_ragged, of)):
        return contract
    true, pred = contract.y_true, contract.y_pred
    if not isinstance(true, Spec) or not isinstance(pred, Spec):
        raise UsageError(
            "Invalid value for `y_true`. Expected single arguments beside a ragged one. Received: a structure with "
            "ragged specs"
        )
    names: list[str] = []
    cuts: list[int | None] = []
    for role, spec in (("y_true", true), ("y_pred", pred)):
        ragged = [axis for axis, dim in enumerate(spec.dims) if isinstance(dim, str) and dim.startswith("(")]
        if not ragged:
            cuts.append(None)
            continue
        if ragged != [_AXIS]:
            raise UsageError(
                f"Invalid value for `{role}`. Expected the second axis as the ragged one. Received: {spec}"
            )
        name = str(spec.dims[_AXIS])
        if name not in names:
            names.append(name)
        cuts.append(names.index(name))
    plain = {name: _padded_name(name, of) for name in names}
    masks = [Spec("bool", (true.dims[0], plain[name]), "binary", present=True) for name in names]
    rows = [replace(spec, dims=tuple(plain.get(str(dim), dim) for dim in spec.dims)) for spec in (true, pred)]
    return replace(contract, y_true=(rows[0], *masks), y_pred=rows[1], ragged=Ragged(true, pred, (cuts[0], cuts[1])))


def _padded_name(name: str, of: Sequence[Spec]) -> str:
    """A name for the length of the padded rows that no other axis has: a ragged tensor knows no such length."""
    taken = {dim for spec in of for dim in spec.dims}
    plain = name.strip("()")
    while plain in taken:
        plain += "_"
    return plain


def given_rows(y_true: Any, y_pred: Any, magnitude: float) -> tuple[Contract, tuple[Any, Any]]:
    """The contract of ragged data, and the padded arrays.

    Raises:
        UsageError: another axis than the second is ragged, not numbers, or batches of different size.
    """
    parts = [_Rows.of(value, role) for value, role in ((y_true, "y_true"), (y_pred, "y_pred"))]
    sizes = [part.batch for part in parts]
    if sizes[0] != sizes[1]:
        raise UsageError(
            f"Invalid value for `data`. Expected arrays of one batch size. Received: y_true with {sizes[0]} rows, "
            f"y_pred with {sizes[1]}"
        )
    alike = parts[0].lengths is not None and parts[0].lengths == parts[1].lengths
    specs: list[Spec] = []
    for part, name in zip(parts, ("(T)", "(T)" if alike else "(S)"), strict=True):
        spec = cast(Spec, from_array(part.values, part.role))
        specs.append(spec if part.lengths is None else replace(spec, dims=(BATCH, name, *spec.dims[1:])))
    contract = lowered(contract_of(specs[0], specs[1], [part.values for part in parts], magnitude))
    if not alike and all(part.lengths is not None for part in parts):
        said = "the rows of y_pred are not as long as those of y_true, and are drawn apart from them"
        contract = replace(contract, assumptions=(*contract.assumptions, said))
    several = [parts[0]] if alike else parts
    masks = [part.present for part in several if part.lengths is not None]
    return contract, ((parts[0].padded, *masks), parts[1].padded)


class _Rows:
    """An argument of a loss: `values` of all rows one after the other with their `lengths`, or a plain array."""

    def __init__(self, role: Any, values: Array, lengths: list[int] | None) -> None:
        self.role, self.values, self.lengths = role, values, lengths
        self.batch = len(values) if lengths is None else len(lengths)

    @classmethod
    def of(cls, value: Any, role: str) -> _Rows:
        lengths = row_lengths(value)
        if lengths is None:
            return cls(role, as_array(value, role), None)
        if getattr(value, "ragged_rank", 1) != 1:
            raise UsageError(
                f"Invalid value for `{role}`. Expected a ragged tensor whose second axis alone is ragged. Received: "
                f"one with {value.ragged_rank} ragged axes"
            )
        if hasattr(value, "flat_values"):
            flat: Any = np.asarray(value.flat_values)
        else:
            flat = [element for row in value for element in row]
        if not any(lengths):
            raise UsageError(f"Invalid value for `{role}`. Expected at least one element. Received: empty rows only")
        return cls(role, as_array(flat, role), lengths)

    @property
    def present(self) -> Array:
        lengths = np.asarray(self.lengths)
        return np.arange(max(1, lengths.max()))[None, :] < lengths[:, None]

    @property
    def padded(self) -> Array:
        if self.lengths is None:
            return self.values
        present = self.present
        found = np.zeros((*present.shape, *self.values.shape[1:]), self.values.dtype)
        found[present] = self.values
        return found


def shown_rows(contract: Contract, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Both arguments as the loss is given them: a list of rows for what is ragged."""
    ragged = contract.ragged
    if ragged is None:
        return y_true, y_pred
    padded, *masks = y_true
    return _cut(padded, masks, ragged.cuts[0]), _cut(y_pred, masks, ragged.cuts[1])


def shown_gradient(contract: Contract, y_true: Any, gradient: Any) -> Any:
    """The gradient with respect to y_pred, likewise."""
    if contract.ragged is None or gradient is None:
        return gradient
    return _cut(gradient, y_true[1:], contract.ragged.cuts[1])


def _cut(padded: Any, masks: Sequence[Any], which: int | None) -> Any:
    if which is None:
        return padded
    rows: Array = np.asarray(padded)
    present: Array = np.asarray(masks[which]).astype(bool)
    return [rows[place][present[place]] for place in range(len(rows))]
