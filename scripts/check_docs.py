"""Check the documentation: links resolve, rule pages are whole, code blocks and commands parse.

Reads README, CONTRIBUTING, CHANGELOG and `docs/` with the rule pages that `make_docs.py` adds. Prints a line for
each fault and exits 1 if there is any.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

import make_docs
from lossdoctor.cli.main import build_parser
from lossdoctor.findings import UsageError

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "src" / "lossdoctor" / "rules"
DETECTORS = ROOT / "src" / "lossdoctor" / "runtime" / "detectors"
HEADINGS = (
    "What it finds",
    "Why it matters",
    "Bad",
    "Good",
    "How it is decided",
    "When it is wrong",
    "Sources",
)
_SKIPPED = re.compile(r"^(https?|mailto):")


@dataclass(frozen=True, slots=True)
class Page:
    """A Markdown file as tokens; `path` is where links start from, `name` how it is called to people."""

    path: Path
    name: str
    tokens: tuple[Token, ...]

    @classmethod
    def read(cls, path: Path, name: str) -> Page:
        return cls(path, name, tuple(MarkdownIt("commonmark").enable("table").parse(path.read_text("utf-8"))))

    def headings(self) -> list[tuple[int, str]]:
        """Level and text of each heading."""
        return [
            (int(token.tag[1:]), self.tokens[index + 1].content)
            for index, token in enumerate(self.tokens)
            if token.type == "heading_open"
        ]

    def links(self) -> Iterator[str]:
        for token in self.tokens:
            for child in token.children or ():
                target = child.attrGet("href" if child.type == "link_open" else "src")
                if isinstance(target, str):
                    yield target

    def blocks(self) -> Iterator[tuple[str, str, int]]:
        """Language (with its modifier), text and first line of each fenced block."""
        for token in self.tokens:
            if token.type == "fence":
                yield token.info.strip(), token.content, (token.map or [0])[0] + 2


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub and MkDocs make it for plain headings."""
    return re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip())


def link_faults(page: Page) -> Iterator[str]:
    for link in page.links():
        if _SKIPPED.match(link):
            continue
        file, _, anchor = link.partition("#")
        target = (page.path.parent / file).resolve() if file else page.path
        if not target.exists():
            yield f"{page.name}: the link {link} leads nowhere"
        elif anchor and anchor not in {slug(text) for _, text in Page.read(target, file).headings()}:
            yield f"{page.name}: no heading for the link {link}"


def block_faults(page: Page) -> Iterator[str]:
    for language, text, line in page.blocks():
        where = f"{page.name}:{line}"
        try:
            match language.split()[:1]:
                case ["python"]:
                    ast.parse(text)
                case ["json"]:
                    json.loads(text)
                case ["toml"]:
                    tomllib.loads(text)
                case ["sh"]:
                    yield from command_faults(text, where)
                case []:
                    yield f"{where}: the code block does not say its language"
                case _:
                    pass
        except (SyntaxError, ValueError) as error:
            yield f"{where}: the {language} block does not parse: {error}"


def command_faults(text: str, where: str) -> Iterator[str]:
    """Commands of ours that the command line does not take."""
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] != ["lossdoctor"]:
            continue
        try:
            build_parser().parse_args(words[1:])
        except UsageError as error:
            yield f"{where}: {line.strip()}: {error}"
        except SystemExit:
            pass  # --help and --version print; what they print is not looked at


def rule_faults(rules: Path) -> Iterator[str]:
    """Rules without their page, pages without their rule, and pages that lack a heading or a text."""
    stem = "ld[0-9][0-9][0-9]_*"
    checks = {path.with_suffix("") for path in rules.rglob(f"{stem}.py")}
    pages = {path.with_suffix("") for path in rules.rglob(f"{stem}.md")}
    for path in sorted(checks ^ pages):
        missing = ".md" if path in checks else ".py"
        yield f"{path.relative_to(rules)}{missing} is missing"
    for path in sorted(pages):
        file = path.with_suffix(".md")
        page = Page.read(file, str(file.relative_to(rules)))
        found = tuple(text for level, text in page.headings() if level == 2)
        if found != HEADINGS:
            yield f"{page.name}: the headings are {', '.join(found) or 'missing'}; expected {', '.join(HEADINGS)}"
        code, _, name = path.name.partition("_")
        title = next((text for level, text in page.headings() if level == 1), "")
        if title != f"{code.upper()} {name.replace('_', '-')}":
            yield f"{page.name}: the title is {title!r}; expected the code and the name of the rule"
        for index, token in enumerate(page.tokens):
            following = page.tokens[index + 3 : index + 4]
            if (
                token.type == "heading_open"
                and token.tag == "h2"
                and (not following or following[0].type == "heading_open")
            ):
                yield f"{page.name}: nothing under {page.tokens[index + 1].content!r}"


def faults() -> Iterator[str]:
    yield from rule_faults(RULES)
    yield from rule_faults(DETECTORS)
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder)
        make_docs.build(built)
        pages = [Page.read(path, path.name) for path in sorted(ROOT.glob("*.md"))]
        pages += [Page.read(path, f"docs/{path.relative_to(built)}") for path in sorted(built.rglob("*.md"))]
        for page in pages:
            yield from link_faults(page)
            yield from block_faults(page)


def main() -> int:
    found = list(faults())
    for fault in found:
        print(fault, file=sys.stderr)
    print(f"docs: {len(found)} faults" if found else "docs: all links, rule pages and code blocks are fine")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
