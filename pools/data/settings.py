"""A shard's settings: a JSON file that the workload description writes. It holds no secret: shards verify tickets and make none."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limits:
    """What one shard allows."""

    memory_mb: int = 2048
    """Of the process. DuckDB gets 60 % of it (and spills above), streams being received 20 %; above all of it, new calls are refused."""

    threads: int = 1
    """DuckDB's. Each call computes on a thread of its own besides: with several shards on a machine more threads gain nothing."""

    reserve_mb: int = 512
    """Free disk space that is kept: a put that would go below is refused with 53100, before it starts or while it runs."""

    retention_seconds: float = 300.0
    """A read ticket may be so old; what it could still ask for is kept so long."""

    compaction_seconds: float = 20.0
    """Between two rounds of compaction; 0: only when asked for."""

    stop_seconds: float = 5.0
    """After SIGTERM streams may go on for so long."""


@dataclass(frozen=True)
class ShardSettings:
    """Of one shard."""

    port: int
    number: int
    data_folder: str
    """Holds the shard's DuckDB file; only one process may use it."""

    ticket_public_key: str
    """Verifies tickets: standard base64 of 32 bytes; not used where there is a file."""

    ticket_keys_file: str | None = None
    """The same, and the keys before it, in a file that may be replaced (``pools/keyring.py``)."""

    host: str = "127.0.0.1"
    certificate_file: str | None = None
    """PEM chain that the shard is served with; None: no TLS."""

    certificate_key_file: str | None = None
    metrics: str | None = None
    """Where metrics are asked for (``pools/metrics_listener.py``): ``{run}`` on one machine, ``HOST:PORT`` in a pod; None: nowhere."""

    limits: Limits = field(default_factory=Limits)

    @classmethod
    def read(cls, path: pathlib.Path) -> ShardSettings:
        """From the JSON file; ValueError names what is wrong."""
        try:
            content = json.loads(path.read_text())
        except (OSError, json.JSONDecodeError) as error:
            raise ValueError(f"{path}: {error}") from error
        limits = content.pop("limits", {})
        for given, known in ((content, cls), (limits, Limits)):
            unknown = set(given) - {entry.name for entry in dataclasses.fields(known)}
            if unknown:
                raise ValueError(f"{path}: unknown settings: {', '.join(sorted(unknown))}")
        try:
            return cls(**content, limits=Limits(**limits))
        except TypeError as error:
            raise ValueError(f"{path}: {error}") from error

    def json(self) -> str:
        """As ``read`` takes it."""
        return json.dumps(dataclasses.asdict(self), indent=2)
