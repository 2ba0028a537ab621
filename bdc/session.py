"""One user at one cluster: what ``bdc.connect()`` gives, and what the CLI's commands stand on."""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bdc import contexts
from bdc.contexts import SqlKeys
from bdc.controller import Controller, request_token
from bdc.errors import AuthenticationError, BdcError, NotFoundError, ServiceError
from bdc.webhdfs import WebHdfs

if TYPE_CHECKING:
    import psycopg

    from bdc.result import Result
    from bdc.sql import Address

MASTER_ENDPOINTS = ("master", "sql-server-master")
DEFAULT_DATABASE = "postgres"
"""Where SQL goes when the cluster's spec names no database."""


def login(name: str | None, controller: str, username: str, password: str, *, keep_sql: bool = True) -> contexts.Session:
    """Log in at the controller and return the context (not saved). ``name`` None: the cluster's name.

    ``keep_sql``: also derive the SCRAM keys with which ``bdc sql`` logs in, for as long as the token lives.
    """
    token = request_token(controller, username, password)
    api = Controller(controller, token.value)
    found = api.cluster()
    cluster = str(found["name"])
    endpoints = {str(item["name"]): str(item["endpoint"]) for item in api.endpoints()}
    session = contexts.Session(
        name or cluster, controller.rstrip("/"), username, cluster, token.value, token.expires, endpoints, _first_database(found)
    )
    return replace(session, sql=_sql_keys(session, password)) if keep_sql else session


def _first_database(cluster: dict[str, object]) -> str:
    """The first user database of the spec (``spec.pools.master.databases``): where SQL goes unless somebody says otherwise."""
    node: object = cluster
    for key in ("spec", "spec", "pools", "master", "databases"):
        if isinstance(node, dict) and key in node:
            node = node[key]
    return str(node[0]) if isinstance(node, list) and node else DEFAULT_DATABASE


def _sql_keys(session: contexts.Session, password: str) -> SqlKeys | None:
    from bdc import scram

    try:
        host, port = master_address(session.endpoints)
        return scram.keys(host, port, session.username, password, expires=session.expires)
    except (NotFoundError, ServiceError):
        return None  # the master is not up: bdc sql will ask for the password


def master_address(endpoints: Mapping[str, str]) -> tuple[str, int]:
    """Host and port of the master among the endpoints; NotFoundError."""
    for name in MASTER_ENDPOINTS:
        if name in endpoints:
            text = endpoints[name]
            parts = urllib.parse.urlsplit(text if "//" in text else f"//{text.replace(',', ':')}")
            if parts.hostname and parts.port:
                return parts.hostname, parts.port
    raise NotFoundError("the cluster has no master to send SQL to", hint="'bdc endpoint list' shows what it has")


class Session:
    """Use it as a context manager, or call ``close()``; SQL and HTTP connections open on first use."""

    def __init__(self, context: contexts.Session, *, password: str | None = None, database: str | None = None) -> None:
        self.context = context
        self._password = password
        self._database = database or context.database
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the SQL connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def controller(self) -> Controller:
        """The controller's API; AuthenticationError when the session has ended."""
        return Controller.of(self.context)

    @property
    def files(self) -> WebHdfs:
        """HDFS under the name of the context's user."""
        address = self.context.endpoints.get("webhdfs")
        if address is None:
            raise NotFoundError(f"the cluster {self.context.cluster!r} has no HDFS", hint="'bdc endpoint list' shows what it has")
        return WebHdfs(address, self.context.username)

    def sql_address(self, *, user: str | None = None, database: str | None = None) -> Address:
        """How the master is reached: with the password if one was given, else with the login's keys while they live."""
        from bdc.sql import Address

        host, port = master_address(self.context.endpoints)
        keys = self.context.sql if user in (None, self.context.username) else None
        if keys is not None and keys.expires <= time.time():
            keys = None
        return Address(host, port, user or self.context.username, database or self._database, self._password, keys)

    @property
    def connection(self) -> psycopg.Connection[tuple[Any, ...]]:
        """The psycopg connection (autocommit) to the master, made on first use."""
        if self._connection is None:
            from bdc import sql

            self._connection = sql.connect(self.sql_address())
        return self._connection

    def sql(self, query: str, parameters: Sequence[object] | Mapping[str, object] | None = None) -> Result:
        """Run one statement; iterate the result for tuples of Python values, or take ``.arrow()``."""
        from bdc.result import run

        return run(self.connection, query, parameters)


def connect(
    context: str | None = None,
    *,
    controller: str | None = None,
    username: str | None = None,
    password: str | None = None,
    database: str | None = None,
) -> Session:
    """A session from a saved context (``context`` None: the active one), or by a login at ``controller``, which saves nothing.

    Raises AuthenticationError, NotFoundError, UnreachableError.
    """
    if controller is None:
        return Session(contexts.load().find(context), password=password, database=database)
    if username is None or password is None:
        raise AuthenticationError("a login needs a user name and a password")
    return Session(login(context, controller, username, password, keep_sql=False), password=password, database=database)


__all__ = ["BdcError", "Session", "connect", "login", "master_address"]
