"""What requests leave in the audit trail, through a real server: who, what, allowed or not, by which rule; and no secret of any kind."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator

import pytest

from controller.api import audit_services
from controller.api.access import ACCESS
from controller.api.audit_services import AuditServices
from controller.api.auditing import ACTIONS, Auditing
from controller.api.services import Services
from controller.errors import NotReadyError
from controller.pool_requests import Replica
from pools.audit import Trail
from pools.audit_entries import Entry
from pools.audit_reading import Wanted
from tests.controller.api import service as served_api
from tests.controller.api.service import ADMIN, PASSWORD, USER, Service
from tests.services.postgresql import free_port

WRONG, TYPED_AS_NAME = "wrong horse battery", "my-secret-typed-as-name"


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, pathlib.Path]]:
    folder = tmp_path_factory.mktemp("audited")
    trail = Trail(folder / "audit.jsonl", "control")
    before = served_api.made

    def made(place: pathlib.Path) -> tuple[Services, served_api.StandInView]:
        services, view = before(place)
        return dataclasses.replace(services, audit=AuditServices(Auditing(trail))), view

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(served_api, "made", made)
        with served_api.served(folder) as service:
            yield service, folder / "audit.jsonl"
    trail.close()


def entries(service: Service, admin: str, **asked: object) -> list[dict[str, object]]:
    answer = service.call("GET", "/api/v1/audit", admin, params=asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, object]] = answer.json()["entries"]
    return found


def short(entry: dict[str, object]) -> tuple[object, ...]:
    return tuple(entry.get(name) for name in ("user", "action", "outcome", "rule", "why"))


def test_who_did_what(audited: tuple[Service, pathlib.Path]) -> None:
    service, file = audited
    admin, alice = service.token(ADMIN), service.token(USER)
    service.client.post("/api/v1/token", json={"username": USER, "password": WRONG})
    service.client.post("/api/v1/token", json={"username": TYPED_AS_NAME, "password": WRONG})
    assert service.call("POST", "/api/v1/users", alice, json={"name": "eve", "password": PASSWORD, "roles": ["admin"]}).status_code == 403
    assert service.call("POST", "/api/v1/users", admin, json={"name": "bob", "password": PASSWORD, "roles": ["user"]}).status_code == 201
    assert service.call("POST", "/api/v1/users", admin, json={"name": "bob", "password": PASSWORD, "roles": ["user"]}).status_code == 409
    assert service.call("GET", "/api/v1/whoami", alice).status_code == 200
    assert service.call("GET", "/api/v1/bdc/logs/master-0", admin).status_code == 200
    assert service.call("GET", "/api/v1/bdc/status", "a.forged.token").status_code == 401
    assert service.call("DELETE", "/api/v1/users/bob", admin).status_code == 204
    found = entries(service, admin)
    assert [short(entry) for entry in found] == [
        (ADMIN, "users.remove", "allowed", "admin", None),
        (None, "api.get", "refused", "user", "invalid_token"),
        (ADMIN, "logs.read", "allowed", "admin", None),
        (ADMIN, "users.add", "failed", "admin", "conflict"),
        (ADMIN, "users.add", "allowed", "admin", None),
        (USER, "users.add", "refused", "admin", "forbidden"),
        (None, "login", "refused", "password", "login_failed"),
        (USER, "login", "refused", "password", "login_failed"),
        (USER, "login", "allowed", "password", None),
        (ADMIN, "login", "allowed", "password", None),
    ]
    assert {entry["origin"] for entry in found} == {"127.0.0.1"} and found[0]["objects"] == ["name=bob"]
    assert found[4]["objects"] == ["name=bob", "roles=user"] and len({entry["request"] for entry in found}) == len(found)
    assert found[0]["session"] == found[-1]["session"] != found[5]["session"] == found[8]["session"]
    assert [entry["action"] for entry in entries(service, admin, action="audit")] == ["audit.query"]
    assert {entry["action"] for entry in entries(service, admin, session=str(found[8]["session"]))} == {"login", "users.add"}
    assert len(entries(service, admin, outcome="refused", user=USER)) == 2
    written = file.read_text()
    for secret in (PASSWORD, WRONG, TYPED_AS_NAME, admin, alice, "a.forged.token", admin.rsplit(".", 1)[1]):
        assert secret not in written


def test_renewals_and_a_copied_refresh_token(audited: tuple[Service, pathlib.Path]) -> None:
    service, file = audited
    admin = service.token(ADMIN)
    first = service.client.post("/api/v1/token", json={"username": USER, "password": PASSWORD}).json()
    renewed = service.client.post("/api/v1/token/refresh", json={"refresh_token": first["refresh_token"]}).json()
    assert service.client.post("/api/v1/token/refresh", json={"refresh_token": first["refresh_token"]}).status_code == 401
    found = entries(service, admin, session=first["refresh_token"].split(".")[0])
    assert [short(entry) for entry in found] == [
        (None, "login.renew", "refused", "refresh token", "invalid_token"),
        (USER, "login.renew", "allowed", "refresh token", None),
        (USER, "login", "allowed", "password", None),
    ]
    for token in (first, renewed):
        assert token["refresh_token"] not in file.read_text() and token["access_token"] not in file.read_text()


BAD = ({"since": "yesterday"}, {"since": "2026-11-22T08:00:00"}, {"outcome": "x"}, {"limit": 0}, {"limit": 100_000}, {"other": 1})


@pytest.mark.parametrize("asked", BAD)
def test_bad_questions(audited: tuple[Service, pathlib.Path], asked: dict[str, object]) -> None:
    service, _ = audited
    answer = service.call("GET", "/api/v1/audit", service.token(ADMIN), params=asked)
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "invalid_request", answer.text


def test_services_that_do_not_answer_are_named_and_the_rest_is_told(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trail = Trail(tmp_path / "audit.jsonl", "control")
    trail.note(Entry("a", "allowed", "x"))
    away = Replica("compute-0", {"host": "127.0.0.1", "port": str(free_port()), "dbname": "bdc"})

    def problems(services: AuditServices) -> list[tuple[str, bool]]:
        entries, told = services.find(Wanted())
        assert [entry["action"] for entry in entries] == ["a"]
        return [(one.service, one.problem is not None) for one in told]

    def unknown() -> tuple[Replica, ...]:
        raise NotReadyError("not yet")

    own, nowhere = Auditing(trail), f"host=127.0.0.1 port={free_port()}"
    assert problems(AuditServices(own)) == [("control", False)]
    assert problems(AuditServices(own, unknown)) == [("control", False), ("compute", True)]
    assert problems(AuditServices(own, lambda: (away,), lambda: nowhere)) == [("control", False), ("compute-0", True)]
    monkeypatch.setattr(audit_services, "owner_secret", lambda dsn: "a secret")
    services = AuditServices(own, lambda: (away,))
    assert problems(services) == [("control", False), ("compute-0", True)]
    assert "a secret" not in str(services.find(Wanted()))
    trail.close()


def test_every_route_that_changes_something_has_a_name() -> None:
    assert ACTIONS.keys() <= ACCESS.keys()
    assert sorted(key for key in ACCESS if key[0] != "GET" and key not in ACTIONS) == []
