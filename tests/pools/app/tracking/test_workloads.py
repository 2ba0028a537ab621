"""What a spec makes of MLflow tracking."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.errors import SpecError
from controller.facts import Facts
from controller.local.doctor import cluster_checks
from controller.profiles import render_profile
from controller.spec import ClusterSpec, load_spec, port_numbers
from controller.spec.edit import set_value
from controller.status import addresses
from controller.substrates.local.layout import ClusterHome
from controller.substrates.local.mlflow import check_mlflow, mlflow_program
from controller.substrates.local.programs import ProgramMissingError
from controller.workloads import all_workloads
from pools.workload import Workload

HERE = Facts(sealing_key="a2V5", issuer="openbdc:x", mlflow="/opt/mlflow/bin/mlflow")


def spec(**changes: str) -> ClusterSpec:
    text = render_profile("local", "demo")
    for path, value in {"pools__app__tracking__enabled": "true", **changes}.items():
        text = set_value(text, "spec." + path.replace("__", "."), value)
    return load_spec(text)


def made(facts: Facts = HERE, **changes: str) -> dict[str, Workload]:
    return {entry.name: entry for entry in all_workloads(spec(**changes), facts)}


def settings(workload: Workload) -> dict[str, object]:
    found: dict[str, object] = json.loads(workload.files[0].content)
    return found


def test_it_is_off_unless_asked_for_and_goes_with_the_app_pool() -> None:
    for off in ({"pools__app__tracking__enabled": "false"}, {"pools__app__enabled": "false"}):
        assert not {"tracking", "tracking-server"} & made(**off).keys()
        assert port_numbers(spec(**off)).tracking is None
    assert port_numbers(spec(ports__base="100")).tracking == 31587


def test_mlflow_is_on_a_socket_and_the_proxy_alone_on_a_port() -> None:
    found = made(ports__base="100")
    server, proxy = found["tracking-server"], found["tracking"]
    assert server.command[:2] == ("/opt/mlflow/bin/mlflow", "server") and server.ports == () and server.secrets == ()
    assert "--uds {run}/mlflow.sock" in server.command[-1] and settings(proxy)["socket"] == "{run}/mlflow.sock"
    assert (server.pool, proxy.pool) == ("tracking", "tracking")  # an OS user of their own, of whom the folder is
    assert (server.pool_instance, proxy.pool_instance or proxy.name) == ("tracking", "tracking")
    shown = {entry["name"]: entry["endpoint"] for entry in addresses(tuple(found.values()), lambda _: "127.0.0.1")}
    assert shown["mlflow"] == "http://127.0.0.1:31587" and settings(proxy)["host"] == "127.0.0.1"
    assert settings(proxy)["missing"] is None and server.environment["MLFLOW_DISABLE_TELEMETRY"] == "true"


@pytest.mark.parametrize(
    ("bind", "controller"), [("127.0.0.1", "http://127.0.0.1:30080"), ("0.0.0.0", "https://127.0.0.1:30080"), ("::1", "http://[::1]:30080")]
)
def test_whose_tokens_are_good(bind: str, controller: str) -> None:
    proxy = made(network__bind=f"'{bind}'", ports__base="0")["tracking"]
    assert settings(proxy)["controller"] == controller
    assert (settings(proxy)["authority"] is not None, bool(proxy.secrets)) == (("https" in controller),) * 2


def test_without_mlflow_the_rest_runs_and_says_so() -> None:
    found = made(Facts(mlflow_hint="pip install it"))
    assert "tracking-server" not in found and settings(found["tracking"])["missing"] == "pip install it"


def test_on_kubernetes_it_is_refused() -> None:
    with pytest.raises(SpecError, match="MLflow tracking runs in clusters on one machine only") as error:
        made(Facts(listen="0.0.0.0"))
    assert "MLFLOW_TRACKING_URI" in str(error.value.problems[0].hint)


def test_finding_mlflow(tmp_path: Path) -> None:
    wanted = spec(pools__app__tracking__bin=str(tmp_path))
    assert mlflow_program(wanted) is None
    with pytest.raises(ProgramMissingError, match="not installed") as missing:
        check_mlflow(wanted)
    assert f"python3 -m venv {tmp_path.parent} && {tmp_path.parent}/bin/pip install 'mlflow" in missing.value.hint
    (tmp_path / "mlflow").write_text("#!/bin/sh\n")
    (tmp_path / "mlflow").chmod(0o755)
    assert mlflow_program(wanted) == str(tmp_path / "mlflow")
    for says, why in (('"2.22.0"', "too old"), ("null", "not the whole"), ("nonsense", "can't be asked")):
        (tmp_path / "python").write_text(f"#!/bin/sh\necho '{says}'\n")
        (tmp_path / "python").chmod(0o755)
        with pytest.raises(ProgramMissingError, match=why):
            check_mlflow(wanted)
    (tmp_path / "python").write_text("#!/bin/sh\necho '\"3.17.2\"'\n")
    assert check_mlflow(wanted) == "3.17.2"


def test_the_doctor_says_what_to_do(tmp_path: Path) -> None:
    home = ClusterHome(tmp_path / "demo")
    home.path.mkdir()
    text = render_profile("local", "demo")
    home.spec.write_text(text)
    assert list(cluster_checks(home)["mlflow"]()) == []
    text = set_value(text, "spec.pools.app.tracking.enabled", "true")
    home.spec.write_text(set_value(text, "spec.pools.app.tracking.bin", str(tmp_path)))
    (found,) = cluster_checks(home)["mlflow"]()
    assert found.state == "problem" and "all else runs" in found.message and "pip install" in str(found.fix)
