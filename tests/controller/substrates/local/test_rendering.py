"""Placeholders, hashes and the way through a real supervisor."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.errors import SubstrateError
from controller.profiles import render_profile
from controller.spec import load_spec
from controller.substrates.local import connect
from controller.substrates.local.layout import ClusterHome
from controller.substrates.local.render import Programs, render
from controller.substrates.local.substrate import LocalSubstrate
from pools.workload import ConfigFile, Port, Prepare, Probe, Secret, Workload
from tests.controller.supervisor.running import Running, running_supervisor

PROGRAMS = Programs(lambda name: f"/programs/{name}", lambda name: f"/jars/{name}.jar")
WORKLOAD = Workload(
    name="compute-0-scratch",
    pool="compute",
    service="sql",
    resource="compute-0",
    pool_instance="compute-0",
    command=("{program:postgres}", "-D", "{data}/pg", "-k", "{run}", "-p", "{port:sql}", "-h", "{host:other}", "${HOME} {unknown} {{x}}"),
    environment={"CLASSPATH": "{classpath:hadoop}", "PYTHON": "{python}"},
    files=(ConfigFile("a.conf", "key = {secrets}/key\nlog = {logs}\nroot = {cluster}\nhere = {config}"),),
    secrets=(Secret("scratch-password", "key"),),
    ports=(Port("sql", 31999),),
    prepare=(Prepare("initdb", ("{program:initdb}", "{data}/pg"), "{data}/pg/PG_VERSION", "{data}/pg"),),
    ready=Probe("tcp", "sql"),
)


def test_every_placeholder_is_filled() -> None:
    home = ClusterHome(Path("/c/demo"))
    found = render(WORKLOAD, home, PROGRAMS)
    folder = "/c/demo/workloads/compute-0-scratch"
    assert found.command == (
        "/programs/postgres", "-D", f"{folder}/data/pg", "-k", "/c/demo/run/compute-0", "-p", "31999",
        "-h", "127.0.0.1", "${HOME} {unknown} {{x}}",
    )  # fmt: skip
    assert {"CLASSPATH": "/jars/hadoop.jar", "PYTHON": sys.executable}.items() <= found.environment.items()
    assert found.files[0].content == f"key = {folder}/secrets/key\nlog = {folder}/logs\nroot = /c/demo\nhere = {folder}/config"
    assert found.prepare[0].creates == f"{folder}/data/pg/PG_VERSION" and found.prepare[0].removes == f"{folder}/data/pg"
    assert found.ready is not None and found.ready.port == 31999


def test_unknown_port_is_an_error() -> None:
    broken = dataclasses.replace(WORKLOAD, command=("{port:http}",))
    with pytest.raises(SubstrateError, match="no port named 'http'"):
        render(broken, ClusterHome(Path("/c/demo")), PROGRAMS)


def test_only_control_sees_where_things_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BDC_HOME", "/somewhere")
    monkeypatch.setenv("BDC_PASSWORD", "secret")
    home = ClusterHome(Path("/c/demo"))
    assert "BDC_HOME" not in render(WORKLOAD, home, PROGRAMS).environment
    control = render(dataclasses.replace(WORKLOAD, pool="control"), home, PROGRAMS)
    assert control.environment["BDC_HOME"] == "/somewhere" and "BDC_PASSWORD" not in control.environment


@pytest.fixture
def running() -> Iterator[Running]:
    with running_supervisor() as found:
        (found.folder.path / "bdc.yaml").write_text(render_profile("local", "demo"))
        yield found


def test_through_the_supervisor(running: Running) -> None:
    substrate = connect(running.folder.path)
    workload = Workload(name="w", pool="control", service="control", resource="control", command=("/bin/sleep", "100"))
    assert substrate.ensure(workload) == "started"
    running.until_state("w", "ready")
    seen = substrate.observe().find("w")
    assert seen is not None and seen.state == "ready" and seen.content_hash == substrate.content_hash(workload)
    assert substrate.ensure(workload) == "as it was"
    assert substrate.ensure(dataclasses.replace(workload, command=("/bin/sleep", "101"))) == "restarts: command[1]: '100' → '101'"
    assert substrate.tail("w", 5) == ()
    substrate.stop("w")
    substrate.stop("w")
    assert substrate.observe().find("w") is None


def test_without_a_supervisor_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(SubstrateError, match="does not run") as caught:
        LocalSubstrate(tmp_path).observe()
    assert caught.value.hint == "bdc start"


def test_system_postgresql_of_the_spec_is_used(running: Running) -> None:
    spec = running.folder.path / "bdc.yaml"
    spec.write_text(spec.read_text().replace("bin: null", "bin: /no/such/bin"))
    workload = Workload(name="w", pool="master", service="sql", resource="master", command=("{program:postgres}",))
    with pytest.raises(SubstrateError, match="postgres is not in /no/such/bin"):
        connect(running.folder.path).ensure(workload)


def test_while_the_spec_is_invalid_the_last_valid_one_names_the_programs(running: Running) -> None:
    home = ClusterHome(running.folder.path)
    valid = home.spec.read_text().replace("bin: null", "bin: /the/last/valid/bin")
    home.store.write("spec.json", load_spec(valid).model_dump(mode="json", by_alias=True))
    home.spec.write_text("spec: [nonsense")
    workload = Workload(name="w", pool="master", service="sql", resource="master", command=("{program:postgres}",))
    with pytest.raises(SubstrateError, match="postgres is not in /the/last/valid/bin"):
        connect(running.folder.path).content_hash(workload)


def test_probes_ask_where_it_listens() -> None:
    probe = dataclasses.replace(WORKLOAD, ready=Probe("tcp", "sql", host="192.0.2.7"))
    found = render(probe, ClusterHome(Path("/c/demo")), PROGRAMS)
    assert found.ready is not None and found.ready.host == "192.0.2.7"
