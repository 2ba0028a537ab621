"""The connector ``odbc``: any source that has an ODBC driver on Linux.

Location ``odbc:`` and a connection string without a login: ``odbc:Driver=MariaDB Unicode;Server=db.example;Database=shop``; options: see
``options.Settings``. What runs at the source is said by the driver's file in ``drivers``; without one, columns are chosen and nothing else.
"""

from virtualization.connectors.odbc.connector import OdbcConnector

__all__ = ["OdbcConnector"]
