"""The float32 twin of a loss in another precision: the same code, with float32 wherever it casts to that.

For half precision that is float16 and bfloat16; a loss in needless double precision has a twin as well.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from lossdoctor.graph.spans import raised
from lossdoctor.probes.calls import Subject
from lossdoctor.search.evaluate import leaves, rebuilt, to_numpy, value_and_gradients
from lossdoctor.session import Evaluation, Pair
from lossdoctor.spec import Contract, Spec

HALF = ("float16", "bfloat16")


def probe(
    subject: Subject, contract: Contract, *, pairs: Sequence[Pair], dtypes: Sequence[str] = HALF
) -> list[Evaluation]:
    """Value and gradient of the twin at each pair, eagerly; what it raises is in the evaluation. `dtypes` are those
    that casts in the code are kept from."""
    with _casts_lifted(dtypes):
        return [_evaluated(subject, contract, pair) for pair in pairs]


def _evaluated(subject: Subject, contract: Contract, pair: Pair) -> Evaluation:
    import tensorflow as tf

    specs: list[Spec] = [*leaves(contract.y_true), *leaves(contract.y_pred)]
    arrays = [np.asarray(part) for part in (*leaves(pair.y_true), *leaves(pair.y_pred))]
    wanted = ["float32" if spec.dtype in HALF else spec.dtype for spec in specs]
    flat = [
        tf.constant(array.astype(np.float32) if dtype == "float32" else array, dtype)
        for array, dtype in zip(arrays, wanted, strict=True)
    ]
    count = len(leaves(pair.y_true))
    y_true, y_pred = rebuilt(pair.y_true, flat[:count]), rebuilt(pair.y_pred, flat[count:])
    try:
        value, gradients = value_and_gradients(subject.call, y_true, y_pred)
    except (Exception, SystemExit) as problem:
        return Evaluation(None, (), raised(problem, subject.is_user))
    return Evaluation(to_numpy(value), tuple(None if each is None else to_numpy(each) for each in gradients))


@contextmanager
def _casts_lifted(dtypes: Sequence[str]) -> Generator[None]:
    """Casts to these precisions in the user's code give float32 meanwhile."""
    import keras
    import tensorflow as tf

    def lifted(original: Any) -> Any:
        def cast(x: Any, dtype: Any, *args: Any, **kwargs: Any) -> Any:
            name = getattr(dtype, "name", dtype)
            return original(x, "float32" if name in dtypes else dtype, *args, **kwargs)

        return cast

    places: list[tuple[Any, str]] = [(tf, "cast"), (tf, "saturate_cast"), (keras.ops, "cast")]
    saved = [getattr(module, name) for module, name in places]
    for (module, name), original in zip(places, saved, strict=True):
        setattr(module, name, lifted(original))
    try:
        yield
    finally:
        for (module, name), original in zip(places, saved, strict=True):
            setattr(module, name, original)
