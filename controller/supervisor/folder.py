"""Where the supervisor's things lie in a cluster's folder, and the marker that every process of the cluster carries."""

from __future__ import annotations

from pathlib import Path

CLUSTER_MARKER = "OPENBDC_CLUSTER_FOLDER"
WORKLOAD_MARKER = "OPENBDC_WORKLOAD"
LOG_BYTES = 10_000_000
LOG_FILES = 5


class ClusterFolder:
    """Paths only; nothing is made here."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.supervisor = path / "supervisor"
        self.socket = self.supervisor / "supervisor.sock"
        self.lock = self.supervisor / "supervisor.lock"
        self.processes = self.supervisor / "processes.json"
        self.users = self.supervisor / "users.json"
        self.closed = self.supervisor / "closed.json"
        self.log = self.supervisor / "supervisor.log"
        self.workloads = path / "workloads"
        self.run = path / "run"
        self.logs = path / "logs"
        self.secrets = path / "secrets"

    def workload(self, name: str) -> Path:
        """The durable folder of one workload: data, config, secrets, logs."""
        return self.workloads / name

    def workload_log(self, name: str) -> Path:
        """Its standard output and error."""
        return self.logs / f"{name}.log"
