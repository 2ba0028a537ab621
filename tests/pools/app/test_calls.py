"""Calls through the proxy: the original's envelope, errors that name the field, and nothing that one call does to another."""

from __future__ import annotations

import concurrent.futures
import json
import pathlib
import socket

import pytest

from tests.apps.folders import python
from tests.pools.app.stand import Stand

CODE = """
    import os, time
    def run(do, n):
        if do == "print":
            print("hello")
            open("left.txt", "w").close()
        if do == "raise":
            print("before")
            raise ValueError("bad luck")
        if do == "exit":
            os._exit(3)
        if do == "loop":
            while True: pass
        if do == "nan":
            return float("nan")
        if do == "memory":
            return len([0] * 10**10)
        if do == "flood":
            for _ in range(100):
                print("x" * 100_000)
        return n * 2
"""


@pytest.fixture(scope="module")
def app(proxy: Stand, tmp_path_factory: pytest.TempPathFactory) -> Stand:
    folder = tmp_path_factory.mktemp("app") / "t"
    proxy.create(python(folder, CODE, "{do: str, n: float}", "{result: float}", "timeout: 1\npoolsize: 2\n"))
    return proxy


def test_the_originals_envelope(app: Stand) -> None:
    answer = app.run(do="print", n=2.5)
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True, "errorMessage": "", "outputParameters": {"result": 5.0}, "outputFiles": {}, "consoleOutput": "hello\n",
        "changedFiles": ["left.txt"],
    }  # fmt: skip
    assert len(answer.headers["x-request-id"]) == 32


def test_a_request_id_of_the_callers_own(app: Stand) -> None:
    answer = app.call("POST", "/api/app/t/v1/run", json={"do": "raise", "n": 1}, headers={"X-Request-Id": "mine-1"})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "mine-1"
    log = app.call("GET", "/api/v1/apps/t/v1/log").json()["lines"]
    assert any("request mine-1: app_failed: ValueError: bad luck" in line for line in log)
    assert any("in run" in line for line in log)


@pytest.mark.parametrize(
    ("do", "status", "code", "said"),
    [
        ("raise", 500, "app_failed", "ValueError: bad luck"),
        ("exit", 500, "app_crashed", "exit code 3"),
        ("loop", 504, "app_timeout", "longer than 1 s"),
        ("nan", 500, "app_failed", "NaN"),
        ("memory", 500, "app_failed", "out of memory"),
    ],
)
def test_what_fails_is_one_clear_error_and_the_next_call_is_served(app: Stand, do: str, status: int, code: str, said: str) -> None:
    answer = app.run(do=do, n=1)
    body = answer.json()
    assert (answer.status_code, body["success"], body["error"]["code"]) == (status, False, code)
    assert said in body["errorMessage"]
    assert body["consoleOutput"] == ("before\n" if do == "raise" else "")
    assert app.run(do="", n=1).json()["outputParameters"] == {"result": 2}


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ('{"do": "", "n": "1"}', "n"), ('{"do": "", "n": NaN}', "body"), ('{"do": ""}', "n"), ('{"do": "", "n": 1, "other": 1}', "other"),
        ("[]", "body"), ("{", "body"), ("", "do"), ('{"do": null, "n": 1}', "do"), ('{"do": "", "do": "", "n": 1}', "body"),
        ("\x00", "body"),
        ('{"do": "", "n": 1e999}', "n"), ('{"do": "", "n": true}', "n"), ("[" * 50_000, "body"),
    ],
)  # fmt: skip
def test_a_wrong_input_is_422_and_names_the_field(app: Stand, body: str, where: str) -> None:
    answer = app.call("POST", "/api/app/t/v1/run", content=body)
    assert (answer.status_code, answer.json()["error"]["where"]) == (422, where), answer.text


def test_a_huge_body_is_refused_whether_it_says_so_or_not(app: Stand) -> None:
    huge = 17 * 2**20
    for content in (b"x" * huge, iter([b"x" * 2**20] * 17)):
        answer = app.call("POST", "/api/app/t/v1/run", content=content)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert app.run(do="", n=1).status_code == 200


def test_a_flood_of_print_is_bounded_everywhere(app: Stand) -> None:
    answer = app.run(do="flood", n=1)
    assert answer.status_code == 200
    assert len(answer.content) < 100_000
    for _ in range(20):
        app.run(do="flood", n=1)
    logs = list((app.folder / "data" / "logs").glob("t@v1.*"))
    assert len(logs) == 2
    assert sum(path.stat().st_size for path in logs) <= 2 * 2**20


def test_many_at_once_and_each_gets_its_own(app: Stand) -> None:
    token = app.token("app-reader")
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda n: app.run(token=token, do="raise" if n % 7 == 0 else "", n=n), range(200)))
    for n, answer in enumerate(answers):
        assert answer.status_code == (500 if n % 7 == 0 else 200)
        if n % 7:
            assert answer.json()["outputParameters"] == {"result": 2 * n}


def test_a_client_that_breaks_off_harms_nobody(app: Stand) -> None:
    for sent in (b"POST /api/app/t/v1/run HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", b"\x16\x03\x01garbage\r\n\r\n", b"GET"):
        with socket.create_connection(("127.0.0.1", app.port)) as connection:
            connection.sendall(sent)
    assert app.run(do="", n=1).status_code == 200


def test_paths_and_methods_that_are_not_there(app: Stand) -> None:
    for method, path, status in (
        ("POST", "/api/app/none/v1/run", 404), ("POST", "/api/app/t/v2/run", 404), ("GET", "/api/app/t/v1/run", 405),
        ("GET", "/", 404),
        ("POST", "/api/app/../v1/run", 404), ("DELETE", "/api/v1/apps", 405), ("GET", "/api/v1/apps/t/v1/log?lines=0", 400),
        ("GET", "/api/v1/apps/t/v1/log?lines=" + "9" * 5000, 400), ("GET", "/api/app/t/v1/other", 404),
        ("GET", "/api/v1/apps/none/v1", 404),
    ):  # fmt: skip
        answer = app.call(method, path)
        assert answer.status_code == status, (method, path, answer.text)
        assert set(answer.json()["error"]) == {"code", "message", "where", "hint"}


def test_openapi_of_the_app(app: Stand) -> None:
    found = app.call("GET", "/api/app/t/v1/swagger.json").json()
    post = found["paths"]["/api/app/t/v1/run"]["post"]
    schema = post["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"] == {"do": {"type": "string"}, "n": {"type": "number"}}
    assert (schema["required"], schema["additionalProperties"]) == (["do", "n"], False)
    assert found["openapi"] == "3.1.0"
    assert json.dumps(found)


def test_workers_know_nothing_of_the_cluster(proxy: Stand, tmp_path: pathlib.Path) -> None:
    """``SECRET`` is in the proxy's own environment."""
    folder = python(tmp_path / "a", "import os\ndef run(): return dict(os.environ)\n", output="{result: dict}")
    (folder / "spec.yaml").write_text((folder / "spec.yaml").read_text().replace("name: t", "name: env"))
    proxy.create(folder)
    assert "SECRET" not in proxy.run("env").json()["outputParameters"]["result"]
