"""The master as the pool sees it: one connection per user database, which listens for changes and answers about users and rights.

With the master away the pool goes on with what it knows and connects again with back-off. Never on a template database: a
connection there would block CREATE DATABASE. ``postgres`` is followed only once somebody logs in to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import structlog

from pools.compute import snapshot
from pools.compute.catalogs import Identity
from pools.compute.errors import StatementError
from pools.compute.queries import Origin
from pools.compute.snapshot import Snapshot
from virtualization.catalog import DataSource
from virtualization.placement import ReadState, Standing

log = structlog.get_logger()

ROLE = "bdc_pool"
CHANNEL = "bdc_catalog"
SYSTEM = "postgres"
SESSION = "-c search_path=pg_catalog -c statement_timeout=0"
"""Of each connection: the owner of a database sets its defaults and makes functions in its public schema; ours calls none of them."""

POLL_SECONDS = 1.0
"""How often new and dropped databases are looked for (a login to an unknown one looks at once)."""

FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0
CONFIRMATIONS = 5
"""So often catalog and state are asked for until they belong together: definitions that change on and on keep nobody waiting."""

RIGHTS_SECONDS = 5.0
"""For so long a granted SELECT is believed."""

ANSWER_SECONDS = 10.0

_DATABASES = """
SELECT datname FROM pg_database AS d WHERE datallowconn AND NOT datistemplate AND NOT EXISTS (
  SELECT FROM pg_locks WHERE locktype = 'object' AND database = 0 AND classid = 'pg_database'::regclass AND objid = d.oid
    AND mode IN ('ShareLock', 'AccessExclusiveLock'))"""
"""Not those that somebody wants to drop, rename or copy: PostgreSQL waits 5 s for the last connection to go, so ours goes."""


class MasterAway(Exception):  # noqa: N818 (a state, not a mistake)
    """The master can't be asked now."""


@dataclass(frozen=True)
class Address:
    """Where the master is; the password stays out of every message."""

    host: str
    port: int
    password: str = field(repr=False)
    name: str = "bdc compute"
    encryption: Mapping[str, Any] = field(default_factory=dict)
    """Settings of libpq."""


