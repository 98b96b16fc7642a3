"""The op table. Importing this package fills `TABLE`."""

from lossdoctor.ops import activation as activation
from lossdoctor.ops import control as control
from lossdoctor.ops import convolution as convolution
from lossdoctor.ops import elementwise as elementwise
from lossdoctor.ops import image as image
from lossdoctor.ops import index as index
from lossdoctor.ops import linalg as linalg
from lossdoctor.ops import matmul as matmul
from lossdoctor.ops import opaque as opaque
from lossdoctor.ops import pooling as pooling
from lossdoctor.ops import random as random
from lossdoctor.ops import reduce as reduce
from lossdoctor.ops import scan as scan
from lossdoctor.ops import segment as segment
from lossdoctor.ops import select as select
from lossdoctor.ops import shaping as shaping
from lossdoctor.ops import special as special
from lossdoctor.ops import tensor_lists as tensor_lists
from lossdoctor.ops.table import TABLE as TABLE
from lossdoctor.ops.table import Flow as Flow
from lossdoctor.ops.table import Kind as Kind
from lossdoctor.ops.table import Op as Op
from lossdoctor.ops.table import op as op
