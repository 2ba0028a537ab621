from __future__ import annotations

import pathlib
import re
import time
from collections.abc import Iterator

import pytest

from controller.api.app import document
from controller.auth.users import recover_admin
from tests.controller.api.service import ADMIN, PASSWORD, USER, Service, served

NEW = "a completely new one"


@pytest.fixture
def service(tmp_path: pathlib.Path) -> Iterator[Service]:
    with served(tmp_path) as found:
        yield found


def test_cluster_status_and_parts(service: Service) -> None:
    token = service.token(USER)
    cluster = service.call("GET", "/api/v1/bdc", token).json()
    assert (cluster["name"], cluster["id"], cluster["state"]) == ("demo", "test-id", "starting")
    assert cluster["spec"]["metadata"]["name"] == "demo"
    tree = service.call("GET", "/api/v1/bdc/status?all=true", token).json()
    assert [node["name"] for node in tree["services"][0]["resources"]] == ["compute-0", "master-0"]
    assert tree["services"][0]["resources"][1]["instances"][0]["state"] == "ready"
    brief = service.call("GET", "/api/v1/bdc/status", token).json()
    assert brief["services"][0]["resources"][1]["instances"] == []
    assert service.call("GET", "/api/v1/bdc/services/sql/status", token).json() == tree["services"][0]
    assert service.call("GET", "/api/v1/bdc/services/sql/resources/master-0/status", token).json()["state"] == "ready"
    missing = service.call("GET", "/api/v1/bdc/services/sql/resources/none/status", token)
    assert (missing.status_code, missing.json()["error"]["hint"]) == (404, "it has: compute-0, master-0")
    assert service.call("GET", "/api/v1/bdc/services/none/status", token).status_code == 404
    assert service.call("GET", "/api/v1/bdc/endpoints", token).json()[0]["name"] == "controller"
    assert service.call("GET", "/api/v1/bdc/endpoints/none", token).status_code == 404
    assert service.call("GET", "/api/v1/keys/sealing", token).json() == {"algorithm": "sealed:v2", "public_key": "c2VhbGluZyBrZXk="}


def test_logs(service: Service) -> None:
    token = service.token(ADMIN)
    assert service.call("GET", "/api/v1/bdc/logs/master-0?lines=2", token).json() == {"lines": ["line 0", "line 1"]}
    assert service.call("GET", "/api/v1/bdc/logs/none", token).status_code == 404
    assert service.call("GET", "/api/v1/bdc/logs/..%2F..%2Fstore%2Fusers.json", token).status_code == 404
    assert service.call("GET", "/api/v1/bdc/logs/master-0?lines=0", token).status_code == 400


def test_whoami(service: Service) -> None:
    answer = service.call("GET", "/api/v1/whoami", service.token(ADMIN)).json()
    assert (answer["name"], answer["roles"]) == (ADMIN, ["admin", "user"])
    assert 0 < answer["expires_at"] - time.time() <= 12 * 3600


def test_life_of_a_user(service: Service) -> None:
    admin = service.token(ADMIN)
    service.view.pending = {"bob"}
    made = service.call("POST", "/api/v1/users", admin, json={"name": "bob", "password": PASSWORD})
    assert made.status_code == 201
    assert (made.json()["roles"], made.json()["sql_role"], service.view.changes) == (["user"], "pending", 1)
    assert service.call("POST", "/api/v1/users", admin, json={"name": "bob", "password": PASSWORD}).status_code == 409
    bob = service.token("bob")
    assert service.call("GET", "/api/v1/users", bob).status_code == 403
    granted = service.call("POST", "/api/v1/users/bob/roles/admin", admin)
    assert granted.json()["roles"] == ["admin", "user"]
    assert service.call("GET", "/api/v1/users", bob).status_code == 403  # the token was issued without the role
    bob = service.token("bob")
    assert [user["name"] for user in service.call("GET", "/api/v1/users", bob).json()] == [USER, "bob", ADMIN]
    assert service.call("DELETE", "/api/v1/users/bob/roles/admin", admin).json()["roles"] == ["user"]
    assert service.call("GET", "/api/v1/users", bob).status_code == 403  # at once, with the old token
    assert service.call("DELETE", "/api/v1/users/bob", admin).status_code == 204
    assert service.call("GET", "/api/v1/whoami", bob).json()["error"]["message"].startswith("the token was revoked")
    assert service.call("POST", "/api/v1/users", admin, json={"name": "bob", "password": PASSWORD}).status_code == 409
    service.services.users.forget_removed("bob")
    assert service.call("POST", "/api/v1/users", admin, json={"name": "bob", "password": PASSWORD}).status_code == 201
    assert service.call("GET", "/api/v1/whoami", bob).status_code == 401  # the old bob's token is not the new bob's


def test_the_last_admin_stays(service: Service) -> None:
    admin = service.token(ADMIN)
    assert service.call("DELETE", f"/api/v1/users/{ADMIN}", admin).json()["error"]["code"] == "conflict"
    assert service.call("DELETE", f"/api/v1/users/{ADMIN}/roles/admin", admin).status_code == 409


