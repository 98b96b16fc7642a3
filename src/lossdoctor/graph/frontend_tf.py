"""From a TensorFlow loss to its `LossGraph`: trace, run at reference sizes, convert, verify."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from lossdoctor.graph import spans
from lossdoctor.graph.convert_tf import Conversion, prune
from lossdoctor.graph.early import Early
from lossdoctor.graph.ir import Graph, LossGraph, Node, Stage
from lossdoctor.graph.optimise_tf import Optimised, optimise
from lossdoctor.graph.reading_tf import captured, ordered, pure
from lossdoctor.graph.reference_tf import Run, assignments, drawn, reference_runs
from lossdoctor.graph.run_tf import Executable, array, call_options, calling_with
from lossdoctor.graph.state_tf import unchanged
from lossdoctor.graph.trace_tf import Call, Inside, Noted, Program, Stopped, build, flatten
from lossdoctor.graph.trace_tf import NotATensor as NotATensor
from lossdoctor.graph.untyped_tf import tf
from lossdoctor.graph.verify import verify
from lossdoctor.session import Evaluation, Guard, Pair, Raised
from lossdoctor.spec import Contract

_GUARDS = ("Assert", "CheckNumerics", "CheckNumericsV2")


@dataclass(frozen=True)
class Staged:
    """One graph of the loss with what is needed to run it."""

    loss: LossGraph
    graph: Any  # the FuncGraph
    tensors: dict[int, Any]  # node -> tensor, for the nodes that have one
    value: Any
    gradients: tuple[Any | None, ...]


def _same(one: Any, other: Any) -> bool:
    return np.array_equal(np.asarray(one), np.asarray(other), equal_nan=np.asarray(one).dtype.kind == "f")


class Live:
    """A traced loss that can still be run in this process."""

    def __init__(self, program: Program, contract: Contract, staged: Staged, optimised: Staged | None) -> None:
        self.program = program
        self.contract = contract
        self.staged = staged
        self.staged_optimised = optimised
        self._function: Executable | None = None
        self._value: Executable | None = None
        self._compiled: Executable | None = None
        # What runs in other threads: the graph optimiser, and an evaluation under XLA of a pair.
        self._optimising: Early[Any] | None = None
        self._compiling: tuple[Pair, Early[Evaluation]] | None = None
        self.prints = 0  # lines that the loss printed while it was traced
        self._refused: dict[Any, Evaluation] = {}  # by shapes: XLA's compiler says no whatever the values

    @property
    def traced(self) -> LossGraph:
        return self.staged.loss

    @property
    def optimised(self) -> LossGraph | None:
        """The loss as the graph optimiser leaves it; None where the optimiser refused the graph."""
        return self.staged_optimised.loss if self.staged_optimised else None

    @property
    def function(self) -> Executable:
        """Value and the gradients that exist, with side effects, as `tf.function` runs them."""
        if self._function is None:
            self._function = Executable(self.program.graph, self.outputs(self.staged), effects=True)
        return self._function

    @property
    def compiled(self) -> Executable:
        """The same as XLA compiles it, for each shape at its first call."""
        if self._compiled is None:
            self._compiled = Executable(self.program.graph, self.outputs(self.staged), effects=True, xla=True)
        return self._compiled

    @cached_property
    def _pure(self) -> bool:
        """Whether a run of the graph does nothing but compute."""
        return pure(self.program.graph)

    def value(self, y_true: Any, y_pred: Any) -> Any:
        """The value alone, as a tensor, op for op as eager execution computes it; it raises where an assertion does."""
        if self._value is None:
            guarded = bool(self.program.graph.control_outputs)
            self._value = Executable(self.program.graph, [self.program.value], effects=guarded)
        return self._value(self.feeds(Pair(y_true, y_pred)), optimised=False)[0]

    def _error_of_value(self, pair: Pair, *, optimised: bool) -> Exception | None:
        """What the value raises by itself: operations run in parallel, and one of the gradient may fail first."""
        try:
            Executable(self.program.graph, [self.program.value], effects=False)(self.feeds(pair), optimised=optimised)
        except Exception as error:
            return error
        return None

    def runs_forward(self, feeds: Sequence[Any]) -> bool:
        """Whether the value can be had, as the graph optimiser has it."""
        try:
            Executable(self.program.graph, [self.program.value], effects=True)(feeds, optimised=True)
        except Exception:  # whatever the loss raises
            return False
        return True

    def guards(self) -> tuple[Guard, ...]:
        """The assertions on values that the user's code makes."""
        records = self.program.records
        # An assertion lies in a branch that runs where its condition fails.
        graphs = [self.program.graph, *(g for g in records.graphs.values() if g is not self.program.graph)]
        made = [op for graph in graphs for op in graph.get_operations() if op.type in _GUARDS]
        return tuple(Guard(op.type, calls) for op in made if (calls := records.calls_of(op)))

    def raised(self, error: BaseException) -> Raised:
        """An exception of a run, with the user's frames of the operation that failed."""
        accept = self.program.records.accept
        for name in spans.failed_nodes(error):
            calls = self.program.records.calls_of_name(self.program.graph, name)
            if calls:
                return Raised(type(error).__name__, spans.clean_message(error), calls)
        return spans.raised(error, accept)

    @staticmethod
    def outputs(staged: Staged) -> list[Any]:
        return [staged.value, *(g for g in staged.gradients if g is not None)]

    def feeds(self, pair: Pair) -> list[Any]:
        """The inputs of the function for a pair."""
        return [*flatten(self.contract.y_true, pair.y_true), *flatten(self.contract.y_pred, pair.y_pred)]

    def run(
        self, pairs: Sequence[Pair], execution: Literal["graph", "unoptimised", "xla"] = "graph"
    ) -> list[Evaluation]:
        """Value and gradients at each pair; an exception becomes `raised` of that evaluation."""
        if execution == "xla":
            return [self._evaluate_compiled(pair) for pair in pairs]
        return [self._evaluate(pair, optimised=execution == "graph") for pair in pairs]

    def compile(self, pair: Pair) -> None:
        """Begin to evaluate a pair under XLA in a thread of its own: the compiler needs no Python. Only where nobody
        else can tell when that was: without variables, random numbers, assertions and prints."""
        self.settle()
        if not self._pure:
            return
        compiled, options = self.compiled, call_options()

        def evaluated() -> Evaluation:
            with calling_with(options):
                return self._run_compiled(compiled, pair)

        self._compiling = pair, Early(evaluated)

    def optimise(self) -> None:
        """Have the graph optimiser at work, before the graph is run for the first time. Only where a run for nothing
        leaves no trace, as above."""
        if not self._pure:
            return
        function, options, leaves = self.function, call_options(), self.program.leaves
        feeds = drawn(self.contract, leaves, assignments(leaves)[0], seed=0)  # the trace has run it for these

        def run() -> Any:
            with calling_with(options):
                return function(feeds, optimised=True)

        self._optimising = Early(run)

    def settle(self) -> None:
        """Wait until nothing runs in another thread."""
        for early in (self._optimising, self._compiling and self._compiling[1]):
            if early is not None:
                early.wait()
        self._optimising = self._compiling = None

    def _evaluate_compiled(self, pair: Pair) -> Evaluation:
        begun, self._compiling = self._compiling, None
        if begun is not None:
            found = begun[1].result()
            if all(map(_same, self.feeds(begun[0]), self.feeds(pair))):
                return found
        return self._run_compiled(self.compiled, pair)

    def _run_compiled(self, compiled: Executable, pair: Pair) -> Evaluation:
        feeds = self.feeds(pair)
        shapes = tuple(np.shape(feed) for feed in feeds)
        if shapes in self._refused:
            return self._refused[shapes]
        try:
            return self._evaluation(compiled(feeds, optimised=True))
        except Exception as error:  # as below
            refused = Evaluation(None, (None,) * len(self.program.gradients), self.raised(error))
            if spans.of_compiler(error):
                self._refused[shapes] = refused
            return refused

    def _evaluate(self, pair: Pair, *, optimised: bool) -> Evaluation:
        if optimised and self._optimising is not None:
            self._optimising.wait()
            self._optimising = None
        try:
            return self._evaluation(self.function(self.feeds(pair), optimised=optimised))
        except Exception as error:  # whatever the user's graph does becomes data
            first = self._error_of_value(pair, optimised=optimised) or error
            return Evaluation(None, (None,) * len(self.program.gradients), self.raised(first))

    def _evaluation(self, results: Sequence[Any]) -> Evaluation:
        value, *found = results
        rest = iter(found)
        gradients = tuple(None if g is None else array(next(rest)) for g in self.program.gradients)
        return Evaluation(array(value).real, gradients)  # Keras keeps the real part


