"""Logs that others wrote, read as tables, and what is said of those that cannot be read."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from lossdoctor.findings import UsageError
from lossdoctor.runtime.logs.names import canonical
from lossdoctor.runtime.logs.read import read
from lossdoctor.runtime.logs.table import LogTable


def written(folder: Path, text: str, name: str = "log.csv") -> LogTable:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    (table,) = read(path)
    return table


def test_a_csv_of_keras_with_gaps_and_nan(tmp_path: Path) -> None:
    table = written(tmp_path, "epoch,accuracy,loss,val_loss\n0,0.5,1.0,NA\n1,0.6,nan,\n2,0.7,-inf,0.25\n\n")
    assert (table.unit, table.steps) == ("epoch", [0, 1, 2])
    assert table.rows[0] == {"accuracy": 0.5, "loss": 1.0}
    assert math.isnan(table.rows[1]["loss"]) and table.rows[2]["loss"] == -math.inf
    assert table.column("val_loss") == ([2], [0.25])


def test_semicolons_decimal_commas_and_a_byte_order_mark(tmp_path: Path) -> None:
    table = written(tmp_path, "\ufeffStep;Loss;LR\n10;0,5;1e-3\n20;0,25;1e-3\n")
    assert table.steps == [10, 20]
    assert table.rows[1] == {"loss": 0.25, "learning_rate": 1e-3}


def test_rows_of_one_step_are_merged_and_a_resumed_run_replaces(tmp_path: Path) -> None:
    table = written(tmp_path, "step,loss,val_loss\n1,4,\n1,,5\n2,3,\n3,9,\n2,2,\n3,1,\n")
    assert table.steps == [1, 2, 3]
    assert table.rows == [{"loss": 4.0, "val_loss": 5.0}, {"loss": 2.0}, {"loss": 1.0}]
    assert table.notes == ["the steps go back from 3 to 2: the later rows replace the earlier ones"]


def test_a_line_that_is_still_being_written_is_left_out(tmp_path: Path) -> None:
    table = written(tmp_path, "step,loss,acc\n1,4,1\n2,3,1\n3,2")
    assert table.steps == [1, 2] and "incomplete" in table.notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "which is empty"),
        ("\n\n", "which is empty"),
        ("1,2\n3,4\n", r"`loss` among them.*Received: 1, 2"),
        ("step,loss\n", "at least one row with a loss"),
        ("step,loss\n1,2\n2,3,4\n3,1\n", "Expected 2 cells a line. Received: 3 in line 3"),
        ("step,loss\n1,high\n", "Expected numbers in the column loss. Received: 'high' in line 2"),
        ("step,loss\nx,1\n", "Expected numbers in the column step"),
        ("step,loss,loss\n1,2,3\n", "Expected different names of columns"),
        ("step,loss\n1.5,1\n", "Expected whole numbers in the column step. Received: 1.5"),
        ("step,loss\n,1\n", "Expected a number in the column step. Received: nothing in line 2"),
    ],
)
def test_csv_files_that_cannot_be_read(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        written(tmp_path, text)


def test_a_history_of_keras_and_a_trainer_state(tmp_path: Path) -> None:
    history = written(tmp_path, json.dumps({"loss": [2, 1], "val_loss": [3, 2], "lr": [0.1, 0.1]}), "h.json")
    assert (history.unit, history.steps, history.rows[1]) == (
        "epoch",
        [0, 1],
        {"loss": 1.0, "val_loss": 2.0, "learning_rate": 0.1},
    )
    log = [{"loss": 2.0, "grad_norm": "nan", "epoch": 0.1, "step": 10}, {"eval_loss": 1.0, "epoch": 0.1, "step": 10}]
    state = written(
        tmp_path, json.dumps({"log_history": [*log, {"train_runtime": 3.0, "step": 10}]}), "trainer_state.json"
    )
    assert state.unit == "step" and state.steps == [10]
    assert state.rows[0]["val_loss"] == 1.0 and math.isnan(state.rows[0]["grad_norm"])
    lines = written(tmp_path, '{"step": 1, "train/loss": 2}\n{"step": 2, "train/loss": NaN}\n', "log.jsonl")
    assert lines.steps == [1, 2] and math.isnan(lines.rows[1]["loss"])


@pytest.mark.parametrize(
    "text", ["", "{", "3", '{"a": 1}', '{"accuracy": [1, 2]}', '{"loss": ["x"]}', '{"log_history": []}']
)
def test_json_files_that_cannot_be_read(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Invalid value for `log`"):
        written(tmp_path, text, "h.json")


def test_a_column_that_is_named_as_a_series(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("epoch, train/box_loss, loss, x/lr0\n0, 3, 1, 0.1\n1, 2, 1, 0.1\n", encoding="utf-8")
    (table,) = read(path, {"loss": "train/box_loss", "learning_rate": "x/lr0"})
    assert table.rows[0] == {"loss": 3.0, "column/loss": 1.0, "learning_rate": 0.1}
    with pytest.raises(UsageError, match=r"Expected a column of the log: train/box_loss, loss, x/lr0\. Received: box"):
        read(path, {"loss": "box"})
    history = tmp_path / "history.json"
    history.write_text(json.dumps({"total": [2, 1], "accuracy": [0.5, 0.6]}), encoding="utf-8")
    (table,) = read(history, {"loss": "total"})
    assert table.column("loss")[1] == [2.0, 1.0]
    with pytest.raises(UsageError, match=r"which has no loss, but total, accuracy\. Name one with --column"):
        read(history)


def test_a_scalar_that_tensorboard_hands_out(tmp_path: Path) -> None:
    table = written(tmp_path, "Wall time,Step,Value\n1e9,0,2.0\n1e9,10,1.0\n")
    assert (table.unit, table.steps, table.column("loss")[1]) == ("step", [0, 10], [2.0, 1.0])


def test_usual_names() -> None:
    assert {canonical(n) for n in ("loss", "train/loss", "Loss/train", "training_loss", "epoch_loss")} == {"loss"}
    assert {canonical(n) for n in ("val_loss", "eval_loss", "validation/epoch_loss", "Loss/val")} == {"val_loss"}
    assert canonical("train/learning_rate") == canonical("lr") == "learning_rate"
    assert canonical("loss_a") == "loss_a" and canonical("kl_loss") == "kl_loss"


def test_event_files_without_tensorflow(tmp_path: Path) -> None:
    from tensorboard.compat.proto import event_pb2, summary_pb2
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    for folder, offset in (("train", 0.0), ("validation", 1.0)):
        writer = EventFileWriter(str(tmp_path / folder))
        for step in range(3):
            value = summary_pb2.Summary.Value(tag="epoch_loss", simple_value=offset + step)  # type: ignore[attr-defined]
            summary = summary_pb2.Summary(value=[value])  # type: ignore[attr-defined]
            writer.add_event(event_pb2.Event(step=step, summary=summary, wall_time=float(step)))  # type: ignore[attr-defined]
        writer.close()
    (table,) = read(tmp_path)
    assert table.unit == "epoch" and table.steps == [0, 1, 2]
    assert table.column("loss")[1] == [0.0, 1.0, 2.0] and table.column("val_loss")[1] == [1.0, 2.0, 3.0]


def test_folders_without_a_loss(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="which has none"):
        read(tmp_path)
    with pytest.raises(UsageError, match="that exists"):
        read(tmp_path / "nothing")
