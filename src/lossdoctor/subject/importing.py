"""Importing the user's file or module, and reporting what it raises on the user's line."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

from lossdoctor.findings import UsageError
from lossdoctor.session import Raised, SessionError
from lossdoctor.source.module import SourceModule, read_module
from lossdoctor.subject.frames import user_frames
from lossdoctor.targets import TargetRef

PREFIX = "_lossdoctor_target_"


@dataclass(frozen=True)
class Imported:
    """A module and Python source that imports it again as `_module` in a fresh process."""

    module: ModuleType
    loader: str


class _Folder:
    """The folder of the file imported last: it stays on sys.path, and its modules stay imported, until a file of
    another folder comes, which may have other modules of the same names."""

    current: str | None = None
    before: frozenset[str] = frozenset()


_files: dict[tuple[str, int, int], Imported] = {}


def import_target(target: TargetRef) -> Imported:
    """Import the file or module of a target; a file that has not changed is imported once.

    Raises:
        UsageError: not Python, or no such module.
        SessionError: importing it raised; `raised` has the user's frames.
    """
    if target.path is not None:
        return _import_file(target.path, target.text)
    assert target.module is not None
    return _import_module(target.module, target.text)


def _import_file(path: str, text: str) -> Imported:
    status = os.stat(path)
    key = (path, status.st_mtime_ns, status.st_size)
    source = read_module(path)  # syntax errors as our own, before anything runs
    folder, root, package = _package(path, source)
    _enter(root)
    if key in _files:
        return _files[key]
    if package is not None:
        module = _guarded(lambda: importlib.import_module(package), path, text)
        loader = f"sys.path.insert(0, {root!r})\n_module = importlib.import_module({package!r})\n"
    else:
        name = f"{PREFIX}{len(_files)}_{Path(path).stem}"
        module = _guarded(lambda: _execute(name, path), path, text)
        loader = (
            f"sys.path.insert(0, {folder!r})\n"
            f"_spec = importlib.util.spec_from_file_location({'_user_' + Path(path).stem!r}, {path!r})\n"
            "_module = importlib.util.module_from_spec(_spec)\n"
            "sys.modules[_spec.name] = _module\n"
            "_spec.loader.exec_module(_module)\n"
        )
    _files[key] = Imported(module, loader)
    return _files[key]


def _import_module(name: str, text: str) -> Imported:
    folder = os.getcwd()
    if folder not in sys.path and "" not in sys.path:
        sys.path.insert(0, folder)
    module = _guarded(lambda: importlib.import_module(name), None, text)
    return Imported(module, f"sys.path.insert(0, {folder!r})\n_module = importlib.import_module({name!r})\n")


def _package(path: str, source: SourceModule) -> tuple[str, str, str | None]:
    """The file's folder, the folder to put on sys.path, and the dotted name if the file needs its package.

    Only relative imports need it. A file beside an `__init__.py` without them is imported by itself.
    """
    folder = os.path.dirname(path)
    if not any(origin.startswith(".") for origin in source.aliases.values()):
        return folder, folder, None
    parts = [Path(path).stem]
    root = folder
    while os.path.isfile(os.path.join(root, "__init__.py")):
        root, last = os.path.split(root)
        parts.insert(0, last)
    if len(parts) == 1:
        return folder, folder, None
    if parts[-1] == "__init__":
        parts.pop()
    return folder, root, ".".join(parts)


def _enter(root: str) -> None:
    """Put a folder first on sys.path; forget the folder before and the modules that came from it."""
    if _Folder.current == root:
        return
    if _Folder.current is not None:
        old = _Folder.current + os.sep
        if _Folder.current in sys.path:
            sys.path.remove(_Folder.current)
        for name, module in sys.modules.copy().items():
            file = getattr(module, "__file__", None) or ""
            if name not in _Folder.before and not name.startswith(PREFIX) and file.startswith(old):
                del sys.modules[name]
        for key in [key for key, item in _files.items() if not item.module.__name__.startswith(PREFIX)]:
            del _files[key]
    _Folder.current = root
    _Folder.before = frozenset(sys.modules)
    sys.path.insert(0, root)
    importlib.invalidate_caches()


class _Source(importlib.machinery.SourceFileLoader):
    """Reads the file as it is: bytecode is told from older one by whole seconds and the size of the file only, so that
    a sign that was changed just now would not count."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def _execute(name: str, path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path, loader=_Source(name, path))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look the module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _guarded(run: Callable[[], ModuleType], path: str | None, text: str) -> ModuleType:
    try:
        return run()
    except KeyboardInterrupt:
        raise
    except ModuleNotFoundError as error:
        wanted = (error.name or "").split(".")[0]
        if path is None and wanted and text.strip().startswith(wanted):
            raise UsageError(f"Invalid value for `target`. Expected a module. Received: {text!r} ({error})") from None
        raise _failed(error, path, text) from error
    except BaseException as error:  # SystemExit too: a script that ends the process when it is imported
        raise _failed(error, path, text) from error


def _failed(error: BaseException, path: str | None, text: str) -> SessionError:
    frames = user_frames(error, path)
    where = f" (line {frames[-1].line} of {os.path.basename(frames[-1].path)})" if frames else ""
    message = " ".join(str(error).split())[:300]
    kind = type(error).__name__
    shown = os.path.basename(path) if path else text
    return SessionError(
        f"Importing '{shown}' raised {kind}{': ' + message if message else ''}{where}",
        raised=Raised(kind, message, frames),
    )
