"""What family an exception of the loss belongs to, by what TensorFlow, Keras and Python say in it."""

from __future__ import annotations

import re

from lossdoctor.findings import Family
from lossdoctor.session import Raised

# Messages of TensorFlow's type checks (op_def_library, the eager runtime, kernels) and of tf.convert_to_tensor.
_DTYPE = re.compile(
    r"not in list of allowed values|was expected to be an? \w+ tensor but|has (?:Data)?[Tt]ype \w+|"
    r"Value for attr '\w+' of \w+ is not in the list|could not find device for node|must be of the following types|"
    r"requested dtype|incompatible with expected type|Tensor conversion requested|Expected \w*int\w*, but got|"
    r"of type '?(?:float|int|uint)\w*'? .*(?:allowed|match)|[Ii]ndices must be|must have the same dtype",
)
_SHAPE = re.compile(
    r"Incompatible shapes|[Dd]imensions must be equal|must have (?:the )?same|size-incompatible|"
    r"out of (?:bounds|range)|"
    r"must be (?:at least )?rank|required broadcastable shapes|Shapes? .* (?:incompatible|must)|Too many indices|"
    r"Dimension \d+ in both shapes|Expected \w+ (?:dimension|rank)|[Ii]nput to reshape|[Rr]ank mismatch|"
    r"must equal `?\w+\.shape|Cannot reshape|Can not squeeze|Index out of range"
)
_MISSING = re.compile(r"module '(?P<module>[\w.]+)' has no attribute '(?P<name>\w+)'")


def family_of(raised: Raised) -> Family:
    """`crash` for what no other family names."""
    if removed_symbol(raised):
        return "keras-contract"
    if raised.type == "TypeError" and not raised.calls and "required positional argument" in raised.message:
        return "keras-contract"  # the call itself does not fit, not one inside the loss
    if raised.type in ("TypeError", "InvalidArgumentError", "ValueError", "NotFoundError") and _DTYPE.search(
        raised.message
    ):
        return "dtype"
    if raised.type in ("InvalidArgumentError", "ValueError", "IndexError") and _SHAPE.search(raised.message):
        return "shape"
    return "crash"


def removed_symbol(raised: Raised) -> str:
    """The name that TensorFlow or Keras does not have, such as "keras.backend.sum"; "" for any other exception."""
    found = _MISSING.search(raised.message) if raised.type == "AttributeError" else None
    if found is None or not re.match(r"(?:_?tf_?keras|keras|tensorflow)\b", found["module"]):
        return ""
    return f"{found['module']}.{found['name']}"
