"""A standalone script for one fault: TensorFlow and the user's file only, exit status 1 while the fault stands."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent
from typing import Any

import numpy as np

from lossdoctor.search.behaviours import BEHAVIOURS
from lossdoctor.search.calling import source_tensors
from lossdoctor.search.demonstrations import DEMONSTRATIONS, describe
from lossdoctor.search.leaves import arrays, make_pair, pair_arrays, pair_specs, rebuild, specs, valid
from lossdoctor.search.ragged import source
from lossdoctor.search.settings import SETTINGS
from lossdoctor.search.tracings import TRACINGS
from lossdoctor.session import Loaded, Pair
from lossdoctor.spec import Contract, Structure, dim_names, sample

# By symptom: the title of its script, and what makes the body.
ALL = {**DEMONSTRATIONS, **BEHAVIOURS, **TRACINGS, **SETTINGS}
_HEAD = """\
# {title}: {name}, for {specs}
# Exit status: 1 while the fault stands, 0 once it is mended, 2 if it could not be examined.
"""
# A loss that lives in a notebook, a closure or a model; `worker.local` defines `loss` before it runs the script.
_LIVE = """\
# {name} cannot be imported by a fresh process: define loss(y_true, y_pred) here to run this alone.
import tensorflow as tf
from tensorflow import keras

if "loss" not in globals():
    print("loss(y_true, y_pred) is not defined")
    raise SystemExit(2)
if "keras_loss" not in globals():
    _model = keras.Model()
    _model.compile(loss=loss)

    def keras_loss(y_true, y_pred, sample_weight=None):
        return _model.compute_loss(y=y_true, y_pred=y_pred, sample_weight=sample_weight)
"""
_FAILED = """\
except Exception:
    traceback.print_exc()
    raise SystemExit(2)
"""


def script(loaded: Loaded, symptom: str, pair: Pair | None, contract: Contract, **arguments: Any) -> str:
    """Source of a script that shows a fault.

    Args:
        loaded: where the loss is; its `loader` opens the script.
        symptom: a `Symptom` of `rules.registry`, or "expected" to compare with the array `expected`.
        pair: the input; None takes an ordinary one of the contract.
        contract: the specs, for signatures with unknown batch.
        arguments: what the symptom's demonstration takes: `execution` ("eager", "graph", "xla"), `calling`
            ("raw", "keras-compile"), `batch` (samples of the ordinary input), and its own (`search.demonstrations`).

    Raises:
        KeyError: an unknown symptom, or an argument that its demonstration needs is missing.
    """
    title, demonstrate = ALL[symptom]
    if pair is None:
        pair = ordinary(contract, int(arguments.get("batch", 2)))
    head = _HEAD.format(title=title[:1].upper() + title[1:], name=loaded.name, specs=describe(contract))
    loader = relative(loaded.loader, loaded.path).rstrip() + "\n" if loaded.loader else _LIVE.format(name=loaded.name)
    loader += source(contract.ragged)
    inputs = (
        "import numpy as np\n\n"
        f"y_true = {source_tensors(pair.y_true, contract.y_true)}\n"
        f"y_pred = {source_tensors(pair.y_pred, contract.y_pred)}\n"
    )
    if symptom == "dies":
        arguments["program"] = loader + inputs
    body = "\n\ndef fault():\n" + indent(demonstrate(contract, arguments).rstrip() + "\n", "    ")
    # A file that cannot be imported any more is no proof that the fault stands.
    opening = "import traceback\n\ntry:\n" + indent(loader, "    ") + _FAILED
    return head + opening + "\n" + inputs + body + "\ntry:\n    raise SystemExit(int(fault()))\n" + _FAILED


def relative(loader: str, path: str) -> str:
    """The loader with the user's file by its place under the working folder, when it is in there.

    The script then runs from the working folder and from the folder of the file.
    """
    file = Path(path)
    try:
        inside = file.relative_to(Path.cwd())
    except ValueError:
        return loader
    places = dict.fromkeys((inside.as_posix(), file.name))
    found = repr(file.name) if len(places) == 1 else f"next(filter(os.path.exists, {tuple(places)!r}))"
    for written in (repr(str(file)), repr(file.as_posix()), f'"{file.as_posix()}"'):
        loader = loader.replace(written, found)
    folder = file.parent
    for written in (repr(str(folder)), repr(folder.as_posix()), f'"{folder.as_posix()}"'):
        loader = loader.replace(written, f"os.path.dirname(os.path.abspath({found}))")
    return loader


def ordinary(contract: Contract, batch: int = 2) -> Pair:
    """A small realistic pair with few digits."""
    rng = np.random.default_rng(0)
    sizes = {name: batch if name == "B" else 3 for name in dim_names(contract.y_true, contract.y_pred)}
    return Pair(*(_plain(part, rng, sizes, contract.magnitude) for part in (contract.y_true, contract.y_pred)))


def plainest(contract: Contract, batch: int = 1) -> Pair:
    """The plainest pair there is: zeros where they are valid, else ones, else the first class."""
    pair = ordinary(contract, batch)
    parts: list[Any] = []
    for spec, drawn in zip(pair_specs(contract), pair_arrays(contract, pair), strict=True):
        first = np.zeros_like(drawn)
        first[..., :1] = 1
        proposals = (np.zeros_like(drawn), np.ones_like(drawn), first)
        parts.append(next((part for part in proposals if valid([part], [spec])), drawn))
    return make_pair(contract, parts)


def _plain(structure: Structure, rng: np.random.Generator, sizes: dict[str, int], magnitude: float) -> Any:
    drawn = arrays(structure, sample(structure, rng, sizes, magnitude, style="realistic"))
    of = specs(structure)
    rounded = [np.round(part.astype(np.float64), 2).astype(part.dtype) for part in drawn]
    kept = [short if valid([short], [spec]) else part for short, part, spec in zip(rounded, drawn, of, strict=True)]
    return rebuild(structure, kept)
