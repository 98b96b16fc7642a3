"""Reading specs from text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossdoctor.findings import UsageError
from lossdoctor.spec import (
    DTYPES,
    FLOATS,
    KINDS,
    Spec,
    dim_names,
    format_structure,
    leaves,
    map_structure,
    parse_contract,
    parse_spec,
    parse_structure,
)

# The specs of real losses: targets and predictions.
REAL = [
    ("float32[B] real", "float32[B,1] real"),
    ("float32[B,24] real", "float32[B,24] real"),
    ("float32[B,1] real", "float32[B,1] real"),
    ("float32[B,12] binary", "float32[B,12] unit"),
    ("int64[B,1] binary", "float32[B,1] positive"),
    ("int32[B,1] label(5)", "float32[B,4] logit"),
    ("float32[B,4] sign", "float32[B,4] real"),
    ("float32[B,4] onehot", "float32[B,4] positive"),
    ("float32[B,6] probability", "float16[B,6] probability"),
    ("float32[B,4] real", "float32[B,4] real"),
    ("float32[B,1] binary", "float32[B,2,8] real"),
    ("float32[B,4,4,3] unit", "float32[B,4,4,3] unit"),
    ("int32[B,6] label(20)", "float32[B,6,20] logit"),
    ("float32[B,8,8,3] onehot", "float32[B,8,8,3] logit"),
    ("float32[B,5] onehot", "float32[B,5] probability"),
    ("float32[B,12,12,3] unit", "float32[B,12,12,3] unit"),
    ("float32[B,3] binary", "float32[B,3] logit"),
    ("float32[B,20] binary", "float32[B,20] logit"),
    ("float32[B,90] unit", "float32[B,90] unit"),
    ("float32[B,24] real missing", "bfloat16[B,H,W] logit"),
]


@pytest.mark.parametrize(("y_true", "y_pred"), REAL)
def test_real_specs_come_back_as_they_were_written(y_true, y_pred):
    contract = parse_contract(y_true, y_pred)
    assert (str(contract.y_true), str(contract.y_pred)) == (y_true, y_pred)
    assert contract.origin == "given"


def test_parts_of_a_spec():
    spec = parse_spec(" float32[ B , H,3 ]  missing real ")
    assert spec == Spec("float32", ("B", "H", 3), "real", None, True)
    assert parse_spec("int32[B] label( 7 )") == Spec("int32", ("B",), "label", 7)


def test_the_kind_can_be_left_out():
    assert parse_spec("float32[]") == Spec("float32", (), "real")
    assert parse_spec("bool[B]").kind == "binary"


@given(
    st.builds(
        Spec,
        st.sampled_from(FLOATS),
        st.lists(st.one_of(st.integers(1, 99), st.sampled_from(["B", "H", "width"])), min_size=2, max_size=4).map(
            tuple
        ),
        st.sampled_from([kind for kind in KINDS if kind != "label"]),
        st.none(),
        st.booleans(),
    )
)
def test_text_round_trips(spec):
    assert parse_spec(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("flot32[B] real", "did you mean `float32`?"),
        ("f32[B] real", "did you mean `float32`?"),
        ("float32[B] reel", "did you mean `real`?"),
        ("float32[B,4] prob", "did you mean `probability`?"),
        ("float32[B,4] one_hot", "did you mean `onehot`?"),
        ("float32[B] probability", "did you mean `unit`?"),
        ("float32[B,None]", "a name for each unknown dimension"),
        ("float32[B,0]", "whole numbers from 1"),
        ("float32[B,2*H]", "not `2*H`"),
        ("float32[B,]", "whole numbers from 1"),
        ("int32[B] label", "`label(n)`"),
        ("int32[B] label(0)", "`label(n)`"),
        ("uint8[B] label(300)", "uint8 cannot"),
        ("bfloat16[B] label(1000)", "bfloat16 cannot"),
        ("float32[B] real(3)", "without an argument"),
        ("float32[B] real unit", "there are two"),
        ("int32[B] real missing", "int32 cannot hold"),
        ("int32[B] unit", "floating dtype"),
        ("bool[B] sign", "`binary` or `onehot`"),
        ("uint8[B] sign", "uint8 lacks"),
        ("float32[] onehot", "a last axis"),
        ("float32 B real", "`dtype[dims] kind`"),
        ("", "`dtype[dims] kind`"),
        ("float32[B] +", "`+` is no kind"),
    ],
)
def test_errors_say_what_was_expected(text, hint):
    with pytest.raises(UsageError) as caught:
        parse_spec(text, "y_pred")
    message = str(caught.value)
    assert message.startswith("Invalid value for `y_pred`. Expected ")
    assert hint in message
    assert message.endswith(f"Received: {text!r}")


def test_every_dtype_is_accepted():
    for dtype in DTYPES:
        assert parse_spec(f"{dtype}[B]").dtype == dtype


def test_structures_from_lists_tables_and_literals():
    parts = {"b": "float32[B,N] real", "a": ["int32[B] label(3)", "float32[B,N] unit"]}
    structure = parse_structure(parts)
    assert [key for key, _ in leaves(structure)] == ["a.0", "a.1", "b"]  # keys sorted, as TensorFlow flattens
    assert parse_structure(format_structure(structure)) == structure
    assert dim_names(structure) == ("B", "N")
    assert map_structure(lambda spec: spec.dtype, structure) == {"b": "float32", "a": ("int32", "float32")}


@pytest.mark.parametrize("value", [3, [], {}, {1: "float32[B]"}, "[1, 2]", "[float32[B]]", None])
def test_what_is_no_structure(value):
    with pytest.raises(UsageError, match="Invalid value for `y_true"):
        parse_structure(value)


def test_errors_in_structures_name_the_part():
    with pytest.raises(UsageError, match=r"`y_true\.boxes\[1\]`"):
        parse_contract({"boxes": ["float32[B]", "float[B]"]}, "float32[B]")


@pytest.mark.parametrize("magnitude", [0, 1, float("inf"), float("nan")])
def test_the_magnitude_is_a_number_above_one(magnitude):
    with pytest.raises(UsageError, match="`range`"):
        parse_contract("float32[B]", "float32[B]", magnitude=magnitude)
