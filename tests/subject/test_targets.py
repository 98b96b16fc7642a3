"""Taking targets apart."""

import pytest

from lossdoctor.findings import UsageError
from lossdoctor.targets import Arguments, parse_target

TEXT = "import tensorflow as tf\ndef focal(gamma=2.0):\n    def inner(y_true, y_pred): ...\n    return inner\nMY = 3\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "losses.py").write_text(TEXT, encoding="utf-8")
    (tmp_path / "open.py").write_text("from losses import *\n", encoding="utf-8")
    (tmp_path / "broken.py").write_text("def f(:\n", encoding="utf-8")
    (tmp_path / "note.txt").write_text("", encoding="utf-8")
    (tmp_path / "sub.py").mkdir()
    return tmp_path


def test_the_three_forms(folder):
    path = str((folder / "losses.py").resolve())
    whole = parse_target("losses.py", folder)
    assert (whole.path, whole.module, whole.name, whole.text) == (path, None, None, "losses.py")
    named = parse_target("losses.py:focal", folder)
    assert (named.path, named.name, named.arguments) == (path, "focal", None)
    module = parse_target("package.module:name", folder)
    assert (module.path, module.module, module.name) == (None, "package.module", "name")


def test_arguments_are_literals(folder):
    target = parse_target("losses.py:focal(2, [1, -2.5], name='a:b.py')", folder)
    assert target.arguments == Arguments((2, [1, -2.5]), (("name", "a:b.py"),))
    assert str(target.arguments) == "(2, [1, -2.5], name='a:b.py')"
    assert parse_target("losses.py:focal()", folder).arguments == Arguments()


def test_an_absolute_path_needs_no_base(folder):
    assert parse_target(f"{folder}/losses.py:MY", "/").name == "MY"


def test_a_name_from_a_star_import_may_exist(folder):
    assert parse_target("open.py:focal", folder).name == "focal"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loses.py", "no such file.*did you mean `losses.py`"),
        ("sub.py", "a folder"),
        (".", "a folder"),
        ("note.txt", "not a .py file"),
        ("", "`package.module:name`"),
        ("losses", "`package.module:name`"),
        ("losses.py:", "a name after the colon"),
        ("losses.py:3", "a name after the colon"),
        ("losses.py:a b", "a name after the colon"),
        ("losses.py:f()()", "a name after the colon"),
        ("losses.py:Focal", "did you mean `focal`"),
        ("losses.py:focl(2)", "did you mean `focal`"),
        ("losses.py:inner", "only inside `focal`"),
        ("losses.py:focal(x)", "literals as arguments"),
        ("losses.py:focal(open('x'))", "literals as arguments"),
        ("losses.py:focal(*[1])", "literals as arguments"),
        ("losses.py:focal(**{'a': 1})", "not `[*][*]`"),
        ("broken.py:f", r"Invalid Python in .*\(line 1\)"),
        ("no such:name", "`package.module:name`"),
    ],
)
def test_errors(folder, text, message):
    with pytest.raises(UsageError, match=message) as caught:
        parse_target(text, folder)
    assert "\n" not in str(caught.value)
