"""Who gets through to MLflow, with what, and what comes back."""

from __future__ import annotations

import base64
import pathlib
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.patience import PATIENCE
from tests.pools.app.tracking.stand import Stand, stand

API = "/api/2.0/mlflow"
FILE = "/api/2.0/mlflow-artifacts/artifacts/1/run/artifacts/big.bin"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with stand(pathlib.Path(tmp_path_factory.mktemp("t")), body_bytes=1 << 20) as found, found.mlflow():
        yield found


def test_who_may(running: Stand) -> None:
    read, write = ("POST", f"{API}/runs/search"), ("POST", f"{API}/runs/create")
    for roles, reads, writes in (
        (("app-reader",), 200, 403),
        (("app-owner",), 200, 200),
        (("admin",), 200, 200),
        (("user",), 403, 403),
    ):
        assert running.call(*read, *roles).status_code == reads, roles
        assert running.call(*write, *roles).status_code == writes, roles
    refused = running.call(*write, "app-reader").json()
    assert refused == {
        "error_code": "PERMISSION_DENIED",
        "message": "'uappreader' lacks the role 'app-owner' (ask an admin to grant it: bdc user grant uappreader app-owner)",
    }


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic !!!", "Basic " + base64.b64encode(b"admin:admin").decode(), "Digest x"])
def test_nobody_unknown(running: Stand, header: str | None) -> None:
    answer = running.client.get(f"{API}/experiments/get", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Basic realm=")
    assert answer.json()["error_code"] == "UNAUTHENTICATED" and "bdc auth token" in answer.json()["message"]
    assert running.client.get("/nowhere").status_code == 401  # nor learns what there is


def test_tokens_for_others_are_not_good(running: Stand) -> None:
    for audience, expected in (("app", 200), ("gateway", 200), ("storage", 401), ("data", 401)):
        headers = {"Authorization": f"Bearer {running.token('app-owner', audience=audience)}"}
        assert running.client.get(f"{API}/runs/get", headers=headers).status_code == expected, audience


def test_a_browser_gives_the_token_as_a_password(running: Stand) -> None:
    answer = running.client.get("/", auth=("whoever", running.token("app-reader")))
    assert answer.status_code == 200 and "set-cookie" not in answer.headers
    evil = running.client.get("/", auth=("x", running.token("app-reader")), headers={"Origin": "http://evil.example"})
    assert (evil.status_code, evil.json()["error_code"]) == (403, "PERMISSION_DENIED")
    own = {"Origin": f"http://127.0.0.1:{running.port}"}
    assert running.client.post(f"{API}/runs/search", auth=("x", running.token("app-reader")), headers=own).status_code == 200


def test_what_mlflow_hears(running: Stand) -> None:
    told = running.call(
        "GET",
        f"{API}/runs/get?run_id=a%2Fb&x=%20y",
        "app-reader",
        headers={"Cookie": "a=b", "X-Forwarded-For": "127.0.0.1", "User-Agent": "mlflow-python-client/3", "X-Thing": "1"},
    ).json()
    assert (told["method"], told["target"]) == ("GET", f"{API}/runs/get?run_id=a%2Fb&x=%20y")
    assert told["headers"]["host"] == "localhost" and told["headers"]["x-thing"] == "1"
    assert told["headers"]["user-agent"] == "mlflow-python-client/3"
    assert not {"authorization", "cookie", "x-forwarded-for"} & told["headers"].keys()
    assert running.call("GET", f"{API}/runs/teapot", "app-reader").status_code == 418
    assert running.call("HEAD", f"{API}/runs/get", "app-reader").content == b""


def test_what_is_not_served(running: Stand) -> None:
    answer = running.call("POST", f"{API}/gateway-proxy", "admin")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
    assert running.call("GET", f"{API}/runs/%2e%2e/webhooks", "admin").status_code == 404


def test_files_of_any_size_and_bodies_of_some(running: Stand) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(256):
            yield b"y" * 65536

    assert running.call("PUT", FILE, "app-owner", content=pieces()).json()["bytes"] == 16 << 20
    assert running.call("PUT", FILE, "app-owner", content=b"z" * (3 << 20)).json()["bytes"] == 3 << 20
    large = running.call("POST", f"{API}/runs/log-batch", "app-owner", content=b"z" * ((1 << 20) + 1))
    assert large.status_code == 413 and "artifact" in large.json()["message"]
    answer = running.call("GET", "/static-files/large", "app-reader")
    assert len(answer.content) == 64 << 20


def test_an_answer_that_breaks_off_is_no_whole_one(running: Stand) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        running.call("GET", f"{API}/runs/broken", "app-reader")
    assert running.call("GET", f"{API}/runs/get", "app-reader").status_code == 200


def test_metrics(running: Stand) -> None:
    before = running.metrics()
    running.call("GET", f"{API}/runs/get", "app-reader")
    running.client.get(f"{API}/runs/get")
    after = running.metrics()
    for told in (("openbdc_tracking_request_seconds_count", ("read",)), ("openbdc_tracking_requests_refused_total", ("401",))):
        assert after[told] == before.get(told, 0) + 1, told


def test_mlflow_away_and_back(tmp_path: Path) -> None:
    with stand(tmp_path) as found:
        assert found.health() == 503
        answer = found.call("GET", f"{API}/runs/get", "admin")
        assert answer.status_code == 503 and "bdc logs tracking-server" in answer.json()["message"]
        with found.mlflow():
            assert found.health() == 200 and found.call("GET", f"{API}/runs/get", "admin").status_code == 200
        assert found.health() == 503
        assert found.process is not None
        found.process.send_signal(signal.SIGTERM)
        assert found.process.wait(PATIENCE) == 0


def test_where_it_is_not_installed(tmp_path: Path) -> None:
    with stand(tmp_path, missing="pip install it") as found:
        assert found.health() == 200  # the rest of the cluster is ready
        answer = found.call("GET", f"{API}/runs/get", "app-reader")
        assert answer.status_code == 501
        said = "MLflow is not installed on the cluster's machine (pip install it)"
        assert answer.json() == {"error_code": "NOT_IMPLEMENTED", "message": said}
        assert found.client.get(f"{API}/runs/get").status_code == 401