def test_changing_ones_own_password_needs_the_old_one_and_ends_all_tokens(service: Service) -> None:
    first, second = service.token(USER), service.token(USER)
    path = f"/api/v1/users/{USER}/password"
    assert service.call("PUT", path, first, json={"password": NEW}).status_code == 400
    assert service.call("PUT", path, first, json={"password": NEW, "old_password": "wrong one"}).status_code == 401
    assert (
        service.call("PUT", path, first, json={"password": "short", "old_password": PASSWORD}).json()["error"]["code"] == "password_rules"
    )
    assert service.call("PUT", path, first, json={"password": NEW, "old_password": PASSWORD}).status_code == 204
    assert service.call("GET", "/api/v1/whoami", second).status_code == 401
    assert service.call("GET", "/api/v1/whoami", service.token(USER, NEW)).status_code == 200


def test_lock_out_is_the_same_for_unknown_names_and_an_admin_ends_it(service: Service) -> None:
    admin = service.token(ADMIN)
    for name in (USER, "nobody-at-all"):
        answers = [service.call("POST", "/api/v1/token", json={"username": name, "password": "wrong wrong"}) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429], name
        assert answers[0].json()["error"]["message"] == "wrong user name or password"
        assert 0 < int(answers[5].headers["retry-after"]) <= 30
    locked = service.call("POST", "/api/v1/token", json={"username": USER, "password": PASSWORD})
    assert locked.status_code == 429
    assert service.call("PUT", f"/api/v1/users/{USER}/password", admin, json={"password": NEW}).status_code == 204
    service.token(USER, NEW)


def test_the_last_admins_lock_out_ends_with_the_recovery(service: Service) -> None:
    """Another process sets the password: ``bdc user recover-admin``, or a controller beside this one."""
    for _ in range(6):
        wrong = service.call("POST", "/api/v1/token", json={"username": ADMIN, "password": "wrong wrong"})
    assert wrong.status_code == 429 and "bdc user recover-admin" in wrong.json()["error"]["hint"]
    recover_admin(service.services.users.store, ADMIN, NEW)
    assert service.call("POST", "/api/v1/token", json={"username": ADMIN, "password": "wrong wrong"}).status_code == 401
    service.token(ADMIN, NEW)


@pytest.mark.parametrize(
    "name", ["", "A", "a b", "../x", "bdc_pool", "bdc-x", "pg_read", "postgres", "x" * 32, "ä", "a'b", "a\x00", "fdw:a", "a\n"]
)
def test_names_that_can_not_be_users(service: Service, name: str) -> None:
    answer = service.call("POST", "/api/v1/users", service.token(ADMIN), json={"name": name, "password": PASSWORD})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["hint"]


def test_errors_have_one_form_and_carry_the_request_id(service: Service) -> None:
    token = service.token(ADMIN)
    cases = [
        (404, service.call("GET", "/nothing")),
        (405, service.call("PUT", "/api/v1/bdc", token)),
        (400, service.call("POST", "/api/v1/token", content=b"{not json")),
        (400, service.call("POST", "/api/v1/token", json={"username": "x"})),
        (400, service.call("POST", "/api/v1/token", json={"username": "x", "password": "geheim-9", "more": 1})),
        (400, service.call("POST", "/api/v1/token", json={"username": 7, "password": ["geheim-9"]})),
        (413, service.call("POST", "/api/v1/token", content=b"x" * 70_000)),
        (413, service.call("POST", "/api/v1/token", content=iter([b"x" * 40_000, b"x" * 40_000]))),
        (401, service.call("GET", "/api/v1/whoami")),
    ]
    for status, answer in cases:
        assert answer.status_code == status, answer.text
        content = answer.json()
        assert set(content) == {"error", "request_id"}
        assert set(content["error"]) == {"code", "message", "where", "hint"}
        assert content["request_id"] == answer.headers["x-request-id"]
        assert "geheim" not in answer.text


def test_a_defect_shows_no_traceback(service: Service) -> None:
    token = service.token(ADMIN)
    service.view.boom = True
    answer = service.call("GET", "/api/v1/bdc", token)
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.json()["error"]["code"] == "internal"
    service.view.boom = False
    assert service.call("GET", "/api/v1/bdc", token).status_code == 200


def test_given_request_ids_are_kept_only_when_harmless(service: Service) -> None:
    assert service.client.get("/healthz", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert re.fullmatch("[0-9a-f]{32}", service.client.get("/healthz", headers={"X-Request-Id": 'a"\\b'}).headers["x-request-id"])


def test_the_description_covers_every_route(service: Service) -> None:
    served_one = service.call("GET", "/api/v1/openapi.json").json()
    assert served_one == document()
    for path, operations in served_one["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert operation["tags"], (method, path)
            assert operation["x-access"] in ("public", "user", "self", "admin", "scraper", "app-reader", "app-owner")
            assert "default" in operation["responses"]
