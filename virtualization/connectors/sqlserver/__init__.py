"""The connector ``sqlserver``: the connector ``odbc`` with Microsoft's driver and T-SQL (``connectors/odbc/drivers/sqlserver.toml``).

Location ``sqlserver://host:port/database``; options: see ``options.OPTIONS``. Written from Microsoft's documentation and never run against
a real server by this project; ``BDC_TEST_SQLSERVER_DSN`` runs the tests live.
"""

from __future__ import annotations

from virtualization.catalog import DataSource
from virtualization.connectors.odbc import OdbcConnector
from virtualization.connectors.sqlserver.options import settings


class SqlserverConnector(OdbcConnector):
    """See ``virtualization.plan.Connector``. Thread-safe; connects on first use."""

    def __init__(self, source: DataSource) -> None:
        super().__init__(source, settings(source))
