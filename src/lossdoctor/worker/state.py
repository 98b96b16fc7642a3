"""The global state of Python and Keras that a user's code may change, and putting it back.

One process examines many targets, so a target must not see what the one before it left: modules of the same name,
registered objects, a changed `floatx`, a seed, a working folder.
"""

from __future__ import annotations

import contextlib
import linecache
import os
import random
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from lossdoctor.graph import generated, spans
from lossdoctor.graph.spans import is_user
from lossdoctor.subject import importing
from lossdoctor.worker.start import start


class State:
    """What the process is like at one moment.

    `restore` brings it back: modules imported since then from the user's files are forgotten, and so is what
    they registered with Keras. Loaded libraries stay.
    """

    def __init__(self) -> None:
        import keras
        import tensorflow as tf

        self._modules = dict(sys.modules)
        self._path = list(sys.path)
        self._folder = os.getcwd()
        self._environment = dict(os.environ)
        self._argv = list(sys.argv)
        self._recursion = sys.getrecursionlimit()
        self._threads = set(threading.enumerate())
        self._random = random.getstate()
        self._numpy = np.random.get_state()
        self._errors = np.geterr()
        config = keras.config
        self._keras = (config.floatx(), config.epsilon(), config.image_data_format(), config.dtype_policy())
        self._eagerly = tf.config.functions_run_eagerly()
        self._library = {name: dict(vars(module)) for name, module in _library()}
        self._registered = dict(keras.saving.get_custom_objects())
        self._names = _global_names()
        self._names_before = None if self._names is None else dict(self._names)
        self._scopes = list(name_scopes())

    def restore(self, *, keep_modules: bool = False) -> None:
        """Put everything back; with `keep_modules` the modules are left as they are."""
        import keras
        import tensorflow as tf

        if not keep_modules:
            for name in user_modules(self._modules):
                del sys.modules[name]
            # The loader remembers the files it has imported; they are not imported any more.
            importing._files.clear()
            importing._Folder.current = None
        if "__main__" in self._modules:
            sys.modules["__main__"] = self._modules["__main__"]
        # The text of a file that has changed since is read again.
        linecache.checkcache()
        for module in (spans, generated):
            for function in vars(module).values():
                if hasattr(function, "cache_clear") and function.__module__ == module.__name__:
                    function.cache_clear()
        sys.path[:] = self._path
        sys.argv[:] = self._argv
        sys.setrecursionlimit(self._recursion)
        with contextlib.suppress(OSError):  # the folder may be gone
            os.chdir(self._folder)
        if dict(os.environ) != self._environment:
            os.environ.clear()
            os.environ.update(self._environment)
        random.setstate(self._random)
        np.random.set_state(self._numpy)
        np.seterr(**self._errors)
        floatx, epsilon, data_format, policy = self._keras
        keras.config.set_floatx(floatx)
        keras.config.set_epsilon(epsilon)
        keras.config.set_image_data_format(data_format)
        keras.config.set_dtype_policy(policy)
        registered: dict[str, Any] = keras.saving.get_custom_objects()
        registered.clear()
        registered.update(self._registered)
        if self._names is not None and self._names_before is not None:
            self._names.clear()
            self._names.update(self._names_before)
        name_scopes()[:] = self._scopes
        tf.config.run_functions_eagerly(self._eagerly)
        if not keep_modules:
            with contextlib.suppress(Exception):  # not enabled, which differs between versions
                tf.debugging.disable_check_numerics()

    @staticmethod
    def change_folder(folder: str | None) -> None:
        """Go to the user's folder, if it is there."""
        if folder is not None:
            with contextlib.suppress(OSError):
                os.chdir(folder)

    def replaced(self) -> list[str]:
        """The public functions of Python, NumPy, TensorFlow and Keras that the user's code has put others in place
        of, e.g. "numpy.asarray"."""
        found: list[str] = []
        for name, before in self._library.items():
            now = vars(sys.modules.get(name, self._modules[name]))
            found += [f"{name}.{key}" for key, value in before.items() if now.get(key) is not value and callable(value)]
        return found

    def clean(self) -> bool:
        """Whether nothing of the user's stays: a thread that may touch anything at any time, a changed library."""
        return not self.replaced() and all(thread in self._threads or thread.daemon for thread in threading.enumerate())


def _library() -> list[tuple[str, ModuleType]]:
    """The modules of the public interfaces that a loss uses, and lossdoctor too."""
    named = ("builtins", "math", "random", "numpy", "tensorflow", "keras")
    # What `tf.math` is, and the like; and `keras.ops`, `keras.losses`, …
    inside = ("tensorflow._api.v2.", "keras._tf_keras.", "keras.api.", "numpy.linalg", "numpy.random")
    public = {"keras.ops", "keras.losses", "keras.backend", "keras.activations", *named}
    return [
        (name, module)
        for name, module in sys.modules.copy().items()
        if isinstance(module, ModuleType) and (name in public or name.startswith(inside))
    ]


@contextlib.contextmanager
def preserved(seed: int = 0) -> Iterator[None]:
    """What an examination of a live loss changes in this process is put back, TensorFlow started before if need be."""
    start(seed)
    state = State()
    try:
        yield
    finally:
        state.restore(keep_modules=True)


def user_modules(before: dict[str, Any]) -> list[str]:
    """Names of the modules imported since `before` from files that belong to no installed package."""
    names: list[str] = []
    for name, module in sys.modules.copy().items():
        if before.get(name) is module or name.partition(".")[0] in ("lossdoctor", "__main__"):
            continue
        origin = getattr(module, "__file__", None)
        if origin is None:
            # A namespace package: it is the user's if its folders are.
            folders = [str(folder) for folder in getattr(module, "__path__", [])]
            if folders and all(is_user(folder) for folder in folders):
                names.append(name)
        elif is_user(str(origin)):
            names.append(name)
    return names


def name_scopes() -> list[Any]:
    """The name scopes that Keras has open in this thread, which have no public accessor. One that stays open, as an
    exception may leave it, goes into the paths of all variables that are made later."""
    try:
        from keras.src.backend.common.global_state import get_global_attribute
    except ImportError:
        return []
    found: Any = get_global_attribute("name_scope_stack")
    return [] if found is None else found


def _global_names() -> dict[Any, str] | None:
    """Keras's table from a registered object to its name, which has no public accessor."""
    try:
        from keras.src.saving.object_registration import GLOBAL_CUSTOM_NAMES
    except ImportError:
        return None
    names: dict[Any, str] = GLOBAL_CUSTOM_NAMES
    return names
