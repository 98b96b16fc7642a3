"""The configuration file."""

import pytest

from lossdoctor.config import load_config
from lossdoctor.findings import UsageError

LOSSES = "def dice(y_true, y_pred):\n    return 1\ndef other(y_true, y_pred):\n    return 2\n"
REAL = 'y_true = "float32[B,4] real"\ny_pred = "float32[B,4] real"\n'


@pytest.fixture
def project(tmp_path):
    (tmp_path / "losses.py").write_text(LOSSES, encoding="utf-8")
    (tmp_path / "inner").mkdir()

    def write(text, name="pyproject.toml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_settings_and_losses_in_their_order(project):
    folder = project(
        '[tool.lossdoctor]\nselect = ["LD3"]\nignore = ["LD301"]\nextend-select = ["LD4"]\nrange = 1e3\nseed = 7\n'
        'fail-on = "warning"\nper-file-ignores = {"a/*.py" = ["LD2"]}\n'
        f'[tool.lossdoctor.losses."losses.py:other"]\n{REAL}formula = "t - p"\nreference = "keras.losses:Huber"\n'
        '[tool.lossdoctor.losses."losses.py:dice"]\ny_true = ["float32[B] real", "int32[B] label(3)"]\n'
        'y_pred = {a = "float32[B,3] logit"}\nignore = ["LD203"]\n'
    )
    config = load_config(None, folder)
    assert config.root == folder.resolve()
    assert (config.select, config.ignore, config.extend_select) == (("LD3",), ("LD301",), ("LD4",))
    assert (config.range, config.seed, config.fail_on) == (1e3, 7, "warning")
    assert config.per_file_ignores == {"a/*.py": ("LD2",)}
    assert [entry.target for entry in config.losses] == ["losses.py:other", "losses.py:dice"]
    other, dice = config.losses
    assert (other.formula, other.reference, other.contract.origin) == ("t - p", "keras.losses:Huber", "config")
    assert other.contract.magnitude == 1e3
    assert dice.ignore == ("LD203",)
    assert len(dice.contract.y_true) == 2
    assert config.errors == ()


def test_the_nearest_configuration_upwards_counts(project):
    folder = project("[tool.lossdoctor]\nseed = 1\n")
    assert load_config(None, folder / "inner").root == folder.resolve()
    (folder / "inner" / "pyproject.toml").write_text("[project]\nname = 'x'\n", encoding="utf-8")
    assert load_config(None, folder / "inner").seed == 1
    (folder / "inner" / "pyproject.toml").write_text("[tool.lossdoctor]\nseed = 2\n", encoding="utf-8")
    assert load_config(None, folder / "inner").seed == 2


def test_without_configuration_everything_is_open(tmp_path):
    config = load_config(None, tmp_path)
    assert (config.losses, config.errors, config.path) == ((), (), None)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('y_true = "float32[B] reel"\ny_pred = "float32[B]"', "did you mean `real`"),
        ('y_true = "float32[B] real"', "`y_pred`"),
        (REAL + "y_prd = 3", "did you mean `y_pred`"),
        (REAL + "formula = 3", "`formula`"),
        (REAL + 'ignore = "LD1"', "`ignore`"),
        (REAL + "reference = ''", "`reference`"),
    ],
)
def test_an_invalid_entry_is_one_error_and_the_others_stay(project, entry, message):
    folder = project(
        f'[tool.lossdoctor.losses."losses.py:dice"]\n{entry}\n[tool.lossdoctor.losses."losses.py:other"]\n{REAL}'
    )
    config = load_config(None, folder)
    (error,) = config.errors
    assert error.target == "losses.py:dice"
    assert message in error.message
    assert [item.target for item in config.losses] == ["losses.py:dice", "losses.py:other"]
    assert config.losses[0].contract is None
    assert config.losses[1].contract is not None


def test_a_loss_that_is_not_there_is_an_error_of_its_entry(project):
    folder = project(f'[tool.lossdoctor.losses."losses.py:dise"]\n{REAL}[tool.lossdoctor.losses."absent.py:f"]\n{REAL}')
    messages = [error.message for error in load_config(None, folder).errors]
    assert "did you mean `dice`" in messages[0]
    assert "no such file" in messages[1]


def test_entries_are_found_by_what_they_mean(project):
    folder = project(
        f'[tool.lossdoctor.losses."losses.py:dice"]\n{REAL}[tool.lossdoctor.losses."losses.py"]\nignore = ["LD2"]\n'
    )
    config = load_config(None, folder)
    assert config.entry("losses.py:dice") is config.losses[0]
    assert config.entry(f"{folder}/losses.py:dice") is config.losses[0]
    assert config.entry("losses.py:other") is config.losses[1]
    assert config.entry("keras.losses:Huber") is None
    assert config.entry("absent.py") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "a table \\[tool.lossdoctor\\]"),
        ("[tool.lossdoctor\n", "Invalid TOML"),
        ("[tool]\nlossdoctor = 3", "Expected a table"),
        ("[tool.lossdoctor]\nfailon = 'error'", "did you mean `fail-on`"),
        ("[tool.lossdoctor]\nextend_select = []", "did you mean `extend-select`"),
        ("[tool.lossdoctor]\nfail-on = 'warn'", "did you mean `warning`"),
        ("[tool.lossdoctor]\nselect = 'LD1'", "a list of rules"),
        ("[tool.lossdoctor]\nignore = [3]", "a list of rules"),
        ("[tool.lossdoctor]\nrange = true", "a positive number"),
        ("[tool.lossdoctor]\nrange = 1", "a number above 1"),
        ("[tool.lossdoctor]\nrange = inf", "a positive number"),
        ("[tool.lossdoctor]\nseed = -1", "a whole number from 0"),
        ("[tool.lossdoctor]\nseed = 1.5", "a whole number from 0"),
        ("[tool.lossdoctor]\nlosses = 3", "a table of losses"),
        ("[tool.lossdoctor]\nper-file-ignores = []", "a table of patterns"),
    ],
)
def test_errors_of_the_file_itself(project, text, message):
    folder = project(text, "given.toml")
    with pytest.raises(UsageError, match=message):
        load_config(folder / "given.toml")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        load_config(tmp_path / "absent.toml")
    with pytest.raises(UsageError, match="a folder"):
        load_config(tmp_path)


def test_a_broken_pyproject_of_somebody_else_is_passed_over(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.other\n", encoding="utf-8")
    assert load_config(None, tmp_path).path is None
    (tmp_path / "pyproject.toml").write_text("[tool.lossdoctor]\n[tool.other\n", encoding="utf-8")
    with pytest.raises(UsageError, match="Invalid TOML"):
        load_config(None, tmp_path)
