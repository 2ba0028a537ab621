"""Who has logged in with a directory account, in the user file: entered at a login, followed while it lasts, ended.

A name belongs to one entry of the directory, by the entry's id: somebody new who gets an old name inherits nothing. The password for SQL is
made from a key of the cluster and a nonce, so that all machines of a person have the same one, and nothing else has to be kept; the nonce
changes each week, and with the first login after none was left.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from controller.auth.directory.mapping import Rights
from controller.auth.users import Content, FromDirectory, User, Users, check_name, ordered
from controller.errors import ConflictError, RequestError
from controller.store import Store
from pools.master.scram import scram_verifier

FILE = "directory.json"
NONCE_SECONDS = 7 * 86400
CLOSE_SECONDS = 60.0
"""A login that would move the end by less writes nothing."""


@dataclass(frozen=True)
class Person:
    """Somebody whom the directory knows. ``typed``: the name as it is searched for."""

    name: str
    id: str
    dn: str
    typed: str
    rights: Rights


class Secrets:
    """``directory.json`` of the store (0600, or a Kubernetes Secret): the search account's password, the key of the SQL passwords."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def search_password(self) -> str | None:
        """None: it was never set."""
        found = self._read().get("search_password")
        return found if isinstance(found, str) and found else None

    def set_search_password(self, password: str) -> None:
        """Replace it."""
        self._store.update(FILE, lambda before: {**(before or {}), "search_password": password})

    def sql_password(self, name: str, nonce: str) -> str:
        """The password for SQL of that user: 160 bits."""
        key = self._read().get("sql_key")
        if not isinstance(key, str):
            fresh = secrets.token_hex(32)
            key = self._store.update(FILE, lambda before: {"sql_key": fresh, **(before or {})})["sql_key"]
        digest = hmac.digest(str(key).encode(), f"{name}\0{nonce}".encode(), hashlib.sha256)
        return base64.b32encode(digest[:20]).decode().lower()

    def _read(self) -> dict[str, Any]:
        content = self._store.read(FILE)
        return content if isinstance(content, dict) else {}


