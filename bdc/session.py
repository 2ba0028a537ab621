"""One user at one cluster: what ``bdc.connect()`` gives, and what the CLI's commands stand on."""

from __future__ import annotations

import contextlib
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bdc import contexts, trust
from bdc.contexts import SqlKeys
from bdc.controller import Controller, renew_token, request_token
from bdc.errors import AuthenticationError, BdcError, NotFoundError, ServiceError
from bdc.reach import Reach
from bdc.webhdfs import WebHdfs

if TYPE_CHECKING:
    import psycopg

    from bdc.apps import Apps
    from bdc.result import Result
    from bdc.sql import Address

MASTER_ENDPOINTS = ("master", "sql-server-master")
DEFAULT_DATABASE = "postgres"
"""Where SQL goes when the cluster's spec names no database."""


@dataclass(frozen=True)
class ControllerAddress:
    """Where a controller is: its URL and, on Kubernetes, the place inside of which this URL holds."""

    url: str
    kubernetes: contexts.Place | None = None


def login(
    name: str | None,
    controller: str | ControllerAddress,
    username: str,
    password: str,
    *,
    keep_sql: bool = True,
    authority: str = "",
) -> contexts.Session:
    """Log in at the controller and return the context (not saved). ``name`` None: the cluster's name.

    ``authority``: what an https controller's certificate must be signed by (bdc/trust.py); empty: what the machine trusts.
    ``keep_sql``: also derive the SCRAM keys with which ``bdc sql`` logs in, for as long as the login lasts.
    """
    at = ControllerAddress(controller) if isinstance(controller, str) else controller
    with Reach(at.kubernetes) as reach:
        base = reach.url(at.url)
        token = request_token(base, username, password, authority=authority)
        api = Controller(base, lambda: token.value, authority=authority)
        found = api.cluster()
        if authority:
            authority = trust.renewed(*_host_and_port(base), authority)
        endpoints = by_gateway(at, {str(item["name"]): str(item["endpoint"]) for item in api.endpoints()})
        if base.startswith("http:") and any(address.startswith("https:") for address in endpoints.values()):
            authority = trust.told(*_host_and_port(base))  # the gateway's; who answers on loopback is believed this too
        session = contexts.Session(
            name=name or str(found["name"]),
            controller=at.url.rstrip("/"),
            username=token.username or username,
            cluster=str(found["name"]),
            token=token.value,
            token_expires=token.expires,
            refresh=token.refresh,
            expires=token.session_ends,
            endpoints=endpoints,
            database=_first_database(found),
            kubernetes=at.kubernetes,
            authority=authority,
            foreign_master=at.kubernetes is not None and bool(_said(found, "kubernetes", "tlsSecret")),
        )
        if not keep_sql:
            return session
        if token.source == "directory":
            given = api.sql_password()
            if given.get("method") == "ldap":
                _forget_password(session)
                return replace(session, directory_sql=True)
            password = _sql_password(session, given, reach)
        return replace(session, sql=_sql_keys(session, password, reach))


def by_gateway(at: ControllerAddress, endpoints: dict[str, str]) -> dict[str, str]:
    """Of a cluster on Kubernetes that was reached from outside: what lies behind its gateway is at the address that was reached, since the
    gateway's own name means nothing here."""
    inside, outside = urllib.parse.urlsplit(endpoints.get("gateway", "")), urllib.parse.urlsplit(at.url.rstrip("/"))
    if at.kubernetes is not None or outside.scheme != "https" or not (inside.hostname or "").endswith(".svc"):
        return endpoints

    def reached(address: str) -> str:
        parts = urllib.parse.urlsplit(address)
        named = outside.netloc if parts.scheme == "https" or outside.port else f"{outside.netloc}:443"
        return address if parts.netloc != inside.netloc else address.replace(parts.netloc, named, 1)

    return {name: reached(address) for name, address in endpoints.items()}


def _first_database(cluster: dict[str, object]) -> str:
    """The first user database of the spec: where SQL goes unless somebody says otherwise."""
    found = _said(cluster, "pools", "master", "databases")
    return str(found[0]) if isinstance(found, list) and found else DEFAULT_DATABASE


def _said(cluster: dict[str, object], *path: str) -> object:
    """What the spec says there; None: nothing."""
    node: object = cluster
    for key in ("spec", "spec", *path):
        node = node.get(key) if isinstance(node, dict) else None
    return node


def _sql_password(session: contexts.Session, given: dict[str, object], reach: Reach) -> str:
    """Of who logged in with a directory account; kept in a file of mode 0600 for other tools too."""
    from bdc import passfile

    password = str(given["password"])
    with contextlib.suppress(NotFoundError):  # no master, no file
        host, port = reach.address(*master_address(session.endpoints))
        passfile.write(session.name, host, port, session.username, password)
    return password


def _forget_password(session: contexts.Session) -> None:
    """Of a login before, where the master took another one."""
    from bdc import passfile

    passfile.remove(session.name)


def _sql_keys(session: contexts.Session, password: str, reach: Reach) -> SqlKeys | None:
    from bdc import scram

    try:
        host, port = reach.address(*master_address(session.endpoints))
        return scram.keys(host, port, session.username, password, expires=session.expires, authority=_sql_authority(session))
    except (NotFoundError, ServiceError):
        return None  # the master is not up: bdc sql will ask for the password


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urllib.parse.urlsplit(url)
    return parts.hostname or "", parts.port or 443


