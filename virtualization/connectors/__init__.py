"""Which connectors there are: name -> ("module:Class", the extra of the distribution that brings its driver). Imported on first use."""

from __future__ import annotations

from collections.abc import Mapping

CONNECTORS: Mapping[str, tuple[str, str]] = {
    "hdfs": ("virtualization.connectors.hdfs:HdfsConnector", "hdfs"),
    "postgresql": ("virtualization.connectors.postgresql:PostgresqlConnector", "postgresql"),
}
