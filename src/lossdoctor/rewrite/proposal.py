"""One place to mend: the user's expression, what the graph says of it, and how to write about both."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from lossdoctor.findings import Finding
from lossdoctor.graph.ir import LossGraph, Node, Span
from lossdoctor.rewrite.names import Api, apis
from lossdoctor.rewrite.text import Change, Source, apply
from lossdoctor.session import Loaded
from lossdoctor.spec import Contract

# How the mended loss compares with the old one, where that was healthy: the same; the same up to the reduction over
# the batch (its mean, its sum); the same for a batch of one; not at all.
Agreement = Literal["same", "mean", "sum", "one", "none"]
# Passed through when a pattern is looked for: they rearrange elements and change no value.
_VIEWS = frozenset({"reshape", "squeeze", "expand_dims", "broadcast_to", "identity", "astype", "stop_gradient"})
_SILENT = _VIEWS | {"constant", "dims", "item", "zeros_like", "ones_like"}


@dataclass(frozen=True, slots=True)
class Proposal:
    """A mend that nobody has tried yet.

    `changes_values`: it differs from the old loss where that was finite. `rounding`: a dtype with whose rounding the
    old loss computed, where that is not the one it is given.
    """

    title: str
    changes: tuple[Change, ...]
    changes_values: bool = False
    agreement: Agreement = "same"
    rounding: str = ""


@dataclass(frozen=True)
class Site:
    """The expression that a finding blames.

    `expr` is None where the finding is about a definition or a statement.
    """

    source: Source
    path: str  # absolute and real
    expr: ast.expr | None
    graph: LossGraph | None
    finding: Finding
    loaded: Loaded
    contract: Contract

    @cached_property
    def apis(self) -> tuple[Api, ...]:
        return () if self.expr is None else apis(self.source, self.expr)

    @cached_property
    def function(self) -> ast.FunctionDef | None:
        """The innermost named function around the line of the finding."""
        line = self.finding.location.line
        around = [
            node
            for node in ast.walk(self.source.module.tree)
            if isinstance(node, ast.FunctionDef) and node.lineno <= line <= (node.end_lineno or node.lineno)
        ]
        return max(around, key=lambda node: node.lineno, default=None)

    @cached_property
    def made(self) -> tuple[Node, ...]:
        """The forward nodes that the expression makes."""
        if self.graph is None or self.expr is None:
            return ()
        return tuple(node for node in self.graph.nodes if node.role == "forward" and self.expression(node) is self.expr)

    @cached_property
    def ops(self) -> frozenset[str]:
        """The canonical ops of the expression that compute something."""
        return frozenset(node.op for node in self.made) - _SILENT

    def the(self, *ops: str) -> Node | None:
        """The node of the expression, if it computes this one op and nothing else."""
        if len(self.ops) != 1 or next(iter(self.ops)) not in ops:
            return None
        return next(node for node in self.made if node.op in ops)

    def node(self, number: int) -> Node:
        """A node, looking through ops that only rearrange elements."""
        assert self.graph is not None
        node = self.graph[number]
        while node.op in _VIEWS and node.args:
            node = self.graph[node.args[0]]
        return node

    def expression(self, node: Node) -> ast.expr | None:
        """The expression of this file that makes a node."""
        span: Span | None = node.span
        return self.source.at(span) if span is not None and os.path.realpath(span.path) == self.path else None

    @cached_property
    def _users(self) -> dict[int, tuple[int, ...]]:
        assert self.graph is not None
        return dict(self.graph.graph.users())

    def users(self, node: Node) -> Iterator[Node]:
        """The forward nodes that read a node, looking through ops that only rearrange elements."""
        assert self.graph is not None
        for number in self._users[node.id]:
            user = self.graph[number]
            if user.role != "forward":
                continue
            if user.op in _VIEWS:
                yield from self.users(user)
            else:
                yield user

    def value(self, node: Node) -> float | None:
        """The value of a scalar constant."""
        if node.constant is None or np.size(node.constant) != 1:
            return None
        return float(np.asarray(node.constant, np.float64).reshape(()))

    def argument(self, expr: ast.expr | None, position: int = 0) -> ast.expr | None:
        """An operand as it is written: of an operator, or of a call (the first ones may have any keyword)."""
        if isinstance(expr, ast.BinOp):
            return (expr.left, expr.right)[position] if position < 2 else None
        if not isinstance(expr, ast.Call) or any(isinstance(arg, ast.Starred) for arg in expr.args):
            return None
        values = [*expr.args, *(item.value for item in expr.keywords if item.arg is not None)]
        return values[position] if position < len(values) else None

    def keyword(self, expr: ast.expr | None, name: str, position: int | None = None) -> ast.expr | None:
        """A named argument of a call, or the one at a position."""
        if not isinstance(expr, ast.Call):
            return None
        for item in expr.keywords:
            if item.arg == name:
                return item.value
        return expr.args[position] if position is not None and position < len(expr.args) else None

    def carried(self, expr: ast.expr, place: ast.expr) -> bool:
        """Whether `expr`, written at `place`, would mean what it means where it stands: same function, and none of
        its names is bound in between."""
        source = self.source
        if expr is place or place in source.above(expr):
            return True
        scope = source.scope(expr)
        if scope is not source.scope(place) or scope is None:
            return False
        here, there = source.statement(expr), source.statement(place)
        if here is None or there is None:
            return False
        if here is there:
            return True
        if any(isinstance(part, ast.Call) and not self._pure(part) for part in ast.walk(expr)):
            return False
        if source.parent(here) is not source.parent(there) and not isinstance(source.parent(here), ast.FunctionDef):
            return False
        first, last = sorted((source.region(here)[0], source.region(there)[0]))
        names = {part.id for part in ast.walk(expr) if isinstance(part, ast.Name)}
        # In a loop that holds only one of them, what stands behind it is run before it, too.
        loops = [outer for outer in source.above(place) if isinstance(outer, ast.For | ast.While)]
        for part in ast.walk(scope):
            if not isinstance(part, ast.Name) or not isinstance(part.ctx, ast.Store) or part.id not in names:
                continue
            if first <= source.region(part)[0] < last or any(loop in source.above(part) for loop in loops):
                return False
        return True

    def _pure(self, call: ast.Call) -> bool:
        """Whether a call may be written twice: a function of a known module without random numbers."""
        name = self.source.module.resolve(call.func) or ""
        return name.startswith(("tensorflow.", "keras.ops.", "keras.backend.")) and "random" not in name

    def within(self, inner: ast.expr, text: str) -> tuple[Change, str]:
        """The expression with `text` in the place of a part of it, as a change and on one line.

        The change is of the whole expression, which reads well by itself, unless it goes over several lines.
        """
        assert self.expr is not None
        start, end = self.source.region(self.expr)
        low, high = self.source.outer(inner) if _is_atom(text) else self.source.region(inner)
        low, high = (low, high) if start <= low and high <= end else self.source.region(inner)
        whole = self.source.text[start:low] + text + self.source.text[high:end]
        change = Change(low, high, text) if "\n" in whole else Change(start, end, whole)
        return change, " ".join(whole.split())

    def definition(self, expr: ast.expr) -> ast.expr | None:
        """What a name of this function stands for, if it is bound once and by a plain assignment."""
        scope = self.source.scope(expr)
        if not isinstance(expr, ast.Name) or scope is None:
            return None
        bound = [
            part
            for part in ast.walk(scope)
            if (isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store) and part.id == expr.id)
            or (isinstance(part, ast.arg) and part.arg == expr.id)
        ]
        if len(bound) != 1:
            return None
        statement = self.source.parent(bound[0])
        if not isinstance(statement, ast.Assign) or statement.targets != bound:
            return None
        return statement.value if self.source.scope(statement) is scope else None

    def where_made(self, expr: ast.expr, least: str) -> Iterator[Proposal]:
        """A name kept above a bound where it is made, so that all that read it are given the same."""
        made = self.definition(expr)
        text = "" if made is None else self.at_least(made, least)
        if made is not None and isinstance(expr, ast.Name) and text:
            title = f"{expr.id} = {' '.join(text.split())}: changes values where it is below {least}"
            yield Proposal(title, (self.source.replace(made, text),), changes_values=True)

    def call(self, function: str, *arguments: str) -> str:
        """The call in the first module that has the function (canonical name); empty if none has."""
        return next((text for api in self.apis if (text := api.call(function, *arguments)) is not None), "")

    def at_least(self, expr: ast.expr, least: str) -> str:
        """The text of an expression that is kept above a bound; of its own bound, where that is too low.

        Empty if it is bounded already, or if no module in reach can do it.
        """
        if isinstance(expr, ast.Call) and not expr.keywords:
            name = (self.source.module.resolve(expr.func) or "").rpartition(".")[2]
            positions = {"maximum": (1, 0), "clip": (1,), "clip_by_value": (1,), "relu": ()}.get(name, ())
            for position in positions:
                bound = expr.args[position] if position < len(expr.args) else None
                value = None if bound is None else self.source.module.literal(bound)
                if bound is None or isinstance(value, bool) or not isinstance(value, int | float):
                    continue
                if value >= float(least):
                    return ""
                start, end = self.source.region(expr)
                low, high = self.source.region(bound)
                return self.source.text[start:low] + least + self.source.text[high:end]
        return self.call("maximum", self.source.of(expr), least)

    def unused(self, changes: tuple[Change, ...], *exprs: ast.expr) -> tuple[Change, ...]:
        """The removals of assignments whose value is one of `exprs` (or holds it) and that nothing reads any more
        once `changes` are made."""
        source = self.source
        removals: list[Change] = []
        for expr in exprs:
            statement, scope = source.statement(expr), source.scope(expr)
            if not isinstance(statement, ast.Assign) or scope is None or len(statement.targets) != 1:
                continue
            target = statement.targets[0]
            if not isinstance(target, ast.Name) or any(
                isinstance(part, ast.Call) and not self._pure(part) for part in ast.walk(statement.value)
            ):
                continue
            removal = source.removed(statement)
            if removal is None or removal in removals:
                continue
            reads = [
                source.region(part)[0]
                for part in ast.walk(scope)
                if isinstance(part, ast.Name) and part.id == target.id and isinstance(part.ctx, ast.Load)
            ]
            gone = (*changes, *removals)
            if any(not any(c.start <= read < c.end for c in gone) for read in reads):
                continue
            written = [c.text for c in changes]
            if any(_mentions(text, target.id) for text in written):
                continue
            if any(removal.start < c.end and c.start < removal.end for c in gone):
                continue
            removals.append(removal)
        return tuple(removals)

    def result(self, changes: tuple[Change, ...]) -> str:
        return apply(self.source.text, changes)


def _is_atom(text: str) -> bool:
    try:
        return isinstance(ast.parse(text, mode="eval").body, ast.Call | ast.Subscript)
    except SyntaxError:
        return False


def _mentions(text: str, name: str) -> bool:
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError:
        return True
    return any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(tree))
