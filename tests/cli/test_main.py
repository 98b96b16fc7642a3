"""The command line: verbs, mistakes, exit statuses. The engine is a stand-in that returns a hand-made report."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lossdoctor import engine
from lossdoctor.cli.main import COMMANDS, build_parser, main
from lossdoctor.cli.parser import FAILED, FOUND, SUCCESS, default_jobs
from lossdoctor.findings import Finding, LossdoctorError, Report


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, make_report: Callable[..., Report], focal: Path) -> list[dict[str, Any]]:
    """What the engine was asked for; it answers with one broken and one healthy loss, in the folder of the source."""
    asked: list[dict[str, Any]] = []

    def check(targets: list[str], **arguments: Any) -> Report:
        asked.append({"targets": list(targets), **arguments})
        arguments["progress"]("focal.py:focal_loss", "trace")
        return make_report(errors=())

    monkeypatch.setattr(engine, "check", check)
    monkeypatch.chdir(focal)
    monkeypatch.setenv("COLUMNS", "80")
    return asked


def test_check_prints_and_says_that_it_found(calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "focal.py"]) == FOUND
    out, err = capsys.readouterr()
    assert "LD301 log-of-zero  error, witnessed" in out
    assert re.search(r"^2 losses: 1 broken, 1 healthy; 1 error in \d+\.\d s$", out, re.MULTILINE)
    assert err == ""
    assert calls[0]["targets"] == ["focal.py"]


def test_options_reach_the_engine(calls: list[dict[str, Any]]) -> None:
    main(
        "check a.py:f b.py --y-true float32[B] --y-pred float32[B,1] --data d.npz --seed 7 --jobs 2 --range 10 "
        "--time-limit 5 --memory-limit 2 --select LD3 --extend-select log-of-zero,LD302 --ignore exp-overflow "
        "--fail-on never --verbose".split()
    )
    asked = calls[0]
    settings = asked["settings"]
    assert asked["targets"] == ["a.py:f", "b.py"]
    assert (asked["y_true"], asked["y_pred"], asked["data"]) == ("float32[B]", "float32[B,1]", "d.npz")
    assert (asked["jobs"], asked["verbose"]) == (2, True)
    assert (settings.seed, settings.magnitude) == (7, 10.0)
    assert (settings.time_limit, settings.memory_limit) == (5.0, 2.0)
    assert {"LD301", "LD302"} <= set(settings.select)
    assert all(code.startswith("LD3") for code in settings.select)
    assert len(settings.select) == len(set(settings.select))
    assert settings.ignore == ("LD303",)


def test_the_configuration_says_what_the_command_line_does_not(calls: list[dict[str, Any]], focal: Path) -> None:
    (focal / "pyproject.toml").write_text("""
[tool.lossdoctor]
select = ["LD3"]
extend-select = ["LD101"]
ignore = ["LD303"]
range = 50.0
seed = 3
fail-on = "never"

