"""PostgreSQL roles kept in step with the user file; compared in each pass, changed only where they differ.

What is compared: each user's verifier and groups at the master, and the record ``roles.json`` of what was carried out whole (a role
alone is not enough: its mappings lie in every database, and a pass may die between them). Who comes from the directory has besides an end
of the login (VALID UNTIL), the PostgreSQL roles of the groups, and no sessions once the login is over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from controller.auth.directory.members import asked
from controller.auth.users import User, Users
from controller.errors import NotReadyError, RoleSyncError
from controller.spec import ClusterSpec, port_numbers
from controller.store import Store
from pools.ldap import DIRECTORY

FILE = "roles.json"
GROUPS_FILE = "group_roles.json"
"""Every PostgreSQL role that the spec ever gave to groups: memberships in them are the directory's, also once the spec forgets one."""
SUPERUSER = "bdc_controller"
GROUPS = {"admin": "bdc_admin", "user": "bdc_user", "app-reader": "bdc_app_reader", "app-owner": "bdc_app_reader"}
OBSERVE = """
    SELECT r.rolname, r.rolcanlogin, r.rolpassword,
           ARRAY(SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid ORDER BY 1)
    FROM pg_authid r WHERE r.rolname = ANY(%s)
"""


@dataclass(frozen=True)
class _Seen:
    can_login: bool
    verifier: str | None
    groups: frozenset[str]


@dataclass(frozen=True)
class _Groups:
    """PostgreSQL roles that the spec gives to groups now, and those that it ever gave: nobody keeps one that it forgot."""

    named: frozenset[str]
    managed: frozenset[str]

    def given(self, user: User) -> frozenset[str]:
        """By the user's groups; none once the login is over, so that nothing runs with them for him."""
        known = user.get("directory")
        return frozenset(known["sql"]) & self.named if known is not None and known["ended"] is None else frozenset()


def _may_log_in(user: User) -> bool:
    known = user.get("directory")
    return known is None or known["ended"] is None


def _asked(user: User) -> bool:
    """Whether the directory is asked about the password; about nobody's whose login is over."""
    known = user.get("directory")
    return known is not None and known["ended"] is None and asked(known)


class RoleSync:
    """``dsn(spec)`` is a connection string of the master's superuser, password included; it stays out of messages."""

    def __init__(self, users: Users, store: Store, dsn: Callable[[ClusterSpec], str]) -> None:
        self._users = users
        self._store = store
        self._dsn = dsn

    def __call__(self, spec: ClusterSpec) -> str | None:
        """One comparison. Returns what was changed; NotReadyError without the master, RoleSyncError for what could not be done."""
        wanted, removed = self._users.all(), self._users.removed()
        managed, dsn = self._managed(spec), self._dsn(spec)
        with _postgresql_errors():
            seen = _observe(dsn, [user["name"] for user in wanted] + sorted(managed))
        record = self._record()
        changes: list[tuple[str, Callable[[], None]]] = [
            (f"dropped role {name}", lambda name=name: self._drop(dsn, name))  # type: ignore[misc]
            for name in removed
        ]
        clashing = managed & {user["name"] for user in wanted}  # whoever has the name must not get the group's rights, nor the reverse
        managed -= clashing
        changes += [(f"looked at role {name}", lambda name=name: _refuse_clash(name)) for name in sorted(clashing)]  # type: ignore[misc]
        named = managed & frozenset(spec.spec.security.directory.roles.sql)
        groups = _Groups(named, managed)
        if unfit := sorted(name for name in named if name not in seen or seen[name].can_login):
            changes.append((f"made the groups' roles {', '.join(unfit)}", lambda: _ensure_groups(dsn, unfit)))
        changes += [
            (f"set role {user['name']}", lambda user=user: self._ensure(dsn, user, groups))  # type: ignore[misc]
            for user in wanted
            if user["name"] not in clashing and (record.get(user["name"]) != digest(user) or _differs(user, seen.get(user["name"]), groups))
        ]
        return _carry_out(changes)

    def pending(self) -> frozenset[str]:
        """Users whose role has not followed the user file yet."""
        record = self._record()
        return frozenset(user["name"] for user in self._users.all() if record.get(user["name"]) != digest(user))

    def _ensure(self, dsn: str, user: User, groups: _Groups) -> None:
        from pools.master.group_roles import end_sessions, set_asked, set_group_roles
        from pools.master.roles import ensure_role

        known = user.get("directory")
        until = None if known is None or _asked(user) else datetime.fromtimestamp(known["until"], UTC)
        ensure_role(dsn, user["name"], user["verifier"], [role for role in user["roles"] if role in GROUPS], until, login=_may_log_in(user))
        set_asked(dsn, user["name"], _asked(user))
        if known is not None:
            set_group_roles(dsn, user["name"], groups.given(user), groups.managed)
            if known["ended"] is not None:
                end_sessions(dsn, user["name"])
        self._store.update(FILE, lambda before: {**(before or {}), user["name"]: digest(user)})

    def _drop(self, dsn: str, name: str) -> None:
        from pools.master.roles import drop_role

        drop_role(dsn, name)
        self._store.update(FILE, lambda before: {key: value for key, value in (before or {}).items() if key != name})
        self._users.forget_removed(name)

    def _managed(self, spec: ClusterSpec) -> frozenset[str]:
        named = frozenset(spec.spec.security.directory.roles.sql)
        before = frozenset(self._store.read(GROUPS_FILE) or [])
        if named - before:
            self._store.update(GROUPS_FILE, lambda content: sorted(named | frozenset(content or [])))
        return named | before

    def _record(self) -> dict[str, str]:
        content = self._store.read(FILE)
        return content if isinstance(content, dict) else {}


