"""The cluster's users, in ``users.json`` of the store: names, roles, password hashes and SCRAM verifiers, never a password. Local users,
and who has logged in with a directory account (``controller.auth.directory.members``); a name belongs to one of them.

A removed user leaves a tombstone until the master's role is gone too (see ``controller.roles``); until then the name can't be
taken again, so that nobody inherits rights.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from typing import Any, Literal, NotRequired, TypedDict

from controller.auth.passwords import PasswordHash, check_rules, hash_password, verify_password
from controller.errors import ConflictError, RequestError, StoreError, UnknownNameError
from controller.store import Store
from pools.master.scram import scram_verifier

FILE = "users.json"
VERSION = 1
NAME = re.compile(r"[a-z][a-z0-9_.-]{0,30}")
RESERVED = re.compile(r"bdc[_-].*|pg_.*|postgres|public|none|root|hdfs|hadoop|supergroup|current_user|session_user|current_role")

Role = Literal["admin", "user", "app-owner", "app-reader"]
ROLES: tuple[Role, ...] = ("admin", "user", "app-owner", "app-reader")
"""``app-owner`` changes apps and calls them, ``app-reader`` calls them; an admin may do both without holding either."""


class FromDirectory(TypedDict):
    """What is known of somebody who logs in with a directory account. ``id``: the entry's, for ever; ``typed``: the name as it was searched
    for; ``sql``: PostgreSQL roles by groups; ``until``: end of the newest login, Unix seconds; ``nonce``, ``nonce_at``: of the password for
    SQL; ``ended``: why there is no login any more, None: there is one; ``ldap``: PostgreSQL asks the directory about the password, so that
    the login does not end by itself and the verifier is of a password that nobody knows."""

    id: str
    dn: str
    typed: str
    sql: list[str]
    until: float
    nonce: str
    nonce_at: float
    ended: str | None
    ldap: NotRequired[bool]


class User(TypedDict):
    """``stamp`` changes with the password: tokens carry it, so a change revokes them. ``verifier``: PostgreSQL's SCRAM form; None: no login
    with a password. ``password``: None where the directory checks it."""

    name: str
    roles: list[Role]
    password: PasswordHash | None
    verifier: str | None
    stamp: str
    created_at: float
    directory: NotRequired[FromDirectory]


class Content(TypedDict):
    """The document."""

    version: int
    users: dict[str, User]
    removed: dict[str, float]


class Users:
    """The user file. Every call reads it anew: it is small, and ``bdc``'s recovery may have written it meanwhile."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def all(self) -> tuple[User, ...]:
        """Every user, by name."""
        users = self._read()["users"]
        return tuple(users[name] for name in sorted(users))

    def find(self, name: str) -> User | None:
        """The user of that name, or None."""
        return self._read()["users"].get(name)

    def get(self, name: str) -> User:
        """The user of that name, or UnknownNameError."""
        return _known(self._read(), name)

    def removed(self) -> tuple[str, ...]:
        """Names whose PostgreSQL role has still to be dropped."""
        return tuple(sorted(self._read()["removed"]))

    def verify(self, name: str, password: str) -> User | None:
        """The user when the password fits, else None; both take the same time, and so does an unknown name."""
        user = self.find(name)
        return user if verify_password(password, None if user is None else user["password"]) else None

    def add(self, name: str, password: str, roles: tuple[Role, ...] = ("user",)) -> User:
        """A new user. ConflictError when the name is taken or still being removed."""
        check_name(name)
        user = _new_user(name, password, roles)

        def change(content: Content) -> None:
            if name in content["users"]:
                raise ConflictError(f"user {name!r} exists already", where=name, hint=f"change the password with: bdc user passwd {name}")
            if name in content["removed"]:
                raise ConflictError(
                    f"user {name!r} was removed and the master's role of that name is still there",
                    where=name,
                    hint="try again when 'bdc status' shows the master ready",
                )
            content["users"][name] = user

        self.change(change)
        return user

    def remove(self, name: str) -> None:
        """Remove a user and revoke the tokens. ConflictError for the last admin."""

        def change(content: Content) -> None:
            _known(content, name)
            _keep_an_admin(content, without=name)
            del content["users"][name]
            content["removed"][name] = time.time()

        self.change(change)

    def forget_removed(self, name: str) -> None:
        """The PostgreSQL role of a removed user is gone: the name is free again."""
        self.change(lambda content: content["removed"].pop(name, None) and None)

    def set_password(self, name: str, password: str) -> None:
        """A new password; all tokens of the user end here. ConflictError for who has it in the directory."""
        fresh = _new_user(name, password, ())

        def change(content: Content) -> None:
            user = _local(content, name)
            user["password"], user["verifier"], user["stamp"] = fresh["password"], fresh["verifier"], fresh["stamp"]

        self.change(change)

    def grant(self, name: str, role: str) -> None:
        """Give a role; no error when the user has it."""
        known = check_role(role)

        def change(content: Content) -> None:
            user = _local(content, name)
            user["roles"] = ordered({*user["roles"], known})

        self.change(change)

    def revoke(self, name: str, role: str) -> None:
        """Take a role; effective at once, also for tokens that name it. ConflictError for the last admin."""
        known = check_role(role)

        def change(content: Content) -> None:
            user = _local(content, name)
            if known == "user":
                raise ConflictError("every user has the role 'user'", where=name, hint=f"remove the user: bdc user remove {name}")
            if known == "admin":
                _keep_an_admin(content, without=name)
            user["roles"] = ordered(set(user["roles"]) - {known})

        self.change(change)

    def _read(self) -> Content:
        return _content(self.store, self.store.look(FILE))

    def change(self, change: Callable[[Content], object]) -> None:
        """Have ``change`` alter the document in place (parts of a user are replaced, not altered); it may be called more than once."""

        def apply(before: Any) -> Any:  # noqa: ANN401 (what the file holds)
            content = _content(self.store, before)
            fresh = Content(
                version=content["version"],
                users={name: User(**user) for name, user in content["users"].items()},
                removed=dict(content["removed"]),
            )
            change(fresh)
            return fresh

        self.store.update(FILE, apply)


