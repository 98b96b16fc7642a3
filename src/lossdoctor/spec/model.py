"""The values: one array (`Spec`), several (`Structure`), and both arguments of a loss (`Contract`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lossdoctor.findings import SpecOrigin

Kind = Literal["real", "positive", "unit", "probability", "logit", "binary", "onehot", "label", "sign"]

KINDS: tuple[Kind, ...] = ("real", "positive", "unit", "probability", "logit", "binary", "onehot", "label", "sign")
FLOATS: tuple[str, ...] = ("float16", "bfloat16", "float32", "float64")
INTEGERS: tuple[str, ...] = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
DTYPES: tuple[str, ...] = (*FLOATS, *INTEGERS, "bool")
BATCH = "B"


@dataclass(frozen=True, slots=True)
class Spec:
    """One array: dtype, dimensions and which values can occur. `str(spec)` is the text that parses back."""

    dtype: str
    dims: tuple[int | str, ...]  # names or numbers; "B" is the batch
    kind: Kind = "real"
    classes: int | None = None  # of label(n)
    missing: bool = False
    present: bool = False  # says of each place of padded rows whether the row has it; never written by anyone

    def __str__(self) -> str:
        kind = f"label({self.classes})" if self.kind == "label" else self.kind
        dims = ",".join(str(dim) for dim in self.dims)
        return f"{self.dtype}[{dims}] {kind}{' missing' if self.missing else ''}"


# A spec, or a tuple or table of structures.
Structure = Spec | tuple["Structure", ...] | Mapping[str, "Structure"]


@dataclass(frozen=True, slots=True)
class Ragged:
    """What a loss of ragged tensors is given, where it is examined on padded rows (`spec.ragged`)."""

    y_true: Spec  # such as float32[B,(T)] real
    y_pred: Spec
    # Which of the arrays beside the rows of y_true says what rows have; None for an argument that is not ragged.
    cuts: tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class Contract:
    """The specs of both arguments, where they come from, and what was assumed on the way."""

    y_true: Structure
    y_pred: Structure
    origin: SpecOrigin = "given"
    assumptions: tuple[str, ...] = ()
    magnitude: float = 1e4
    masked: bool = False  # y_pred carries a mask of Keras, seen in a batch
    ragged: Ragged | None = None  # what y_true and y_pred stand for, if they are padded rows

    @property
    def shown(self) -> tuple[str, str]:
        """Text of the specs of both arguments, as the loss is given them."""
        of = self if self.ragged is None else self.ragged
        return format_structure(of.y_true), format_structure(of.y_pred)


def leaves(structure: Structure, key: str = "") -> tuple[tuple[str, Spec], ...]:
    """The specs with their keys ("", "0", "boxes", "heads.1"), tables in the order of their sorted keys.

    That is the order in which TensorFlow and Keras flatten structures.
    """
    if isinstance(structure, Spec):
        return ((key, structure),)
    return tuple(
        leaf for name, part in _parts(structure) for leaf in leaves(part, f"{key}.{name}" if key else str(name))
    )


def map_structure(function: Callable[[Spec], Any], structure: Structure) -> Any:
    """The same structure with `function(spec)` in the place of each spec, called in the order of `leaves`."""
    if isinstance(structure, Spec):
        return function(structure)
    if isinstance(structure, tuple):
        return tuple(map_structure(function, part) for part in structure)
    results = {name: map_structure(function, structure[name]) for name in sorted(structure)}
    return {name: results[name] for name in structure}


def format_structure(structure: Structure) -> str:
    """Text of a structure; `parse_structure` reads it back."""
    if isinstance(structure, Spec):
        return str(structure)
    if isinstance(structure, tuple):
        return "[" + ", ".join(_quoted(part) for part in structure) + "]"
    return "{" + ", ".join(f'"{name}": {_quoted(part)}' for name, part in structure.items()) + "}"


def dim_names(*structures: Structure) -> tuple[str, ...]:
    """The names of dimensions, in order of first appearance."""
    names = (dim for part in structures for _, spec in leaves(part) for dim in spec.dims if isinstance(dim, str))
    return tuple(dict.fromkeys(names))


def is_float(spec: Spec) -> bool:
    return spec.dtype in FLOATS


def _parts(structure: tuple[Structure, ...] | Mapping[str, Structure]) -> list[tuple[str, Structure]]:
    if isinstance(structure, tuple):
        return [(str(index), part) for index, part in enumerate(structure)]
    return [(name, structure[name]) for name in sorted(structure)]


def _quoted(structure: Structure) -> str:
    text = format_structure(structure)
    return f'"{text}"' if isinstance(structure, Spec) else text
