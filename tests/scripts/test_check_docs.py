"""The docs check finds what it is there for."""

from __future__ import annotations

from pathlib import Path

import pytest

import new_rule
from check_docs import HEADINGS, Page, block_faults, link_faults, rule_faults


def page(folder: Path, text: str) -> Page:
    path = folder / "page.md"
    path.write_text(text, encoding="utf-8")
    return Page.read(path, "page.md")


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("other.md", None),
        ("other.md#two-words", None),
        ("#here", None),
        ("https://example.org/x", None),
        ("missing.md", "leads nowhere"),
        ("other.md#two", "no heading"),
        ("#there", "no heading"),
    ],
)
def test_links(tmp_path: Path, link: str, fault: str | None) -> None:
    (tmp_path / "other.md").write_text("# Two `words`\n")
    found = list(link_faults(page(tmp_path, f"# Here\n\n[text]({link})\n")))
    assert (fault is None) == (found == [])
    assert fault is None or fault in found[0]


@pytest.mark.parametrize(
    ("language", "text", "fault"),
    [
        ("python", "x = 1", None),
        ("python bad", "def f(:", "page.md:3: the python bad block does not parse"),
        ("json", '{"a": NaN,}', "does not parse"),
        ("toml", "a = ", "does not parse"),
        ("text", "anything {", None),
        ("", "anything", "does not say its language"),
        ("sh", "pip install lossdoctor\nlossdoctor check a.py --jobs 2  # fine", None),
        ("sh", "lossdoctor check a.py --job 2", "unrecognized arguments"),
        ("sh", "lossdoctor diagnose a.py", "Expected one of check"),
    ],
)
def test_blocks(tmp_path: Path, language: str, text: str, fault: str | None) -> None:
    found = list(block_faults(page(tmp_path, f"\n```{language}\n{text}\n```\n")))
    assert (fault is None) == (found == [])
    assert fault is None or fault in found[0]


def write(made: dict[Path, str]) -> None:
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_a_new_rule_lacks_its_texts_only(tmp_path: Path) -> None:
    made = new_rule.files("LD399", "name-of-the-fault", "nonfinite-value", tmp_path)
    write(made)
    code = next(path for path in made if path.name == "ld399_name_of_the_fault.py")
    assert code.parent.name == "nonfinite_value"
    compile(code.read_text(encoding="utf-8"), code.name, "exec")
    faults = list(rule_faults(tmp_path))
    assert [fault.rsplit("under ")[-1].strip("'") for fault in faults] == [
        heading for heading in HEADINGS if heading not in ("Bad", "Good")
    ]


def test_a_rule_without_its_page_and_a_page_without_its_headings(tmp_path: Path) -> None:
    write({tmp_path / "ld101_one.py": "", tmp_path / "ld102_two.py": "", tmp_path / "ld102_two.md": "# LD102 too\n"})
    missing, headings, title = rule_faults(tmp_path)
    assert missing == "ld101_one.md is missing"
    assert "the headings are missing" in headings
    assert "the title is 'LD102 too'" in title


@pytest.mark.parametrize(
    ("code", "name", "family", "message"),
    [
        ("LD39", "a-name", "shape", "`code`"),
        ("LD399", "A name", "shape", "`name`"),
        ("LD399", "a-name", "shapes", "`family`"),
        ("LD301", "a-name", "shape", "those of LD301"),
        ("LD399", "log-of-zero", "shape", "those of LD301"),
    ],
)
def test_what_cannot_be_a_rule(tmp_path: Path, code: str, name: str, family: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        new_rule.files(code, name, family, tmp_path)
