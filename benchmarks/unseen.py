"""Writes the cases of `unseen*.txt` as folders that `cases.py` reads.

    python benchmarks/unseen.py FOLDER [--of unseen_gradients.txt] && python benchmarks/cases.py FOLDER --no-mends

These are mistakes of gradients, direction, mathematics, numerics (`unseen_numerics.txt`), shapes, Keras, graphs and
efficiency (`unseen_api.txt`) from public threads, in our own words; those of `unseen_repositories.txt`, of all kinds,
from issues of repositories that port a paper, (`unseen_packages.txt`) from packages as they are, or
(`unseen_threads.txt`) from threads and issues again. They were written before it was tried what is found, and measured
before anything was mended for them. Each case is a name, the entries
of its case.toml, and a diff: lines that begin with "-" are of the mistake only, those with "+" of its mend only, and
"#@" ends a line at which a good tool points.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
MARK = "#@"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--of", default="unseen*.txt", help="the files beside this one to read")
    options = parser.parse_args()
    texts = [file.read_text(encoding="utf-8") for file in sorted(HERE.glob(options.of))]
    for block in re.split(r"^=== ", "".join(texts), flags=re.MULTILINE)[1:]:
        head, diff = block.split("\n---\n", 1)
        name, _, entries = head.partition("\n")
        write(options.folder / name.strip(), entries, diff)


def write(folder: Path, entries: str, diff: str) -> None:
    """One case: buggy.py, fixed.py and case.toml."""
    lines = diff.rstrip("\n").split("\n")
    buggy = [line[2:] for line in lines if not line.startswith("+")]
    fixed = [line[2:] for line in lines if not line.startswith("-")]
    marked = [number for number, line in enumerate(buggy, start=1) if line.endswith(MARK)]
    assert marked, folder.name
    known = tomllib.loads(entries)
    toml = f'id = "{folder.name}"\n{entries}\nlines = {marked}\n' + ("" if "also" in known else "also = []\n")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("buggy.py", buggy), ("fixed.py", fixed)):
        plain = [line.removesuffix(MARK).rstrip() for line in text]
        (folder / name).write_text("\n".join(plain).rstrip() + "\n", encoding="utf-8")
    (folder / "case.toml").write_text(toml, encoding="utf-8")


if __name__ == "__main__":
    main()
