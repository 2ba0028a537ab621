"""The routes, over HTTP, with a real directory."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from controller.auth.directory.logins import DirectoryLogins
from controller.errors import RateLimitError
from tests.controller.api.service import ADMIN, Service, served
from tests.controller.api.service import PASSWORD as LOCAL_PASSWORD
from tests.services.directory.slapd import GROUPS, PASSWORD, PEOPLE, READER, Slapd
from tests.services.postgresql import free_port


@pytest.fixture
def service(slapd: Slapd, tmp_path: pathlib.Path) -> Iterator[Service]:
    with served(tmp_path) as found:
        directory(found).configure(slapd.settings(), 12)
        yield found
        directory(found).asked().servers.close()


def directory(service: Service) -> DirectoryLogins:
    assert service.services.directory is not None
    return service.services.directory


def test_from_the_search_password_to_the_password_for_sql(service: Service, slapd: Slapd) -> None:
    slapd.person("olga")
    given = {"username": "OLGA", "password": PASSWORD}
    answer = service.client.post("/api/v1/token", json=given)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "directory_refused")
    admin = service.token(ADMIN)  # local users don't notice
    assert service.call("PUT", "/api/v1/auth/search-password", admin, json={"password": PASSWORD}).status_code == 204
    found = service.client.post("/api/v1/token", json=given).json()
    assert (found["username"], found["source"]) == ("olga", "directory")
    sql = service.call("POST", "/api/v1/auth/sql-password", found["access_token"])
    assert sql.headers["cache-control"] == "no-store"
    assert (sql.json()["username"], len(sql.json()["password"])) == ("olga", 32)
    assert service.call("POST", "/api/v1/auth/sql-password", admin).status_code == 409
    users = {user["name"]: user for user in service.call("GET", "/api/v1/users", admin).json()}
    assert (users["olga"]["source"], users["olga"]["login"], users[ADMIN]["source"]) == ("directory", "open", "local")
    changed = service.call("PUT", "/api/v1/users/olga/password", admin, json={"password": LOCAL_PASSWORD})
    assert changed.status_code == 409


def test_wrong_passwords_lock_all_spellings_of_a_name_and_a_silent_directory_none(service: Service, slapd: Slapd) -> None:
    directory(service).set_search_password(PASSWORD)
    slapd.person("paul")
    attempts = service.services.throttle.attempts
    for number in range(attempts):
        name = ("paul", "PAUL", " paul")[number % 3]
        assert service.client.post("/api/v1/token", json={"username": name, "password": "wrong"}).status_code == 401
    locked = service.client.post("/api/v1/token", json={"username": "Paul", "password": PASSWORD})
    assert locked.status_code == 429 and "passwd" not in locked.json()["error"]["hint"], "nobody here can change that password"
    directory(service).configure(slapd.settings(servers=(f"ldaps://127.0.0.1:{free_port()}",)), 12)
    for _ in range(attempts + 1):
        answer = service.client.post("/api/v1/token", json={"username": "rosa", "password": PASSWORD})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "directory_unavailable")
    with pytest.raises(RateLimitError):
        service.services.throttle.check("paul")


def test_a_login_gone_through(service: Service, slapd: Slapd) -> None:
    directory(service).set_search_password(PASSWORD)
    dn = slapd.person("quentin")
    outer = slapd.group("q-outer", slapd.group("q-middle", slapd.group("q-inner", dn)))
    other = slapd.group("q-other")
    slapd.person("twice")
    slapd.person("twice", base=f"ou=staff,{PEOPLE.partition(',')[2]}")
    bases = (PEOPLE, f"ou=staff,{PEOPLE.partition(',')[2]}")
    roles = {"user": (outer,), "admin": (other,), "sql": {"q_role": (outer,)}}
    directory(service).configure(slapd.settings(roles=roles, users={"base": bases}), 12)
    admin = service.token(ADMIN)

    def steps(name: str, password: str | None = None) -> tuple[bool, dict[str, list[str]]]:
        body = {"username": name, "password": password}
        found = service.call("POST", "/api/v1/auth/test", admin, json=body).json()
        said: dict[str, list[str]] = {}
        for step in found["steps"]:
            said.setdefault(step["step"], []).append(f"{step['state']}: {step['message']}")
        assert password is None or password not in str(found)
        return found["may_log_in"], said

    may, said = steps("quentin", PASSWORD)
    assert may
    assert f"ok: {outer}: member through cn=q-inner,{GROUPS} < cn=q-middle,{GROUPS}" in said["group"]
    assert f"note: {other}: not a member" in said["group"]
    assert said["roles"] == ["ok: user; PostgreSQL roles: q_role"]
    assert said["password"] == ["ok: the directory takes it"]
    assert steps("quentin", "wrong")[1]["password"][0].startswith("failed: the directory refused it")
    may, said = steps("twice")
    assert not may and all(base in said["entry"][0] for base in bases)
    assert steps("nobody")[1]["entry"][0].startswith("failed: no entry of this name")
    slapd.change(f"cn=q-inner,{GROUPS}", member=[READER])
    directory(service).configure(slapd.settings(roles=roles), 12)
    assert steps("quentin")[1]["roles"] == ["failed: none: no group that may log in holds this account"]
    directory(service).configure(slapd.settings(servers=(f"ldaps://127.0.0.1:{free_port()}",)), 12)
    assert "nobody listens there" in steps("quentin")[1]["server"][0]
