"""The connector ``oracle``: any Oracle Database from 12.1 on as a source, without Oracle's client libraries.

Location ``oracle://host:port/service`` (with TLS: ``oracles://``); options: see ``options.Settings``. What runs there is listed in
``expressions`` and the modules of functions beside it.
"""

from virtualization.connectors.oracle.connector import OracleConnector

__all__ = ["OracleConnector"]
