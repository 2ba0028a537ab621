"""Keys of the pools that are replaced while their workloads run: made by the supervisor, laid where they are used."""

from __future__ import annotations

import base64
import json
import pathlib
import time

import pytest

from controller.secret_values import new_value, sealing_public_key, ticket_public_keys
from controller.supervisor.errors import SupervisorError
from pools.keyring import keys
from tests.controller.supervisor.running import Running

COMPUTE = [{"name": "ticket.key", "file": "ticket.key"}, {"name": "sealing.key", "file": "sealing.key"}]
SHARD = [{"name": "ticket.pub", "file": "ticket.pub"}]


@pytest.fixture
def store(supervisor: Running) -> pathlib.Path:
    folder = supervisor.folder.secrets
    for name in ("ticket.key", "sealing.key"):
        (folder / name).write_bytes(new_value(name))
    (folder / "ticket.pub").write_bytes(ticket_public_keys((folder / "ticket.key").read_bytes()))
    (supervisor.folder.path / "public.json").write_text('{"name": "demo", "sealing_public_key": "old"}')
    supervisor.ensure("compute-0", secrets=COMPUTE)
    supervisor.ensure("data-0", secrets=SHARD)
    for name, file in (("compute-0", "sealing.key"), ("data-0", "ticket.pub")):
        supervisor.until_state(name, "ready", "starting")
        supervisor.until(lambda: laid(supervisor, name, file).exists(), "its files are laid")  # noqa: B023 (called at once)
    return folder


def laid(supervisor: Running, workload: str, file: str) -> pathlib.Path:
    return supervisor.folder.workload(workload) / "secrets" / file


def test_tickets(supervisor: Running, store: pathlib.Path) -> None:
    before, pids = keys((store / "ticket.key").read_bytes(), "x", 0), [supervisor.one(name)["pid"] for name in ("compute-0", "data-0")]
    assert supervisor.client.call("rotate", kind="tickets", step="add", seconds=100) == {"laid": ["data-0", "compute-0"]}
    ring = laid(supervisor, "compute-0", "ticket.key").read_bytes()
    assert keys(ring, "x", time.time())[1:] == before and keys(ring, "x", time.time() + 101) == keys(ring, "x", time.time())[:1]
    assert laid(supervisor, "data-0", "ticket.pub").read_bytes() == ticket_public_keys(ring) and ring == (store / "ticket.key").read_bytes()
    for path in (laid(supervisor, "compute-0", "ticket.key"), laid(supervisor, "data-0", "ticket.pub")):
        assert path.stat().st_mode & 0o777 == 0o400
    assert (store / "ticket.key").stat().st_mode & 0o777 == 0o600
    supervisor.client.call("rotate", kind="tickets", step="drop", seconds=0)
    assert keys(laid(supervisor, "data-0", "ticket.pub").read_bytes(), "x", 0) == keys(
        ticket_public_keys(base64.b64encode(keys(ring, "x", 0)[0])), "x", 0
    )
    assert [supervisor.one(name)["pid"] for name in ("compute-0", "data-0")] == pids


def test_sealing(supervisor: Running, store: pathlib.Path) -> None:
    before = keys((store / "sealing.key").read_bytes(), "x", 0)
    assert supervisor.client.call("rotate", kind="sealing", step="add", seconds=100) == {"laid": ["compute-0"]}
    ring = laid(supervisor, "compute-0", "sealing.key").read_bytes()
    assert keys(ring, "x", time.time())[1:] == before
    public = json.loads((supervisor.folder.path / "public.json").read_text())
    assert public == {"name": "demo", "sealing_public_key": sealing_public_key(ring)}


@pytest.mark.parametrize(
    "asked",
    [
        {"kind": "pool-password", "step": "add", "seconds": 1}, {"kind": "tickets", "step": "x", "seconds": 1},
        {"kind": "tickets", "step": "add", "seconds": -1}, {"kind": "tickets", "step": "add", "seconds": "1"}, {},
    ],
)  # fmt: skip
def test_what_can_not_be_asked_for(supervisor: Running, store: pathlib.Path, asked: dict[str, object]) -> None:
    before = (store / "ticket.key").read_bytes()
    with pytest.raises(SupervisorError, match="no such rotation"):
        supervisor.client.call("rotate", **asked)
    assert (store / "ticket.key").read_bytes() == before


def test_no_key_to_replace(supervisor: Running) -> None:
    with pytest.raises(SupervisorError, match=r"ticket\.key.* is not in the cluster's secret store"):
        supervisor.client.call("rotate", kind="tickets", step="add", seconds=1)
