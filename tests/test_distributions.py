"""What the wheels hold: the right packages, the licence, the entry point, and no tests."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WHEELS = {
    "client": ("openbdc", {"apps", "azdata_like_cli", "bdc"}),
    "cluster": ("openbdc_cluster", {"controller", "pools", "virtualization"}),
    "pyspark": ("pyspark_bdc", {"pyspark_bdc"}),
}


@pytest.fixture(scope="module", params=WHEELS)
def wheel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, zipfile.ZipFile]:
    """Built offline: the build's own tool is in the environment already."""
    folder = tmp_path_factory.mktemp(request.param)
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT / "distributions" / request.param, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return request.param, zipfile.ZipFile(path)


def metadata(archive: zipfile.ZipFile, name: str) -> str:
    (path,) = [entry for entry in archive.namelist() if entry.endswith(f".dist-info/{name}")]
    return archive.read(path).decode()


def test_the_packages_are_whole_and_nothing_else_is_there(wheel: tuple[str, zipfile.ZipFile]) -> None:
    name, archive = wheel
    distribution, packages = WHEELS[name]
    held = {entry for entry in archive.namelist() if ".dist-info/" not in entry}
    assert {entry.split("/")[0] for entry in held} == packages
    tracked = subprocess.run(["git", "ls-files", *sorted(packages)], cwd=ROOT, check=True, capture_output=True, text=True)
    assert held >= {path for path in tracked.stdout.splitlines() if (ROOT / path).is_file()}
    assert not [entry for entry in held if "/tests/" in entry or "__pycache__" in entry or entry.endswith(".pyc")]
    assert {entry.split("-")[0] for entry in archive.namelist() if ".dist-info/" in entry} == {distribution}


def test_the_licence_is_inside(wheel: tuple[str, zipfile.ZipFile]) -> None:
    _, archive = wheel
    assert metadata(archive, "licenses/LICENSE") == (ROOT / "LICENSE").read_text()
    head = Parser().parsestr(metadata(archive, "METADATA"))
    assert head["License-Expression"] == "Apache-2.0"


def test_the_entry_points(wheel: tuple[str, zipfile.ZipFile]) -> None:
    name, archive = wheel
    if name == "client":
        assert "bdc = azdata_like_cli.main:main" in metadata(archive, "entry_points.txt")
    else:
        assert not [entry for entry in archive.namelist() if entry.endswith("entry_points.txt")]


def test_the_spark_distribution_needs_no_spark_and_nothing_of_ours(wheel: tuple[str, zipfile.ZipFile]) -> None:
    name, archive = wheel
    needs = Parser().parsestr(metadata(archive, "METADATA")).get_all("Requires-Dist", [])
    plain = {need.split(">")[0].split("<")[0].split("=")[0] for need in needs if "extra" not in need}
    if name == "pyspark":
        assert plain == {"adbc-driver-postgresql", "numpy", "pyarrow"}
    assert not [need for need in plain if need.startswith("openbdc")]


def test_the_client_carries_the_chart(wheel: tuple[str, zipfile.ZipFile]) -> None:
    """`bdc create --profile kubernetes` installs it without a download (azdata_like_cli/kubernetes/chart.py)."""
    name, archive = wheel
    held = {entry.removeprefix("azdata_like_cli/chart/") for entry in archive.namelist() if entry.startswith("azdata_like_cli/chart/")}
    chart = ROOT / "helm" / "openbdc"
    wanted = {str(path.relative_to(chart)) for path in chart.rglob("*") if path.is_file()} if name == "client" else set()
    assert held == wanted
