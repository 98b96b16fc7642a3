"""Losses of public packages examined: what lossdoctor says of code that people trust.

    python benchmarks/public_losses.py [--environments FOLDER] [--only TEXT…] [--inferred] [--findings] [--json FILE]

`public_losses.toml` names the packages, the losses and what each is given. Every package is unpacked, without its
dependencies, into a folder of its own and examined in a process of its own with the TensorFlow and Keras of this
Python; whatever else it needs is named in the table. Each error or warning should be a defect that its reproduction
script shows, recorded in the table with the reason, or it is ours to mend. `--inferred` gives no specs at all.
The exit status is 1 if there is an error or warning that is not recorded.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lossdoctor.engine import check
from lossdoctor.findings import Finding, Report, at_or_above
from lossdoctor.session import Settings
from lossdoctor.worker.remote import WorkerPool

TABLE = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True)
class Package:
    """A release on the package index, and the losses of it that are examined: target -> (y_true, y_pred)."""

    name: str
    version: str
    losses: Mapping[str, tuple[str, str]]
    needs: tuple[str, ...] = ()
    keras2: bool = False
    replaced: Mapping[str, str] = field(default_factory=dict[str, str])
    defects: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])


@dataclass(frozen=True)
class Row:
    """What came of one loss."""

    package: str
    target: str
    verdict: str
    seconds: float | None
    findings: tuple[Finding, ...]
    unexplained: tuple[Finding, ...]
    message: str = ""
    gone: tuple[str, ...] = ()  # rules whose defect is recorded and not found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", type=Path, default=Path("build/environments"))
    parser.add_argument("--only", nargs="*", default=[""], help="losses whose package or target has one of these texts")
    parser.add_argument("--inferred", action="store_true", help="give no specs")
    parser.add_argument("--findings", action="store_true", help="also infos and gaps")
    parser.add_argument("--json", type=Path, help="the full reports, one document")
    options = parser.parse_args()
    rows: list[Row] = []
    documents: list[dict[str, Any]] = []
    for package in read_table(TABLE):
        wanted = [
            target for target in package.losses if any(text in f"{package.name} {target}" for text in options.only)
        ]
        if not wanted:
            continue
        try:
            folder = unpacked(package, options.environments.resolve())
        except (subprocess.CalledProcessError, OSError, tarfile.TarError, zipfile.BadZipFile) as problem:
            print(f"{package.name}: cannot be fetched ({problem})", file=sys.stderr)
            continue
        for target, report in examined(package, wanted, folder, inferred=options.inferred):
            row = row_of(package, target, report)
            show(row, report, options.findings)
            rows.append(row)
            documents.append({"package": package.name, "target": target, **reduced(report)})
    summary(rows)
    if options.json:
        options.json.write_text(json.dumps(documents, indent=1))
    return int(any(row.unexplained for row in rows))


def read_table(path: Path) -> list[Package]:
    """The packages of the table; a name of [specs] stands for its pair of specs."""
    table = tomllib.loads(path.read_text())
    specs = table["specs"]
    packages: list[Package] = []
    for entry in table["package"]:
        losses = {
            key: tuple(specs[value] if isinstance(value, str) else value) for key, value in entry["losses"].items()
        }
        packages.append(Package(**{**entry, "losses": losses, "needs": tuple(entry.get("needs", ()))}))
    return packages


def unpacked(package: Package, environments: Path) -> Path:
    """The folder with the package and what it needs, fetched from the configured index the first time."""
    folder = environments / f"{package.name}-{package.version}"
    if folder.is_dir():
        return folder
    environments.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=environments) as place:
        content = Path(place, "content")
        content.mkdir()
        for number, requirement in enumerate((f"{package.name}=={package.version}", *package.needs)):
            fetched = Path(place, f"fetched{number}")
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation"]
            subprocess.run(
                [*command, "--dest", str(fetched), requirement], check=True, stdout=sys.stderr, stderr=subprocess.PIPE
            )
            for archive in fetched.iterdir():
                unpack(archive, content)
        for path, text in package.replaced.items():
            Path(content, path).write_text(text)
        content.rename(folder)
    return folder


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a wheel as it is, a source release without its outer folder."""
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder)
        return
    with tarfile.open(archive) as file:
        for member in file.getmembers():
            _, _, member.name = member.name.partition("/")
            if member.name and member.isfile():
                file.extract(member, folder, filter="data")


