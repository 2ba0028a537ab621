"""MLflow itself in a cluster of this machine: stock clients with a login's token, roles, the registry, and a model that becomes an app."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tests.patience import PATIENCE, eventually
from tests.services.cluster import Stage, folder

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]
ROOT = pathlib.Path(__file__).parents[2]
PLACE = ROOT / ".cache" / "mlflow-venv"
PASSWORD = "correct horse battery"
SPEC = """apiVersion: openbdc.dev/v1alpha1
kind: BigDataCluster
metadata: {name: NAME}
spec:
  pools: {data: {shards: 0}, storage: {enabled: false}, app: {tracking: {enabled: true, bin: BIN}}}
"""
LOGS = """
import json, mlflow, pandas
from sklearn.linear_model import LinearRegression
mlflow.set_experiment("houses")
with mlflow.start_run(run_name="linear"):
    mlflow.log_params({"seed": 1}); mlflow.log_metrics({"test_r2": 0.73}); mlflow.log_dict({"python": "3"}, "environment.json")
    rows = pandas.DataFrame({"x": [0.0, 1.0, 2.0], "y": [1.0, 0.0, 5.0]})
    model = LinearRegression().fit(rows, rows.x * 2 + rows.y)
    known = mlflow.sklearn.log_model(model, name="model", registered_model_name="house", input_example=rows[:1])
mlflow.MlflowClient().set_registered_model_alias("house", "candidate", known.registered_model_version)
print(json.dumps(int(known.registered_model_version)))
"""
READS = """
import json, mlflow, pandas
runs = mlflow.search_runs(experiment_names=["houses"])
model = mlflow.pyfunc.load_model("models:/house@candidate")
print(json.dumps({"runs": list(runs["params.seed"]), "predicted": list(model.predict(pandas.DataFrame({"x": [3.0], "y": [4.0]})))}))
"""
WRITES = """
import mlflow
mlflow.set_experiment("houses")
mlflow.start_run()
"""


HOUSE = """
import json, pathlib, runs
runs.PACKAGES = ("numpy",)
tracked = runs.experiment("scenario", pathlib.Path("unused"))
for name, found in (("a", 0.5), ("b", 0.9), ("c", 0.7)):
    tracked.log(runs.Run(name, {"seed": "1"}, {"test_r2": found}, {"data": "house.csv"}))
for _ in range(2):  # the next version of it
    tracked.alias("of-runs", "candidate", runs.best(tracked, "test_r2"))
pathlib.Path("b.onnx").write_bytes(b"model")
tracked.attach("of-runs", "candidate", pathlib.Path("b.onnx"))
first = tracked.runs()[0]
print(json.dumps([[run.name for run in tracked.runs()], tracked.aliased("of-runs", "candidate"), first.params, first.metrics, first.tags]))
"""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    subprocess.run([ROOT / "scripts" / "mlflow.sh"], check=True)
    with folder() as place:
        spec = place.folder / "bdc.yaml"
        spec.write_text(SPEC.replace("NAME", place.cluster).replace("BIN", str(PLACE.resolve() / "bin")))
        place.bdc("create", "-f", str(spec))
        for name, role in (("ann", "app-owner"), ("rob", "app-reader"), ("uma", "user")):
            place.bdc("user", "add", name, "--role", role, "--password-stdin", secret=PASSWORD)
        yield place


def token(stage: Stage, name: str) -> str:
    answer = httpx.post(
        f"{stage.endpoint('controller')}/api/v1/token", json={"username": name, "password": PASSWORD, "audience": "app"}, trust_env=False
    )
    return str(answer.json()["access_token"])


def client(stage: Stage, name: str | None, program: str) -> subprocess.CompletedProcess[str]:
    """MLflow's own, with the variables that its documentation names."""
    given = {"MLFLOW_TRACKING_TOKEN": token(stage, name)} if name else {}
    variables = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "examples" / "house"),
        "MLFLOW_TRACKING_URI": stage.endpoint("mlflow"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **given,
    }
    return subprocess.run(
        [PLACE / "bin" / "python", "-c", program], env=variables, capture_output=True, text=True, cwd=stage.folder, check=False
    )


