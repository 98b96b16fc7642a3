"""Turns a TensorFlow graph into the IR: canonical operations, parameters as attributes, shapes in the spec's names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lossdoctor.graph import attributes_tf, dims, reading_tf, trace_tf
from lossdoctor.graph.fold_tf import NOTHING, Fact, analyse
from lossdoctor.graph.ir import Attr, Dim, Graph, Node, Role, Span
from lossdoctor.graph.reference_tf import Run
from lossdoctor.graph.trace_tf import Records
from lossdoctor.graph.untyped_tf import tf

_PASS = ("Identity", "Snapshot", "ReadVariableOp", "PreventGradient", "_Retval")
# A constant moved, not computed with: folding it hides no rounding.
_EXACT = frozenset("Const Cast Fill ZerosLike OnesLike Reshape ExpandDims Squeeze BroadcastTo Tile Pack".split())
_KEEPS_VALUES = ("Reshape", "BroadcastTo", "Tile", "Sum")  # of the gradient: nothing happens if the shape stays
_SCOPE = re.compile(r".*(?:^|/)gradients?(?:_\d+)?/(.+?)_grad/")  # the innermost gradient scope of a name


@dataclass
class Place:
    """What a nested graph inherits: where it is called from, and whether that is in the gradient."""

    prefix: str = ""
    calls: tuple[Span, ...] = ()
    role: Role = "forward"
    forward: int | None = None


@dataclass
class Conversion:
    """One TensorFlow graph (or an inlined function) on its way into a list of nodes."""

    records: Records
    runs: Sequence[Run] = ()
    place: Place = field(default_factory=Place)
    nodes: list[Node] = field(default_factory=list[Node])
    tensors: dict[int, Any] = field(default_factory=dict[int, Any])  # node -> the tensor it stands for
    ids: dict[str, int] = field(default_factory=dict[str, int])  # tensor name -> node
    ops: dict[str, int] = field(default_factory=dict[str, int])  # operation name -> its first node
    captured: Mapping[str, Any] = field(default_factory=dict[str, Any])
    facts: dict[str, Fact] = field(default_factory=dict[str, Fact])

    def add_input(self, tensor: Any, attrs: Mapping[str, Attr], shape: tuple[Dim, ...] | None, dtype: str = "") -> int:
        return self._add("input", (), tensor, shape=shape, attrs=attrs, dtype=dtype)

    def run(self, outputs: Sequence[Any]) -> list[int]:
        """Convert all that the outputs need; their node ids."""
        order = reading_tf.ordered(outputs)
        self.facts = analyse(order, self.runs)
        tensors = self._needed(outputs)
        for op in order:
            wanted = [t for t in op.outputs if t.name in tensors and t.name not in self.ids]
            folded = [t for t in wanted if self._folds(t)]
            for tensor in folded:
                self._add_folded(tensor)
            if len(folded) < len(wanted):
                self._add_operation(op, [t for t in wanted if t.name not in self.ids])
        return [self.ids[tensor.name] for tensor in outputs]

    def _needed(self, outputs: Iterable[Any]) -> set[str]:
        needed: set[str] = set()
        stack = list(outputs)
        while stack:
            tensor = stack.pop()
            if tensor.name not in needed:
                needed.add(tensor.name)
                if not self._folds(tensor):
                    written = reading_tf.written_before(tensor.op)
                    stack.extend(attributes_tf.arguments(tensor.op, self.facts) if written is None else written.inputs)
        return needed

    def _folds(self, tensor: Any) -> bool:
        """Whether a tensor becomes a `constant` or `dims` node instead of what computes it."""
        fact = self.facts.get(tensor.name, NOTHING)
        if tensor.op.type == "Const":
            return fact.array is not None
        if not fact.known or fact.value_shaped:
            return False
        if fact.sized or not tensor.dtype.is_floating:
            return True
        return tensor.op.type in _EXACT or self._role(tensor.op) == "gradient"

    def _role(self, op: Any) -> Role:
        return "gradient" if self.records.is_gradient(op) else self.place.role

    def _add_folded(self, tensor: Any) -> None:
        fact = self.facts[tensor.name]
        if fact.sized:
            shape = tuple(int(dim) for dim in np.shape(np.array(fact.solved, dtype=object)))
            self._add("dims", (), tensor, shape=shape, attrs={"value": fact.solved})
        else:
            assert fact.array is not None
            self._add("constant", (), tensor, shape=fact.array.shape, constant=fact.array)

    def _add_operation(self, op: Any, wanted: Sequence[Any]) -> None:
        if op.type in ("Placeholder", "PlaceholderWithDefault") and not op.inputs:
            self._add_capture(op, wanted[0])
        elif (written := reading_tf.written_before(op)) is not None:
            self._add("assigned", (self.ids[written.inputs[1].name],), wanted[0], op=written)
        elif op.type in _PASS:
            self._alias(op, wanted[0], self.ids[op.inputs[0].name])
        elif op.type == "IdentityN":
            # What a custom_gradient function returns: its gradient is not that of what is behind it.
            attrs: dict[str, Attr] = {"custom": True} if "_gradient_op_type" in op.node_def.attr else {}
            for tensor in wanted:
                self._add("identity", (self.ids[op.inputs[tensor.value_index].name],), tensor, attrs=attrs)
        elif (graph := reading_tf.called(op)) is not None:
            self._inline(op, graph, wanted)
        elif self._does_nothing(op):
            self._alias(op, wanted[0], self.ids[op.inputs[0].name])
        else:
            self._add_plain(op, wanted)

    def _alias(self, op: Any, tensor: Any, node: int) -> None:
        self.ids[tensor.name] = node
        self.ops.setdefault(op.name, node)

    def _does_nothing(self, op: Any) -> bool:
        """Whether a gradient operation only undoes a broadcast that did not happen."""
        if op.type not in _KEEPS_VALUES or self._role(op) != "gradient":
            return False
        if op.type == "Sum":
            return self.facts.get(op.inputs[1].name, NOTHING).solved == ()
        before, after = self.nodes[self.ids[op.inputs[0].name]].shape, self._shape(op.outputs[0], ())
        return before is not None and before == after and dims.UNKNOWN not in before

    def _add_plain(self, op: Any, wanted: Sequence[Any]) -> None:
        row = attributes_tf.row_of(op)
        args = tuple(self.ids[tensor.name] for tensor in attributes_tf.arguments(op, self.facts))
        attrs = attributes_tf.attributes(op) | attributes_tf.parameters(op, self.facts)
        graphs = reading_tf.bodies(op)
        name = row.name if row is not None else f"tf.{op.type}"
        if graphs:
            name = "while" if op.type.endswith("While") else "cond"
            attrs = {}
        elif self._role(op) == "forward" and trace_tf.asked_in_vain(op):
            attrs["unregistered"] = "asked" if op.type in self.records.refused else "unasked"
        bodies = tuple(self._body(op, graph, args if name == "while" else args[1:]) for graph in graphs)
        several = len(op.outputs) > 1 and not (row is not None and row.outputs == 1 and wanted[0].value_index == 0)
        if len(op.outputs) > 1 and len(wanted) > 1:
            several = True
        if not several:
            self._add(name, args, wanted[0], attrs=attrs, bodies=bodies)
            return
        whole = self._add(name, args, None, op=op, attrs=attrs, bodies=bodies, dtype="tuple")
        for tensor in wanted:
            self._add("item", (whole,), tensor, attrs={"index": tensor.value_index})

    def _add_capture(self, op: Any, tensor: Any) -> None:
        outer = self.captured.get(op.name)
        value = None if outer is None else reading_tf.snapshot(outer)
        if tensor.dtype == tf.resource:
            dtype, static = reading_tf.handle_type(tensor if outer is None else outer)
            shape = None if static is None else tuple("?" if dim is None else dim for dim in static)
            self._add("variable", (), tensor, shape=shape, dtype=dtype, constant=value)
        elif value is not None:
            self._add("constant", (), tensor, shape=value.shape, constant=value)
        else:
            self._add(f"tf.{op.type}", (), tensor)

    def _inline(self, op: Any, graph: Any, wanted: Sequence[Any]) -> None:
        place = Place(f"{self.place.prefix}{op.name}/", self._calls(op), self._role(op), self._forward(op))
        inner = Conversion(self.records, place=place, nodes=self.nodes, captured=self.captured)
        for placeholder, outer in zip(graph.inputs, op.inputs, strict=True):
            inner.ids[placeholder.name] = self.ids[outer.name]
        results = inner.run(graph.outputs)
        for tensor in wanted:
            self._alias(op, tensor, results[int(tensor.value_index)])

    def _body(self, op: Any, graph: Any, args: Sequence[int]) -> Graph:
        place = Place("", self._calls(op), self._role(op))
        inner = Conversion(self.records, place=place)
        for index, (placeholder, arg) in enumerate(zip(graph.inputs, args, strict=True)):
            outer = self.nodes[arg]
            # A variable reaches a body by its handle, which is a scalar whatever the variable is.
            handle = placeholder.dtype == tf.resource
            named = outer.shape
            if named is not None and op.type in ("If", "StatelessIf"):
                # The runs took one branch; a size that TensorFlow does not know may be another in the other.
                named = tuple(dims.UNKNOWN if isinstance(dim, int) else dim for dim in named)
            shape = outer.shape if handle else _merge(placeholder.shape, named)
            dtype = outer.dtype if handle else ""
            inner.add_input(placeholder, {"role": "argument", "index": index}, shape, dtype)
        inputs = tuple(range(len(graph.inputs)))
        outputs = tuple(inner.run(graph.outputs))
        return prune(Graph(tuple(inner.nodes), inputs, outputs))[0]

    def _calls(self, op: Any) -> tuple[Span, ...]:
        calls = self.records.calls_of(op)
        if not calls and self.place.role == "gradient" and (match := _SCOPE.search("/" + op.name)):
            calls = self.records.by_name.get(match[1], ())
        own = tuple(call for call in calls if call not in self.place.calls)
        return self.place.calls + own if own or self.place.prefix else calls

    def _forward(self, op: Any) -> int | None:
        original = op._original_op
        found = self.ops.get(original.name) if original is not None else None
        if found is None:
            return self.place.forward
        node = self.nodes[found]
        return found if node.role == "forward" else node.forward

    def _add(
        self,
        name: str,
        args: tuple[int, ...],
        tensor: Any | None,
        *,
        op: Any = None,
        shape: tuple[Dim, ...] | None = None,
        attrs: Mapping[str, Attr] | None = None,
        bodies: tuple[Graph, ...] = (),
        dtype: str = "",
        constant: np.ndarray[Any, Any] | None = None,
    ) -> int:
        source = op if op is not None else getattr(tensor, "op", None)
        assert source is not None
        role = self._role(source) if name != "input" else "forward"
        if shape is None and tensor is not None and name not in ("variable", "input"):
            shape = self._shape(tensor, args)
        suffix = f":{tensor.value_index}" if tensor is not None and tensor.value_index else ""
        calls: tuple[Span, ...] = () if name == "input" else self._calls(source)
        forward = self._forward(source) if role == "gradient" else None
        if role == "gradient" and not calls and forward is None and source._original_op is not None:
            calls = self.records.calls_of(source._original_op)
        node = Node(
            id=len(self.nodes),
            op=name,
            args=args,
            shape=shape,
            dtype=dtype or tensor_dtype(tensor),
            attrs=dict(attrs or {}),
            name=self.place.prefix + source.name + suffix,
            role=role,
            forward=forward,
            calls=calls,
            constant=constant,
            bodies=bodies,
        )
        self.nodes.append(node)
        self.ops.setdefault(source.name, node.id)
        if tensor is not None:
            self.ids[tensor.name] = node.id
            if not self.place.prefix:
                self.tensors[node.id] = tensor
        return node.id

    def _shape(self, tensor: Any, args: Sequence[int]) -> tuple[Dim, ...] | None:
        """The shape in the spec's names: from the runs, else from TensorFlow and the arguments."""
        static = tensor.shape
        if not self.facts.get(tensor.name, NOTHING).value_shaped:
            shapes = [tuple(run.tensors[tensor.name].shape) for run in self.runs if tensor.name in run.tensors]
            if len(shapes) > 1 and len(shapes) == len(self.runs) and len({len(s) for s in shapes}) == 1:
                sizes = [run.sizes for run in self.runs]
                solved = tuple(dims.solve(axis, sizes) for axis in zip(*shapes, strict=True))
                return _merge(static, solved)
        row = attributes_tf.row_of(tensor.op)
        known = [shape for shape in (self.nodes[arg].shape for arg in args) if shape is not None]
        if row is not None and row.kind == "elementwise" and len(known) == len(args) > 0:
            return _merge(static, dims.broadcast(*known))
        return _merge(static, None)