def examined(package: Package, targets: Sequence[str], folder: Path, *, inferred: bool) -> Iterator[tuple[str, Report]]:
    """The losses of one package, in one process that sees its folder first."""
    variables = {
        "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "TF_USE_LEGACY_KERAS": "1" if package.keras2 else "0",
    }
    settings = Settings()
    with variables_set(variables), WorkerPool(1, settings) as pool:
        for target in targets:
            place = f"{folder}/{target}" if "/" in target.partition(":")[0] else target
            y_true, y_pred = (None, None) if inferred else package.losses[target]
            yield target, check([place], y_true=y_true, y_pred=y_pred, settings=settings, pool=pool)


@contextlib.contextmanager
def variables_set(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def row_of(package: Package, target: str, report: Report) -> Row:
    if not report.losses:
        return Row(package.name, target, "not-examined", None, (), (), report.errors[0].message)
    [loss] = report.losses
    known = package.defects.get(target, {})
    alarms = [finding for finding in loss.findings if at_or_above(finding.severity, "warning")]
    unexplained = tuple(finding for finding in alarms if finding.rule not in known)
    gone = tuple(rule for rule in known if rule not in {finding.rule for finding in alarms})
    return Row(package.name, target, loss.verdict, loss.seconds["total"], loss.findings, unexplained, gone=gone)


def show(row: Row, report: Report, everything: bool) -> None:
    seconds = "" if row.seconds is None else f"{row.seconds:5.1f} s"
    rules = " ".join(
        finding.rule + ("" if finding in row.unexplained else "*")
        for finding in row.findings
        if at_or_above(finding.severity, "warning")
    )
    print(f"{row.package:22} {row.target.rpartition(':')[2]:52} {row.verdict:13} {seconds:8} {rules}", flush=True)
    if row.message:
        print(f"    {row.message}")
    for finding in row.findings:
        if everything or finding in row.unexplained:
            place = f"{Path(finding.location.path).name}:{finding.location.line}"
            print(f"    {finding.severity} {finding.rule} {place} {finding.message}")
    if row.gone:
        print(f"    recorded and not found: {' '.join(row.gone)}")
    for loss in report.losses if everything else ():
        print("    gaps", [f"{gap.op} ({gap.limits})" for gap in loss.gaps], loss.y_true, loss.y_pred)


def reduced(report: Report) -> dict[str, Any]:
    return {
        "errors": [item.message for item in report.errors],
        "losses": [
            {
                "verdict": loss.verdict,
                "spec": [loss.y_true, loss.y_pred],
                "seconds": loss.seconds,
                "gaps": [[gap.op, gap.limits, gap.line] for gap in loss.gaps],
                "findings": [finding_of(finding) for finding in loss.findings],
            }
            for loss in report.losses
        ],
    }


def finding_of(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "evidence": finding.evidence,
        "path": finding.location.path,
        "line": finding.location.line,
        "message": finding.message,
        "reproduce": finding.reproduce,
    }


def summary(rows: Sequence[Row]) -> None:
    done = [row for row in rows if row.seconds is not None]
    seconds = [row.seconds for row in rows if row.seconds is not None]
    if not done:
        return
    print(f"{len(done)} of {len(rows)} losses examined, of {len({row.package for row in done})} packages")
    print(f"seconds a loss: median {statistics.median(seconds):.1f}, worst {max(seconds):.1f}")
    for verdict in ("healthy", "suspect", "broken", "not-examined"):
        print(f"{verdict}: {sum(row.verdict == verdict for row in rows)}")
    alarms = sum(at_or_above(finding.severity, "warning") for row in rows for finding in row.findings)
    print(f"errors and warnings: {alarms}, of which not recorded: {sum(len(row.unexplained) for row in rows)}")


if __name__ == "__main__":
    sys.exit(main())
