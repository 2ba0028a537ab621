"""The service as a process of its own, without a supervisor: it serves, says what is wrong, and ends in good order."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from controller.auth.users import create_first_admin
from controller.errors import NotReadyError
from controller.facts import postgresql_version, sealing_key
from controller.profiles import render_profile
from controller.spec.edit import set_value
from controller.store import FolderStore
from tests.patience import PATIENCE
from tests.services.postgresql import bin_folder, free_port

PASSWORD = "planted-secret-4711"


@dataclass
class Process:
    folder: pathlib.Path
    port: int
    process: subprocess.Popen[str]

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=PATIENCE)

    def stop(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, output


def start(folder: pathlib.Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "controller.main", "--cluster-folder", str(folder), "--secrets-folder", str(folder / "secrets")]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture
def controller(tmp_path: pathlib.Path) -> Iterator[Process]:
    port = free_port()
    text = set_value(render_profile("local", "demo"), "spec.ports.controller", str(port))
    (tmp_path / "bdc.yaml").write_text(set_value(text, "spec.pools.storage.enabled", "false"))
    create_first_admin(FolderStore(tmp_path / "store"), "admin", PASSWORD)
    process = start(tmp_path)
    try:
        found = Process(tmp_path, port, process)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with found.client() as client:
                    client.get("/healthz").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.05)
        yield found
    finally:
        if process.poll() is None:
            process.kill()
        found.process.communicate()


def test_it_serves_says_what_is_missing_and_stops_in_order(controller: Process) -> None:
    with controller.client() as client:
        token = client.post("/api/v1/token", json={"username": "admin", "password": PASSWORD}).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        status = client.get("/api/v1/bdc/status", headers=headers)
        assert status.status_code == 503
        assert "supervisor" in json.dumps(status.json())
        # a change is taken although the master is not there
        made = client.post("/api/v1/users", headers=headers, json={"name": "bob", "password": PASSWORD + "b"})
        assert (made.status_code, made.json()["sql_role"]) == (201, "pending")
        bad = client.post("/api/v1/token", json={"username": "admin", "password": PASSWORD, "audience": "x"})
        assert bad.status_code == 400
    code, output = controller.stop()
    assert code == 0, output
    for line in output.splitlines():
        json.loads(line)
    assert PASSWORD not in output
    assert token not in output
    for path in (controller.folder / "store").rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes()


def test_a_token_outlives_a_kill(controller: Process) -> None:
    with controller.client() as client:
        token = client.post("/api/v1/token", json={"username": "admin", "password": PASSWORD}).json()["access_token"]
    controller.process.kill()
    controller.process.communicate()
    controller.process = start(controller.folder)
    try:
        for _ in range(1200):
            try:
                with controller.client() as client:
                    answer = client.get("/api/v1/whoami", headers={"Authorization": f"Bearer {token}"})
                break
            except httpx.HTTPError:
                time.sleep(0.05)
        assert answer.json()["name"] == "admin"
        assert controller.stop()[0] == 0
    finally:
        controller.process.kill()


def test_an_invalid_spec_or_store_is_one_sentence(tmp_path: pathlib.Path) -> None:
    (tmp_path / "bdc.yaml").write_text("kind: Other\n")
    process = start(tmp_path)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "bdc.yaml:1: apiVersion: is missing" in output
    assert "Traceback" not in output


def test_a_taken_port_ends_it_with_1(controller: Process) -> None:
    second = start(controller.folder)
    output, _ = second.communicate(timeout=PATIENCE)
    assert second.returncode == 1
    assert "can't listen" in output


def test_facts(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NotReadyError, match="no sealing key"):
        sealing_key(tmp_path)
    (tmp_path / "public.json").write_text('{"sealing_public_key": "a2V5"}')
    assert sealing_key(tmp_path) == "a2V5"
    assert postgresql_version(None) == 18
    assert postgresql_version(str(bin_folder())) == 18


def test_without_a_directory_no_ldap_is_loaded() -> None:
    """It would cost each start of a controller a tenth of a second, and memory."""
    code = "import sys, controller.main; sys.exit('ldap3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
