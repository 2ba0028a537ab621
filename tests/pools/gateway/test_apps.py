"""Apps through the gateway: their proxy judges the token, and answers as without it."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from controller.api import apps
from pools.app.settings import ProxySettings
from pools.gateway import routes
from tests.apps.folders import python
from tests.controller.api.service import ADMIN, served
from tests.pools.app.stand import Stand, stand
from tests.pools.gateway.running import Running, error, gateway

CODE = """
    def run(n):
        return n * 2
"""


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with stand(pathlib.Path(tmp_path_factory.mktemp("proxy"))) as found:
        found.create(python(tmp_path_factory.mktemp("app"), CODE, inputs="{n: int}"))
        yield found


@pytest.fixture(scope="module")
def running(proxy: Stand, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    api = str(proxy.api.client.base_url).rstrip("/")
    with gateway(tmp_path_factory.mktemp("gateway"), controller=api, apps=f"127.0.0.1:{proxy.port}") as found:
        yield found


def test_an_app_is_called_with_the_login_of_all_else(running: Running, proxy: Stand) -> None:
    services = proxy.api.services
    login = services.tokens.begin(services.users.get(ADMIN)).access
    with running.client(login) as client:
        answer = client.post("/api/app/t/v1/run", json={"n": 21}, headers={"X-Request-Id": "mine-2"})
        assert (answer.status_code, answer.json()["outputParameters"]) == (200, {"result": 42})
        assert answer.headers["x-request-id"] == "mine-2"
        assert client.get("/api/app/t/v1/swagger.json").status_code == 200
        assert client.get("/api/v1/whoami").json()["name"] == ADMIN
        wrong = client.post("/api/app/t/v1/run", json={"n": "x"})
        assert wrong.status_code == 422
        large = client.post("/api/app/t/v1/run", content=b"x" * (17 << 20))
        assert large.status_code == 413
        assert client.post("/api/app/t/v1/run", json={"n": 1}).json()["outputParameters"] == {"result": 2}


def test_a_package_passes_up_to_its_own_limit(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        served(tmp_path_factory.mktemp("api")) as api,
        gateway(tmp_path_factory.mktemp("gateway"), controller=str(api.client.base_url).rstrip("/")) as running,
        running.client(api.token(ADMIN)) as client,
    ):
        for method in ("POST", "PUT"):
            answer = client.request(method, "/api/v1/apps", content=b"x" * 3_000_000)
            assert answer.json() == {"asked": f"{method} /api/v1/apps", "by": ADMIN, "bytes": 3_000_000}
        for path in ("/api/v1/apps/token", "/api/v1/apps/", "/api/v1/users"):
            assert client.post(path, content=b"x" * 70_000).status_code == 413, path
    assert routes.PACKAGE_BYTES == apps.MAX_UPLOAD == ProxySettings(0, "", "", "").upload_bytes


def test_who_may_not(running: Running, proxy: Stand) -> None:
    services = proxy.api.services
    with running.client() as client:
        for token in (None, "x.y.z", services.tokens.begin(services.users.get(ADMIN), "compute").access, running.token(ADMIN)):
            answer = client.post("/api/app/t/v1/run", json={"n": 1}, headers={"Authorization": f"Bearer {token}"} if token else {})
            assert answer.status_code == 401, answer.text
        for path in ("/api/app", "/api/v1x/apps", "/healthz/x", "/swagger.json"):
            assert error(client.get(path))["code"] == "not_found"


def test_a_cluster_without_apps_says_so(tmp_path: pathlib.Path) -> None:
    with gateway(tmp_path) as running, running.client(running.token(ADMIN)) as client:
        answer = client.post("/api/app/t/v1/run", json={})
        assert (answer.status_code, error(answer)["message"]) == (404, "this cluster serves no apps")
