"""Everything that create, start, stop and delete refuse before anything runs: one clear error, nothing left."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterator

import pytest

from controller.local.errors import LocalError
from controller.local.opening import check_name
from tests.controller.local.running import PASSWORD, Local, local_home

ADMIN = {"username": "admin", "password": PASSWORD}
NAME = f"t{secrets.token_hex(4)}"  # OS users are the machine's: a cluster "demo" may well be there


@pytest.fixture
def local() -> Iterator[Local]:
    with local_home() as found:
        yield found


@pytest.mark.parametrize("name", ["../x", "A", "x/y", "-x", "x" * 21, "naïve", ""])
def test_bad_names(name: str) -> None:
    with pytest.raises(LocalError, match="can't be the name of a cluster"):
        check_name(name)


@pytest.mark.parametrize("verb", ["create", "start", "stop", "delete", "status", "recover-admin"])
def test_every_verb_checks_the_name(local: Local, verb: str) -> None:
    error = local.error(verb, "--name=../x", given=ADMIN)
    assert (error["code"], error["category"]) == ("invalid_name", "user") and not (local.home / "clusters").exists()


def test_spec_with_an_unknown_key_names_path_and_line(local: Local) -> None:
    error = local.error("create", "--spec", local.spec(NAME, "    mester: {}\n"), given=ADMIN)
    assert error["code"] == "invalid_spec" and "spec.pools.mester" in error["message"] and ":10" in error["message"]
    assert not (local.home / "clusters").exists()


def test_spec_of_another_name(local: Local) -> None:
    assert (
        f"names the cluster {NAME!r}, not 'other'"
        in local.error("create", "--name", "other", "--spec", local.spec(NAME), given=ADMIN)["message"]
    )


def test_missing_spec(local: Local) -> None:
    assert local.error("create", "--spec", "/no/such.yaml", given=ADMIN)["where"] == "/no/such.yaml"


def test_weak_password_and_bad_user(local: Local) -> None:
    weak = local.error("create", "--name", NAME, given={"username": "admin", "password": "x"})
    assert weak["code"] == "password_rules"
    assert local.error("create", "--name", NAME, given={"username": "postgres", "password": PASSWORD})["category"] == "user"
    assert not (local.home / "clusters").exists()


def test_unreadable_standard_input_is_not_shown(local: Local) -> None:
    error = local.error("create", "--name", NAME, given="not an object s3cret")
    assert "JSON object" in error["message"] and "s3cret" not in str(error)


def test_taken_port_names_the_owner_and_leaves_nothing(local: Local) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        spec = local.spec(NAME, ports=(port, port + 1, port + 2))
        spec_text = (local.home / f"{NAME}.yaml").read_text().replace("ports: {", "ports: {base: 0, ")
        (local.home / f"{NAME}.yaml").write_text(spec_text)
        error = local.error("create", "--spec", spec, given=ADMIN)
    assert f"port {port} is taken by pid {os.getpid()}" in error["message"]
    local.nothing_left(NAME)


def test_unknown_cluster(local: Local) -> None:
    for verb in ("start", "stop", "delete", "status"):
        assert local.error(verb, "--name", "nobody")["code"] == "not_found"
    assert local.done("list") == {"clusters": []}


def test_busy_cluster_names_the_pid(local: Local) -> None:
    (local.home / "clusters").mkdir()
    with (local.home / "clusters" / f".{NAME}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711\n")
        lock.flush()
        error = local.error("create", "--spec", local.spec(NAME), given=ADMIN)
    assert error["code"] == "busy" and "pid 4711" in error["message"]


@pytest.mark.parametrize("given", ["--name", "--spec"])
def test_a_create_that_was_ended_names_the_command_that_goes_on(local: Local, given: str) -> None:
    spec = local.spec(NAME)
    process = local.start("create", given, NAME if given == "--name" else spec, given=ADMIN)
    assert process.stdout is not None and process.stdout.readline()  # it has begun
    process.terminate()
    said = json.loads(process.communicate(timeout=60)[0].splitlines()[-1])
    assert said["error"]["hint"] == f"'bdc create {NAME}' goes on from here"
    local.run("delete", "--name", NAME)
    local.nothing_left(NAME)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_home_that_the_pools_users_can_not_reach(local: Local) -> None:
    closed = local.home / "closed"
    closed.mkdir(0o700)
    error = local.error("create", "--spec", local.spec(NAME), given=ADMIN, BDC_HOME=str(closed))
    assert error["code"] == "not_reachable" and error["where"] == str(closed) and "chmod o+rx" in error["hint"]
    assert list((closed / "clusters").iterdir()) == []
    local.nothing_left(NAME)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_home_that_is_not_writable() -> None:
    with local_home("nobody") as local:
        error = local.error("create", "--name", NAME, given=ADMIN, BDC_HOME="/usr/no-such-folder")
        assert error["code"] == "not_reachable" and "/usr is not writable" in error["message"]


def test_path_too_long_for_sockets(local: Local) -> None:
    deep = local.home / ("d" * 60) / ("e" * 40)
    error = local.error("create", "--spec", local.spec(NAME), given=ADMIN, BDC_HOME=str(deep))
    assert "too long a path for the sockets" in error["message"] and "BDC_HOME" in error["hint"]
