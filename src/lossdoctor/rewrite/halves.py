"""Half precision: the computation moves to float32, by its own casts or by casts of what the loss is given."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from lossdoctor.rewrite.definitions import entry, head
from lossdoctor.rewrite.names import apis
from lossdoctor.rewrite.proposal import Proposal, Site
from lossdoctor.rewrite.text import Change
from lossdoctor.spec import Spec

_LARGEST = 65504.0  # of float16 (IEEE 754)
_MASK = "1e4"  # exp of minus that is 0, and half precision holds it and a logit beside it
_HALF = ("float16", "bfloat16", "half")
# An epsilon that half precision loses, or whose reciprocal it cannot hold, is mended at its place.
_CONSTANTS = ("epsilon-underflow", "half-gradient-overflow")
_COARSE, _COARSE_SQUARE = "1e-2", "1e-4"
_RECIPROCALS = frozenset({"divide", "reciprocal", "rsqrt"})
_NORMALISING = frozenset({"tensorflow.math.l2_normalize", "tensorflow.nn.l2_normalize", "keras.ops.normalize"})
_TENSORFLOW = frozenset(f"tensorflow.{name}" for name in _HALF)


def masks(site: Site) -> Iterator[Proposal]:
    """A mask value that half precision does not hold becomes one that it does; in float32 too, where that is needed."""
    if site.finding.name != "mask-overflow":
        return
    numbers = _large(site)
    if not numbers:
        return
    title = f"{_MASK} in the place of {', '.join(dict.fromkeys(map(site.source.of, numbers)))}"
    changes = tuple(site.source.replace(number, _MASK) for number in numbers)
    yield Proposal(title, changes, changes_values=True)
    for wide in widened(site):
        yield replace(wide, title=f"{wide.title}; {title}", changes=(*wide.changes, *changes), changes_values=True)


def _large(site: Site) -> list[ast.Constant]:
    """The numbers above the largest one of float16 in the function of the finding."""
    function = site.function
    return [
        part
        for part in (ast.walk(function) if function is not None else ())
        if isinstance(part, ast.Constant) and isinstance(part.value, float) and part.value > _LARGEST
    ]


def widened_first(site: Site) -> Iterator[Proposal]:
    """The same as `widened`, for what no other constant would mend."""
    if site.finding.name not in _CONSTANTS:
        yield from widened(site)


def widened(site: Site) -> Iterator[Proposal]:
    """Every half dtype that the function writes becomes float32, and inputs of a half dtype are cast first."""
    own = _own_casts(site)
    given = _given(site)
    if not own and given is None:
        return
    inserted, statements = given or ((), [])
    texts = [*statements, *dict.fromkeys(change.text for change in own)]
    title = f"{'; '.join(texts)}: computes in float32"
    coarse = any("bfloat16" in site.source.text[c.start : c.end] for c in own)
    rounding = ("bfloat16" if coarse else "float16") if own else ""
    yield Proposal(title, (*inserted, *own), rounding=rounding)


def coarser(site: Site) -> Iterator[Proposal]:
    """In float32, with every small constant of the function so large that the slope of its reciprocal, which goes back
    to what the loss is given, fits into half precision: 1 / x² with x = 1e-2 is 1e4."""
    function = site.function
    if function is None or not site.ops & _RECIPROCALS:
        return
    numbers = [*_small(site, function), *_small_globals(site, function)]
    changes = [site.source.replace(number, _COARSE) for number in numbers]
    shown = [f"{_COARSE} in the place of {text}" for text in dict.fromkeys(map(site.source.of, numbers))]
    for call in ast.walk(function):
        if isinstance(call, ast.Call) and _has_epsilon_of_its_own(site, call):
            _, end = site.source.region(call)
            changes.append(Change(end - 1, end - 1, f", epsilon={_COARSE_SQUARE}"))
            shown.append(f"epsilon={_COARSE_SQUARE}")
    if not changes:
        return
    for wide in widened(site):
        title = "; ".join([wide.title, *dict.fromkeys(shown)])
        yield replace(wide, title=title, changes=(*wide.changes, *changes), changes_values=True)


def _has_epsilon_of_its_own(site: Site, call: ast.Call) -> bool:
    """Whether it is a normalisation whose epsilon the user leaves to it."""
    told = any(word.arg == "epsilon" for word in call.keywords) or len(call.args) > 2
    return not told and bool(call.args) and site.source.module.resolve(call.func) in _NORMALISING


def _small(site: Site, scope: ast.AST) -> list[ast.Constant]:
    """The literal numbers in a part of the file that half precision has no room for the square of the reciprocal of."""
    return [
        part
        for part in ast.walk(scope)
        if isinstance(part, ast.Constant) and isinstance(part.value, float) and 0 < part.value < float(_COARSE)
    ]


def _small_globals(site: Site, function: ast.FunctionDef) -> Iterator[ast.Constant]:
    """The same of the constants of the module that a function reads."""
    read = {part.id for part in ast.walk(function) if isinstance(part, ast.Name)}
    for statement in site.source.module.tree.body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id in read for target in statement.targets
        ):
            yield from _small(site, statement.value)


def _own_casts(site: Site) -> tuple[Change, ...]:
    """The names of half dtypes inside the function that holds the finding."""
    function = site.function
    if function is None:
        return ()
    found: list[Change] = []
    for part in ast.walk(function):
        if not isinstance(part, ast.Attribute | ast.Constant) or not _is_argument(site, part):
            continue
        if isinstance(part, ast.Attribute) and site.source.module.resolve(part) in _TENSORFLOW:
            found.append(site.source.replace(part, f"{site.source.of(part.value)}.float32"))
        elif isinstance(part, ast.Constant) and part.value in _HALF:
            quote = site.source.of(part)[0]
            found.append(site.source.replace(part, f"{quote}float32{quote}"))
    return tuple(found)


def _is_argument(site: Site, part: ast.expr) -> bool:
    """Whether it is given to a call, as in `ops.cast(x, "float16")`, and not compared with something."""
    return isinstance(site.source.parent(part), ast.Call | ast.keyword)


def _given(site: Site) -> tuple[tuple[Change, ...], list[str]] | None:
    """Casts at the top of the loss, for what it is given in half precision."""
    function = entry(site)
    place = None if function is None else head(site, function)
    if function is None or place is None:
        return None
    names = {argument.arg for argument in (*function.args.posonlyargs, *function.args.args)}
    statements: list[str] = []
    for name, spec in zip(site.loaded.parameters, (site.contract.y_true, site.contract.y_pred), strict=True):
        if not isinstance(spec, Spec) or spec.dtype not in _HALF or name not in names:
            continue
        for api in apis(site.source, function):
            dtype = f"{api.prefix}.float32" if api.module.startswith("tensorflow") else '"float32"'
            text = api.call("cast", name, dtype)
            if text is not None:
                statements.append(f"{name} = {text}")
                break
    if not statements:
        return None
    start, indent = place
    return (Change(start, start, "".join(f"{text}\n{indent}" for text in statements)),), statements
