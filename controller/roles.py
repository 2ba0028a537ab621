"""PostgreSQL roles kept in step with the user file; compared in each pass, changed only where they differ.

What is compared: each user's verifier and groups at the master, and the record ``roles.json`` of what was carried out whole (a role
alone is not enough: its mappings lie in every database, and a pass may die between them).
"""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from controller.auth.users import User, Users
from controller.errors import NotReadyError, RoleSyncError
from controller.spec import ClusterSpec, port_numbers
from controller.store import Store

FILE = "roles.json"
SUPERUSER = "bdc_controller"
GROUPS = {"admin": "bdc_admin", "user": "bdc_user"}
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


class RoleSync:
    """``dsn(spec)`` is a connection string of the master's superuser, password included; it stays out of messages."""

    def __init__(self, users: Users, store: Store, dsn: Callable[[ClusterSpec], str]) -> None:
        self._users = users
        self._store = store
        self._dsn = dsn

    def __call__(self, spec: ClusterSpec) -> str | None:
        """One comparison. Returns what was changed; NotReadyError without the master, RoleSyncError for what could not be done."""
        wanted, removed = self._users.all(), self._users.removed()
        dsn = self._dsn(spec)
        with _postgresql_errors():
            seen = _observe(dsn, [user["name"] for user in wanted])
        record = self._record()
        changes: list[tuple[str, Callable[[], None]]] = [
            (f"dropped role {name}", lambda name=name: self._drop(dsn, name))  # type: ignore[misc]
            for name in removed
        ]
        changes += [
            (f"set role {user['name']}", lambda user=user: self._ensure(dsn, user))  # type: ignore[misc]
            for user in wanted
            if record.get(user["name"]) != digest(user) or _differs(user, seen.get(user["name"]))
        ]
        return _carry_out(changes)

    def pending(self) -> frozenset[str]:
        """Users whose role has not followed the user file yet."""
        record = self._record()
        return frozenset(user["name"] for user in self._users.all() if record.get(user["name"]) != digest(user))

    def _ensure(self, dsn: str, user: User) -> None:
        from pools.master.roles import ensure_role

        ensure_role(dsn, user["name"], user["verifier"], user["roles"])
        self._store.update(FILE, lambda before: {**(before or {}), user["name"]: digest(user)})

    def _drop(self, dsn: str, name: str) -> None:
        from pools.master.roles import drop_role

        drop_role(dsn, name)
        self._store.update(FILE, lambda before: {key: value for key, value in (before or {}).items() if key != name})
        self._users.forget_removed(name)

    def _record(self) -> dict[str, str]:
        content = self._store.read(FILE)
        return content if isinstance(content, dict) else {}


def master_dsn(spec: ClusterSpec, password_file: pathlib.Path) -> str:
    """The superuser's connection string. NotReadyError while the substrate has not laid the password."""
    from psycopg.conninfo import make_conninfo

    try:
        password = password_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise NotReadyError(f"{password_file} can't be read: {error.strerror}", where=str(password_file)) from None
    port = port_numbers(spec).master
    return make_conninfo(host="127.0.0.1", port=port, user=SUPERUSER, password=password, dbname="postgres", connect_timeout=5)


def digest(user: User) -> str:
    """Changes with everything that PostgreSQL has to know of a user."""
    return hashlib.sha256(json.dumps([user["name"], user["verifier"], user["roles"], user["stamp"]]).encode()).hexdigest()


def _observe(dsn: str, names: list[str]) -> dict[str, _Seen]:
    from pools.master.databases import connect

    with closing(connect(dsn)) as connection:
        rows = connection.execute(OBSERVE, [names]).fetchall()
    return {str(row[0]): _seen(*row[1:]) for row in rows}


def _seen(can_login: Any, verifier: Any, groups: Any) -> _Seen:  # noqa: ANN401 (a row of OBSERVE)
    return _Seen(bool(can_login), verifier, frozenset(groups))


def _differs(user: User, seen: _Seen | None) -> bool:
    if seen is None or not seen.can_login or seen.verifier != user["verifier"]:
        return True
    return seen.groups & frozenset(GROUPS.values()) != {GROUPS[role] for role in user["roles"]}


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