def last(done: subprocess.CompletedProcess[str]) -> object:
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def logged(stage: Stage) -> None:
    assert last(client(stage, "ann", LOGS)) == 1


def test_owners_write_readers_read_and_nobody_else(stage: Stage, logged: None) -> None:
    assert last(client(stage, "rob", READS)) == {"runs": ["1"], "predicted": [pytest.approx(10.0)]}
    for name, program, said in (
        ("rob", WRITES, "'rob' lacks the role 'app-owner'"),
        ("uma", READS, "'uma' lacks the role 'app-reader'"),
        (None, READS, "no bearer token was sent"),
    ):
        refused = client(stage, name, program)
        assert refused.returncode == 1 and said in refused.stderr, refused.stderr[-2000:]


def test_the_runs_of_the_house_example(stage: Stage) -> None:
    found = last(client(stage, "ann", HOUSE))
    assert found == [["a", "b", "c"], "b", {"seed": "1"}, {"test_r2": 0.5}, {"data": "house.csv"}]
    place = stage.folder / "of-runs"
    made = stage.bdc("app", "init", "-t", "onnx", "-n", "of-runs", "-d", str(place), "--model", "models:/of-runs@candidate")
    assert isinstance(made, dict) and made["model"] == "models:/of-runs/2" and (place / "model.onnx").read_bytes() == b"model"


def test_nobody_gets_around_the_proxy(stage: Stage, logged: None) -> None:
    socket = stage.folder / "home/clusters" / stage.cluster / "run/tracking/mlflow.sock"
    command = ["curl", "-s", "--unix-socket", str(socket), "http://localhost/version"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    for user in ("app", "compute", "app-1") if os.geteuid() == 0 else ():  # as a plain user the machine is one trust domain
        name = f"bdc-{stage.cluster}-{user}"
        done = subprocess.run(["setpriv", "--reuid", name, "--regid", name, "--clear-groups", *command], capture_output=True, check=False)
        assert done.returncode == 7, done
    listening = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout
    assert "mlflow" not in listening and "127.0.0.1:5000 " not in listening


def test_a_model_of_the_registry_becomes_an_app(stage: Stage, logged: None) -> None:
    place = stage.folder / "house"
    made = stage.bdc("app", "init", "-t", "mlflow", "-n", "house", "-d", str(place), "--model", "models:/house@candidate")
    assert isinstance(made, dict) and made["model"] == "models:/house/1" and (place / "model" / "MLmodel").is_file()
    tested = stage.bdc("app", "test", "--local", "-s", str(place), "--inputs", "x=3,y=4", "--calls", "1")
    assert isinstance(tested, dict) and tested["outputParameters"] == {"prediction": pytest.approx(10.0)}


def test_it_is_seen_and_comes_back(stage: Stage, logged: None) -> None:
    checks = stage.bdc("doctor")
    assert "MLflow" in json.dumps(checks)
    entry = f"{stage.endpoint('mlflow')}/healthz"
    assert httpx.get(entry, trust_env=False).status_code == 200
    server = [pid for pid in stage.processes() if b"mlflow.server.fastapi_app" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(server) == 1
    os.kill(server[0], signal.SIGKILL)
    eventually(lambda: httpx.get(entry, trust_env=False).status_code == 503, "it is missed", PATIENCE)
    eventually(lambda: httpx.get(entry, trust_env=False, timeout=PATIENCE).status_code == 200, "it is back", 4 * PATIENCE)
    assert last(client(stage, "rob", READS)) == {"runs": ["1"], "predicted": [pytest.approx(10.0)]}
    found = stage.bdc("auth", "token")
    assert isinstance(found, dict)
    told = httpx.get(
        f"{stage.endpoint('controller')}/api/v1/bdc/metrics", headers={"Authorization": f"Bearer {found['token']}"}, trust_env=False
    )
    assert 'openbdc_tracking_request_seconds_count{workload="tracking",access="write"}' in told.text
