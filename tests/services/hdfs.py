"""A real HDFS for tests: a NameNode and two DataNodes, each its own JVM, as an unprivileged user, loopback only, random ports.

The jars and Java come from where a cluster on one machine takes them (``controller.substrates.local.programs``); tests skip, with
the reason, where they can't be had.
"""

from __future__ import annotations

import getpass
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import hdfs_native
import pytest

from controller.certificates.keystore import keystore
from controller.substrates.local.programs import ProgramMissingError, classpath, java
from pools.encryption import KEYSTORE_FILE
from pools.gateway.workloads import PROXY_USER
from pools.storage import hadoop
from tests.services.certificates import Laid
from tests.services.postgresql import free_port, reachable_folder, unprivileged
from virtualization.connectors.hdfs.identity import acting_as

READY_SECONDS = 180
_MAIN = "org.apache.hadoop.hdfs.server"
_JVM = ["-Xmx128m", "-Xss512k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:MaxMetaspaceSize=128m", "-Xshare:auto",
        "-Djava.net.preferIPv4Stack=true"]  # fmt: skip


@dataclass
class HdfsServer:
    """Where it listens, and its processes."""

    port: int
    http: int
    folder: pathlib.Path
    classpath: str
    namenode: subprocess.Popen[bytes]
    datanodes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    ports: dict[int, int] = field(default_factory=dict)
    """Of each DataNode, for data."""
    datanode_http: dict[int, int] = field(default_factory=dict)
    """Of each DataNode, for WebHDFS."""
    certificates: Laid | None = None
    """With them the ports for WebHDFS speak TLS."""

    @property
    def location(self) -> str:
        """As a data source names it."""
        return f"hdfs://127.0.0.1:{self.port}"

    @property
    def web(self) -> str:
        """As a data source names its WebHDFS."""
        return f"{'https' if self.certificates else 'http'}://127.0.0.1:{self.http}"

    def lay_keystore(self) -> None:
        """The present certificate, as Java takes it; a whole file."""
        assert self.certificates is not None
        new = self.folder / f"{KEYSTORE_FILE}.new"
        new.write_bytes(keystore(self.certificates.pair))
        new.chmod(0o644)
        new.replace(self.folder / KEYSTORE_FILE)

    @contextmanager
    def superuser(self) -> Iterator[hdfs_native.Client]:
        """A client that acts as this HDFS's superuser inside the block (hdfs-native reads the name whenever it connects)."""
        with acting_as("nobody" if os.geteuid() == 0 else getpass.getuser(), 60):
            yield hdfs_native.Client(self.location)

    def write(self, path: str, content: bytes | str, replication: int = 2) -> None:
        """Write a whole file, over an older one; parents are made."""
        data = content.encode() if isinstance(content, str) else content
        options = hdfs_native.WriteOptions(overwrite=True, replication=replication, create_parent=True)
        with self.superuser() as client, client.create(path, options) as writer:
            writer.write(data)

    def audited(self, text: str) -> list[str]:
        """Lines of the NameNode's audit log that hold ``text``."""
        return [line for line in (self.folder / "namenode.log").read_text().splitlines() if "cmd=" in line and text in line]

    def empty(self) -> None:
        """Remove all that is in it."""
        with self.superuser() as client:
            for entry in list(client.list_status("/", False)):
                client.delete(entry.path, True)

    def restart_datanode(self, number: int) -> None:
        """Start one that was killed; returns when the NameNode knows where it listens now."""
        self.start_datanode(number)
        deadline = time.monotonic() + READY_SECONDS
        while f"127.0.0.1:{self.ports[number]}" not in self.live():
            assert time.monotonic() < deadline, (self.folder / f"datanode{number}.log").read_text()[-3000:]
            time.sleep(0.1)

    def live(self) -> str:
        """The DataNodes that the NameNode hears of, as it tells it; empty when there are none."""
        return str(self._about("NameNodeInfo").get("LiveNodes") or "").strip("{} ")

    def start_datanode(self, number: int) -> None:
        """Start DataNode ``number``; wait for it with ``wait``."""
        folder = self.folder / f"conf-dn{number}"
        self.ports[number], self.datanode_http[number] = free_port(), free_port()
        self._configure(folder, {
            "dfs.datanode.data.dir": f"file://{self.folder}/dn{number}",
            "dfs.datanode.address": f"127.0.0.1:{self.ports[number]}",
            f"dfs.datanode.{'https' if self.certificates else 'http'}.address": f"127.0.0.1:{self.datanode_http[number]}",
            "dfs.datanode.ipc.address": f"127.0.0.1:{free_port()}", "dfs.datanode.hostname": "127.0.0.1",
            "dfs.heartbeat.interval": "1", "dfs.blockreport.initialDelay": "0",
        })  # fmt: skip
        process = self.start(folder, "datanode.DataNode", f"datanode{number}.log")
        self.datanodes[number : number + 1] = [process]

    def start(self, folder: pathlib.Path, main: str, log: str, *arguments: str) -> subprocess.Popen[bytes]:
        """One daemon, its log beside it."""
        with (self.folder / log).open("ab") as out:
            return subprocess.Popen(
                [java(), *_JVM, "-cp", f"{folder}:{self.classpath}", f"{_MAIN}.{main}", *arguments],
                stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=self.folder, **unprivileged(),  # type: ignore[call-overload]
            )  # fmt: skip

    def _configure(self, folder: pathlib.Path, settings: dict[str, str]) -> None:
        folder.mkdir(exist_ok=True)
        core = {"fs.defaultFS": self.location, "hadoop.tmp.dir": f"{self.folder}/tmp", "ipc.client.connect.max.retries": "3"}
        core |= hadoop.impersonation(PROXY_USER)
        files = {"core-site.xml": core, "hdfs-site.xml": settings}
        if self.certificates is not None:
            # the NameNode's server looks for the interval under this very name
            files["hdfs-site.xml"] = {**hadoop.encrypted(settings), "ssl.{0}.stores.reload.interval": "200"}
            files["ssl-server.xml"] = {
                **{key: value.replace("{secrets}", str(self.folder)) for key, value in hadoop.SSL_SERVER.items()},
                "ssl.server.stores.reload.interval": "200",
            }
        for name, values in files.items():
            (folder / name).write_text(hadoop.configuration(values))
        (folder / "log4j.properties").write_text(
            "log4j.rootLogger=WARN, out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\n"
            "log4j.appender.out.layout=org.apache.log4j.SimpleLayout\n"
            "log4j.logger.org.apache.hadoop.hdfs.server.namenode.FSNamesystem.audit=INFO\n"
        )

    def _about(self, name: str) -> dict[str, Any]:
        """What the NameNode tells of itself under ``name``; empty while it tells nothing."""
        try:
            where = f"{self.web}/jmx?qry=Hadoop:service=NameNode,name={name}"
            trust = ssl._create_unverified_context() if self.certificates else None
            with urllib.request.urlopen(where, timeout=30, context=trust) as answer:
                found: dict[str, Any] = json.load(answer)["beans"][0]
                return found
        except (OSError, KeyError, IndexError, ValueError):
            return {}

    def wait(self, datanodes: int) -> None:
        """Until the NameNode is out of safe mode and sees that many DataNodes."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self.namenode.poll() is None:
            state = self._about("FSNamesystemState")
            if state.get("FSState") == "Operational" and state["NumLiveDataNodes"] >= datanodes:
                return
            time.sleep(0.1)
        raise RuntimeError(f"HDFS is not ready:\n{(self.folder / 'namenode.log').read_text()[-3000:]}")


def jars() -> str:
    """The class path; skips the test where jars or Java can't be had."""
    try:
        java()
        return classpath("hadoop")
    except ProgramMissingError as error:
        pytest.skip(f"no HDFS: {error.message} ({error.hint})")


