"""Reading specs from text: `dtype[dims] kind`, with the optional modifier `missing`."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from lossdoctor.findings import SpecOrigin, UsageError
from lossdoctor.spec.model import BATCH, DTYPES, FLOATS, KINDS, Contract, Kind, Spec, Structure

_SPEC = re.compile(r"\s*(?P<dtype>[A-Za-z_]\w*)\s*\[(?P<dims>[^\[\]]*)\]\s*(?P<rest>.*)", re.DOTALL)
_KIND = re.compile(r"(?P<name>[A-Za-z_]\w*)\s*(?:\((?P<argument>[^()]*)\))?\s*")
_RAGGED = re.compile(r"\(\s*[A-Za-z_]\w*\s*\)")  # an axis whose length differs from row to row, as TensorFlow writes it
_FORM = '`dtype[dims] kind`, such as "float32[B,10] onehot"'
# What people write instead of a dtype, a kind.
_DTYPE_ALIASES = {
    "f16": "float16",
    "half": "float16",
    "bf16": "bfloat16",
    "f32": "float32",
    "float": "float32",
    "single": "float32",
    "f64": "float64",
    "double": "float64",
    "i32": "int32",
    "int": "int32",
    "i64": "int64",
    "long": "int64",
    "uint": "uint32",
    "u8": "uint8",
    "boolean": "bool",
}
_KIND_ALIASES = {
    "prob": "probability",
    "probabilities": "probability",
    "simplex": "probability",
    "softmax": "probability",
    "sigmoid": "unit",
    "one_hot": "onehot",
    "categorical": "onehot",
    "labels": "label(n)",
    "class": "label(n)",
    "sparse": "label(n)",
    "bool": "binary",
    "mask": "binary",
    "any": "real",
    "float": "real",
    "number": "real",
    "nonnegative": "positive",
    "logits": "logit",
    "score": "logit",
    "nan": "missing",
}
# How many of the numbers 0, 1, 2, … a dtype holds exactly. Floats: 2 to the bits of the significand.
_COUNTABLE = {
    "float16": 2**11,
    "bfloat16": 2**8,
    "float32": 2**24,
    "float64": 2**53,
    "bool": 2,
    **{f"int{bits}": 2 ** (bits - 1) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": 2**bits for bits in (8, 16, 32, 64)},
}


def parse_spec(text: str, argument: str = "y_true") -> Spec:
    """The spec of one array, e.g. "float32[B,24] real missing".

    Args:
        text: `dtype[dims] kind`; the kind may be left out ("real", for bool "binary").
        argument: the name to use in an error.

    Raises:
        UsageError: the text is not a spec.
    """
    match = _SPEC.fullmatch(text)
    if match is None:
        raise _invalid(argument, text, _FORM)
    dtype = _dtype(match["dtype"], argument, text)
    dims = _dims(match["dims"], argument, text)
    kind: Kind | None = None
    classes: int | None = None
    missing = False
    rest = match["rest"].strip()
    while rest:
        word = _KIND.match(rest)
        if word is None:
            raise _invalid(argument, text, f"{_FORM}; `{rest}` is no kind")
        rest = rest[word.end() :]
        name = word["name"].lower()
        if name == "missing" and word["argument"] is None:
            missing = True
            continue
        if name not in KINDS:
            hint = _suggest(name, KINDS, _KIND_ALIASES)
            raise _invalid(argument, text, f"a kind, one of {_listing(KINDS)}, where `{name}` stands{hint}")
        if kind is not None:
            raise _invalid(argument, text, f"one kind; there are two, `{kind}` and `{name}`")
        kind = name
        classes = _classes(kind, word["argument"], argument, text)
    spec = Spec(dtype, dims, kind or ("binary" if dtype == "bool" else "real"), classes, missing)
    fault = _fault(spec)
    if fault:
        raise _invalid(argument, text, fault)
    return spec


def parse_structure(value: object, argument: str = "y_true") -> Structure:
    """A spec, or a list or table of specs: text, or the lists and tables that TOML and Python have.

    Text that starts with a bracket is a list or table written as a literal:
    '["float32[B,4] real", "float32[B,1] unit"]' or '{"boxes": "float32[B,4] real"}'.
    """
    if isinstance(value, Spec):
        return value
    if isinstance(value, str):
        if value.lstrip()[:1] in ("[", "(", "{"):
            return parse_structure(_literal(value, argument), argument)
        return parse_spec(value, argument)
    if isinstance(value, Mapping):
        table = cast(Mapping[Any, Any], value)
        if not table or not all(isinstance(key, str) for key in table):
            raise _invalid(argument, table, "a table of specs with names as keys")
        return {str(key): parse_structure(part, f"{argument}.{key}") for key, part in table.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        items = cast(Sequence[Any], value)
        if not items:
            raise _invalid(argument, items, "at least one spec")
        return tuple(parse_structure(part, f"{argument}[{index}]") for index, part in enumerate(items))
    raise _invalid(argument, value, f"{_FORM}, or a list or table of such")


def parse_contract(
    y_true: object,
    y_pred: object,
    *,
    origin: SpecOrigin = "given",
    assumptions: tuple[str, ...] = (),
    magnitude: float = 1e4,
) -> Contract:
    """The contract of a loss from the specs of both arguments.

    A name of a dimension stands for one value in both.

    Raises:
        UsageError: one of them is not a spec, or the magnitude is not a number above 1.
    """
    if not 1 < magnitude < float("inf"):
        raise UsageError(f"Invalid value for `range`. Expected a number above 1. Received: {magnitude!r}")
    true = parse_structure(y_true, "y_true")
    pred = parse_structure(y_pred, "y_pred")
    return Contract(true, pred, origin, assumptions, magnitude)


def _dtype(name: str, argument: str, text: str) -> str:
    if name in DTYPES:
        return name
    raise _invalid(argument, text, f"a dtype, one of {_listing(DTYPES)}{_suggest(name, DTYPES, _DTYPE_ALIASES)}")


def _dims(text: str, argument: str, whole: str) -> tuple[int | str, ...]:
    if not text.strip():
        return ()
    dims: list[int | str] = []
    for part in (item.strip() for item in text.split(",")):
        if part.isdecimal() and int(part) >= 1:
            dims.append(int(part))
        elif part.isidentifier() and part != "None":
            dims.append(part)
        elif _RAGGED.fullmatch(part):
            dims.append(f"({part[1:-1].strip()})")
        elif part in ("None", "?", "*", "-1", ":"):
            raise _invalid(argument, whole, f'a name for each unknown dimension ("B" is the batch), not `{part}`')
        else:
            raise _invalid(argument, whole, f"dimensions that are whole numbers from 1 or names, not `{part}`")
    return tuple(dims)


def _classes(kind: Kind, given: str | None, argument: str, text: str) -> int | None:
    if kind != "label":
        if given is not None:
            raise _invalid(argument, text, f"`{kind}` without an argument")
        return None
    if given is None or not given.strip().isdecimal() or int(given) < 1:
        raise _invalid(argument, text, "`label(n)` with the number of classes n, such as label(10)")
    return int(given)


def _fault(spec: Spec) -> str | None:
    """What is wrong with a spec that is well formed."""
    if spec.missing and spec.dtype not in FLOATS:
        return f"a floating dtype, since `missing` entries are NaN, which {spec.dtype} cannot hold"
    if spec.dtype not in FLOATS and spec.kind in ("unit", "probability", "logit"):
        return f"a floating dtype for the kind `{spec.kind}`"
    if spec.dtype == "bool" and spec.kind not in ("binary", "onehot"):
        return "the kind `binary` or `onehot` for the dtype bool"
    if spec.kind == "label" and (spec.classes or 1) > _COUNTABLE[spec.dtype]:
        return f"a dtype that can count to {(spec.classes or 1) - 1}, which {spec.dtype} cannot"
    if spec.dtype.startswith("uint") and spec.kind == "sign":
        return f"a dtype with negative values for the kind `sign`, which {spec.dtype} lacks"
    if spec.kind in ("probability", "onehot"):
        if not spec.dims:
            return f"a last axis for the kind `{spec.kind}`, along which it sums to 1"
        if spec.dims == (BATCH,):
            other = "unit" if spec.kind == "probability" else "binary"
            return (
                f"a class axis for the kind `{spec.kind}`: it would sum to 1 over the batch (did you mean `{other}`?)"
            )
    return None


def _literal(text: str, argument: str) -> object:
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise _invalid(argument, text, 'a list such as ["float32[B,1] real", …] or a table of quoted specs') from None


def _listing(names: Sequence[str]) -> str:
    return ", ".join("label(n)" if name == "label" else name for name in names)


def _suggest(name: str, names: Sequence[str], aliases: Mapping[str, str]) -> str:
    close = difflib.get_close_matches(name.lower(), names, 1, 0.6)
    best = aliases.get(name.lower()) or (close[0] if close else None)
    return f" (did you mean `{best}`?)" if best else ""


def _invalid(argument: str, received: object, expected: str) -> UsageError:
    shown = received if isinstance(received, str) else repr(received)
    return UsageError(f"Invalid value for `{argument}`. Expected {expected}. Received: {shown!r}")
