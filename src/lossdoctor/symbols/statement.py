"""The formula of a loss, or of one of its terms, in all notations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lossdoctor.findings import UsageError
from lossdoctor.formula.expression import Expression
from lossdoctor.formula.parse import parse_formula
from lossdoctor.graph.ir import LossGraph
from lossdoctor.spec import Contract
from lossdoctor.symbols.algebra import Algebra
from lossdoctor.symbols.composites import with_composites
from lossdoctor.symbols.domain import symbols
from lossdoctor.symbols.latex import Latex, variable
from lossdoctor.symbols.lower import Outside, lower, sizes_in
from lossdoctor.symbols.names import Names, chosen, identifier, names_in
from lossdoctor.symbols.reading import Definition, Statement
from lossdoctor.symbols.text import Writer

_LONGEST = 20_000  # characters of a formula that `verify` takes
_ALIGNMENTS = Definition(
    "ctc(labels, scores, lengths, rows, blank)",
    "−log of the sum, over all alignments of the labels (`lengths` of each sample) with the rows, of the product of "
    "softmax(scores) at the label, or blank, of each row",
    r"\operatorname{ctc}(l, s, n, m, b) = -\log \sum_{\pi \,:\, \mathcal{B}_b(\pi) = l_{1..n}} \prod_{i=1}^{m} "
    r"\operatorname{softmax}(s_i)_{\pi_i}",
)


@dataclass(frozen=True)
class Symbolic:
    """A loss graph read in symbols, ready to be written.

    Attributes:
        parameters: the user's names of y_true and y_pred.
    """

    loss: LossGraph
    parameters: tuple[str, str]
    nodes: Mapping[int, Expression]
    algebra: Algebra
    names: Names

    @classmethod
    def read(cls, loss: LossGraph, contract: Contract, parameters: tuple[str, str]) -> Symbolic:
        """Read the forward part of a loss."""
        loss = with_composites(loss)
        reading, algebra = symbols(loss, contract)
        needed = loss.graph.ancestors(loss.value)
        nodes: dict[int, Expression] = {}
        for node in sorted(needed):
            made = reading[node]
            if isinstance(made, Expression):
                nodes[node] = made
        return cls(loss, parameters, nodes, algebra, names_in(loss))

    def of(self, node: int) -> Statement:
        """The statement of one node."""
        root = self.nodes[node]
        inputs: dict[str, str] = {"y_true": self.parameters[0], "y_pred": self.parameters[1]}
        plain = Writer(inputs=inputs, pretty=True)
        lengths = {part: len(plain.definition(part)) for part in root.walk_once()}
        named: dict[Expression, str] = {}
        for place, name in self.names.parts.items():
            if place in self.nodes and place != node:
                named.setdefault(self.nodes[place], name)
        constants = self._constants(root)
        taken = {*inputs.values(), *constants.values()}
        parts = chosen(root, named, taken, lengths)
        texts = Writer({**parts, **constants}, inputs, pretty=True)
        latex = Latex({**parts, **constants}, inputs, self.algebra.shapes)
        definitions = [
            Definition(name, texts.definition(part), f"{variable(name)} = {latex.definition(part)}")
            for part, name in parts.items()
        ]
        used = {part for part in root.walk_once() if part in constants}
        definitions += [
            Definition(name, Writer(pretty=True)(part), f"{variable(name)} = {Latex({}, inputs, {})(part)}")
            for part, name in constants.items()
            if part in used
        ]
        definitions += [_ALIGNMENTS] if any(part.op == "ctc" for part in root.walk_once()) else []
        formula, outside = self._formula(root)
        # A name for the whole would say nothing.
        return Statement(texts.definition(root), latex.definition(root), tuple(definitions), formula, outside)

    def _constants(self, root: Expression) -> dict[Expression, str]:
        """Numbers that the source calls by one name only, where no plain number of the formula is the same."""
        found: dict[Expression, set[str]] = {}
        for place, node in enumerate(self.loss.nodes):
            if node.op == "constant" and place in self.nodes:
                name = self.names.constants.get(place, "")
                found.setdefault(self.nodes[place], set()).add(name if identifier(name) else "")
        parts = set(root.walk_once())
        single = {x: next(iter(names)) for x, names in found.items() if len(names) == 1 and x in parts}
        table: dict[Expression, str] = {}
        for x, name in single.items():
            if name and name not in self.parameters and name not in table.values() and x.op == "number":
                table[x] = name
        return table

    def _formula(self, root: Expression) -> tuple[str | None, tuple[str, ...]]:
        inputs = [self.nodes[place] for place in self.loss.graph.inputs if place in self.nodes]
        try:
            lowered = lower(self.algebra, root, sizes_in(self.algebra, inputs))
        except Outside as problem:
            return None, problem.names
        text = Writer()(lowered)
        try:
            parse_formula(text)
        except UsageError as problem:
            return None, (str(problem),)
        return text, ()
