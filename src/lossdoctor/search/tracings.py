"""Demonstrations that look at the graph that TensorFlow traces of a loss, as `fit` traces it.

As those of `search.demonstrations`, each gives the body of `def fault() -> bool`. What a loss costs, or computes in a
type that is too narrow, need not show in its value; it shows in the operations of the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import dedent
from typing import Any

from lossdoctor.search.calling import Arguments, Demonstration, called, signature
from lossdoctor.spec import Contract, Spec, Structure, dim_names, leaves

# Of axes with a name, in `operation_on_shapes`: so small that a loss runs, and no product of others.
_SIZES = (7, 11, 13, 17, 19, 23, 29, 31, 37, 41)


def _operations(contract: Contract, arguments: Arguments) -> str:
    """Source of `operations`: those of the graph with unknown sizes, and of the functions that it calls."""
    specs = f"{signature(contract.y_true)}, {signature(contract.y_pred)}"
    return dedent(f"""\
        traced = tf.function({called(arguments)}, autograph=False).get_concrete_function({specs})
        graph = traced.graph.as_graph_def()
        operations = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]

        def dtype(node, name="T"):
            return tf.as_dtype(node.attr[name].type) if node.attr[name].type else None

        """)


def operations_left(contract: Contract, arguments: Arguments) -> str:
    """At least as many operations of these `types` as there were (`count`)."""
    types, count = tuple(map(str, arguments["types"])), int(arguments["count"])
    return _operations(contract, arguments) + dedent(f"""\
        found = [node.name for node in operations if node.op in {types}]
        print(f"{{len(found)}} of {{len(operations)}} operations are one of {", ".join(types)}; {count} were too many")
        return len(found) >= {count}
        """)


def in_double(contract: Contract, arguments: Arguments) -> str:
    """Operations in float64, for inputs of other types."""
    return _operations(contract, arguments) + dedent("""\
        wide = [node for node in operations if tf.float64 in (dtype(node), dtype(node, "DstT"))]
        given = [part.dtype for part in tf.nest.flatten([y_true, y_pred])]
        print(f"{len(wide)} of {len(operations)} operations are in float64; the inputs are", *{d.name for d in given})
        return bool(wide) and tf.float64 not in given
        """)


def share_rounded(contract: Contract, arguments: Arguments) -> str:
    """A mean or a quotient in integers that is then cast to a float."""
    return _operations(contract, arguments) + dedent("""\
        whole = {node.name for node in operations if node.op in ("Mean", "FloorDiv") and dtype(node).is_integer}
        casts = [node for node in operations if node.op == "Cast" and dtype(node, "DstT").is_floating]
        used = [node.input[0] for node in casts if node.input[0].partition(":")[0] in whole]
        print(f"{len(used)} means or quotients are rounded down to an integer before they are used as a float", *used)
        return len(used) > 0
        """)


def cast_to_integer(contract: Contract, arguments: Arguments) -> str:
    """At least as many casts of a float to an integer as there were (`count`)."""
    count = int(arguments["count"])
    return _operations(contract, arguments) + dedent(f"""\
        casts = [node for node in operations if node.op == "Cast" and dtype(node, "DstT").is_integer]
        found = [node.name for node in casts if dtype(node, "SrcT").is_floating]
        print(f"{{len(found)}} casts of a float to an integer", *found)
        return len(found) >= {count}
        """)


def seeded_alike(contract: Contract, arguments: Arguments) -> str:
    """Random numbers whose seed is a constant of the graph."""
    return _operations(contract, arguments) + dedent("""\
        graph = traced.graph
        keys = [op for op in graph.get_operations() if op.type.startswith("StatelessRandomGetKeyCounter")]
        fixed = [op.name for op in keys if tf.get_static_value(op.inputs[0]) is not None]
        print(f"{len(fixed)} of {len(keys)} draws of random numbers have a constant seed", *fixed)
        return len(fixed) > 0
        """)


def traced_again(contract: Contract, arguments: Arguments) -> str:
    """A further eager call with the same shapes traces a `tf.function` again."""
    return dedent(f"""\
        from tensorflow.python.framework import func_graph

        original, traced = func_graph.func_graph_from_py_func, []

        def noting(name, python_func, *args, **kwargs):
            traced.append(name)
            return original(name, python_func, *args, **kwargs)

        for _ in range(2):
            {called(arguments)}(y_true, y_pred)
        func_graph.func_graph_from_py_func = noting
        {called(arguments)}(y_true, y_pred)
        func_graph.func_graph_from_py_func = original
        print(f"the third call with the same shapes traces {{len(traced)}} functions", *traced)
        return len(traced) > 0
        """)


def operation_on_shapes(contract: Contract, arguments: Arguments) -> str:
    """An operation of these `types` whose inputs begin with these `shapes`, and whose result has the shape `result`
    where it is given. Dimensions are numbers or made of the names of the spec, which get sizes that nothing else has;
    None is any.
    """
    types = tuple(map(str, arguments["types"]))
    names = dim_names(contract.y_true, contract.y_pred)
    sizes = [size for size in _SIZES if size not in _numbers(contract)][: len(names)]
    named = "".join(f"{name} = {size}\n" for name, size in zip(names, sizes, strict=True))
    specs = ", ".join(_sized(part) for part in (contract.y_true, contract.y_pred))
    shapes = ", ".join(_shape(shape) for shape in arguments["shapes"])
    result = arguments.get("result")
    return named + dedent(f"""\
        traced = tf.function({called(arguments)}, autograph=False).get_concrete_function({specs})

        def alike(tensor, shape):
            known = tensor.shape.rank == len(shape)
            return known and all(dim in (None, size) for dim, size in zip(shape, tensor.shape))

        shapes, found = [{shapes}], []
        for op in traced.graph.get_operations():
            if op.type in {types} and len(op.inputs) >= len(shapes):
                fits = all(alike(tensor, shape) for tensor, shape in zip(op.inputs, shapes))
                if fits and {"True" if result is None else f"alike(op.outputs[0], {_shape(result)})"}:
                    found.append(op.name)
        print(f"{{len(found)}} operations take {{shapes}} as they are", *found)
        return len(found) > 0
        """)


def _numbers(contract: Contract) -> set[int]:
    specs = [spec for part in (contract.y_true, contract.y_pred) for _, spec in leaves(part)]
    return {dim for spec in specs for dim in spec.dims if isinstance(dim, int)}


def _sized(structure: Structure) -> str:
    """Source of the TensorSpec of a structure, with the names of its axes as variables."""
    if isinstance(structure, Spec):
        return f'tf.TensorSpec({_shape(structure.dims)}, "{structure.dtype}")'
    if isinstance(structure, Mapping):
        return "{" + ", ".join(f"{key!r}: {_sized(part)}" for key, part in structure.items()) + "}"
    return "(" + "".join(_sized(part) + ", " for part in structure) + ")"


def _shape(shape: Any) -> str:
    return "[" + ", ".join("None" if dim in ("?", None) else str(dim) for dim in shape) + "]"


# By symptom, as `search.demonstrations.DEMONSTRATIONS`.
TRACINGS: Mapping[str, tuple[str, Demonstration]] = {
    "operations-left": ("the graph has operations that it does not need", operations_left),
    "operation-on-shapes": ("an operation takes the axes in an order that is not theirs", operation_on_shapes),
    "in-double": ("the loss is computed in float64", in_double),
    "share-rounded": ("a share is rounded down to an integer", share_rounded),
    "cast-to-integer": ("predictions are cut to integers", cast_to_integer),
    "seeded-alike": ("the random numbers are the same in every step", seeded_alike),
    "traced-again": ("each call traces again", traced_again),
}
