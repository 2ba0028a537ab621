"""Routes of apps: who may, and that they go on to the proxy as the caller. What the proxy says to them: tests/pools/app."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import jwt
import pytest

from controller.api import apps
from controller.apps import Apps
from tests.controller.api.service import ADMIN, PASSWORD, USER, Service, served


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with served(pathlib.Path(tmp_path_factory.mktemp("api"))) as found:
        for role in ("app-owner", "app-reader"):
            found.services.users.add(role, PASSWORD, (role,))
        yield found


ROUTES = [
    ("POST", "/api/v1/apps/token", "app-reader"),
    ("GET", "/api/v1/apps", "app-reader"),
    ("GET", "/api/v1/apps/house/v1", "app-reader"),
    ("POST", "/api/v1/apps", "app-owner"),
    ("PUT", "/api/v1/apps", "app-owner"),
    ("DELETE", "/api/v1/apps/house/v1", "app-owner"),
    ("GET", "/api/v1/apps/house/v1/log", "app-owner"),
    ("GET", "/api/v1/apps/house/v1/history", "app-reader"),
    ("POST", "/api/v1/apps/house/v1/promote", "app-owner"),
    ("POST", "/api/v1/apps/house/v1/canary?percent=10", "app-owner"),
    ("POST", "/api/v1/apps/house/live/rollback", "app-owner"),
    ("GET", "/api/v1/app-secrets/house", "app-owner"),
    ("PUT", "/api/v1/app-secrets/house/DB_PASSWORD", "app-owner"),
    ("DELETE", "/api/v1/app-secrets/house/DB_PASSWORD", "app-owner"),
]


def test_each_role_does_what_is_its_own(service: Service) -> None:
    tokens = {name: service.token(name) for name in (ADMIN, USER, "app-owner", "app-reader")}
    for method, path, role in ROUTES:
        for name, token in tokens.items():
            inside = name in (ADMIN, "app-owner") or (name == "app-reader" == role)
            answer = service.call(method, path, token)
            assert (answer.status_code != 403) == inside, (method, path, name, answer.text)
            if not inside:
                assert f"lacks the role '{role}'" in answer.json()["error"]["message"]
    assert service.call("GET", "/api/v1/users", tokens["app-owner"]).status_code == 403


def test_it_goes_on_as_the_caller_with_the_whole_package(service: Service) -> None:
    answer = service.call("POST", "/api/v1/apps", service.token("app-owner"), content=b"x" * 300_000)
    assert answer.json() == {"asked": "POST /api/v1/apps", "by": "app-owner", "bytes": 300_000}


def test_what_is_asked_of_the_alias_goes_on_as_it_is(service: Service) -> None:
    token = service.token("app-owner")
    for method, path in (
        ("POST", "/api/v1/apps/house/live/promote"),
        ("POST", "/api/v1/apps/house/v2/canary?percent=0"),
        ("POST", "/api/v1/apps/house/live/rollback"),
        ("DELETE", "/api/v1/apps/house/v1?live=true"),
    ):
        assert service.call(method, path, token).json() == {"asked": f"{method} {path}", "by": "app-owner", "bytes": 0}
    for percent in ("-1", "100", "x", ""):
        answer = service.call("POST", f"/api/v1/apps/house/v2/canary?percent={percent}", token)
        assert (answer.status_code, "percent" in answer.text) == (400, True), answer.text


def test_the_token_is_for_the_proxy_alone_and_ends_with_the_one_that_asked(service: Service) -> None:
    mine = service.token("app-reader")
    found = service.call("POST", "/api/v1/apps/token", mine).json()
    assert found["endpoint"] == "http://127.0.0.1:30778"
    claims, asked = (jwt.decode(token, options={"verify_signature": False}) for token in (found["access_token"], mine))
    assert (claims["aud"], claims["sub"], claims["sid"]) == ("app", "app-reader", asked["sid"])
    assert claims["exp"] <= asked["exp"]
    assert claims["roles"] == ["user", "app-reader"]
    assert service.call("GET", "/api/v1/whoami", found["access_token"]).status_code == 401


def test_a_package_that_is_too_large(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps, "MAX_UPLOAD", 100_000)
    answer = service.call("POST", "/api/v1/apps", service.token("app-owner"), content=b"x" * 200_000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert service.call("POST", "/api/v1/apps", content=b"x" * 200_000).status_code == 401


def test_without_an_app_pool_or_with_one_that_is_down(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    token, tokens = service.token(ADMIN), service.services.tokens
    for proxy, status, said in ((None, 404, "no app pool"), (("127.0.0.1", 1), 503, "does not answer")):
        object.__setattr__(service.services, "apps", Apps(tokens, lambda found=proxy: found))  # type: ignore[misc]
        answer = service.call("GET", "/api/v1/apps", token)
        assert (answer.status_code, said in answer.json()["error"]["message"]) == (status, True)


def test_a_lost_role_counts_at_once(service: Service) -> None:
    service.services.users.add("leaves", PASSWORD, ("app-reader",))
    token = service.token("leaves")
    service.services.users.revoke("leaves", "app-reader")
    assert service.call("POST", "/api/v1/apps/token", token).status_code == 403
