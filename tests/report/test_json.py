"""The JSON document against its schema and against the values it is made from."""

from __future__ import annotations

import json
import typing
from collections.abc import Callable
from importlib import resources
from typing import Any

import jsonschema
import numpy as np
import pytest

from lossdoctor import findings
from lossdoctor.findings import Finding, Report, Witness
from lossdoctor.report import View, renderer
from lossdoctor.report.json import document, plain


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    text = (resources.files("lossdoctor.report") / "schema.json").read_text(encoding="utf-8")
    return json.loads(text)


def test_document_is_valid(make_report: Callable[..., Report], schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    text = renderer("json")(make_report(), View())
    jsonschema.validate(json.loads(text), schema, cls=jsonschema.Draft202012Validator)
    assert text.isascii()
    assert text.endswith("}\n")


def test_schema_wants_every_key(make_report: Callable[..., Report], schema: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(schema)

    def tables(value: object) -> list[dict[str, Any]]:
        if isinstance(value, dict):
            return [value, *(table for item in value.values() for table in tables(item))]
        if isinstance(value, list):
            return [table for item in value for table in tables(item)]
        return []

    whole = document(make_report())
    for table in tables(whole):
        if set(table) == {"trace", "rules"}:  # the stages of `seconds` are not fixed
            continue
        for key in list(table):
            value = table.pop(key)
            assert not validator.is_valid(whole), f"a document without {key} is valid"
            table[key] = value
        table["another"] = None
        assert not validator.is_valid(whole), f"a document with a key beside {sorted(table)} is valid"
        del table["another"]
    assert validator.is_valid(whole)


def test_schema_names_what_findings_name(schema: dict[str, Any]) -> None:
    finding = schema["$defs"]["finding"]["properties"]
    loss = schema["$defs"]["loss"]["properties"]
    for found, literal in (
        (finding["family"], findings.Family),
        (finding["severity"], findings.Severity),
        (finding["evidence"], findings.Evidence),
        (finding["when"]["items"], findings.Calling),
        (loss["verdict"], findings.Verdict),
        (loss["spec"]["properties"]["origin"], findings.SpecOrigin),
    ):
        assert set(found["enum"]) == set(typing.get_args(literal))


def test_empty_parts_are_null_or_empty(finding: Finding, make_report: Callable[..., Report]) -> None:
    bare = Finding(*(getattr(finding, name) for name in list(Finding.__dataclass_fields__)[:8]))
    shown = document(make_report(bare, versions={"lossdoctor": "0.1.0"}))
    assert shown["versions"] == {"lossdoctor": "0.1.0", "tensorflow": None, "keras": None}
    found = shown["losses"][0]["findings"][0]
    assert (found["witness"], found["fix"]) == (None, None)
    assert (found["reproduce"], found["url"]) == ("", "")
    assert (found["chain"], found["consequences"]) == ([], [])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), "nan"),
        ((1.0, -np.inf), [1.0, "-inf"]),
        (np.array([[np.inf, 2.0]], dtype=np.float32), [["inf", 2.0]]),
        (np.float32(0.5), 0.5),
        ({"a": (np.int64(3),)}, {"a": [3]}),
        ("np.zeros((200,))", "np.zeros((200,))"),
        (None, None),
        (True, True),
    ],
)
def test_plain(value: object, expected: object) -> None:
    shown = plain(value)
    assert shown == expected
    json.dumps(shown, allow_nan=False)


def test_plain_refuses_what_json_lacks() -> None:
    with pytest.raises(TypeError, match="object"):
        plain([object()])


def test_witness_keeps_its_four_parts(make_report: Callable[..., Report], finding: Finding) -> None:
    from dataclasses import replace

    witness = Witness({"a": [[1]]}, [[float("nan")]])
    shown = document(make_report(replace(finding, witness=witness)))["losses"][0]["findings"][0]["witness"]
    assert shown == {"y_true": {"a": [[1]]}, "y_pred": [["nan"]], "value": None, "gradient": None}