def create_first_admin(store: Store, name: str, password: str) -> None:
    """Make the first admin at create; with the same name again (a create that is completed) the password is set anew."""
    users = Users(store)
    if users.find(name) is None:
        users.add(name, password, ("admin", "user"))
        return
    users.set_password(name, password)
    users.grant(name, "admin")


def recover_admin(store: Store, name: str, password: str) -> None:
    """The way back when no admin can log in: on the machine itself, by whoever may write the store."""
    create_first_admin(store, name, password)


def check_name(name: str) -> None:
    """RequestError unless ``name`` can be a user: it becomes a PostgreSQL role and an HDFS user."""
    if not NAME.fullmatch(name):
        raise RequestError(
            f"{name[:60]!r} can't be a user name",
            where="name",
            hint="a name has up to 31 characters: lower-case letters, digits, '_', '.', '-', starting with a letter",
        )
    if RESERVED.fullmatch(name):
        raise RequestError(f"{name!r} is reserved for the system", where="name", hint="choose another name")


def check_role(role: str) -> Role:
    """The role of that name, or RequestError."""
    for known in ROLES:
        if role == known:
            return known
    raise RequestError(f"there is no role {role[:60]!r}", where="role", hint=f"roles are: {', '.join(ROLES)}")


def _new_user(name: str, password: str, roles: tuple[Role, ...]) -> User:
    check_rules(name, password)
    return User(
        name=name,
        roles=ordered({*roles, "user"}),
        password=hash_password(password),
        verifier=scram_verifier(password),
        stamp=secrets.token_urlsafe(12),
        created_at=round(time.time(), 3),
    )


def ordered(roles: set[Role]) -> list[Role]:
    """In the order of ROLES."""
    return [role for role in ROLES if role in roles]


def _known(content: Content, name: str) -> User:
    user = content["users"].get(name)
    if user is None:
        raise UnknownNameError(f"there is no user {name[:60]!r}", where="name", hint="list them with: bdc user list")
    return user


def _local(content: Content, name: str) -> User:
    user = _known(content, name)
    if "directory" in user:
        raise ConflictError(
            f"{name!r} logs in with a directory account",
            where=name,
            hint="passwords are changed, and roles given by groups, in the directory: bdc auth test NAME",
        )
    return user


def _keep_an_admin(content: Content, without: str) -> None:
    """A local one: who comes from the directory can't log in while it is away."""
    if _is_local_admin(content["users"][without]) and not any(
        _is_local_admin(user) for name, user in content["users"].items() if name != without
    ):
        raise ConflictError(f"{without!r} is the only local admin", where=without, hint="make another one first: bdc user grant NAME admin")


def _is_local_admin(user: User) -> bool:
    return "admin" in user["roles"] and "directory" not in user


def _content(store: Store, raw: Any) -> Content:  # noqa: ANN401 (what the file holds)
    if raw is None:
        return Content(version=VERSION, users={}, removed={})
    place = store.where(FILE)
    if not isinstance(raw, dict) or not isinstance(raw.get("users"), dict) or not isinstance(raw.get("removed"), dict):
        raise StoreError(f"{place} is not a user file", where=place, hint="restore it from a backup")
    if raw.get("version") != VERSION:
        raise StoreError(
            f"{place} has version {raw.get('version')!r}, this controller reads version {VERSION}",
            where=place,
            hint="start the cluster with the version of OpenBDC that wrote it",
        )
    return Content(version=VERSION, users=raw["users"], removed=raw["removed"])
