"""TensorFlow and the internals that the frontend needs, as `Any`: the one module of `graph` that imports it.

TensorFlow ships no types, and the stubs in circulation know a fraction of its API and none of its internals. The
internals used are few and old: the graph's operation factory (to see who makes an operation), function graphs,
functions of graphs, the graph optimiser, and AutoGraph's handler and line map.
"""

# pyright: basic

from __future__ import annotations

from typing import Any

import tensorflow as _tensorflow
from tensorflow.core.framework import attr_value_pb2 as _attr_value_pb2
from tensorflow.core.protobuf import config_pb2 as _config_pb2
from tensorflow.core.protobuf import meta_graph_pb2 as _meta_graph_pb2
from tensorflow.python.eager import context as _context
from tensorflow.python.eager import record as _record
from tensorflow.python.eager.polymorphic_function import atomic_function as _atomic_function
from tensorflow.python.eager.polymorphic_function import autograph_util as _autograph_util
from tensorflow.python.eager.polymorphic_function import polymorphic_function as _polymorphic_function
from tensorflow.python.framework import constant_op as _constant_op
from tensorflow.python.framework import func_graph as _func_graph
from tensorflow.python.framework import function_def_to_graph as _function_def_to_graph
from tensorflow.python.framework import importer as _importer
from tensorflow.python.framework import ops as _ops
from tensorflow.python.grappler import tf_optimizer as _tf_optimizer
from tensorflow.python.ops import handle_data_util as _handle_data
from tensorflow.python.ops.parallel_for.pfor import PFor as _PFor
from tensorflow.python.ops.resource_variable_ops import ResourceVariable as _ResourceVariable
from tensorflow.python.util import tf_stack as _tf_stack

tf: Any = _tensorflow
config_pb2: Any = _config_pb2
meta_graph_pb2: Any = _meta_graph_pb2
context: Any = _context
constant_op: Any = _constant_op
atomic_function: Any = _atomic_function
autograph_util: Any = _autograph_util
polymorphic_function: Any = _polymorphic_function
func_graph: Any = _func_graph
function_def_to_graph: Any = _function_def_to_graph
importer: Any = _importer
ops: Any = _ops
handle_data: Any = _handle_data
tf_optimizer: Any = _tf_optimizer
PFor: Any = _PFor
tf_stack: Any = _tf_stack
record: Any = _record
ResourceVariable: Any = _ResourceVariable
_messages: Any = _attr_value_pb2  # made at run time, unknown to type checkers
AttrValue: Any = _messages.AttrValue
