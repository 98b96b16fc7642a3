"""Specs and real data: does an array obey its spec, which spec does it have, and reading arrays from a file."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from lossdoctor.findings import UsageError
from lossdoctor.spec.model import BATCH, DTYPES, FLOATS, Contract, Kind, Spec, Structure, leaves
from lossdoctor.spec.values import Array, dtype_name, float_limits

Role = Literal["y_true", "y_pred"]

# What the last layer of a model makes.
KIND_OF_ACTIVATION: Mapping[str, Kind] = {"softmax": "probability", "sigmoid": "unit", "hard_sigmoid": "unit"}
POSITIVE_EVIDENCE = 8  # by chance, 8 signs are alike once in 2^8


def validate(array: Any, spec: Spec) -> str | None:
    """What is wrong with an array under a spec, all of it in one line; None if nothing is.

    The magnitude is not part of it: `real`, `positive` and `logit` accept any finite number of theirs.
    """
    values = np.asarray(array)
    faults: list[str] = []
    dtype = dtype_name(values.dtype)
    if dtype != spec.dtype:
        faults.append(f"dtype {dtype} instead of {spec.dtype}")
    faults += _shape_faults(values.shape, spec)
    if dtype not in DTYPES:
        return "; ".join(faults)
    numbers = values.astype(np.float64)
    absent = np.isnan(numbers)
    if spec.missing:
        numbers = np.where(absent, np.nanmin(numbers) if not absent.all() else 0.0, numbers)
    elif absent.any():
        return "; ".join([*faults, f"NaN at {_index(_first(absent))}"])
    bad = ~np.isfinite(numbers)
    expected = "finite numbers"
    if not bad.any():
        bad, expected = _outside(numbers, spec)
    if bad.any() and not (spec.missing and absent.all()):
        where = _first(bad)
        faults.append(f"{numbers[where]:g} at {_index(where)}, expected {expected}")
    elif not faults and spec.kind in ("probability", "onehot"):
        faults += _sum_fault(numbers, spec, absent)
    return "; ".join(faults) or None


def from_array(data: Any, role: Role = "y_true") -> Structure:
    """The spec of real data: dtype and shape as they are, first axis the batch, kind from the values.

    Args:
        data: an array, tensor or nested list of numbers, or a tuple, list or table of such.
        role: "y_true" may have missing entries (NaN) and labels; in "y_pred" integers are not taken as labels.

    Raises:
        UsageError: not numbers.
    """
    if isinstance(data, Mapping):
        table = cast(Mapping[Any, Any], data)
        return {str(key): from_array(part, role) for key, part in table.items()}
    if is_structure(data):
        return tuple(from_array(part, role) for part in data)
    values = as_array(data, role)
    kind, classes, missing = _kind(values, role)
    dims: tuple[int | str, ...] = (BATCH, *values.shape[1:]) if values.ndim else ()
    return Spec(values.dtype.name, dims, kind, classes, missing)


def as_array(data: Any, argument: str) -> Array:
    """A NumPy array of one of the dtypes of a spec; lists of floats become float32 and of integers int32, as in
    TensorFlow.

    Raises:
        UsageError: not numbers.
    """
    if (lengths := row_lengths(data)) is not None:
        raise UsageError(
            f"Invalid value for `{argument}`. Expected rows of one length; ragged are only y_true and y_pred of a "
            f"single loss. Received: {_named(data)} with rows of {min(lengths)} to {max(lengths)}"
        )
    try:
        values = np.asarray(data)
    except Exception as error:
        raise UsageError(f"Invalid value for `{argument}`. Expected an array. Received: {_named(data)}") from error
    if not hasattr(data, "dtype") and values.dtype.name in ("float64", "int64"):
        values = values.astype("float32" if values.dtype.kind == "f" else "int32")
    if values.dtype.name not in DTYPES:
        received = f"{_named(data)} of dtype {values.dtype}"
        raise UsageError(f"Invalid value for `{argument}`. Expected an array of numbers. Received: {received}")
    if values.size == 0:
        raise UsageError(
            f"Invalid value for `{argument}`. Expected at least one element. Received: shape {values.shape}"
        )
    return values


def row_lengths(data: Any) -> list[int] | None:
    """The lengths of the rows of a ragged tensor, or of a list of rows that differ in length; None for others."""
    if hasattr(data, "row_lengths") and hasattr(data, "flat_values"):
        return [int(length) for length in np.asarray(data.row_lengths())] or None
    if not isinstance(data, list | tuple):
        return None
    rows = cast(Sequence[Any], data)
    if not all(isinstance(row, list | tuple) for row in rows):
        return None
    lengths = [len(row) for row in rows]
    return lengths if len(set(lengths)) > 1 else None


def contract_from_arrays(y_true: Any, y_pred: Any, magnitude: float = 1e4) -> Contract:
    """The contract that real data show. What one argument leaves open is taken from the other.

    Labels get the number of classes of the predictions, predictions outside [0, 1] against classes are logits,
    and the magnitude grows to that of the data.

    Raises:
        UsageError: not numbers, or batches of different size.
    """
    true, pred = from_array(y_true, "y_true"), from_array(y_pred, "y_pred")
    check_batch(y_true, y_pred)
    return contract_of(true, pred, (y_true, y_pred), magnitude)


def contract_of(true: Structure, pred: Structure, data: Sequence[Any], magnitude: float) -> Contract:
    """The contract of what each argument looks like on its own."""
    assumptions: list[str] = []
    if isinstance(true, Spec) and isinstance(pred, Spec):
        true = _labels(true, pred)
        if true.kind in ("binary", "onehot", "label") and pred.kind == "real":
            pred = replace(pred, kind="logit")
        if true.kind not in ("binary", "onehot", "label", "probability", "unit") and pred.kind == "unit":
            # Predictions of a regression lie in [0, 1] by chance.
            pred = replace(pred, kind="real")
    for name, structure in (("y_true", true), ("y_pred", pred)):
        for key, spec in leaves(structure):
            assumptions.append(f"{name}{'.' + key if key else ''} is taken as {spec} from the values given")
    largest = max((abs(value) for part in data for value in _extremes(part)), default=0.0)
    if largest > magnitude:
        magnitude = 10.0 ** math.ceil(math.log10(largest))
        assumptions.append(f"the range is widened to {magnitude:g}, since the data reach {largest:g}")
    return Contract(true, pred, "data", tuple(assumptions), magnitude)


def load_data(path: str | Path) -> tuple[Any, Any]:
    """The arrays `y_true` and `y_pred` of an .npz file.

    Structured inputs are entries such as `y_true.boxes` and `y_true.classes` (a table) or `y_true.0`, `y_true.1`
    (a tuple). Pickled objects are never loaded.

    Raises:
        UsageError: no such file, not an .npz file, an entry is lacking, is not numbers, or the batches differ.
    """
    file = Path(path)
    if not file.is_file():
        what = "a folder" if file.is_dir() else "no such file"
        raise UsageError(f"Invalid value for `data`. Expected an .npz file. Received: '{path}' ({what})")
    if not zipfile.is_zipfile(file):
        hint = ", an .npy file holds one array: use np.savez" if file.suffix == ".npy" else ""
        raise UsageError(
            f"Invalid value for `data`. Expected an .npz file with y_true and y_pred. Received: '{path}'{hint}"
        )
    try:
        with np.load(file, allow_pickle=False) as archive:
            entries = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, zipfile.BadZipFile, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"Invalid value for `data`. Expected arrays of numbers in '{path}'. Received: {reason}"
        ) from None
    y_true, y_pred = (_entry(entries, role, path) for role in ("y_true", "y_pred"))
    check_batch(y_true, y_pred)
    return y_true, y_pred


def check_batch(y_true: Any, y_pred: Any) -> None:
    """Raises:
    UsageError: the first axes of the arrays differ.
    """
    arrays = [("y_true", array) for array in _flat(y_true)] + [("y_pred", array) for array in _flat(y_pred)]
    sized = [(name, np.shape(array)) for name, array in arrays if np.ndim(array)]
    if len({shape[0] for _, shape in sized}) > 1:
        shown = ", ".join(f"{name} {shape}" for name, shape in sized)
        raise UsageError(f"Invalid value for `data`. Expected arrays of one batch size. Received: {shown}")


def _shape_faults(shape: tuple[int, ...], spec: Spec) -> list[str]:
    if len(shape) != len(spec.dims):
        return [f"shape {shape} instead of [{','.join(map(str, spec.dims))}]"]
    sizes: dict[str, int] = {}
    for axis, (size, dim) in enumerate(zip(shape, spec.dims, strict=True)):
        expected = dim if isinstance(dim, int) else sizes.setdefault(dim, size)
        if size != expected:
            return [f"shape {shape} with {size} instead of {expected} on axis {axis}"]
    return []


def _outside(numbers: Array, spec: Spec) -> tuple[Array, str]:
    """Where elements are no values of the kind, and what is."""
    match spec.kind:
        case "unit" | "probability":
            return (numbers < 0) | (numbers > 1), "values in [0, 1]"
        case "positive":
            return numbers <= 0, "values above 0"
        case "binary" | "onehot":
            return (numbers != 0) & (numbers != 1), "0 or 1"
        case "sign":
            return np.abs(numbers) != 1, "-1 or 1"
        case "label":
            top = (spec.classes or 1) - 1
            return (numbers < 0) | (numbers > top) | (numbers != np.rint(numbers)), f"whole numbers from 0 to {top}"
        case "real" | "logit":
            return np.zeros(numbers.shape, bool), ""


def _sum_fault(numbers: Array, spec: Spec, absent: Array) -> list[str]:
    sums = numbers.sum(axis=-1)
    # The rounding of n terms, and of the division that normalised them.
    eps = float_limits(spec.dtype)[2] if spec.dtype in FLOATS else 0.0
    allowed = 2 * numbers.shape[-1] * eps if spec.kind == "probability" else 0.0
    bad = (np.abs(sums - 1.0) > allowed) & ~absent.any(axis=-1)
    if not bad.any():
        return []
    where = _first(bad)
    return [f"the last axis sums to {sums[where]:g} at {_index(where)}, expected 1"]


def _kind(values: Array, role: Role) -> tuple[Kind, int | None, bool]:
    """Kind, number of classes and whether entries are missing, from the values."""
    if values.dtype.kind == "b":
        return "binary", None, False
    numbers = values.astype(np.float64)
    absent = np.isnan(numbers)
    missing = bool(absent.any()) and role == "y_true"
    present = numbers[np.isfinite(numbers)]
    floating = values.dtype.name in FLOATS
    if present.size == 0:
        return "real", None, missing
    low, high = float(present.min()), float(present.max())
    whole = bool((present == np.rint(present)).all())
    classes_axis = values.ndim >= 2 and values.shape[-1] >= 2 and not absent.any()
    if whole and low >= 0 and high <= 1:
        if classes_axis and bool((numbers.sum(axis=-1) == 1).all()):
            return "onehot", None, missing
        return "binary", None, missing
    if whole and set(np.unique(present)) == {-1.0, 1.0}:
        return "sign", None, missing
    if not floating:
        return ("label", int(high) + 1, False) if low >= 0 and role == "y_true" else ("real", None, False)
    if low >= 0 and high <= 1:
        _, _, eps = float_limits(values.dtype.name)
        if classes_axis and bool((np.abs(numbers.sum(axis=-1) - 1) <= max(1e-5, 2 * values.shape[-1] * eps)).all()):
            return "probability", None, missing
        return "unit", None, missing
    if low > 0 and present.size >= POSITIVE_EVIDENCE:
        return "positive", None, missing
    return "real", None, missing


def _labels(true: Spec, pred: Spec) -> Spec:
    """Labels with the number of classes that the predictions have; integers that index nothing are real."""
    classes = pred.dims[-1] if len(pred.dims) >= 2 else 1
    indexing = true.dims in (pred.dims[:-1], (*pred.dims[:-1], 1)) and isinstance(classes, int) and classes >= 2
    if true.kind == "label" and isinstance(classes, int):
        if not indexing:
            return replace(true, kind="real", classes=None)
        return replace(true, classes=max(classes, true.classes or 1))
    if true.kind == "binary" and indexing and true.dtype not in FLOATS and true.dtype != "bool":
        return replace(true, kind="label", classes=cast(int, classes))
    return true


def _entry(entries: Mapping[str, Array], role: str, path: str | Path) -> Any:
    if role in entries:
        return _numbers(entries[role], role)
    parts = {
        name[len(role) + 1 :]: _numbers(value, name) for name, value in entries.items() if name.startswith(role + ".")
    }
    if not parts:
        names = ", ".join(entries) or "none"
        raise UsageError(f"Invalid value for `data`. Expected an entry `{role}` in '{path}'. Received entries: {names}")
    if set(parts) == {str(index) for index in range(len(parts))}:
        return tuple(parts[str(index)] for index in range(len(parts)))
    return parts


def _numbers(value: Array, name: str) -> Array:
    return as_array(value, f"data: {name}")


def is_structure(data: Any) -> bool:
    """A tuple or list that holds arrays or tables, rather than numbers."""
    if not isinstance(data, (tuple, list)):
        return False
    parts = cast(Sequence[Any], data)
    return any(isinstance(part, Mapping) or (hasattr(part, "shape") and len(part.shape) > 0) for part in parts)


def _flat(data: Any) -> list[Any]:
    if isinstance(data, Mapping):
        return [leaf for part in cast(Mapping[Any, Any], data).values() for leaf in _flat(part)]
    if is_structure(data):
        return [leaf for part in data for leaf in _flat(part)]
    return [data]


def _extremes(data: Any) -> list[float]:
    found: list[float] = []
    for array in _flat(data):
        numbers = np.asarray(array).astype(np.float64)
        finite = numbers[np.isfinite(numbers)]
        if finite.size:
            found += [float(finite.min()), float(finite.max())]
    return found


def _first(mask: Array) -> tuple[int, ...]:
    return tuple(int(index) for index in np.argwhere(mask)[0])


def _index(where: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, where))}]"


def _named(data: Any) -> str:
    return type(data).__name__