def trace(call: Call, contract: Contract, *, is_user: spans.IsUser | None = None, seed: int = 0) -> Live:
    """Trace `call(y_true, y_pred)` under a contract.

    Args:
        call: the loss, called once with symbolic tensors of unknown batch size (every named dimension is unknown).
        contract: the specs of both arguments.
        is_user: which files count as the user's; by default all but installed packages, the standard library and
            lossdoctor itself.
        seed: of the reference inputs, which decide nothing but sizes.

    Raises:
        NotATensor: the loss returned something that is no tensor.
        Exception: whatever the loss raises while it is traced.
    """
    program = build(call, contract, is_user or spans.is_user)
    optimising = optimise(program)
    with unchanged(program.graph):
        staged = _staged(program, contract, seed)
        found = optimising()
        optimised = None if found is None else _convert_optimised(program, contract, found, seed)
    return Live(program, contract, staged, optimised)


def trace_watched(call: Call, contract: Contract, is_user: spans.IsUser, inside: Inside, noted: Noted | None) -> Live:
    """The same with `inside` and `noted` as `build` takes them, and without what the graph optimiser makes of it."""
    program = build(call, contract, is_user, inside, noted)
    with unchanged(program.graph):
        return Live(program, contract, _staged(program, contract, 0), None)


def _staged(program: Program, contract: Contract, seed: int) -> Staged:
    outputs = [program.value, *(g for g in program.gradients if g is not None)]
    order = ordered([*outputs, *program.inputs])
    runs = reference_runs(program.graph, order, program.leaves, contract, seed)
    return convert(program, program.graph, program.inputs, program.value, program.gradients, runs, "traced")


