"""A real cluster for tests and benchmarks, with a home and a client configuration of its own, made and deleted with ``bdc``."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from controller.substrates.local.programs import artifacts
from tests.services.spark import ENVIRONMENT

Row = tuple[object, ...]
STOP_SECONDS = 120


@dataclass(frozen=True)
class Stage:
    """One machine's state: a ``BDC_HOME``, a client configuration, and the name of the one cluster in it."""

    folder: Path
    password: str
    cluster: str

    @property
    def environment(self) -> dict[str, str]:
        """What the commands get."""
        return {
            **os.environ,
            "BDC_HOME": str(self.folder / "home"),
            "BDC_CONFIG": str(self.folder / "config"),
            "BDC_ARTIFACTS": str(artifacts()),
            "BDC_SPARK_PYTHON": str(ENVIRONMENT.resolve() / "bin" / "python"),
            "BDC_PASSWORD": self.password,
        }

    def bdc(self, *arguments: str, output: str | None = "json", secret: str | None = None) -> object:
        """Run ``bdc``; its parsed JSON. ``secret`` is given on standard input. RuntimeError with what it said when it fails."""
        shape = ["-o", output] if output else []
        process = subprocess.Popen(
            [sys.executable, "-m", "azdata_like_cli", *arguments, *shape],
            env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            out, err = process.communicate(secret)
        except KeyboardInterrupt:  # what is half made must be cleaned up by who makes it
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=STOP_SECONDS)
            raise
        if process.returncode != 0:
            raise RuntimeError(f"bdc {' '.join(arguments)} ended with {process.returncode}:\n{err[-3000:]}")
        return json.loads(out) if output == "json" and out.strip() else out

    def create(self) -> None:
        """Create the cluster and log in."""
        self.bdc("create", self.cluster)
        self.bdc("login", self.cluster)

    def create_from(self, spec: str) -> None:
        """Create it from that spec (``{name}`` in it) and log in; the certificate of its authority is then ``authority``."""
        (self.folder / "bdc.yaml").write_text(spec.format(name=self.cluster))
        self.bdc("create", "-f", str(self.folder / "bdc.yaml"))
        shown = self.bdc("cert", "show", "--ca")
        assert isinstance(shown, dict)
        self.authority.write_text(str(shown["pem"]))

    @property
    def authority(self) -> Path:
        """See ``create_from``."""
        return self.folder / "ca.crt"

    def certificates(self) -> dict[str, tuple[object, object]]:
        """Workload → state and fingerprint of its certificate."""
        rows = self.bdc("cert", "list", "--context", self.cluster)
        assert isinstance(rows, list)
        return {str(row["name"]): (row["state"], row["fingerprint"]) for row in rows if row["name"] != "ca"}

    def delete(self) -> None:
        """Delete it."""
        self.bdc("delete", self.cluster, "--yes")

    def endpoint(self, name: str) -> str:
        """The address of one endpoint."""
        rows = self.bdc("endpoint", "list")
        assert isinstance(rows, list)
        return next(str(row["endpoint"]) for row in rows if row["name"] == name)

    def sql(self, **more: object) -> psycopg.Connection[Row]:
        """A connection to the master as the first admin, or as ``more`` says."""
        host, _, port = self.endpoint("sql-server-master").rpartition("//")[2].partition("/")[0].partition(":")
        login = {"host": host, "port": int(port), "user": "admin", "password": self.password, "dbname": "bdc", "autocommit": True}
        return psycopg.connect(**{**login, **more})  # type: ignore[arg-type]

    def processes(self) -> list[int]:
        """Every process of the cluster, the supervisor included: those whose environment names its folder."""
        marker = f"OPENBDC_CLUSTER_FOLDER={self.folder}/home/clusters/{self.cluster}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                belongs = marker in (entry / "environ").read_bytes() or self._is_supervisor(entry)
            except OSError:
                continue  # it ended in the meantime
            if belongs:
                found.append(int(entry.name))
        return found

    def _is_supervisor(self, entry: Path) -> bool:
        line = (entry / "cmdline").read_bytes()
        return b"controller.supervisor" in line and f"{self.folder}/home/clusters/{self.cluster}".encode() in line


@contextmanager
def folder() -> Iterator[Stage]:
    """A stage without a cluster; what is left of one is deleted at the end."""
    place = Path(tempfile.mkdtemp(prefix="openbdc-stage-", dir="/var/tmp"))
    place.chmod(0o755)
    stage = Stage(place, secrets.token_urlsafe(12), f"t{secrets.token_hex(3)}")  # OS users carry the name: two stages must not share it
    home = place / "home" / "clusters" / stage.cluster
    try:
        yield stage
    finally:
        try:
            if home.exists():
                stage.delete()
        finally:
            if not home.exists():  # else something of it may run, and only its folder tells what
                shutil.rmtree(place, ignore_errors=True)


@contextmanager
def cluster() -> Iterator[Stage]:
    """A stage with a running cluster (profile local, HDFS included; some 12 s) and a logged-in client."""
    with folder() as stage:
        stage.create()
        yield stage
