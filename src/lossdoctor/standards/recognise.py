"""Which standard loss a loss is: a quick look at all of them, then a thorough one at those that fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lossdoctor.findings import UsageError
from lossdoctor.formula.compare import compare, doubled_pair
from lossdoctor.formula.expression import Formula
from lossdoctor.formula.meaning import Declared, Meaning
from lossdoctor.formula.parse import parse_formula
from lossdoctor.formula.points import points
from lossdoctor.formula.reference import Reference
from lossdoctor.graph.ir import LossGraph
from lossdoctor.search.leaves import examined, make_pair, pair_arrays, pair_specs
from lossdoctor.session import Array, Evaluation, Pair, Session, Settings
from lossdoctor.spec import Contract, Spec, shape_of
from lossdoctor.standards.catalogue import STANDARDS, Standard
from lossdoctor.standards.reading import Relation, Row
from lossdoctor.standards.relate import Seen, relate

_DIRECTIONS = 64  # all axes of y_pred up to so many elements; larger gradients are compared in random directions
_STRETCHES = (3.0, 10.0, 30.0)  # of errors, so that what differs for large ones only is seen
_CLOSE = 0.3  # cosine of the gradients from which other values of the parameters are tried
_CONSTANTS = 10
_LABELLED = frozenset({"CTC", "Circle"})  # any number passes for a label, and says nothing
_ELEMENTS = 1 << 18  # of y_pred or y_true, at all inputs together
_LEAST = 12  # inputs, however large
_CONFIRMED = 4  # rows that are looked at thoroughly


@dataclass
class Recogniser:
    """One loss, seen at many inputs.

    Args:
        sizes, batches: sizes that it accepts, as for `formula.compare.compare`.
    """

    session: Session
    contract: Contract
    graph: LossGraph
    settings: Settings
    sizes: dict[str, int]
    batches: tuple[int, ...] = ()
    pairs: list[Pair] = field(default_factory=list[Pair])
    seen: list[Seen] = field(default_factory=list[Seen])
    _drawn: dict[tuple[int, ...], Array] = field(default_factory=dict[tuple[int, ...], Array], init=False)

    def __post_init__(self) -> None:
        nothing = Declared(parse_formula("y_pred"))
        # Of large inputs fewer have to do: each of their numbers is a comparison of its own.
        largest = max(int(np.prod(shape_of(spec, self.sizes))) for spec in pair_specs(self.contract))
        most = max(_LEAST, _ELEMENTS // max(1, largest))
        chosen = points(self.contract, nothing, self.graph, None, self.settings, self.sizes, self.batches)
        ordinary = [point.pair for point in chosen if point.realistic][:most]
        wide = list(self._stretched(ordinary[: min(9, most // 2)]))
        pairs = [*ordinary, *wide]
        results = self.session.evaluate([doubled_pair(self.contract, pair) for pair in pairs], "unoptimised")
        if sum(result.raised is None for result in results) < len(pairs) // 2:  # it does not take float64
            results = self.session.evaluate(pairs, "unoptimised")
        for pair, result in zip(pairs, results, strict=True):
            if result.raised is None and result.value is not None and result.value.dtype.kind == "f":
                self.pairs.append(pair)
                self.seen.append(_seen(pair, result))

    def _stretched(self, pairs: Sequence[Pair]) -> Iterator[Pair]:
        """The same with larger predictions, where they are valid."""
        specs = pair_specs(self.contract)
        for turn, pair in enumerate(pairs):
            arrays = pair_arrays(self.contract, pair)
            arrays[-1] = (arrays[-1] * _STRETCHES[turn % len(_STRETCHES)]).astype(arrays[-1].dtype)
            if examined(arrays, specs, self.contract.magnitude):
                yield make_pair(self.contract, arrays)

    # ---- relations -------------------------------------------------------------------------------------------

    def relation(self, meaning: Meaning) -> Relation:
        """What holds at the inputs that were looked at."""
        meaning.prepare(self.pairs)
        theirs: list[Seen] = []
        for pair in self.pairs:
            value, gradient = self._theirs(meaning, pair)
            theirs.append(Seen(value, gradient, np.shape(pair.y_pred)))
        ours = [replace(one, gradient=self._projected(one.gradient)) for one in self.seen]
        return relate(ours, theirs)

    def _theirs(self, meaning: Meaning, pair: Pair) -> tuple[Array, Array | None]:
        if not isinstance(pair.y_pred, np.ndarray):
            return meaning.floats(pair), None
        axes = self._axes(pair.y_pred.shape)
        if isinstance(meaning, Reference):
            value = meaning.floats(pair)
            gradients = meaning.at(pair).gradients
            gradient = gradients[0] if len(gradients) == 1 else None
            return value, None if gradient is None else self._projected(np.asarray(gradient, np.float64))
        value, slopes = meaning.slopes(pair, axes)
        if axes.shape[0] == pair.y_pred.size:
            return value, self._centred(slopes.reshape(pair.y_pred.shape))
        return value, slopes

    def _axes(self, shape: tuple[int, ...]) -> Array:
        size = int(np.prod(shape))
        if size <= _DIRECTIONS:
            return np.eye(size).reshape(size, *shape)
        if shape not in self._drawn:
            self._drawn[shape] = np.random.default_rng(0).normal(size=(24, *shape))
        return self._drawn[shape]

    def _projected(self, gradient: Array | None) -> Array | None:
        if gradient is None or gradient.size <= _DIRECTIONS:
            return None if gradient is None else self._centred(gradient)
        along = self._axes(gradient.shape)
        return np.tensordot(along, gradient, axes=gradient.ndim)

    def _centred(self, gradient: Array) -> Array:
        """Of probabilities only directions that keep their sum mean anything."""
        pred = self.contract.y_pred
        simplex = isinstance(pred, Spec) and pred.kind in ("probability", "onehot")
        return gradient - gradient.mean(axis=-1, keepdims=True) if simplex else gradient

    # ---- the standard losses ---------------------------------------------------------------------------------

    @property
    def classes(self) -> int:
        return self.seen[0].shape[-1] if self.seen and self.seen[0].shape else 2

    def accepted(self) -> list[Standard]:
        return [standard for standard in STANDARDS if standard.accepts(self.contract)]

    def rows(self, standards: Sequence[Standard]) -> list[Row]:
        """Each standard loss with Keras's parameters, or with those under which it is this loss."""
        found: list[Row] = []
        for standard in standards:
            best = self._row(standard, {}, None)
            if best is None:
                continue
            if best.relation.kind not in ("same", "scaled"):
                best = self._variant(standard, best)
            found.append(best)
        return found

    def others(self, names: Sequence[str]) -> list[Row]:
        """Losses of Keras without a formula of ours, where they accept the specs."""
        known = {standard.name for standard in STANDARDS}
        found: list[Row] = []
        for name in names:
            if name in known or (name in _LABELLED and not self._labelled()):
                continue
            reference = Reference(self.session, self.contract, f"keras.losses:{name}", name)
            try:
                found.append(Row(name, name, self.relation(reference)))
            except UsageError:
                continue
        return found

    def _labelled(self) -> bool:
        return isinstance(self.contract.y_true, Spec) and self.contract.y_true.kind == "label"

    def _row(self, standard: Standard, parameters: dict[str, float], axes: tuple[int, ...] | None) -> Row | None:
        formula = self.formula(standard, parameters, axes)
        try:
            relation = self.relation(Declared(formula))
        except UsageError:  # it does not fit the shapes
            return None
        return Row(standard.title, standard.code(parameters, axes), relation)

    def formula(self, standard: Standard, parameters: dict[str, float], axes: tuple[int, ...] | None) -> Formula:
        return parse_formula(standard.text(parameters, self.classes, axes))

    def _variant(self, standard: Standard, best: Row) -> Row:
        """The first other values of the parameters that make it this loss; else as it was."""
        for axes in self._folds(standard):
            for parameters in ({}, *standard.variants(constants(self.graph))):
                if axes is None and not parameters:
                    continue
                if axes is None and best.relation.gradient_cosine < _CLOSE and not standard.folds:
                    return best
                row = self._row(standard, parameters, axes)
                if row is None:
                    continue
                if row.relation.kind in ("same", "scaled"):
                    return row
                if row.relation.kind == "same-direction" and best.relation.kind == "different":
                    best = row
        return best

    def _folds(self, standard: Standard) -> tuple[tuple[int, ...] | None, ...]:
        rank = len(self.seen[0].shape) if self.seen else 0
        if not standard.folds or rank < 2:
            return (None,)
        whole = tuple(range(1, rank))
        return (None, whole, whole[:-1]) if rank > 2 else (None, whole)

    def confirmed(self, row: Row) -> Row:
        """The relation at edges and on both sides of every branch too; "different" where it does not hold there."""
        relation = row.relation
        standard, parameters, axes = self._parsed(row)
        if relation.kind not in ("same", "scaled") or relation.reduction or standard is None:
            return row
        base = self.formula(standard, parameters, axes)
        text = f"({relation.scale!r})*({base}) + ({relation.offset!r})" if relation.kind == "scaled" else str(base)
        found = compare(
            self.session, parse_formula(text), self.contract, self.graph, None, self.settings, self.sizes, self.batches
        )
        if found.difference is not None:
            return replace(row, relation=replace(relation, kind="different"))
        agree = relation.gradients_agree and found.gradient is None
        approximate = relation.approximate or found.stabilised > 0
        return replace(row, relation=replace(relation, gradients_agree=agree, approximate=approximate))

    def meaning(self, row: Row) -> Meaning:
        """What computes the loss of a row."""
        standard, parameters, axes = self._parsed(row)
        if standard is None:
            return Reference(self.session, self.contract, f"keras.losses:{row.name}", row.name)
        return Declared(self.formula(standard, parameters, axes))

    def _parsed(self, row: Row) -> tuple[Standard | None, dict[str, float], tuple[int, ...] | None]:
        for standard in STANDARDS:
            if standard.title != row.name:
                continue
            for axes in self._folds(standard):
                for parameters in ({}, *standard.variants(constants(self.graph))):
                    if standard.code(parameters, axes) == row.code:
                        return standard, parameters, axes
        return None, {}, None