[tool.lossdoctor.losses."focal.py:focal_loss"]
y_true = "float32[B,3] onehot"
y_pred = "float32[B,3] probability"
""")
    assert main(["check"]) == SUCCESS
    assert main(["check", "focal.py", "--seed", "0", "--ignore", "LD302", "--fail-on", "error"]) == FOUND
    by_configuration, by_both = calls
    assert by_configuration["targets"] == ["focal.py:focal_loss"]
    settings = by_configuration["settings"]
    assert (settings.magnitude, settings.seed, settings.ignore) == (50.0, 3, ("LD303",))
    assert {"LD101", "LD301"} <= set(settings.select)
    assert "LD201" not in settings.select
    assert by_both["targets"] == ["focal.py"]
    assert (by_both["settings"].seed, by_both["settings"].ignore) == (0, ("LD302",))


@pytest.mark.parametrize(
    ("severity", "threshold", "expected"),
    [
        ("error", "error", FOUND),
        ("warning", "error", SUCCESS),
        ("warning", "warning", FOUND),
        ("info", "warning", SUCCESS),
        ("info", "info", FOUND),
        ("error", "never", SUCCESS),
    ],
)
def test_threshold(
    calls: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    make_report: Callable[..., Report],
    finding: Finding,
    severity: str,
    threshold: str,
    expected: int,
) -> None:
    report = make_report(replace(finding, severity=severity), errors=())  # type: ignore[arg-type]
    monkeypatch.setattr(engine, "check", lambda *_, **__: report)
    assert main(["check", "focal.py", "--fail-on", threshold]) == expected


def test_what_could_not_be_examined_is_a_failure(
    calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, make_report: Callable[..., Report]
) -> None:
    healthy = make_report().losses[1]
    for report in (make_report(), make_report(losses=(replace(healthy, verdict="not-examined"),), errors=())):
        monkeypatch.setattr(engine, "check", lambda *_, report=report, **__: report)
        assert main(["check", "focal.py", "--fail-on", "never"]) == FAILED


def test_json_to_a_file(calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], focal: Path) -> None:
    assert main(["check", "focal.py", "--format", "json", "--output", "out.json"]) == FOUND
    assert capsys.readouterr().out == ""
    assert json.loads((focal / "out.json").read_text())["schema_version"] == 1


def test_text_to_a_file_has_no_color(calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, focal: Path) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    main(["check", "focal.py", "--output", "out.txt"])
    assert "\x1b" not in (focal / "out.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "chekc focal.py",
            "Received: chekc. Did you mean check?",
        ),
        ("focal.py", "Try: lossdoctor check focal.py"),
        ("check", "No target was given"),
        ("check focal.py --format jsn", "Received: jsn. Did you mean json?"),
        ("check focal.py --jobs 0", "Invalid value for `jobs`. Expected an integer of at least 1. Received: 0"),
        ("check focal.py --range inf", "Invalid value for `range`. Expected a number above 0. Received: inf"),
        ("check focal.py --seed x", "Invalid value for `seed`. Expected an integer of at least 0. Received: x"),
        ("check focal.py --output missing/report.json", "Invalid value for `output`"),
        ("check focal.py --select LD3O1", "Invalid value for `select`. Expected the code or name of a rule"),
        ("check focal.py --ignore log-of-zeros", "Received: log-of-zeros. Did you mean log-of-zero?"),
        ("check focal.py --colour", "unrecognized arguments: --colour"),
        ("rules log-of-zeros", "Did you mean log-of-zero?"),
        ("rules LD999", "Invalid value for `rule`"),
    ],
)
def test_mistakes_get_two_lines(
    calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    assert main(line.split()) == FAILED
    out, err = capsys.readouterr()
    assert message in err
    assert len(err.splitlines()) <= 2
    assert out == ""
    assert calls == []


def test_no_command_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == FAILED
    assert "usage: lossdoctor" in capsys.readouterr().err


def test_our_own_mistake_is_one_message(
    calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> Report:
        raise KeyError("nothing\nhere")

    monkeypatch.setattr(engine, "check", broken)
    assert main(["check", "focal.py"]) == FAILED
    err = capsys.readouterr().err
    assert "this is a bug in lossdoctor" in err.lower()
    assert "Traceback" not in err
    assert main(["check", "focal.py", "--verbose"]) == FAILED
    assert "Traceback" in capsys.readouterr().err


def test_our_errors_and_interrupts(
    calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for error, status, text in (
        (LossdoctorError("no worker"), FAILED, "no worker"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ):

        def stop(*_: object, error: BaseException = error, **__: object) -> Report:
            raise error

        monkeypatch.setattr(engine, "check", stop)
        assert main(["check", "focal.py"]) == status
        assert capsys.readouterr().err == f"lossdoctor: {text}\n"


def test_every_command_says_what_it_does() -> None:
    text = build_parser().format_help()
    for command in COMMANDS:
        assert command.run.__doc__
        assert re.search(rf"^ +{command.name} ", text, re.MULTILINE)


def test_rules_lists_and_explains(capsys: pytest.CaptureFixture[str]) -> None:
    from lossdoctor.rules.registry import all_rules

    assert main(["rules"]) == SUCCESS
    out = capsys.readouterr().out
    assert all(re.search(rf"^{rule.code}  .*{rule.name}.*{rule.family}$", out, re.MULTILINE) for rule in all_rules())
    assert main(["rules", "ld301"]) == SUCCESS
    by_code = capsys.readouterr().out
    assert "WHAT IT FINDS" in by_code
    assert main(["rules", "log-of-zero"]) == SUCCESS
    assert capsys.readouterr().out == by_code
    assert main(["rules", "LD702"]) == SUCCESS
    assert "After `warm_up` rows" in capsys.readouterr().out  # without colour, marks tell a name from a word


def test_jobs() -> None:
    assert default_jobs(1) == 1
    assert 1 <= default_jobs(100) <= 4


def test_a_reader_that_goes_away_is_no_error() -> None:
    line = [sys.executable, "-c", "from lossdoctor.cli.main import main; raise SystemExit(main(['rules']))"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr as stream:
        assert stream.read() == b""
    assert process.wait(60) == SUCCESS


@pytest.mark.parametrize("arguments", [[], ["check"], ["explain"], ["rules"]])
def test_paragraphs_of_the_help_fit_the_terminal(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([*arguments, "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert not [line for line in lines if len(line) > 80 and not line.startswith("  ")]
