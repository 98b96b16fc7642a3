"""`lossdoctor monitor`: the document, the report and the exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lossdoctor.cli.main import main


@pytest.fixture
def diverging(tmp_path: Path) -> Path:
    rows = [1.0 / (1 + step) for step in range(60)] + [0.02 * 1.2**step for step in range(60)]
    path = tmp_path / "history.csv"
    path.write_text("step,loss\n" + "".join(f"{step},{value!r}\n" for step, value in enumerate(rows)), encoding="utf-8")
    return path


def test_the_document(diverging: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["monitor", str(diverging), "--format", "json"]) == 1
    (alert,) = json.loads(capsys.readouterr().out)["alerts"]
    assert list(alert) == ["detector", "kind", "severity", "series", "step", "since", "strength", "message"]
    assert (alert["kind"], alert["severity"], alert["series"]) == ("divergence", "error", "loss")
    assert 60 < alert["step"] < 85 and 55 <= alert["since"] < alert["step"]


def test_the_report_marks_the_place_within_80_columns(diverging: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["monitor", str(diverging)]) == 1
    text = capsys.readouterr().out
    assert "LD702 divergence  error" in text and "rules LD702" in text
    assert max(map(len, text.splitlines())) <= 80
    assert any(line.strip().startswith("|") and "^" in line for line in text.splitlines())


def test_a_log_by_epochs_speaks_of_epochs(diverging: Path, capsys: pytest.CaptureFixture[str]) -> None:
    diverging.write_text(diverging.read_text(encoding="utf-8").replace("step,", "epoch,"), encoding="utf-8")
    assert main(["monitor", str(diverging), "--format", "json"]) == 1
    (alert,) = json.loads(capsys.readouterr().out)["alerts"]
    assert f"since epoch {alert['since']} " in alert["message"]


def test_the_exit_status(diverging: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    healthy = tmp_path / "healthy.csv"
    healthy.write_text("epoch,loss\n" + "".join(f"{n},{1 / (1 + n)}\n" for n in range(50)), encoding="utf-8")
    assert main(["monitor", str(healthy)]) == 0
    assert "no alert" in capsys.readouterr().out
    assert main(["monitor", str(diverging), "--ignore", "LD702"]) == 0
    assert main(["monitor", str(diverging), "--set", "divergence.rise=1e9", "--set", "divergence.runaway=1e9"]) == 0
    assert main(["monitor", str(tmp_path / "missing.csv")]) == 2
    assert main(["monitor", str(diverging), "--select", "nonsense"]) == 2
    assert main(["monitor", str(diverging), "--set", "divergence=3"]) == 2
    assert main(["monitor", str(diverging), "--fail-on", "never"]) == 0
    capsys.readouterr()
    assert main(["monitor", str(diverging), "--set", "divergence.steep=3"]) == 2
    assert "Invalid value for `set`. Expected a parameter of divergence" in capsys.readouterr().err


def test_columns_that_are_named(diverging: Path, capsys: pytest.CaptureFixture[str]) -> None:
    diverging.write_text(diverging.read_text().replace("loss", "train/box_loss"))
    assert main(["monitor", str(diverging)]) == 2
    assert "Name one with --column loss=COLUMN" in capsys.readouterr().err
    assert main(["monitor", str(diverging), "--column", "loss=train/box_loss"]) == 1
    assert main(["monitor", str(diverging), "--column", "loss"]) == 2
    assert "Expected SERIES=COLUMN, as loss=train/loss. Received: loss" in capsys.readouterr().err


def test_nothing_heavy_is_imported(diverging: Path) -> None:
    code = (
        "import sys\nfrom lossdoctor.cli.main import main\nmain(['monitor', sys.argv[1]])\n"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'sympy', 'matplotlib', 'tensorboard')))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(diverging)], check=False).returncode == 0


def test_a_log_of_many_series_names_those_that_every_run_has_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"step": n, **{f"values/{k}": float(n) for k in range(9)}, "term/fit": 0.5, "loss": 0.5 if n < 1 else "nan"}
        for n in range(20)
    ]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row).replace('"nan"', "NaN") + "\n" for row in rows), encoding="utf-8")
    assert main(["monitor", str(path)]) == 1
    text = capsys.readouterr().out
    assert "steps 0 to 19: loss, 9 under values/, term/fit" in text
    assert "after 1 finite value." in text and "strength" not in text
    assert any(line.split() == ["^", "0.5"] for line in text.splitlines())  # the range, of one number


def test_the_range_stands_beside_the_marks_where_they_leave_no_room(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.csv"
    losses = [1.2345 - n / 40 for n in range(14)] + ["nan"] * 6
    path.write_text("step,loss\n" + "".join(f"{n},{loss}\n" for n, loss in enumerate(losses)), encoding="utf-8")
    assert main(["monitor", str(path)]) == 1
    assert "^  0.9095 to 1.234\n" in capsys.readouterr().out