def best_first(rows: Sequence[Row]) -> list[Row]:
    """Equal ones first, then scaled ones, then by the cosine of the gradients."""
    order = {"same": 0, "scaled": 1, "same-direction": 2, "different": 3}

    def key(row: Row) -> tuple[float, ...]:
        cosine = row.relation.gradient_cosine
        return (
            order[row.relation.kind],
            row.relation.approximate,
            bool(row.relation.reduction) + (row.relation.offset != 0),
            -cosine if np.isfinite(cosine) else 2.0,
        )

    return sorted(rows, key=key)


def constants(graph: LossGraph) -> tuple[float, ...]:
    """Numbers that parameters may have: those of the code, and what follows from them."""
    plain: dict[float, None] = {}
    for node in graph.where("constant", role="forward"):
        value = node.constant
        if value is None or value.size != 1 or value.dtype.kind != "f":
            continue
        number = float(f"{float(value.reshape(-1)[0]):.7g}")  # 0.3 in float32 is meant as 0.3
        if 1e-4 < abs(number) < 1e3:
            plain.setdefault(abs(number))
    derived = dict.fromkeys(plain)
    for number in plain:
        for other in (1.0 - number, 1.0 / number, 2.0 * number, number / 2.0, number**0.5, number**-0.5):
            short = float(f"{other:.7g}")
            if 1e-4 < short < 1e3:
                derived.setdefault(short)
    return tuple(derived)[:_CONSTANTS]


def _seen(pair: Pair, result: Evaluation) -> Seen:
    assert result.value is not None
    gradients = result.gradients
    gradient = None if len(gradients) != 1 or gradients[0] is None else np.asarray(gradients[0], np.float64)
    return Seen(np.asarray(result.value, np.float64), gradient, np.shape(pair.y_pred))


def recognised(recogniser: Recogniser, keras_names: Sequence[str] = ()) -> list[Row]:
    """A row for each standard loss, best first; what looks equal was looked at thoroughly."""
    rows = best_first([*recogniser.rows(recogniser.accepted()), *recogniser.others(keras_names)])
    checked = [recogniser.confirmed(row) for row in rows[:_CONFIRMED]]
    return best_first([*checked, *rows[_CONFIRMED:]])