@contextmanager
def hdfs_server(certificates: Laid | None = None) -> Iterator[HdfsServer]:
    """Start one with two DataNodes (about 8 s), stop and remove it at the end. ``certificates``: WebHDFS speaks TLS with them."""
    path = jars()
    with reachable_folder("openbdc-hdfs-") as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
        server = HdfsServer(free_port(), free_port(), folder, path, namenode=None, certificates=certificates)  # type: ignore[arg-type]
        if certificates is not None:
            server.lay_keystore()
        conf = folder / "conf"
        server._configure(conf, {
            "dfs.namenode.name.dir": f"file://{folder}/nn", "dfs.namenode.rpc-address": f"127.0.0.1:{server.port}",
            f"dfs.namenode.{'https' if certificates else 'http'}-address": f"127.0.0.1:{server.http}", "dfs.replication": "2",
            "dfs.namenode.safemode.extension": "0", "dfs.namenode.safemode.min.datanodes": "0",
            "dfs.heartbeat.interval": "1", "dfs.namenode.heartbeat.recheck-interval": "2000",
            "dfs.namenode.fs-limits.min-block-size": "4096", "dfs.namenode.datanode.registration.ip-hostname-check": "false",
        })  # fmt: skip
        processes: list[subprocess.Popen[bytes]] = []
        try:
            if server.start(conf, "namenode.NameNode", "format.log", "-format", "-force", "-nonInteractive").wait(READY_SECONDS):
                raise RuntimeError(f"format failed:\n{(folder / 'format.log').read_text()[-3000:]}")
            server.namenode = server.start(conf, "namenode.NameNode", "namenode.log")
            processes.append(server.namenode)
            _wait_port(server)
            for number in (0, 1):
                server.start_datanode(number)
            server.wait(2)
            yield server
        finally:
            for process in [*processes, *server.datanodes]:
                process.kill()
            for process in [*processes, *server.datanodes]:
                process.wait()


def _wait_port(server: HdfsServer) -> None:
    """A DataNode that finds no NameNode sleeps for 5 s before it tries again."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and server.namenode.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", server.port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the NameNode did not start:\n{(server.folder / 'namenode.log').read_text()[-3000:]}")
