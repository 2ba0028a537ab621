"""Every route × every kind of caller, and every trick with tokens that we know of."""

from __future__ import annotations

import base64
import dataclasses
import json
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI

from controller.api.access import ACCESS, check_table, guarded_router
from controller.api.app import create_app
from tests.controller.api.service import ADMIN, USER, Service, served

VALUES = {"{service}": "sql", "{resource}": "master-0", "{name}": "alice", "{workload}": "master-0", "{role}": "user", "{number}": "1"}
BODIES: dict[tuple[str, str], dict[str, Any]] = {}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with served(pathlib.Path(tmp_path_factory.mktemp("api"))) as found:
        yield found


def url(path: str) -> str:
    path = path.replace("endpoints/{name}", "endpoints/controller")
    for place, value in VALUES.items():
        path = path.replace(place, value)
    return path


def forged(service: Service) -> dict[str, str]:
    """Tokens that must not pass, by what is wrong with them."""
    good = service.token(ADMIN)
    claims = jwt.decode(good, options={"verify_signature": False})
    key, other = service.services.keys.signing(), Ed25519PrivateKey.generate()
    public = key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def signed(changes: dict[str, Any], private: Any = key.private, kid: str = key.kid) -> str:
        content = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return jwt.encode(content, private, algorithm="EdDSA", headers={"kid": kid})

    def raw(header: dict[str, Any], signature: bytes = b"") -> str:
        parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
        return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)

    import hashlib
    import hmac

    head = raw({"alg": "HS256", "kid": key.kid}).rsplit(".", 1)[0]
    confused = head + "." + base64.urlsafe_b64encode(hmac.new(public, head.encode(), hashlib.sha256).digest()).decode().rstrip("=")
    now = int(time.time())
    return {
        "no token": "",
        "expired": signed({"iat": now - 100, "exp": now - 1}),
        "other key": signed({}, other),
        "unknown kid": signed({}, other, "nobody"),
        "other audience": service.services.tokens.begin(service.services.users.get(ADMIN), "compute").access,
        "other issuer": signed({"iss": "openbdc:other"}),
        "no expiry": signed({"exp": None}),
        "no stamp": signed({"stamp": None}),
        "old stamp": signed({"stamp": "old"}),
        "unknown user": signed({"sub": "nobody"}),
        "alg none": raw({"alg": "none", "kid": key.kid}),
        "HMAC over the public key": confused,
        "cut": good[:-4],
        "garbage": "a.b.c",
        "long": "x" * 9000,
    }


@pytest.mark.parametrize("route", [("GET", "/api/v1/whoami"), ("POST", "/api/v1/users"), ("GET", "/api/v1/bdc/metrics")])
def test_every_bad_token_is_refused(service: Service, route: tuple[str, str]) -> None:
    """Every route with the plainer ones: tests/matrix/test_http.py."""
    for what, token in forged(service).items():
        answer = service.call(*route, token or None, json=None)
        assert answer.status_code == 401, (what, answer.text)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["error"]["code"] == "invalid_token"


def test_users_reach_what_is_theirs_and_nothing_else(service: Service) -> None:
    for (method, path), rule in ACCESS.items():
        token = service.token(USER)  # a new one: two of the routes end a login
        status = service.call(method, url(path), token).status_code
        assert (status == 403) == (rule in ("admin", "app-reader", "app-owner")), (method, path, status)
        if rule == "self":
            assert service.call(method, url(path).replace("alice", ADMIN), service.token(USER)).status_code == 403


def test_admins_pass_everywhere(service: Service) -> None:
    token = service.token(ADMIN)
    for method, path in ACCESS:
        if method == "GET":
            named = path.startswith("/api/v1/apps/{name}/{version}")  # there is none
            assert service.call(method, url(path), token).status_code == (404 if named else 200), path


def test_a_token_for_another_service_is_issued_on_request(service: Service) -> None:
    body = {"username": USER, "password": "correct horse battery", "audience": "storage"}
    token = service.call("POST", "/api/v1/token", json=body).json()["access_token"]
    key = service.call("GET", "/.well-known/jwks.json").json()["keys"][0]
    claims = jwt.decode(token, jwt.PyJWK(key), algorithms=["EdDSA"], audience="storage", issuer="openbdc:test-id")
    assert (claims["sub"], claims["roles"]) == (USER, ["user"])
    assert service.call("POST", "/api/v1/token", json={**body, "audience": "x"}).status_code == 400


def test_a_route_without_a_rule_does_not_start() -> None:
    app = create_app(None)
    router = guarded_router("more")
    router.get("/api/v1/secret")(lambda: "x")
    app.router.routes.extend(router.routes)
    with pytest.raises(RuntimeError, match="/api/v1/secret"):
        check_table(app)
    with pytest.raises(RuntimeError, match="rules without a route"):
        check_table(FastAPI(openapi_url=None))


def test_a_route_that_slipped_in_unruled_is_refused_anyway(service: Service) -> None:
    app = create_app(dataclasses.replace(service.services))
    router = guarded_router("more")
    router.get("/api/v1/secret")(lambda: "x")
    app.router.routes.extend(router.routes)
    import asyncio

    import httpx

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.get("/api/v1/secret", headers={"Authorization": f"Bearer {service.token(ADMIN)}"})

    assert asyncio.run(ask()).status_code == 403
