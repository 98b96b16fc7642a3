"""Writes cases again in another style, with the same mistake on the same line or one that is known.

    python benchmarks/restyled.py FOLDER [--of tests/cases] [--style renamed,class,closure] [--every 3]
    python benchmarks/cases.py FOLDER --no-mends

What is found must not hang on how a loss is written. Styles, for cases whose target is a function of a file: `renamed`
(y_true and y_pred have other names everywhere), `class` (a `Loss` whose `call` calls the function) and `closure` (a
function makes the function).
"""

from __future__ import annotations

import argparse
import ast
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
Styled = tuple[str, str, int, int]  # source, target, the line from which on lines move, and by how many


def renamed(source: str, target: str, function: ast.FunctionDef) -> Styled:
    for old, new in (("y_true", "reference"), ("y_pred", "output")):
        source = re.sub(rf"\b{old}\b", new, source)
    return source, target, 0, 0


def in_class(source: str, target: str, function: ast.FunctionDef) -> Styled:
    lines = [
        "",
        "",
        "class Restyled(_keras_losses.Loss):",
        "    def call(self, y_true, y_pred):",
        f"        return {target}(y_true, y_pred)",
        "",
    ]
    return (
        source.rstrip("\n") + "\n" + "\n".join(["", "from keras import losses as _keras_losses", *lines]),
        "Restyled",
        0,
        0,
    )


def closure(source: str, target: str, function: ast.FunctionDef) -> Styled:
    lines = source.split("\n")
    first = min([function.lineno, *(node.lineno for node in function.decorator_list)]) - 1
    last = function.end_lineno or function.lineno
    body = [f"    {line}" if line.strip() else line for line in lines[first:last]]
    made = ["def _maker():", *body, f"    return {target}", "", "", f"{target} = _maker()"]
    return "\n".join([*lines[:first], *made, *lines[last:]]), target, first + 1, 1


STYLES: dict[str, Callable[[str, str, ast.FunctionDef], Styled]] = {
    "renamed": renamed,
    "class": in_class,
    "closure": closure,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--of", type=Path, default=ROOT / "tests" / "cases")
    parser.add_argument("--style", default=",".join(STYLES))
    parser.add_argument("--every", type=int, default=1, help="every n-th case only")
    options = parser.parse_args()
    for path in sorted(options.of.glob("*/case.toml"))[:: options.every]:
        for style in options.style.split(","):
            write(options.folder / f"{path.parent.name}--{style}", path, STYLES[style])


def write(folder: Path, path: Path, style: Callable[[str, str, ast.FunctionDef], Styled]) -> None:
    """One case in another style; nothing where the target is no plain function."""
    case = tomllib.loads(path.read_text(encoding="utf-8"))
    made: dict[str, Styled] = {}
    for name in ("buggy.py", "fixed.py"):
        source = path.with_name(name).read_text(encoding="utf-8")
        nodes = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
        function = next((node for node in nodes if node.name == case["target"]), None)
        if function is None or len(function.args.args) != 2 or _uses_before(source, function):
            return
        made[name] = style(source, case["target"], function)
    folder.mkdir(parents=True, exist_ok=True)
    for name, styled in made.items():
        (folder / name).write_text(styled[0], encoding="utf-8")
    _, target, start, shift = made["buggy.py"]
    lines = [line + shift if line >= start else line for line in case["lines"]]
    kept = {key: case[key] for key in ("title", "family", "y_true", "y_pred", "formula") if key in case}
    entries = [f"{key} = {_toml(value)}" for key, value in kept.items()]
    entries += [f'id = "{folder.name}"', f'target = "{target}"', f"lines = {lines}", f"also = {case.get('also', [])}"]
    (folder / "case.toml").write_text("\n".join(entries).replace("'", '"') + "\n", encoding="utf-8")


def _uses_before(source: str, function: ast.FunctionDef) -> bool:
    """Whether the arguments' names occur as text or keywords, which a change of names would break."""
    names = {"y_true", "y_pred"}
    words = [node.value for node in ast.walk(function) if isinstance(node, ast.Constant)]
    keywords = [node.arg for node in ast.walk(ast.parse(source)) if isinstance(node, ast.keyword)]
    return bool(names & set(keywords)) or any(isinstance(word, str) and word in names for word in words)


def _toml(value: object) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', "`").replace("'", "`") + '"'
    return repr(value)


if __name__ == "__main__":
    main()
