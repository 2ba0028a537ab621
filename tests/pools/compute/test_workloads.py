"""What the pool asks a substrate to run, and the settings' way through the file."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

from pools.compute.settings import Limits, ServiceSettings
from pools.compute.workloads import ComputeSettings, workloads


def test_each_replica_has_a_service_and_a_scratch_server() -> None:
    found = workloads(ComputeSettings(ports=(31434, 31435), master_port=31433))
    assert [one.name for one in found] == ["compute-0-scratch", "compute-0", "compute-1-scratch", "compute-1"]
    assert {one.pool_instance for one in found[:2]} == {"compute-0"}
    scratch, service = found[:2]
    assert scratch.ports == ()
    assert "fsync = off" in scratch.files[0].content or "fsync" in scratch.files[0].content
    assert service.requires == ("master-setup", "compute-0-scratch")
    assert [port.number for port in service.ports] == [31434]


def test_settings_survive_the_file(tmp_path: pathlib.Path) -> None:
    _, service = workloads(ComputeSettings(ports=(31434,), master_port=31433, limits=Limits(running=3, memory_mb=None)))
    path = tmp_path / "compute.json"
    path.write_text(service.files[0].content)
    settings = ServiceSettings.read(path)
    assert (settings.port, settings.limits.running, settings.limits.memory_mb) == (31434, 3, None)
    assert "password" not in json.dumps(json.loads(path.read_text())["scratch"])


@pytest.mark.parametrize("content", ["{", "{}", '{"port": 1, "surprise": 2}', '{"limits": {"surprise": 1}}'])
def test_bad_settings_are_named(tmp_path: pathlib.Path, content: str) -> None:
    path = tmp_path / "compute.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"compute\.json"):
        ServiceSettings.read(path)


@pytest.mark.parametrize("module", ["pools.compute.service", "pools.data.service"])
def test_the_process_stays_without_pandas_and_rich(module: str) -> None:
    code = f"import {module}, sys, pyarrow; pyarrow.array([1]); assert not {{'pandas', 'rich'}} & set(sys.modules); import rich"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=240)
