"""The terminal report: its look, and what must never break it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.text import Text

from lossdoctor.findings import Edit, Fact, Finding, Fix, Link, Location, Report, Sample, Skipped, Witness
from lossdoctor.report import View, formats, renderer
from lossdoctor.report.parts.finding import LIMIT, add_finding
from lossdoctor.report.parts.sheet import Sheet
from lossdoctor.report.terminal import render, summary

GOLDEN = """\
── focal.py:focal_loss ─────────────────────────────────────────────── broken ──
   inferred  y_true float32[B,3] onehot
             y_pred float32[B,3] probability
   assumed   `y_pred` is a probability, because the loss takes its logarithm

LD301 log-of-zero  error, witnessed                     focal.py:9 in focal_loss
    9 |     cross_entropy = -y_true * ops.log(y_pred)
      |                               ^^^^^^^^^^^^^^^
      | receives [0, 1]; log(0) is -inf
   shown by  y_true=[[1.0]], y_pred=[[0.0]]  →  loss inf, gradient -inf
   when      eager, graph
   chain     ops.log(y_pred) (line 9) → ops.mean(…) (line 10)
   leads to  LD311 infinite-gradient (line 9, error)
   mend      ops.log(ops.clip(y_pred, 1e-7, 1.0))
   more      lossdoctor rules LD301

── focal.py:mse ───────────────────────────────────────────────────── healthy ──
   given     y_true float32[B,3] real
             y_pred float32[B,3] real
   verified  finite value for every y_pred in [-1e4, 1e4]: proved, eager, graph
             the gradient reaches every element of y_pred: witnessed, graph
   gaps      `tf.Bessel` (line 3, line 4), limits finite-gradient

── nope.py ───────────────────────────────────────────────────── not examined ──
   Invalid value for `target`. Expected a file. Received: nope.py