def master_dsn(spec: ClusterSpec, password: str, host: str = "127.0.0.1", tls: Mapping[str, str] | None = None) -> str:
    """The superuser's connection string; ``tls``: what libpq is told about the master's TLS."""
    from psycopg.conninfo import make_conninfo

    port = port_numbers(spec).master
    return make_conninfo(host=host, port=port, user=SUPERUSER, password=password, dbname="postgres", connect_timeout=5, **(tls or {}))


CERTIFICATE_REPLACED = """
    SELECT 1 FROM pg_catalog.pg_settings AS s WHERE s.name = 'ssl_cert_file'
    AND (pg_catalog.pg_stat_file(s.setting, true)).modification > pg_catalog.pg_conf_load_time() - interval '1 minute'
"""
"""With a minute in which it is loaded once more: a file is written some time before it lies in its place."""


def reload_configuration(dsn: str, *, replaced: bool = False) -> bool:
    """Have the master read its configuration again, certificates with it: no session notices. ``replaced``: only where its certificate's
    file is newer than what it has read. Whether it was told. NotReadyError, RoleSyncError."""
    from pools.master.databases import connect

    with _postgresql_errors(), closing(connect(dsn)) as connection:
        due = not replaced or connection.execute(CERTIFICATE_REPLACED).fetchone() is not None
        if due:
            connection.execute("SELECT pg_catalog.pg_reload_conf()")
        return due


def digest(user: User) -> str:
    """Changes with everything that PostgreSQL has to know of a user."""
    parts: list[Any] = [user["name"], user["verifier"], user["roles"], user["stamp"]]
    known = user.get("directory")
    if known is not None:
        parts += [known["sql"], known["until"], known["ended"], *(["ldap"] if _asked(user) else [])]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _observe(dsn: str, names: list[str]) -> dict[str, _Seen]:
    from pools.master.databases import connect

    with closing(connect(dsn)) as connection:
        rows = connection.execute(OBSERVE, [names]).fetchall()
    return {str(row[0]): _seen(*row[1:]) for row in rows}


def _seen(can_login: Any, verifier: Any, groups: Any) -> _Seen:  # noqa: ANN401 (a row of OBSERVE)
    return _Seen(bool(can_login), verifier, frozenset(groups))


def _refuse_clash(name: str) -> None:
    raise RoleSyncError(f"{name!r} is a user, and a PostgreSQL role for groups too: rename one (spec.security.directory.roles.sql)")


def _ensure_groups(dsn: str, names: list[str]) -> None:
    from pools.master.group_roles import ensure_group_roles

    ensure_group_roles(dsn, names)


def _differs(user: User, seen: _Seen | None, groups: _Groups) -> bool:
    if seen is None or seen.can_login != _may_log_in(user) or seen.verifier != user["verifier"]:
        return True
    if (DIRECTORY in seen.groups) != _asked(user):
        return True
    if "directory" in user and seen.groups & groups.managed != groups.given(user):
        return True
    return seen.groups & frozenset(GROUPS.values()) != {GROUPS[role] for role in user["roles"] if role in GROUPS}


def _carry_out(changes: list[tuple[str, Callable[[], None]]]) -> str | None:
    """Each on its own: one user's trouble does not hold up the others. The master going away ends the round."""
    done: list[str] = []
    failed: list[str] = []
    for sentence, change in changes:
        try:
            with _postgresql_errors():
                change()
            done.append(sentence)
        except RoleSyncError as error:
            failed.append(f"{sentence} failed: {error.message}")
    if failed:
        raise RoleSyncError("; ".join(failed), hint="'bdc logs master-0' shows the master's side")
    return "; ".join(done) or None


@contextmanager
def _postgresql_errors() -> Iterator[None]:
    """Foreign errors stop here. Only the server's primary message is kept: the statement holds a verifier."""
    import psycopg

    try:
        yield
    except psycopg.OperationalError as error:
        raise NotReadyError(f"the master does not answer: {error.diag.message_primary or type(error).__name__}") from None
    except psycopg.Error as error:
        raise RoleSyncError(error.diag.message_primary or type(error).__name__) from None
    except ValueError as error:
        raise RoleSyncError(str(error)) from None
