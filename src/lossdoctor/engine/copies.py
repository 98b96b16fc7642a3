"""A copy of the user's files in which one file has another text, so that a mend can be loaded and examined.

Only that file and the target's own are copied; everything beside them is linked, so that imports of neighbours and
data files keep working. Nothing of the user's is written to.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import tokenize
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_ENTRIES = 5_000  # beside one file; more is no folder of sources, and linking them takes longer than the mend is worth


@dataclass(frozen=True)
class Copy:
    """`folder` stands for the folder that paths in reports are relative to; both paths are inside it."""

    folder: Path
    target: Path  # the file that defines the loss
    changed: Path  # the file with the other text
    _base: Path  # what `folder` is a copy of

    def original(self, path: str) -> str:
        """The user's file that a path of a report on the copy means."""
        real = os.path.realpath(self.folder / path)
        try:
            return str(self._base / Path(real).relative_to(self.folder))
        except ValueError:
            return real  # linked: it is the user's own


@contextmanager
def copied(target: str, changed: str, text: str, folder: Path) -> Iterator[Copy]:
    """Make the copy and remove it again.

    Args:
        target: the file that is loaded, real and absolute.
        changed: the file with another text, real and absolute.
        text: the new text.
        folder: what the paths of reports are relative to.

    Raises:
        OSError: the files are not under one folder of imports, or cannot be copied or linked.
    """
    root = _import_root(target)
    if root not in Path(changed).parents:
        raise OSError(f"{changed} is not under {root}")
    real = Path(os.path.realpath(folder))
    base = real if real == root or real in root.parents else root
    made = Path(os.path.realpath(tempfile.mkdtemp(prefix="lossdoctor-")))
    try:
        keep = {Path(target), Path(changed)}
        _mirror(root, made / root.relative_to(base), keep)
        place = made / Path(changed).relative_to(base)
        with open(changed, "rb") as file:
            encoding, _ = tokenize.detect_encoding(file.readline)
        place.write_text(text, encoding=encoding)
        yield Copy(made, made / Path(target).relative_to(base), place, base)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _import_root(target: str) -> Path:
    """The folder from which the file is imported: the first around it that is no package."""
    folder = Path(target).parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _mirror(source: Path, made: Path, keep: set[Path]) -> None:
    """Real folders down to the files of `keep`, copies of those, links to all else."""
    made.mkdir(parents=True, exist_ok=True)
    items = list(os.scandir(source))
    if len(items) > _ENTRIES:
        raise OSError(f"{source} has {len(items)} entries")
    for item in items:
        path = source / item.name
        if item.name == "__pycache__":
            continue
        if path in keep:
            shutil.copyfile(path, made / item.name)
        elif any(path in kept.parents for kept in keep):
            _mirror(path, made / item.name, keep)
        else:
            os.symlink(path, made / item.name, target_is_directory=item.is_dir())
