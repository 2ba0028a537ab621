"""Which connectors there are: name -> ("module:Class", the extra that brings its driver). Imported on first use.

None: the driver is among the distribution's own requirements.
"""

from __future__ import annotations

from collections.abc import Mapping

CONNECTORS: Mapping[str, tuple[str, str | None]] = {
    "datapool": ("virtualization.connectors.datapool:DatapoolConnector", None),
    "hdfs": ("virtualization.connectors.hdfs:HdfsConnector", None),
    "mongodb": ("virtualization.connectors.mongodb:MongodbConnector", "mongodb"),
    "odbc": ("virtualization.connectors.odbc:OdbcConnector", "odbc"),
    "oracle": ("virtualization.connectors.oracle:OracleConnector", "oracle"),
    "postgresql": ("virtualization.connectors.postgresql:PostgresqlConnector", None),
    "sqlserver": ("virtualization.connectors.sqlserver:SqlserverConnector", "odbc"),
}