2 losses: 1 broken, 1 healthy, 1 target could not be examined; 1 error in 4.1 s
"""


def show(finding: Finding, root: Path, width: int = 80, **view: object) -> list[str]:
    sheet = Sheet(View(width=width, root=root, **view))  # type: ignore[arg-type]  # the fields of View
    add_finding(sheet, finding)
    return sheet.text().splitlines()


def test_golden(make_report: Callable[..., Report], focal: Path) -> None:
    assert render(make_report(), View(width=80, root=focal, elapsed=4.1)) == GOLDEN


def test_what_was_passed_by_is_named(make_report: Callable[..., Report]) -> None:
    report = replace(make_report(), skipped=(Skipped("losses.py:nll", "losses.py", 4, "whose arguments say nothing"),))
    assert "   passed by losses.py:nll, whose arguments say nothing\n" in render(report, View(width=80))


def test_the_worst_samples_stand_apart(make_report: Callable[..., Report]) -> None:
    report = make_report()
    ranked = replace(report.losses[0], findings=(), verdict="healthy", worst=(Sample(3, 0.5, 2.0),))
    lines = render(replace(report, losses=(ranked,)), View(width=80)).splitlines()
    (place,) = (number for number, line in enumerate(lines) if line.split() == ["3", "0.5", "2"])
    assert lines[place - 2] == "" and lines[place + 1] == ""


def test_message_stands_beside_the_carets_where_it_fits(finding: Finding, focal: Path) -> None:
    assert show(finding, focal, 120)[2].endswith("^^^^^^^^^^^^^^^ receives [0, 1]; log(0) is -inf")


def test_message_about_other_code_keeps_it(finding: Finding, focal: Path) -> None:
    other = replace(finding, message="`y_pred` is zero")
    assert any("`y_pred` is zero" in line for line in show(other, focal))


def test_no_source_no_excerpt(finding: Finding, tmp_path: Path) -> None:
    lines = show(finding, tmp_path)
    assert lines[1] == "   `ops.log(y_pred)` receives [0, 1]; log(0) is -inf"


def test_region_of_several_lines_shows_its_first(finding: Finding, focal: Path) -> None:
    lines = show(replace(finding, location=Location("focal.py", 10, 12, 13, 6)), focal)
    assert lines[1] == "   10 |     return ops.mean("
    assert lines[2].startswith("      |            ^^^^^^^^^ ")


VARIED = [0.5 + number for number in range(40)]


def test_many_equal_numbers_are_said_once(finding: Finding, focal: Path) -> None:
    zeros, mixed = [[[0.0, 0.0, 0.0]] * 3], [[[0.0, 0.0, 1.0]] * 3]
    same = replace(finding, witness=Witness(zeros, mixed, float("nan"), [["nan"] * 9]))
    text = " ".join(" ".join(show(same, focal, 120)).split())
    assert "y_true=np.full((1, 3, 3), 0.0), y_pred=[[[0.0, 0.0, 1.0], [0.0" in text
    assert "gradient nan in all 9 elements" in text


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_every_line_fits(
    make_report: Callable[..., Report], finding: Finding, focal: Path, width: int, encoding: str
) -> None:
    long = replace(
        finding,
        name="a-name-that-is-longer-than-most-names-of-rules",
        message="`ops.log(y_pred)` " + "receives what it should not, → " * 20,
        witness=Witness([[0.123456789] * 40], "np.linspace(0.0, 1.0, 4096).reshape(64, 64)", [1.0] * 30, None),
        chain=tuple(Link("focal.py", line, f"ops.add(a_long_name_{line}, another)") for line in range(30)),
        consequences=(finding,) * 9,
        fix=Fix("keep it above zero " * 20),
    )
    text = render(make_report(long), View(width=width, root=focal, encoding=encoding))
    text.encode(encoding)
    assert [line for line in text.splitlines() if cell_len(line) > width] == []


def test_a_finding_has_at_most_fifteen_lines(finding: Finding, focal: Path) -> None:
    long = replace(
        finding,
        message="receives what it should not " * 30,
        witness=Witness([VARIED * 10], [VARIED * 10], 1.0, VARIED * 10),
        chain=(Link("focal.py", 9, "x" * 300),) * 3,
        consequences=(finding,) * 20,
        fix=Fix("do something about it " * 30),
    )
    for width in (40, 80, 120):
        assert len(show(long, focal, width)) <= LIMIT


def test_what_tells_least_goes_first(finding: Finding, focal: Path) -> None:
    long = replace(
        finding,
        message=" ".join(f"word-{number}" for number in range(25)),
        witness=Witness([VARIED], [VARIED], 1.0, VARIED),
        fix=Fix(" ".join(f"mend-{number}" for number in range(20))),
    )
    text = "\n".join(show(long, focal))
    assert "chain" not in text
    assert "word-24" in text
    assert "mend-19" in text


@pytest.mark.parametrize("width", [40, 60, 80])
def test_carets_stand_under_the_fault_in_a_long_line(finding: Finding, tmp_path: Path, width: int) -> None:
    code = "            total = " + "weight * alpha + " * 6 + "FAULT" + " + beta * gamma" * 6
    (tmp_path / "long.py").write_text(f"{code}\n")
    column = code.index("FAULT") + 1
    at = Location("long.py", 1, column, 1, column + 5)
    source, carets, *_ = (line for line in show(replace(finding, location=at), tmp_path, width) if " | " in line)
    start = source.index("FAULT")
    assert carets[start : start + 5] == "^^^^^"
    assert carets.count("^") == 5
    assert cell_len(source) <= width


def test_carets_count_cells_and_tabs(finding: Finding, tmp_path: Path) -> None:
    (tmp_path / "wide.py").write_text("\tx = '損失' + FAULT\n", encoding="utf-8")
    at = Location("wide.py", 1, 13, 1, 18)
    source, carets, *_ = show(replace(finding, location=at), tmp_path)[1:]
    assert cell_len(source[: source.index("FAULT")]) == carets.index("^")


def test_text_of_the_user_is_no_markup_and_no_escape_sequence(finding: Finding, tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text("a = x[/b] + '\x1b[31m'  # [bold]\n")
    odd = replace(
        finding, message="[/x] :smile: \x1b[2J", location=Location("odd.py", 1, 5, 1, 10), fix=Fix("[red]no[/red]")
    )
    text = "\n".join(show(odd, tmp_path))
    assert "[/x] :smile:" in text
    assert "[red]no[/red]" in text
    assert "# [bold]" in text
    assert "\x1b" not in text


def test_color_repeats_and_never_carries(make_report: Callable[..., Report], focal: Path) -> None:
    view = View(width=80, root=focal)
    plain, colored = render(make_report(), view), render(make_report(), replace(view, color=True))
    assert "\x1b[" in colored
    assert "\x1b" not in plain
    assert Text.from_ansi(colored).plain.rstrip() == plain.rstrip()


def test_info_is_short(finding: Finding, focal: Path) -> None:
    lines = show(replace(finding, severity="info", message="saves, and cannot be loaded"), focal)
    assert len(lines) == 2
    assert "mend" not in "".join(lines)


def test_verbose_shows_the_script_and_all_facts(make_report: Callable[..., Report], focal: Path) -> None:
    report = make_report()
    facts = tuple(Fact(f"fact-{number}", f"statement {number}", "proved", ("graph",)) for number in range(7))
    report = replace(report, losses=(report.losses[0], replace(report.losses[1], facts=facts)))
    short = render(report, View(root=focal))
    full = render(report, View(root=focal, verbose=True))
    assert "and 4 more" in short
    assert "statement 6" not in short
    assert "statement 6" in full
    assert "sys.exit(1)" in full
    assert "sys.exit(1)" not in short


def test_a_long_condition_of_a_fact_is_for_verbose(make_report: Callable[..., Report], focal: Path) -> None:
    fact = Fact("finite-value", f"finite for every input (short) of the spec ({'1 <= B, ' * 9}B even)", "proved", ())
    report = make_report()
    report = replace(report, losses=(replace(report.losses[1], facts=(fact,)),))
    assert "   verified  finite for every input (short) of the spec: proved\n" in render(report, View(root=focal))
    assert "B even" in render(report, View(root=focal, verbose=True))


def test_gradient_none_is_said_where_it_is_the_fault(finding: Finding, focal: Path) -> None:
    none = Witness([[1.0]], [[0.0]], 0.25, None)
    assert "loss 0.25, gradient None" in "\n".join(show(replace(finding, witness=none, family="no-gradient"), focal))
    assert "gradient" not in "\n".join(show(replace(finding, witness=none, consequences=()), focal))


def test_edit_of_a_part_is_shown_within_what_is_marked(finding: Finding, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n    return 1.0 - mean(x)\n", encoding="utf-8")
    whole = replace(finding, location=Location("a.py", 2, 12, 2, 25))
    part = Fix("x", (Edit("a.py", (2, 18), (2, 25), "sum(x)"),))
    assert "   mend      1.0 - sum(x)" in show(replace(whole, fix=part), tmp_path)
    elsewhere = Fix("x", (Edit("a.py", (1, 5), (1, 6), "2"),))
    assert "   mend      line 1: 2" in show(replace(whole, fix=elsewhere), tmp_path)


def test_edit_of_several_places_is_told_by_its_title(finding: Finding, focal: Path) -> None:
    edit = Edit("focal.py", (1, 1), (1, 2), "x")
    text = "\n".join(show(replace(finding, fix=Fix("rename both", (edit, edit), changes_values=True)), focal))
    assert "mend      rename both  (changes values)" in text


def test_summary_counts(make_report: Callable[..., Report]) -> None:
    assert summary(make_report(losses=(), errors=())) == "0 losses"
    report = make_report(errors=())
    assert summary(replace(report, losses=report.losses[1:])) == "1 loss: 1 healthy; no findings"


def test_formats_are_the_modules() -> None:
    assert formats() == ("text", "github", "json", "junit", "sarif")
    assert renderer("text") is render
