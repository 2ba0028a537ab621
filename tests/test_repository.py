"""What the repository promises of itself, held by tests: sizes of files, no addresses of a machine, locks that can be trusted."""

from __future__ import annotations

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PACKAGES = ("apps", "azdata_like_cli", "bdc", "controller", "pools", "pyspark_bdc", "virtualization", "benchmarks", "examples")
LONGEST_FILE = 500


def tracked() -> list[pathlib.Path]:
    if not (ROOT / ".git").exists():
        pytest.fail("run the tests from a git checkout")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_no_source_file_is_too_long() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if (count := len(path.read_text().splitlines())) > LONGEST_FILE
    }
    assert long == {}


def test_no_address_of_a_machine_or_registry_is_committed() -> None:
    """Paths below a home or work folder, and the host names of package registries."""
    hosts = ["pypi" + ".org", "files.python" + "hosted", "repo1.maven" + ".org", "repo.maven" + ".apache.org", "deb.debian" + ".org"]
    pattern = re.compile("|".join([r"/(?:root|work)/[a-z.]", *map(re.escape, hosts)]))
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        if path.name == "Dockerfile":  # where pip keeps its cache inside of an image that is being built
            text = text.replace("target=/root/" + ".cache/pip", "")
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in pattern.finditer(text)]
    assert found == []


def test_locks_have_hashes_and_no_addresses() -> None:
    for lock in (ROOT / "locks").glob("*.txt"):
        text = lock.read_text()
        assert "://" not in text, lock.name
        pins = re.findall(r"^[A-Za-z0-9._-]+(?:\[[^\]]*\])?==", text, re.MULTILINE)
        assert pins, lock.name
        assert len(re.findall(r"^[A-Za-z0-9._-]+(?:\[[^\]]*\])?==[^\n]*\\\n    --hash=sha256:", text, re.MULTILINE)) == len(pins), lock.name


def test_the_locks_fit_the_distributions() -> None:
    """``scripts/lock.sh`` was run after the last change of a distribution's needs."""
    import tomllib

    for name, folder in (("client", "client"), ("cluster", "cluster"), ("spark", "pyspark")):
        project = tomllib.loads((ROOT / f"distributions/{folder}/pyproject.toml").read_text())["project"]
        needs = list(project["dependencies"])
        for extra, wanted in project.get("optional-dependencies", {}).items():
            if name == "spark" or not (extra.startswith("spark") or extra in ("notebook", "tracking")):  # as in scripts/lock.sh
                needs += [need for need in wanted if not need.startswith("openbdc")]
        assert (ROOT / f"locks/{name}.in").read_text().splitlines()[1:] == sorted(needs)
