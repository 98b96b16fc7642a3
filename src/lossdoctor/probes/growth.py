"""Does tracing a loss leave something behind in a Python container?

A list that a loss appends to grows with every eager call, and under `fit` once, when the loss is traced: with a
symbolic tensor that nothing can use afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lossdoctor.probes.calls import TRIED, Subject
from lossdoctor.probes.draws import pair, sizes
from lossdoctor.source.python_state import Place
from lossdoctor.spec import Contract, leaves


def grown(
    subject: Subject, contract: Contract, places: Iterator[tuple[str, str, Place]], namespace: Mapping[str, Any]
) -> tuple[str, Place] | None:
    """The first container that grows by a symbolic tensor when the loss is traced, as (name, place of the call).

    Args:
        places: owner ("self" or ""), name and call of each addition in the source (`python_state.additions`).
        namespace: the globals of the loss.
    """
    import tensorflow as tf

    held = [(owner, name, place, _container(owner, name, subject.object, namespace)) for owner, name, place in places]
    known = [(owner, name, place, box) for owner, name, place, box in held if box is not None]
    if not known:
        return None
    saved = [list(box) for *_, box in known]
    try:
        for *_, box in known:
            box.clear()
        _trace(subject, contract)
        for owner, name, place, box in known:
            if any(tf.is_tensor(item) and not hasattr(item, "numpy") for item in box):
                return f"{owner}.{name}" if owner else name, place
    finally:
        for (*_, box), items in zip(known, saved, strict=True):
            box.clear()
            box.extend(item for item in items if not (tf.is_tensor(item) and not hasattr(item, "numpy")))
    return None


def _container(owner: str, name: str, loss: Any, namespace: Mapping[str, Any]) -> Any:
    value = getattr(loss, name, None) if owner else namespace.get(name)
    # Keras tracks the lists of some objects in a subclass of list.
    return value if isinstance(value, list) else None


def _trace(subject: Subject, contract: Contract) -> None:
    import tensorflow as tf

    rng = np.random.default_rng(0)
    drawn = pair(contract, rng, sizes(contract, *TRIED[0]))
    specs = [spec for structure in (contract.y_true, contract.y_pred) for _, spec in leaves(structure)]
    arrays = tf.nest.flatten((drawn.y_true, drawn.y_pred))
    flat = [tf.cast(part, spec.dtype) for part, spec in zip(arrays, specs, strict=True)]
    y_true, y_pred = tf.nest.pack_sequence_as((drawn.y_true, drawn.y_pred), flat)
    try:
        tf.function(subject.call, autograph=False).get_concrete_function(y_true, y_pred)
    except Exception:  # the loss is the user's; what was appended before it raised is enough
        return
