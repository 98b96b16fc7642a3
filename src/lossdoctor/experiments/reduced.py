"""A part of a traced loss as a script of its own: TensorFlow's raw operations, with the user's code beside them."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from lossdoctor.experiments.reading import Symptom
from lossdoctor.graph.frontend_tf import Live
from lossdoctor.graph.reading_tf import ordered
from lossdoctor.graph.run_tf import Executable
from lossdoctor.graph.untyped_tf import tf
from lossdoctor.search.literals import source
from lossdoctor.session import Pair

_LARGEST = 400  # operations of a script


def shows(live: Live, root: int, pair: Pair, symptom: Symptom) -> bool:
    """Whether the sum of one node alone shows a symptom at an input."""
    tensor = live.staged.tensors.get(root)
    if tensor is None or not (tensor.dtype.is_floating or symptom == "no-gradient"):
        return False
    graph = live.program.graph
    predictions = _predictions(live)
    with graph.as_default():
        if not tensor.dtype.is_floating:
            return True  # an integer or bool: nothing can flow
        slopes = tf.gradients(tensor, predictions)
    real = [slope for slope in slopes if slope is not None]
    if symptom == "no-gradient":
        return not real
    with graph.as_default():
        fetches = [tensor, *(tf.convert_to_tensor(slope) for slope in real)]
    value, *found = (x.numpy() for x in Executable(graph, fetches, effects=False)(live.feeds(pair), optimised=True))
    finite = bool(np.all(np.isfinite(value)))
    if symptom == "nonfinite-value":
        return not finite
    if symptom == "nonfinite-gradient":
        return finite and any(not np.all(np.isfinite(slope)) for slope in found)
    return bool(found) and all(not np.any(slope) for slope in found)


def _predictions(live: Live) -> list[Any]:
    pairs = zip(live.program.inputs, live.program.leaves, strict=True)
    return [tensor for tensor, leaf in pairs if leaf.role == "y_pred" and tensor.dtype.is_floating]


def script_of(live: Live, root: int, pair: Pair, symptom: Symptom) -> str:
    """The script, which exits 1 while the symptom shows; "" where an operation cannot be written down."""
    tensor = live.staged.tensors[root]
    operations = ordered([tensor])
    if len(operations) > _LARGEST:
        return ""
    names: dict[str, str] = {}
    lines: list[str] = []
    feeds = live.feeds(pair)
    heads: list[str] = []
    watched: list[str] = []
    for input_, leaf, value in zip(live.program.inputs, live.program.leaves, feeds, strict=True):
        key = "".join(c if c.isalnum() else "_" for c in leaf.key)
        name = f"{leaf.role}_{key}" if key else leaf.role
        names[input_.name] = name
        heads.append(f"{name} = tf.constant({source(np.asarray(value))}, tf.{input_.dtype.name})")
        if leaf.role == "y_pred" and input_.dtype.is_floating:
            watched.append(name)
    captured = {inner.name: outer for outer, inner in live.program.graph.captures}
    try:
        for op in operations:
            if op.outputs and op.outputs[0].name in names:
                continue
            if op.outputs and op.outputs[0].name in captured:
                names[op.outputs[0].name] = ""
                continue
            lines.append(_line(live, op, names, captured))
    except (_Unwritable, KeyError):
        return ""
    arguments = ", ".join(watched)
    tests = {
        "no-gradient": "all(slope is None for slope in slopes)",
        "nonfinite-value": "not bool(tf.reduce_all(tf.math.is_finite(value)))",
        "nonfinite-gradient": "any(s is not None and not bool(tf.reduce_all(tf.math.is_finite(s))) for s in slopes)",
        "dead-gradient": "not any(s is not None and bool(tf.reduce_any(s != 0)) for s in slopes)",
    }
    body = "\n".join(f"    {line}" for line in lines if line)
    result = names[tensor.name] if tensor.dtype.is_floating else f"tf.cast({names[tensor.name]}, tf.float32)"
    return (
        "# What is left of the loss. Exit status: 1 while the fault stands, 0 once it is mended.\n"
        "import sys\n\nimport numpy as np\nimport tensorflow as tf\n\n"
        + "\n".join(heads)
        + f"\n\n\ndef reduced({arguments}):\n{body}\n    return {result}\n\n\n"
        + f"predictions = [{arguments}]\n"
        + "with tf.GradientTape() as tape:\n    tape.watch(predictions)\n"
        + f"    value = reduced({arguments})\nslopes = tape.gradient(value, predictions)\n"
        + 'print("value", value.numpy())\nprint("gradient", [None if s is None else s.numpy() for s in slopes])\n'
        + f"sys.exit(1 if {tests[symptom]} else 0)\n"
    )


class _Unwritable(Exception):
    pass


def _line(live: Live, op: Any, names: dict[str, str], captured: dict[str, Any]) -> str:
    """One operation as a line of Python."""
    if len(op.outputs) > 1:
        raise _Unwritable
    if not op.outputs:
        return ""
    tensor = op.outputs[0]
    name = names[tensor.name] = f"v{len(names)}"
    if op.type == "ReadVariableOp" and op.inputs[0].name in captured:
        value = live_value(captured[op.inputs[0].name], tensor.dtype)
        return f"{name} = tf.constant({source(value)}, tf.{tensor.dtype.name})"
    constant = tf.get_static_value(tensor) if op.type == "Const" else None
    if constant is not None:
        return f"{name} = tf.constant({source(np.asarray(constant))}, tf.{tensor.dtype.name})"
    arguments: list[str] = []
    inferred: set[str] = set()
    inputs = iter(op.inputs)
    function = getattr(tf.raw_ops, op.type, None)
    if function is None:
        raise _Unwritable
    known = list(inspect.signature(function).parameters)
    for place, argument in enumerate(op.op_def.input_arg):
        # Python renames some: `reduction_indices` is `axis`.
        title = argument.name if argument.name in known else known[place]
        inferred |= {argument.type_attr, argument.number_attr, argument.type_list_attr}
        if argument.number_attr:
            count = op.get_attr(argument.number_attr)
            arguments.append(f"{title}=[{', '.join(names[next(inputs).name] for _ in range(count))}]")
        elif argument.type_list_attr:
            raise _Unwritable
        else:
            arguments.append(f"{title}={names[next(inputs).name]}")
    for attribute in op.op_def.attr:
        if attribute.name not in inferred:
            arguments.append(f"{attribute.name}={_attribute(op.get_attr(attribute.name))}")
    calls = live.program.records.calls_of(op)
    note = f"  # line {calls[-1].line}: {' '.join(calls[-1].text.split())[:60]}" if calls else ""
    return f"{name} = tf.raw_ops.{op.type}({', '.join(arguments)}){note}"


def live_value(handle: Any, dtype: Any) -> np.ndarray[Any, Any]:
    """What a variable holds."""
    return np.asarray(tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype))


def _attribute(value: Any) -> str:
    if isinstance(value, bytes):
        return repr(value.decode())
    if isinstance(value, bool | int | float | str):
        return repr(value)
    if isinstance(value, tf.DType):
        return f"tf.{value.name}"
    if isinstance(value, list):
        return f"[{', '.join(map(_attribute, value))}]"
    raise _Unwritable
