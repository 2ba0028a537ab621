"""Port-forwards: opened when needed, one per address, and gone with whoever opened them. A stand-in for kubectl plays its words; the real
one is tested in tests/kubernetes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bdc import kubectl
from bdc.contexts import Place
from bdc.errors import (
    AuthenticationError,
    BdcError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    ServiceError,
    UnreachableError,
    UserError,
)
from bdc.reach import Reach
from tests.patience import eventually

PLACE = Place("prod", "sales")
STANDIN = """#!/bin/sh
echo $$ >> {folder}/pids
echo "$@" >> {folder}/calls
{body}
"""
LISTENS = 'echo "Forwarding from 127.0.0.1:4711 -> 30080"\nexec sleep 600'


@pytest.fixture
def standin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    play(tmp_path, LISTENS)
    return tmp_path


def play(folder: Path, body: str) -> None:
    (folder / "kubectl").write_text(STANDIN.format(folder=folder, body=body))
    (folder / "kubectl").chmod(0o755)


def pids(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "pids").read_text().split()]


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() != b""


def test_one_machine_needs_none(standin: Path) -> None:
    with Reach() as reach:
        assert reach.address("127.0.0.1", 31433) == ("127.0.0.1", 31433)
        assert reach.url("http://master-0.sales.svc:30080/x") == "http://master-0.sales.svc:30080/x"
    assert not (standin / "pids").exists()


def test_an_address_of_the_namespace_is_forwarded_once(standin: Path) -> None:
    with Reach(PLACE) as reach:
        assert reach.url("http://openbdc.sales.svc:30080/api?x=1") == "http://127.0.0.1:4711/api?x=1"
        assert reach.address("openbdc.sales.svc.cluster.local", 30080) == ("127.0.0.1", 4711)
        assert reach.url("sc://openbdc.sales.svc:30080") == "sc://localhost:4711"  # for other names PySpark wants TLS
        assert reach.address("sql.example.com", 31433) == ("sql.example.com", 31433)  # a load balancer is reached as it is
        assert reach.address("openbdc.other.svc", 30080) == ("openbdc.other.svc", 30080)
        (pid,) = pids(standin)
    assert not runs(pid)
    said = (standin / "calls").read_text()
    assert said.startswith("--context prod --namespace sales port-forward --address=127.0.0.1")
    assert said.strip().endswith("service/openbdc :30080")


def test_one_that_ended_is_opened_again(standin: Path) -> None:
    with Reach(PLACE) as reach:
        reach.address("openbdc.sales.svc", 30080)
        os.kill(pids(standin)[0], signal.SIGKILL)
        eventually(lambda: not runs(pids(standin)[0]), "the stand-in is gone")
        eventually(lambda: reach.address("openbdc.sales.svc", 30080) and len(pids(standin)) == 2, "a second one is opened")


def test_it_ends_when_the_process_is_killed(standin: Path) -> None:
    program = "import sys, time; from bdc.reach import Reach, Place; Reach(Place('', 'sales')).address('a.sales.svc', 1); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parent.parent.parent) as holder:
        eventually(lambda: (standin / "pids").exists() and pids(standin), "the stand-in runs")
        holder.kill()
    eventually(lambda: not runs(pids(standin)[0]), "the stand-in is gone")


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ("error: unable to forward port because pod is not running. Current status=Pending", ServiceError, "openbdc is not running"),
        ('Error from server (NotFound): services "openbdc" not found', NotFoundError, "not found"),
        ('error: context "prod" does not exist', UserError, "no such context"),
    ],
)
def test_why_there_is_none(standin: Path, said: str, kind: type[BdcError], words: str) -> None:
    play(standin, f"echo '{said}' >&2; exit 1")
    with Reach(PLACE) as reach, pytest.raises(kind) as error:
        reach.address("openbdc.sales.svc", 30080)
    assert words in error.value.message


@pytest.mark.parametrize(
    ("said", "kind", "code"),
    [
        ('Error from server (NotFound): pods "x" not found', NotFoundError, "not_found"),
        ('Error from server (AlreadyExists): secrets "x" already exists', ConflictError, "already_exists"),
        ('Error from server (Forbidden): nodes is forbidden: User "eve" cannot list resource "nodes"', ForbiddenError, "forbidden"),
        ('Error from server (Conflict): Apply failed with 1 conflict: conflict with "argocd": .spec.x', ConflictError, "conflict"),
        ('The BigDataCluster "x" is invalid: spec.pools: Invalid value: 0', UserError, "refused"),
        ("error: You must be logged in to the server (Unauthorized)", AuthenticationError, "unauthenticated"),
        ("Unable to connect to the server: dial tcp 10.0.0.1:6443: i/o timeout", UnreachableError, "unreachable"),
        ("The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?", UnreachableError, "unreachable"),
        ("Unable to connect to the server: getting credentials: exec: executable aws not found", AuthenticationError, "unauthenticated"),
        ("error: current-context is not set", UserError, "no_context"),
        ("error: something new", ServiceError, "service"),
        ("", ServiceError, "service"),
    ],
)
def test_what_kubectl_says_becomes_one_of_our_errors(said: str, kind: type[BdcError], code: str) -> None:
    found = kubectl.failure(PLACE, said)
    assert type(found) is kind
    assert found.code == code
    assert found.where is not None and "prod" in found.where and "sales" in found.where
