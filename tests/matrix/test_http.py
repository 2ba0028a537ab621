"""The controller's REST API: every path of the OpenAPI document × every verb × every kind of caller. A route without a rule in the access
table does not start (tests/controller/api/test_access.py), a new one is in here by itself, and a caller that is let in where the table says
no is a wrong cell."""

from __future__ import annotations

import asyncio
import pathlib
import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller.api.access import ACCESS, Rule
from controller.api.app import create_app, document
from controller.api.services import Services
from tests.controller.api.service import ADMIN, USER, made
from tests.matrix.cells import cells

pytestmark = pytest.mark.usefixtures("cheap_hashes")

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
OTHER = "bob"
PEOPLE = {"other user": OTHER, "a reader": "reader", "an owner": "owner"}
VALUES = {"service": "sql", "resource": "master-0", "workload": "master-0", "role": "user", "number": "1", "version": "v1"}
GONE = "nobody"
"""Whom routes that change people name, so that the cells don't change each other."""

REFUSED_ALL = dict.fromkeys(("no token", "expired", "forged", "another cluster's", "other audience", "logged out", "removed user"), "401")
NOBODY_ELSE = {**REFUSED_ALL, "other user": "403", "a reader": "403", "an owner": "403", "wrong role": "403", "right role": "in"}
ALL_USERS = {**REFUSED_ALL, "other user": "in", "a reader": "in", "an owner": "in", "wrong role": "403", "right role": "in"}
DECLARED: dict[Rule, dict[str, str]] = {
    "public": dict.fromkeys(NOBODY_ELSE, "in"),
    "user": ALL_USERS,
    "scraper": ALL_USERS,
    "self": NOBODY_ELSE,
    "admin": NOBODY_ELSE,
    "app-reader": {**NOBODY_ELSE, "a reader": "in", "an owner": "in"},
    "app-owner": {**NOBODY_ELSE, "an owner": "in"},
}
"""Rule → caller → what comes. ``other user``: bob, who has the role ``user``; ``a reader``, ``an owner``: others with that role for apps;
``wrong role``: the right user's token without the role."""

BY_ADMINS = ("admin", "app-reader", "app-owner")
"""Rules whose right caller here is an admin."""
NO_ROUTE = {"no token": "405", "right role": "405"}
"""For a verb that a path does not take."""
ENDING = frozenset({("DELETE", "/api/v1/token"), ("DELETE", "/api/v1/users/{name}/sessions"), ("PUT", "/api/v1/users/{name}/password")})
"""These end logins: each call has one of its own."""


class Callers:
    """Tokens of every kind of caller."""

    def __init__(self, services: Services) -> None:
        self.services = services
        for name in (OTHER, "removed"):
            services.users.add(name, "correct horse battery")
        services.users.add(PEOPLE["a reader"], "correct horse battery", ("app-reader",))
        services.users.add(PEOPLE["an owner"], "correct horse battery", ("app-owner",))
        self._removed = self._good("removed")
        services.users.remove("removed")
        self._known: dict[tuple[str, bool], str | None] = {}

    def token(self, caller: str, rule: Rule, *, fresh: bool) -> str | None:
        """What this kind of caller sends to a route of that rule; None: nothing."""
        kind = (caller, rule in BY_ADMINS)
        if fresh or kind not in self._known:
            self._known[kind] = self._made(caller, ADMIN if rule in BY_ADMINS else USER)
        return self._known.pop(kind) if fresh else self._known[kind]

    def _made(self, caller: str, right: str) -> str | None:
        match caller:
            case "no token":
                return None
            case "expired":
                return self._changed(right, exp=int(time.time()) - 1)
            case "forged":
                return self._changed(right, Ed25519PrivateKey.generate())
            case "another cluster's":
                return self._changed(right, iss="openbdc:another")
            case "other audience":
                return self.services.tokens.begin(self.services.users.get(right), "compute").access
            case "logged out":
                token = self._good(right)
                self.services.tokens.sessions.end(self.services.tokens.check(token).session)
                return token
            case "removed user":
                return self._removed
            case "other user" | "a reader" | "an owner":
                return self._good(PEOPLE[caller])
            case "wrong role":
                return self._changed(right, roles=["user"] if right == ADMIN else [])
            case _:
                return self._good(right)

    def _good(self, name: str) -> str:
        return self.services.tokens.begin(self.services.users.get(name)).access

    def _changed(self, name: str, private: Ed25519PrivateKey | None = None, **claims: Any) -> str:
        content = jwt.decode(self._good(name), options={"verify_signature": False})
        key = self.services.keys.signing()
        return jwt.encode({**content, **claims}, private or key.private, algorithm="EdDSA", headers={"kid": key.kid})


def url(path: str, rule: Rule | None) -> str:
    """With values in the places of its parameters."""
    name = "controller" if "endpoints" in path else USER if rule == "self" else GONE
    for place, value in {**VALUES, "name": name}.items():
        path = path.replace(f"{{{place}}}", value)
    return path


def word(rule: Rule | None, answer: httpx.Response) -> str:
    """``in``: the route itself answered, whatever it said; a status: the caller was kept from it."""
    if rule == "public" and answer.status_code == 401:
        return "in"  # a login that was refused: the route is what was asked
    return str(answer.status_code) if answer.status_code in (401, 403, 405) else "in"


async def ask_all(services: Services, callers: Callers) -> list[tuple[str, str, str]]:
    """(cell, declared, found) of all."""
    app, found = create_app(services), []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", timeout=60) as client:
        for path, operations in document()["paths"].items():
            for verb in VERBS:
                rule = ACCESS.get((verb, path))
                assert (rule is None) == (verb.lower() not in operations), f"{verb} {path}: in the table or in the document alone"
                declared = DECLARED[rule] if rule is not None else NO_ROUTE
                for caller, expected in declared.items():
                    token = callers.token(caller, rule or "user", fresh=(verb, path) in ENDING)
                    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
                    answer = await client.request(verb, url(path, rule), headers=headers)
                    found.append((f"{verb} {path} × {caller}", expected, word(rule, answer)))
    return found


def test_every_path_every_verb_every_caller(tmp_path: pathlib.Path) -> None:
    services, _ = made(tmp_path)
    with cells("http", least=600) as matrix:
        for cell in asyncio.run(ask_all(services, Callers(services))):
            matrix.add(*cell)


def test_a_rule_without_a_declaration_fails() -> None:
    assert set(DECLARED) == set(ACCESS.values()), "each rule in use says here what it means for each caller"
    assert len({tuple(callers) for callers in DECLARED.values()}) == 1
