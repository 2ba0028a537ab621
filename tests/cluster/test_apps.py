"""Apps in a whole cluster: the commands, the roles, and what a worker can't reach."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.apps.folders import python
from tests.cluster.life import home_of
from tests.patience import PATIENCE, eventually
from tests.services.cluster import Stage

HOUSE = pathlib.Path(__file__).parents[2] / "examples" / "apps" / "house"
PROBE = """
    import os, pathlib, signal
    def tried(action):
        try:
            return repr(action())[:200]
        except BaseException as error:
            return type(error).__name__
    def bomb():
        children = []
        try:
            while len(children) < 3000:
                child = os.fork()
                if child == 0:
                    signal.pause()
                children.append(child)
            return "no limit"
        except OSError:
            return "limited"
    def run(cluster, do):
        if do == "bomb":
            return {"found": {"bomb": bomb()}}
        proxy = f"/proc/{os.getppid()}"
        return {"found": {
            "code": tried(lambda: pathlib.Path(__file__).write_text("x")),
            "beside": tried(lambda: (pathlib.Path(__file__).parent / "new").write_text("x")),
            "secrets": tried(lambda: os.listdir(f"{cluster}/secrets")),
            "store": tried(lambda: os.listdir(f"{cluster}/store")),
            "master": tried(lambda: os.listdir(f"{cluster}/workloads/master-0")),
            "environment of the proxy": tried(lambda: pathlib.Path(f"{proxy}/environ").read_bytes()),
            "memory of the proxy": tried(lambda: open(f"{proxy}/mem", "rb").read(1)),
            "variables": repr(sorted(os.environ)),
            "user": os.getuid(),
        }}