def partly(program: Program | Stopped, operations: Sequence[Any], contract: Contract) -> Staged:
    """The IR of what some operations of a loss make, which need not lead to a value.

    Its `value` means nothing, and it has no gradients.
    """
    made = [x for op in operations for x in _taken(op, program) if x.dtype not in (tf.resource, tf.variant)]
    with unchanged(program.graph):
        runs = reference_runs(program.graph, ordered([*made, *program.inputs]), program.leaves, contract, 0)
    conversion = Conversion(program.records, runs, captured=captured(program.graph))
    found = _converted(conversion, program, program.inputs, made)
    body, moved = prune(Graph(tuple(conversion.nodes), tuple(range(len(program.inputs))), tuple(dict.fromkeys(found))))
    y_true, y_pred = _sides(program)
    last = moved[found[-1]] if found else 0
    loss = LossGraph(body, y_true, y_pred, last, (None,) * len(y_pred), "traced")
    verify(loss)
    tensors = {moved[node]: tensor for node, tensor in conversion.tensors.items() if node in moved}
    return Staged(loss, program.graph, tensors, tensors.get(last), (None,) * len(y_pred))


def _taken(op: Any, program: Program | Stopped) -> list[Any]:
    """The outputs of an operation that the loss takes; the first where it takes none."""
    found = [x for x in op.outputs if any(not program.records.is_gradient(user) for user in x.consumers())]
    return found or op.outputs[:1]


def _convert_optimised(program: Program, contract: Contract, found: Optimised, seed: int) -> Staged:
    outputs = [found.value, *(g for g in found.gradients if g is not None)]
    order = ordered([*outputs, *found.inputs])
    runs = reference_runs(found.graph, order, program.leaves, contract, seed)
    source = replace(program, records=found.records)
    return convert(source, found.graph, found.inputs, found.value, found.gradients, runs, "optimised")


def convert(
    program: Program,
    graph: Any,
    inputs: Sequence[Any],
    value: Any,
    gradients: Sequence[Any | None],
    runs: Sequence[Run],
    stage: Stage,
) -> Staged:
    """The IR of one TensorFlow graph of the loss, verified."""
    conversion = Conversion(program.records, runs, captured=captured(graph))
    found = _converted(conversion, program, inputs, [value, *(g for g in gradients if g is not None)])
    count = len(inputs)
    rest = iter(found[1:])
    gradient_ids = [None if g is None else next(rest) for g in gradients]
    y_true, predictions = _sides(program)
    _settle_roles(conversion.nodes, found[0])
    _place_gradients(conversion.nodes, {g: p for g, p in zip(gradient_ids, predictions, strict=True) if g is not None})
    kept = [node.forward for node in conversion.nodes if node.forward is not None]
    body, moved = prune(Graph(tuple(conversion.nodes), tuple(range(count)), tuple(dict.fromkeys(found))), kept)
    loss = LossGraph(
        graph=body,
        y_true=y_true,
        y_pred=predictions,
        value=moved[found[0]],
        gradients=tuple(None if g is None else moved[g] for g in gradient_ids),
        stage=stage,
    )
    verify(loss)
    tensors = {moved[node]: tensor for node, tensor in conversion.tensors.items() if node in moved}
    return Staged(loss, graph, tensors, value, tuple(gradients))


def _converted(
    conversion: Conversion, program: Program | Stopped, inputs: Sequence[Any], outputs: Sequence[Any]
) -> list[int]:
    for leaf, tensor in zip(program.leaves, inputs, strict=True):
        attrs = {"role": leaf.role, "key": leaf.key} if leaf.key else {"role": leaf.role}
        conversion.add_input(tensor, attrs, leaf.spec.dims)
    return conversion.run(outputs)


def _sides(program: Program | Stopped) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The nodes of the inputs: those of y_true, those of y_pred."""
    of_true, of_pred = (
        tuple(i for i, leaf in enumerate(program.leaves) if leaf.role == role) for role in ("y_true", "y_pred")
    )
    return of_true, of_pred


def _settle_roles(nodes: list[Node], value: int) -> None:
    """Call forward whatever the value needs: the optimiser may compute it once under the name of a gradient."""
    for node in Graph(tuple(nodes), (), ()).ancestors(value):
        if nodes[node].role == "gradient":
            nodes[node] = replace(nodes[node], role="forward", forward=None)


def _place_gradients(nodes: list[Node], final: dict[int, int]) -> None:
    """Give each gradient node without one a forward node: sums of gradients are made outside any operation's own.

    Such a node adds up what flows into the operation that its first user differentiates, or into the prediction.
    """
    users: dict[int, int] = {}
    for node in reversed(nodes):
        if node.role == "gradient" and node.forward is None:
            reader = users.get(node.id)
            forward = final.get(node.id) if reader is None else nodes[reader].forward
            if forward is None:
                forward = final.get(node.id)
            nodes[node.id] = replace(node, forward=forward)
        for arg in node.args:
            users[arg] = node.id
