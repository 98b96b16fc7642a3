"""The losses that this version of Keras has."""

from __future__ import annotations

import inspect

from lossdoctor.probes.calls import Subject
from lossdoctor.spec import Contract


def probe(subject: Subject, contract: Contract) -> tuple[str, ...]:
    """The names of the classes of `keras.losses` that can be made without arguments."""
    import keras

    found: list[str] = []
    for name, value in vars(keras.losses).items():
        if not inspect.isclass(value) or not issubclass(value, keras.losses.Loss) or value is keras.losses.Loss:
            continue
        try:
            value()
        except TypeError:
            continue
        found.append(name)
    return tuple(sorted(found))
