"""The copy of the user's files that a mend is tried on."""

from __future__ import annotations

from pathlib import Path

import pytest

from lossdoctor.engine.copies import copied


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path.resolve()
    for name, text in {
        "a/losses.py": "1",
        "a/helper.py": "2",
        "a/data/x.txt": "3",
        "a/pkg/__init__.py": "",
        "a/pkg/m.py": "4",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_only_the_changed_file_differs(project: Path) -> None:
    target = project / "a/losses.py"
    with copied(str(target), str(target), "new", project) as copy:
        folder = copy.target.parent
        assert copy.changed == copy.target
        assert copy.folder / "a/losses.py" == copy.target
        assert copy.target.read_text(encoding="utf-8") == "new"
        assert (folder / "helper.py").read_text(encoding="utf-8") == "2"
        assert (folder / "data/x.txt").read_text(encoding="utf-8") == "3"
        assert copy.original("a/losses.py") == str(target)
        assert copy.original(str(folder / "helper.py")) == str(project / "a/helper.py")
    assert not copy.folder.exists()
    assert target.read_text(encoding="utf-8") == "1"
    assert (project / "a/data/x.txt").exists()


def test_a_file_of_a_package_is_copied_with_its_package(project: Path) -> None:
    target, changed = project / "a/losses.py", project / "a/pkg/m.py"
    with copied(str(target), str(changed), "new", project / "a") as copy:
        assert copy.target.read_text(encoding="utf-8") == "1"
        assert not copy.target.is_symlink()
        assert copy.changed == copy.folder / "pkg/m.py"
        assert copy.changed.read_text(encoding="utf-8") == "new"
    assert changed.read_text(encoding="utf-8") == "4"


def test_the_import_root_of_a_target_in_a_package_is_above_it(project: Path) -> None:
    target = project / "a/pkg/m.py"
    with copied(str(target), str(project / "a/helper.py"), "new", project) as copy:
        assert copy.target == copy.folder / "a/pkg/m.py"
        assert (copy.target.parent / "__init__.py").is_file()


def test_a_file_elsewhere_is_refused(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other") / "x.py"
    other.write_text("", encoding="utf-8")
    with pytest.raises(OSError, match="is not under"), copied(str(project / "a/losses.py"), str(other), "", project):
        pass
