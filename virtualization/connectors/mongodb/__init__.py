"""The connector ``mongodb``: collections of a MongoDB database (5.0 or later) as tables.

Location ``mongodb://host:port/database?replicaSet=…``; options: see ``options``; a table's location and columns: see ``paths``.
"""

from virtualization.connectors.mongodb.connector import MongodbConnector

__all__ = ["MongodbConnector"]