class Members:
    """The directory's people in the user file. ``clock``: Unix seconds."""

    def __init__(self, users: Users, kept: Secrets, clock: Callable[[], float] = time.time) -> None:
        self._users = users
        self._secrets = kept
        self._clock = clock

    def enter(self, person: Person, seconds: float, *, ldap: bool = False) -> User:
        """The user of a login that lasts ``seconds``; ``ldap``: see ``FromDirectory``. ConflictError where the name is somebody else's,
        RequestError where it can't be one here."""
        until = self._clock() + seconds
        self._users.change(lambda content: self._enter(content, person, until, ldap))
        return self._users.get(person.name)

    def enter_listed(self, persons: Collection[Person]) -> tuple[list[Person], list[str]]:
        """People who never logged in here, so that PostgreSQL asks the directory about them: who was entered, and why others were not. One
        change of the user file for all."""
        entered: list[Person] = []
        refused: list[str] = []

        def change(content: Content) -> None:
            entered.clear()
            refused.clear()
            for person in persons:
                try:
                    self._enter(content, person, self._clock(), True)
                    entered.append(person)
                except (ConflictError, RequestError) as error:
                    refused.append(f"{person.dn}: {error.message}")

        self._users.change(change)
        return entered, refused

    def _enter(self, content: Content, person: Person, until: float, ldap: bool) -> None:
        _check(person)
        if person.name in content["removed"]:
            raise ConflictError(f"user {person.name!r} was removed a moment ago", where=person.name, hint="try again in some seconds")
        old = content["users"].get(person.name)
        if old is not None:
            _same_entry(old, person)
        for other in content["users"].values():
            if other["name"] != person.name and _id(other) == person.id:
                _end(other, f"is called {person.name} in the directory now")
        content["users"][person.name] = self._user(old, person, until, ldap)

    def prolong(self, user: User, seconds: float) -> User:
        """A login that is like one of a moment ago: only its end moves."""
        known = user["directory"]
        if abs(self._clock() + seconds - known["until"]) < CLOSE_SECONDS:
            return user
        rights = Rights(tuple(user["roles"]), tuple(known["sql"]))
        return self.enter(Person(user["name"], known["id"], known["dn"], known["typed"], rights), seconds, ldap=asked(known))

    def follow(self, name: str, person: Person, *, ldap: bool = False) -> bool:
        """Take over what the directory says now of somebody who is logged in; whether anything was different."""

        def alter(user: User) -> bool:
            known = user["directory"]
            if asked(known) == ldap:
                return _followed(user, person)
            after = self._user(user, person, known["until"], ldap)
            user["directory"], user["roles"], user["verifier"] = after["directory"], after["roles"], after["verifier"]
            return True

        return self._altered(name, alter)

    def end(self, name: str, reason: str) -> bool:
        """No login of this user is good any more, whatever it was for; whether there was one."""
        return self._altered(name, lambda user: _end(user, reason))

    def logged_in(self) -> list[User]:
        """Directory users whose login has not been ended."""
        return [user for user in self._users.all() if "directory" in user and user["directory"]["ended"] is None]

    def sql_password(self, user: User) -> str:
        """For a user who is logged in; ConflictError for a local one."""
        if "directory" not in user or user["directory"]["ended"] is not None:
            raise ConflictError(f"{user['name']!r} is no user of the directory who is logged in", hint="local users have their password")
        if asked(user["directory"]):
            raise ConflictError(f"{user['name']!r} has no password for SQL but the directory's", hint="the master takes that one")
        return self._secrets.sql_password(user["name"], user["directory"]["nonce"])

    def _altered(self, name: str, alter: Callable[[User], bool]) -> bool:
        altered: list[bool] = []

        def change(content: Content) -> None:
            user = content["users"].get(name)
            altered[:] = [user is not None and _alive(user) and alter(user)]

        self._users.change(change)
        return altered[0]

    def _user(self, old: User | None, person: Person, until: float, ldap: bool) -> User:
        now, before = self._clock(), old["directory"] if old is not None and _alive(old) else None
        aged = before is not None and (before["until"] <= now or now - before["nonce_at"] > NONCE_SECONDS)
        fresh = before is None or asked(before) != ldap or (aged and not ldap)
        if before is not None and not fresh and abs(before["until"] - until) < CLOSE_SECONDS:
            until = before["until"]
        nonce = secrets.token_urlsafe(12) if before is None or fresh else before["nonce"]
        verifier = old["verifier"] if old is not None and not fresh else None
        known = FromDirectory(
            id=person.id,
            dn=person.dn,
            typed=person.typed,
            sql=list(person.rights.sql),
            until=round(until if before is None else max(until, before["until"]), 3),
            nonce=nonce,
            nonce_at=round(now, 3) if before is None or fresh else before["nonce_at"],
            ended=None,
        )
        if ldap:
            known["ldap"] = True
        return User(
            name=person.name,
            roles=ordered({*person.rights.roles}),
            password=None,
            verifier=verifier or scram_verifier(self._secrets.sql_password(person.name, nonce)),
            stamp=old["stamp"] if old is not None and before is not None else secrets.token_urlsafe(12),
            created_at=old["created_at"] if old is not None else round(now, 3),
            directory=known,
        )


def asked(known: FromDirectory) -> bool:
    """Whether PostgreSQL asks the directory about this one's password."""
    return known.get("ldap", False)


def _alive(user: User) -> bool:
    return "directory" in user and user["directory"]["ended"] is None


def _id(user: User) -> str | None:
    return user["directory"]["id"] if "directory" in user else None


def _check(person: Person) -> None:
    try:
        check_name(person.name)
    except RequestError as error:
        raise RequestError(
            f"your account is called {person.name[:60]!r} in the directory, which can't be a name in the cluster",
            where="spec.security.directory.users.nameAttribute",
            hint=f"{error.hint}; an admin can take another attribute for names",
        ) from None


def _same_entry(old: User, person: Person) -> None:
    if "directory" not in old:
        raise ConflictError(f"{person.name!r} is a local user", where=person.name, hint="local users log in with their own password")
    if old["directory"]["id"] != person.id:
        raise ConflictError(
            f"the name {person.name!r} belonged to another entry of the directory ({old['directory']['dn']}), whose rights are still here",
            where=person.name,
            hint=f"an admin removes them first: bdc user remove {person.name}",
        )


def _followed(user: User, person: Person) -> bool:
    before = user["directory"]
    after = FromDirectory(**{**before, "dn": person.dn, "sql": list(person.rights.sql)})
    roles = ordered({*person.rights.roles})
    changed = after != before or roles != user["roles"]
    user["directory"], user["roles"] = after, roles
    return changed


def _end(user: User, reason: str) -> bool:
    """A new stamp: tokens and sessions of the API are worth nothing. No verifier: nor is the password for SQL."""
    if not _alive(user):
        return False
    user["directory"] = FromDirectory(**{**user["directory"], "ended": reason})
    user["verifier"], user["stamp"] = None, secrets.token_urlsafe(12)
    return True
