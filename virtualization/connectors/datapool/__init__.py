"""The connector ``datapool``: tables whose rows are spread over the shards of the data pool.

A table's ``data`` says where its rows lie. Reading needs keys and addresses (``ShardAccess``), which only the compute pool has.
"""

from __future__ import annotations

from virtualization.connectors.datapool.access import ShardAccess
from virtualization.connectors.datapool.connector import DatapoolConnector

__all__ = ["DatapoolConnector", "ShardAccess"]