"""
DENIED = ("code", "beside", "secrets", "store", "master", "environment of the proxy", "memory of the proxy")


def told(stage: Stage, *words: str) -> Any:
    return stage.bdc("app", *words)


@pytest.fixture(scope="module")
def house(cluster: Stage) -> Iterator[dict[str, Any]]:
    found = told(cluster, "create", "-s", str(HOUSE))
    yield found
    told(cluster, "delete", "-n", "house", "-v", "v1", "--yes")


def test_the_commands(cluster: Stage, house: dict[str, Any]) -> None:
    assert (house["state"], house["runtime"], house["workers"]) == ("Ready", "onnx", 1)
    assert {"name": "house", "version": "v1", "state": "Ready"}.items() <= told(cluster, "list", "-n", "house")[0].items()
    found = told(cluster, "run", "-n", "house", "-v", "v1", "--inputs", f"@{HOUSE / 'first.json'}")
    assert found.pop("outputParameters")["prediction"] == pytest.approx(30.034, abs=0.001)
    assert found == {"success": True, "errorMessage": "", "consoleOutput": "", "outputFiles": {}, "changedFiles": []}
    assert told(cluster, "describe", "-n", "house", "-v", "v1")["calls"] >= 1
    assert any("Ready: serves" in line for line in told(cluster, "logs", "-n", "house", "-v", "v1"))
    assert told(cluster, "update", str(HOUSE), "--yes")["state"] == "Ready"
    for words, said in (
        (("create", "-s", str(HOUSE)), "house@v1 exists already"),
        (("run", "-n", "house", "-v", "v1", "-i", "CRIM=1"), "ZN (float) is missing"),
        (("run", "-n", "house", "-v", "v9"), "there is no app house@v9"),
        (("describe", "-n", "../x", "-v", "v1"), "can't be the name"),
    ):
        with pytest.raises(RuntimeError, match="ended with 1:") as caught:
            told(cluster, *words)
        assert said in str(caught.value)
        assert "Traceback" not in str(caught.value)


def test_what_can_not_be_started_ends_the_command_with_the_reason(cluster: Stage, tmp_path: pathlib.Path) -> None:
    folder = python(tmp_path / "bad", "import nothing_of_that_name\ndef run(): pass\n")
    with pytest.raises(RuntimeError, match="No module named 'nothing_of_that_name'"):
        told(cluster, "create", str(folder))
    assert told(cluster, "list", "-n", "t")[0]["state"] == "Error"
    told(cluster, "delete", "-n", "t", "-v", "v1", "--yes")


def test_with_a_token_by_rest_as_a_reader(cluster: Stage, house: dict[str, Any]) -> None:
    cluster.bdc("user", "add", "caller", "--role", "app-reader", "--password-stdin", secret="correct horse battery\n")
    try:
        login = {"username": "caller", "password": "correct horse battery", "audience": "app"}
        with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
            token = client.post(cluster.endpoint("controller") + "/api/v1/token", json=login).json()["access_token"]
            headers, body = {"Authorization": f"Bearer {token}"}, (HOUSE / "first.json").read_bytes()
            links = house["links"]
            assert client.post(links["app"], content=body).status_code == 401
            assert client.post(links["app"], content=body, headers=headers).json()["success"] is True
            assert client.get(links["swagger"], headers=headers).json()["info"] == {"title": "house", "version": "v1"}
            wrong = client.post(links["app"], json={"CRIM": "x"}, headers=headers)
            assert (wrong.status_code, wrong.json()["error"]["where"]) == (422, "ZN")
            assert (
                client.delete(links["app"].replace("/api/app/", "/api/v1/apps/").removesuffix("/run"), headers=headers).status_code == 403
            )
    finally:
        cluster.bdc("user", "remove", "caller", "--yes")


@pytest.mark.skipif(os.geteuid() != 0, reason="only a cluster of root's gives each pool an OS user of its own")
def test_a_worker_reaches_nothing_of_the_cluster_and_a_fork_bomb_ends(cluster: Stage, tmp_path: pathlib.Path) -> None:
    folder = python(tmp_path / "probe", PROBE, "{cluster: str, do: str}", "{found: dict}", "timeout: 20")
    told(cluster, "create", str(folder))
    try:
        home = str(home_of(cluster).path)
        found = told(cluster, "run", "-n", "t", "-v", "v1", "-i", f"cluster={home},do=look")["outputParameters"]["found"]
        assert {what: found[what] for what in DENIED} == dict.fromkeys(DENIED, "PermissionError")
        assert found["user"] != 0
        assert not [word for word in ("SECRET", "TOKEN", "PASSWORD", "KEY") if word in found["variables"]]
        bomb = told(cluster, "run", "-n", "t", "-v", "v1", "-i", f"cluster={home},do=bomb")
        assert bomb["outputParameters"]["found"] == {"bomb": "limited"}
        told(cluster, "update", str(folder), "--yes")
        assert told(cluster, "run", "-n", "t", "-v", "v1", "-i", f"cluster={home},do=look")["success"] is True
    finally:
        told(cluster, "delete", "-n", "t", "-v", "v1", "--yes")


def test_a_secret_by_commands(cluster: Stage, tmp_path: pathlib.Path) -> None:
    folder = python(
        tmp_path / "a", "import os\ndef run():\n    return os.environ['DB_PASSWORD']\n", "{}", "{result: str}", "secrets: [DB_PASSWORD]"
    )
    with pytest.raises(RuntimeError, match="bdc app secret set t DB_PASSWORD"):
        told(cluster, "create", str(folder))
    for value in ("first", "second\nline"):
        found = cluster.bdc("app", "secret", "set", "t", "DB_PASSWORD", "--value-stdin", secret=value + "\n")
        assert found == {"app": "t", "name": "DB_PASSWORD", "restarted": [] if value == "first" else ["t@v1"]}
        if value == "first":
            told(cluster, "create", str(folder))
        assert told(cluster, "run", "t@v1")["outputParameters"] == {"result": value}
    (row,) = told(cluster, "secret", "list", "t")
    assert (row["name"], row["by"], row["versions"]) == ("DB_PASSWORD", "admin", ["v1"]) and "value" not in row
    for words, said in (
        (("secret", "delete", "t", "DB_PASSWORD", "--yes"), "t@v1 asks for DB_PASSWORD"),
        (("secret", "set", "t", "DB_PASSWORD"), "--value-stdin"),
        (("secret", "delete", "t", "nothing", "--yes"), "capital letters"),
    ):
        with pytest.raises(RuntimeError, match="ended with 1:") as caught:
            told(cluster, *words)
        assert said in str(caught.value)
    told(cluster, "delete", "t@v1", "--yes", "--live")
    assert told(cluster, "secret", "list", "t") == []


def test_a_query_as_a_user_of_its_own(cluster: Stage, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "q"
    told(cluster, "init", "-t", "sql", "-n", "q", "-d", str(folder))
    (folder / "query.sql").write_text("SELECT id, current_user::text AS who FROM public.asked WHERE id >= %(least)s")
    with cluster.sql() as master:
        master.execute("CREATE TABLE public.asked AS SELECT generate_series(1, 3) AS id")
    try:
        cluster.bdc("user", "add", "q-sql", "--password-stdin", secret="the query's own\n")
        cluster.bdc("app", "secret", "set", "q", "PGPASSWORD", "--value-stdin", secret="the query's own\n")
        told(cluster, "create", str(folder))
        with pytest.raises(RuntimeError, match="permission denied for table asked"):
            told(cluster, "run", "q", "-i", "least=2")
        with cluster.sql() as master:
            master.execute('GRANT SELECT ON public.asked TO "q-sql"')
        rows = [{"id": 2, "who": "q-sql"}, {"id": 3, "who": "q-sql"}]
        assert told(cluster, "run", "q", "-i", "least=2")["outputParameters"] == {"rows": rows}
        with pytest.raises(RuntimeError, match="least"):
            told(cluster, "run", "q", "-i", "least=2;DELETE")
    finally:
        told(cluster, "delete", "q@v1", "--yes", "--live")
        with cluster.sql() as master:
            master.execute("DROP TABLE public.asked")
        cluster.bdc("user", "remove", "q-sql", "--yes")


def test_versions_behind_live(cluster: Stage, tmp_path: pathlib.Path) -> None:
    for version in ("v1", "v2"):
        folder = python(tmp_path / version, f"def run():\n    return '{version}'\n", output="{result: str}")
        (folder / "spec.yaml").write_text(
            (folder / "spec.yaml").read_text().replace("name: t\nversion: v1", f"name: alias\nversion: {version}")
        )
        told(cluster, "create", str(folder))
    try:
        assert told(cluster, "run", "alias")["outputParameters"] == {"result": "v1"}
        assert told(cluster, "canary", "alias@v2", "--percent", "10")["percent"] == 10
        assert [(row["version"], row["live"]) for row in told(cluster, "list", "-n", "alias")] == [("v1", "90 %"), ("v2", "10 %")]
        assert told(cluster, "promote", "alias")["version"] == "v2"
        assert told(cluster, "run", "alias@live")["outputParameters"] == {"result": "v2"}
        for words, said in (
            (("delete", "alias@v2", "--yes"), "first: bdc app promote alias@v1"),
            (("canary", "alias@v2", "--percent", "5"), "alias@v2 is live"),
            (("promote", "alias@v9"), "there is no app alias@v9"),
        ):
            with pytest.raises(RuntimeError, match="ended with 1:") as caught:
                told(cluster, *words)
            assert said in str(caught.value)
        assert told(cluster, "rollback", "alias")["version"] == "v1"
        with pytest.raises(RuntimeError, match="no other version of alias was live before"):
            told(cluster, "rollback", "alias")
        told(cluster, "delete", "alias@v2", "--yes")
    finally:
        told(cluster, "delete", "alias@v1", "--yes", "--live")


def test_a_model_of_mlflow_by_commands_with_a_schedule(cluster: Stage, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "a"
    cluster.bdc("app", "init", "-t", "mlflow", "-n", "ml", "-d", str(folder))
    spec = (folder / "spec.yaml").read_text()
    (folder / "spec.yaml").write_text(f"{spec}schedule: '61 * * * *'\n")
    with pytest.raises(RuntimeError, match="cron: minute can't be '61'; it is 0 to 59"):
        told(cluster, "create", str(folder))
    (folder / "spec.yaml").write_text(f"{spec}schedule: {{cron: '0 0 29 2 *', inputs: {{x: 1, y: 2}}}}\n")
    made = told(cluster, "create", str(folder))
    try:
        assert told(cluster, "run", "ml", "-i", "x=2,y=3")["outputParameters"] == {"prediction": 14.0}
        assert made["schedule"]["inputs"] == {"x": 1, "y": 2}
        assert made["links"]["inference"].endswith("/api/app/ml/v1/v2")
        eventually(lambda: told(cluster, "describe", "ml")["next_run"], "the schedule acts")
        assert told(cluster, "describe", "ml@v1")["next_run"].endswith("-02-29T00:00:00Z")
        assert told(cluster, "history", "ml@v1", "--lines", "5") == []
    finally:
        told(cluster, "delete", "ml@v1", "--live", "--yes")