def tensor_dtype(tensor: Any) -> str:
    return tensor.dtype.base_dtype.name


def _merge(static: Any, named: tuple[Dim, ...] | None) -> tuple[Dim, ...] | None:
    """TensorFlow's static shape, with names where it has none."""
    if static.rank is None:
        return named
    sizes: list[int | None] = static.as_list()
    names = named if named is not None and len(named) == len(sizes) else (dims.UNKNOWN,) * len(sizes)
    return tuple(name if size is None else size for size, name in zip(sizes, names, strict=True))


def prune(graph: Graph, keep: Iterable[int] = ()) -> tuple[Graph, dict[int, int]]:
    """The graph without nodes that neither an output nor `keep` needs, and where each remaining node went."""
    alive = graph.ancestors(*graph.outputs, *graph.inputs, *keep)
    moved = {old: new for new, old in enumerate(sorted(alive))}
    nodes = tuple(
        replace(
            node,
            id=moved[node.id],
            args=tuple(moved[arg] for arg in node.args),
            forward=None if node.forward is None else moved.get(node.forward),
        )
        for node in graph.nodes
        if node.id in alive
    )
    inputs = tuple(moved[node] for node in graph.inputs)
    return Graph(nodes, inputs, tuple(moved[node] for node in graph.outputs)), moved