class DatabaseLink:
    """One connection to one database. ``changed`` is set when the catalog was told to have changed."""

    def __init__(self, address: Address, database: str, *, listen: bool = True) -> None:
        self.database = database
        self.changed = asyncio.Event()
        self.connections = 0
        """How many there were: another one may lead to another database of the same name."""

        self._address = address
        self._listen = listen
        self._connection: psycopg.AsyncConnection[tuple[Any, ...]] | None = None
        self._cursor: psycopg.AsyncCursor[tuple[Any, ...]]
        """Of the connection, for all its statements: making one costs half as much as asking."""

        self._lock = asyncio.Lock()
        self._connecting = asyncio.Lock()

    @property
    def connected(self) -> bool:
        """Is there a connection, as far as is known?"""
        return self._connection is not None

    async def connect(self) -> None:
        """Where there is no connection yet; MasterAway when it fails."""
        async with self._connecting:
            if self._connection is None:
                await self._connect()

    async def _connect(self) -> None:
        address = self._address
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                connection = await psycopg.AsyncConnection.connect(
                    host=address.host, port=address.port, user=ROLE, password=address.password, dbname=self.database,
                    application_name=address.name, autocommit=True, connect_timeout=5, options=SESSION, **address.encryption,
                )  # fmt: skip
                connection.add_notify_handler(lambda _: self.changed.set())
                if self._listen:
                    await connection.execute(f"LISTEN {CHANNEL}")
        except (psycopg.Error, OSError, TimeoutError) as error:
            raise MasterAway(_reason(error)) from error
        self._connection, self._cursor = connection, connection.cursor()
        self.connections += 1
        self._watch()

    def _watch(self) -> None:
        """Between statements, bytes from the server mean a notification or the end of the connection."""
        if self._connection is not None:
            asyncio.get_running_loop().add_reader(self._connection.fileno(), self._readable)

    def _unwatch(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                asyncio.get_running_loop().remove_reader(self._connection.fileno())

    def _readable(self) -> None:
        self._unwatch()
        self.changed.set()

    async def ask(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of a statement; MasterAway when the connection is or gets lost, or the answer takes too long."""
        async with self._lock:
            if self._connection is None:
                raise MasterAway("not connected")
            self._unwatch()
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._cursor.execute(query.encode(), parameters or None)
                    rows = await self._cursor.fetchall()
            except (psycopg.Error, OSError, TimeoutError) as error:
                await self.close()
                raise MasterAway(_reason(error)) from error
            self._watch()
            return rows

    async def close(self) -> None:
        """Give the connection up."""
        self._unwatch()
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                await connection.close()


def _reason(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


Compare = Callable[[Mapping[str, Any], Callable[[], Awaitable[Mapping[str, Any]]]], Awaitable[Standing]]
"""``pools.compute.loads.standing``: an answer of ``pool_snapshot``, and how to ask once more."""


class Followed:
    """One user database: its link, its catalog, and the task that keeps both."""

    def __init__(self, address: Address, database: str, unseal: snapshot.Open, compare: Compare | None) -> None:
        self.link = DatabaseLink(address, database)
        self._compare = compare
        self.catalog = snapshot.empty(database)
        self.known = asyncio.Event()
        """The catalog was read once, or the first try failed."""

        self._unseal = unseal
        self._raw: object = None
        self._read_on = 0
        """Through which of the link's connections the catalog was read."""

        self._turn = asyncio.Lock()
        self._next: asyncio.Task[ReadState | None] | None = None
        self.task = asyncio.create_task(self._follow())

    @property
    def unread(self) -> bool:
        """Was there never a catalog?"""
        return self._raw is None

    async def _follow(self) -> None:
        wait = FIRST_WAIT
        while True:
            try:
                if not self.link.connected:
                    await self.link.connect()
                self.link.changed.clear()
                await self.read()
                wait = FIRST_WAIT
                self.known.set()
                await self.link.changed.wait()
            except MasterAway as away:
                log.warning("the master is away", database=self.link.database, why=str(away), next_try_seconds=wait)
                self.known.set()
                await asyncio.sleep(wait)
                wait = min(LONGEST_WAIT, wait * 2)

    async def read(self) -> Snapshot:
        """Read the catalog; MasterAway. An unchanged one stays the same object, with its plans."""
        async with self._turn:  # one after the other, so that an older one never replaces a newer one
            return await self._read()

    async def _read(self) -> Snapshot:
        asked_on = self.link.connections
        rows = await self.link.ask("SELECT bdc.pool_catalog()")
        content = rows[0][0]
        if content != self._raw:
            self.catalog = await asyncio.to_thread(snapshot.read, content, self._unseal)
            self._raw = content
            log.info("catalog read", database=self.link.database, version=self.catalog.version, tables=len(self.catalog.virtual_tables))
            for name, why in self.catalog.broken.items():
                log.warning("a credential can't be opened", database=self.link.database, source=name, why=why)
        self._read_on = asked_on
        return self.catalog

    def confirm(self) -> asyncio.Task[ReadState | None]:
        """Ask whether the catalog is the newest, and for the state of the data pool. All who come before the question is sent share
        its answer: a notification of a change comes a moment after the COMMIT that made it, and whoever committed must not be
        answered from before it."""
        if self._next is None:
            self._next = asyncio.create_task(self._confirm())
        return self._next

    async def _confirm(self) -> ReadState | None:
        async with self._turn:
            self._next = None
            with contextlib.suppress(MasterAway):
                if self.catalog.has_data:  # without its state nothing is read: don't wait for the next try of the task
                    await self.link.connect()
                for _ in range(CONFIRMATIONS):
                    state = await self._asked_state() if self.catalog.has_data else None
                    version = state["version"] if state is not None else (await self.link.ask("SELECT bdc.pool_version()"))[0][0]
                    if isinstance(self._raw, dict) and version == self._raw.get("version") and self._read_on == self.link.connections:
                        break
                    await self._read()  # it may be newer than the state: a table that was moved meanwhile would be refused as such
                return None if state is None else ReadState.read(state, await self._standing(state))
            return None

    async def _standing(self, state: Mapping[str, Any]) -> Standing:
        return Standing() if self._compare is None else await self._compare(state, self._asked_state)

    async def _asked_state(self) -> dict[str, Any]:
        state: dict[str, Any] = (await self.link.ask("SELECT bdc.pool_snapshot()"))[0][0]
        return state

    async def stop(self) -> None:
        """Give it up."""
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        await self.link.close()


Retain = Callable[[Collection[DataSource]], None]


class Master:
    """``Catalogs`` over all user databases. ``retain`` is told the sources of all of them when some have changed; it may block."""

    def __init__(self, address: Address, unseal: snapshot.Open, retain: Retain = lambda sources: None) -> None:
        self._address = address
        self._unseal = unseal
        self._retain = retain
        self.compare: Compare | None = None
        """Where there is a data pool; set before ``first``."""

        self._retained: dict[str, str] = {}
        self._system = DatabaseLink(address, SYSTEM, listen=False)
        self._followed: dict[str, Followed] = {}
        self._looking = asyncio.Lock()
        self._wanted_system = False
        self._verifiers: dict[Identity, str] = {}
        self._rights: dict[tuple[str, str, tuple[str, str]], float] = {}
        self._app_readers: dict[tuple[str, str], float] = {}

    async def look(self) -> None:
        """Follow new databases, leave dropped ones; MasterAway."""
        async with self._looking:
            if not self._system.connected:
                await self._system.connect()
            rows = await self._system.ask(_DATABASES)
            names = {str(row[0]) for row in rows if row[0] != SYSTEM or self._wanted_system}
            for name in self._followed.keys() - names:
                await self._followed.pop(name).stop()
            for name in names - self._followed.keys():
                self._followed[name] = Followed(self._address, name, self._unseal, self.compare)

    async def first(self) -> None:
        """Wait until the master was seen and every catalog was tried once."""
        wait = FIRST_WAIT
        while True:
            try:
                await self.look()
                break
            except MasterAway as away:
                log.warning("waiting for the master", why=str(away))
                await asyncio.sleep(wait)
                wait = min(LONGEST_WAIT, wait * 2)
        for followed in list(self._followed.values()):
            await followed.known.wait()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            with contextlib.suppress(MasterAway):
                await self.look()
            await self._let_go()

    async def _let_go(self) -> None:
        """What no catalog has any more must keep no sessions."""
        catalogs = [followed.catalog for followed in self._followed.values()]
        versions = {catalog.database: catalog.version for catalog in catalogs}
        if versions != self._retained:
            await asyncio.to_thread(self._retain, [source for catalog in catalogs for source in catalog.sources.values()])
            self._retained = versions

    async def stop(self) -> None:
        """Close all connections."""
        for followed in self._followed.values():
            await followed.stop()
        self._followed.clear()
        await self._system.close()

    def databases(self) -> tuple[str, ...]:
        """Those that are followed now."""
        return tuple(self._followed)

    def connected(self) -> dict[str, bool]:
        """The same, and whether the connection is there; from any thread."""
        return {name: followed.link.connected for name, followed in list(self._followed.items())}

    def current(self, database: str) -> Snapshot:
        """See ``Catalogs``."""
        followed = self._followed.get(database)
        return followed.catalog if followed is not None else snapshot.empty(database)

    def confirm(self, database: str) -> asyncio.Task[ReadState | None] | None:
        """See ``Catalogs``."""
        followed = self._followed.get(database)
        if followed is None or not (followed.link.connected or followed.catalog.has_data):
            return None
        return followed.confirm()

    async def refresh(self, database: str) -> Snapshot:
        """See ``Catalogs``."""
        followed = self._followed.get(database)
        if followed is None:
            return snapshot.empty(database)
        try:
            if followed.unread:  # made or renamed a moment ago: what is not known yet is not missing
                await followed.link.connect()
            return await followed.read()
        except MasterAway:
            followed.link.changed.set()  # let its task connect again
            if followed.unread:
                raise StatementError(
                    "57P03", f'the definitions of database "{database}" can\'t be read just now', hint="Try again."
                ) from None
            return followed.catalog

    async def exists(self, database: str) -> bool:
        """See ``Catalogs``."""
        if database not in self._followed:
            self._wanted_system = self._wanted_system or database == SYSTEM
            with contextlib.suppress(MasterAway):
                await self.look()
            if database in self._followed:
                await self._followed[database].known.wait()
        return database in self._followed

    async def verifier(self, identity: Identity) -> str | None:
        """See ``Catalogs``. With the master away the last known verifier still serves who logged in before."""
        if not await self.exists(identity.database):
            return None
        try:
            if identity not in self._verifiers:  # nothing else can answer: don't wait for the next try of the task
                await self._followed[identity.database].link.connect()
            found = await self._valid_verifiers(identity.database, [identity.user])
        except MasterAway:
            if identity not in self._verifiers:  # which is not to say that the password is wrong
                raise StatementError("57P03", "the login can't be checked: the master does not answer", hint="Try again.") from None
            return self._verifiers[identity]
        verifier = found.get((identity.user, identity.mapping))
        if verifier is None:
            self._verifiers.pop(identity, None)
        else:
            self._verifiers[identity] = verifier
        return verifier

    async def _valid_verifiers(self, database: str, users: Collection[str]) -> dict[tuple[str, bool], str]:
        rows = await self._followed[database].link.ask(
            "SELECT u, v.kind, v.verifier FROM unnest(%s::text[]) AS u, bdc.pool_verifiers(u) AS v "
            "WHERE v.valid_until IS NULL OR v.valid_until > now()",
            [list(users)],
        )
        return {(str(user), kind == "mapping"): str(verifier) for user, kind, verifier in rows if verifier}

    async def revoked(self, identities: Collection[Identity]) -> set[Identity]:
        """Those who may no longer be logged in; nobody while the master is away."""
        gone: set[Identity] = set()
        for database in {identity.database for identity in identities}:
            here = [identity for identity in identities if identity.database == database]
            if database not in self._followed:
                gone.update(here)
                continue
            with contextlib.suppress(MasterAway):
                valid = await self._valid_verifiers(database, {identity.user for identity in here})
                gone.update(identity for identity in here if (identity.user, identity.mapping) not in valid)
        for identity in gone:
            self._verifiers.pop(identity, None)
        return gone

    async def forbidden(self, identity: Identity, tables: Collection[tuple[str, str]]) -> tuple[str, str] | None:
        """See ``Catalogs``; StatementError 57P03 while the master can't be asked: a right that is not known is not given."""
        now = time.monotonic()
        self._rights = {key: until for key, until in self._rights.items() if until > now}
        unknown = [table for table in tables if (identity.database, identity.user, table) not in self._rights]
        if not unknown:
            return None
        try:
            rows = await self._followed[identity.database].link.ask(
                "SELECT s, t FROM unnest(%s::text[], %s::text[]) AS x(s, t) WHERE bdc.pool_privileges(%s, s, t)",
                [[schema for schema, _ in unknown], [name for _, name in unknown], identity.user],
            )
        except (MasterAway, KeyError):
            raise StatementError("57P03", "your rights can't be checked: the master is away", hint="Try again.") from None
        allowed = {(str(schema), str(name)) for schema, name in rows}
        for table in allowed:
            self._rights[identity.database, identity.user, table] = now + RIGHTS_SECONDS
        return next((table for table in unknown if table not in allowed), None)

    async def session_origin(self, origin: Origin, session: str) -> str | None:
        """The address of that session's client; None where it can't be known, or the session is somebody else's."""
        try:
            rows = await self._followed[origin.database].link.ask("SELECT bdc.pool_session_origin(%s, %s)", [session, origin.user])
        except (MasterAway, KeyError):
            return None
        return str(rows[0][0]) if rows[0][0] is not None else None

    async def may_call_apps(self, identity: Identity) -> bool:
        """See ``Catalogs``."""
        now, key = time.monotonic(), (identity.database, identity.user)
        self._app_readers = {known: until for known, until in self._app_readers.items() if until > now}
        if key in self._app_readers:
            return True
        try:
            rows = await self._followed[identity.database].link.ask("SELECT bdc.pool_app_reader(%s)", [identity.user])
        except (MasterAway, KeyError):
            raise StatementError("57P03", "your rights can't be checked: the master is away", hint="Try again.") from None
        if rows[0][0]:
            self._app_readers[key] = now + RIGHTS_SECONDS
        return bool(rows[0][0])