def _sql_authority(session: contexts.Session) -> str | None:
    """None: the cluster speaks no TLS; or the master shows a customer's certificate, of a name that no port-forward has."""
    return session.authority if session.controller.startswith("https:") and not session.foreign_master else None


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

    def __init__(self, context: contexts.Session, *, password: str | None = None, database: str | None = None, saved: bool = True) -> None:
        """``saved``: the context is one of the file, where renewed tokens are kept too."""
        self.context = context
        self._saved = saved
        self._password = password
        self._database = database or context.database
        self._reach = Reach(context.kubernetes)
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the SQL connection, and the ways to a cluster on Kubernetes."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._reach.close()

    def reachable(self, url: str) -> str:
        """A URL of the cluster as it is reached from here, until the session is closed."""
        return self._reach.url(url)

    def master(self) -> tuple[str, int]:
        """Host and port of the master as they are reached from here; NotFoundError."""
        return self._reach.address(*master_address(self.context.endpoints))

    def endpoints(self) -> list[dict[str, object]]:
        """The cluster's, as ``bdc endpoint list`` shows them: what lies behind the gateway that was logged in at, at its address."""
        listed = self.controller.endpoints()
        at = ControllerAddress(self.context.controller, self.context.kubernetes)
        reached = by_gateway(at, {str(one["name"]): str(one["endpoint"]) for one in listed})
        return [{**one, "endpoint": reached[str(one["name"])]} for one in listed]

    @property
    def controller(self) -> Controller:
        """The controller's API; AuthenticationError when the login has ended."""
        self._follow()
        self.context.require_token()
        return Controller(self._reach.url(self.context.controller), self._token, authority=self.context.authority)

    @cached_property
    def apps(self) -> Apps:
        """The cluster's apps; it keeps the token for their proxy, so a loop of calls asks for one now and then."""
        from bdc.apps import Apps
        from bdc.rest import JsonClient

        self._follow()
        self.context.require_token()
        client = JsonClient(self._reach.url(self.context.controller), self._token, 600.0, self.context.authority)
        by_gateway = self.context.controller == self.context.endpoints.get("gateway", "").rstrip("/")
        return Apps(client, self._reach.url, by_gateway=by_gateway)

    def access_token(self) -> str:
        """The login's token, as gateway and controller take it; a new one where the old one is about to end. AuthenticationError."""
        self._follow()
        self.context.require_token()
        return self._token()

    def _follow(self) -> None:
        """A session that outlives its login, as a notebook's does, goes on with the next one of the same user in the same place."""
        if self.context.logged_in or not self._saved:
            return
        stored = contexts.load().sessions.get(self.context.name)
        if stored is not None and (stored.controller, stored.username) == (self.context.controller, self.context.username):
            self.context = stored

    def _token(self) -> str:
        self._follow()
        if self.context.needs_renewal:
            self.context = self._renewed_in_file() if self._saved else self._renewed(self.context)
        return self.context.require_token()

    def _renewed_in_file(self) -> contexts.Session:
        """Under the file's lock: a refresh token is good once, and another command may be just as far."""
        with contexts.editing() as box:
            stored = box[0].sessions.get(self.context.name, self.context)
            if stored.needs_renewal:
                stored = self._renewed(stored)
                box[0] = box[0].with_session(stored, activate=False)
            return stored

    def _renewed(self, context: contexts.Session) -> contexts.Session:
        token = renew_token(self._reach.url(context.controller), context.refresh or "", authority=context.authority)
        return context.renewed(token.value, token.expires, token.refresh, token.session_ends)

    @property
    def files(self) -> WebHdfs:
        """HDFS under the name of the context's user."""
        address = self.context.endpoints.get("webhdfs")
        if address is None:
            raise NotFoundError(f"the cluster {self.context.cluster!r} has no HDFS", hint="'bdc endpoint list' shows what it has")
        login: dict[str, Any] = {}
        if address.startswith("https:") and "gateway" not in self.context.endpoints:  # HDFS itself, which is shown no token
            login = {"authority": self.context.authority}
        elif address.startswith("https:"):  # the gateway shows what the master shows
            login = {"token": self._token, "authority": None if self.context.foreign_master else self.context.authority}
        return WebHdfs(self._reach.url(address), self.context.username, reach=self._reach.url, **login)

    def sql_address(self, *, user: str | None = None, database: str | None = None) -> Address:
        """How the master is reached: with the password if one was given, else with the login's keys while they live."""
        from bdc.sql import Address

        self._follow()
        host, port = self.master()
        keys = self.context.sql if user in (None, self.context.username) else None
        if keys is not None and keys.expires <= time.time():
            keys = None
        authority = _sql_authority(self.context)
        root = None if authority is None else trust.root_file(authority, contexts.folder())
        return Address(host, port, user or self.context.username, database or self._database, self._password, keys, root)

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
    return Session(login(context, controller, username, password, keep_sql=False), password=password, database=database, saved=False)


__all__ = ["BdcError", "Session", "connect", "login", "master_address"]
