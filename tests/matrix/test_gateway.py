"""The gateway: each route and verb × every kind of caller. Who gets past it is told apart from who does not by who answers: HDFS, the
controller, or the gateway itself. Bearers of another kind than a login are callers too: the gateway's own audience, and Basic."""

from __future__ import annotations

import base64
import pathlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import httpx
import pyarrow as pa
import pytest
from pyarrow import flight

from controller.api.access import ACCESS
from pools.compute.loads import actions
from pools.gateway.routes import AUDIT
from pools.gateway.webhdfs import METHODS, PREFIXES
from tests.controller.api.service import ADMIN, PASSWORD, USER
from tests.matrix.cells import cells
from tests.matrix.test_flight import said
from tests.patience import eventually
from tests.pools.gateway.flights import LoggedIn, flights
from tests.pools.gateway.running import Running, gateway
from tests.pools.gateway.sparks import SERVICE, sparks
from tests.pools.gateway.test_http2 import Hand, by_hand, ended
from tests.services.data_pool import DataPool
from tests.services.hdfs import HdfsServer

VERBS = ("GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS", "TRACE")
FILES = (
    "",
    "/",
    "/private",
    "/private/of-alice?op=OPEN",
    "/private/of-alice?op=OPEN&datanode=0",
    "/private/of-alice?op=DELETE&doas=root.admin",
)
ELSEWHERE = (
    "/",
    "/metrics",
    "/audit",
    "/jmx",
    "/conf",
    "/logs/",
    "/webhdfs",
    "/webhdfs/v2/x",
    "/gateway/default",
    "/api",
    "/api/v2",
    "/arrow.flight.protocol.FlightService/DoGet",  # over HTTP/1.1
)
SPARK = (
    "ExecutePlan", "AnalyzePlan", "Config", "AddArtifacts", "ArtifactStatus", "Interrupt", "ReattachExecute", "ReleaseExecute",
    "ReleaseSession", "FetchErrorDetails", "CloneSession", "GetStatus", "nothing",
)  # fmt: skip
"""Calls of Spark Connect's service: which one it is makes no difference to the gateway."""
OPEN = ("/healthz", "/.well-known/jwks.json", "/api/v1/openapi.json")


AUDIT_QUERIES = ("", "?limit=1", "?user=bob&limit=5", "?limit=0", "?doas=admin", "?user.name=admin")


@pytest.fixture(scope="module")
def running(hdfs: HdfsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with gateway(tmp_path_factory.mktemp("gateway"), hdfs) as found:
        with hdfs.superuser() as files:
            files.mkdirs("/private", 0o700, True)
        hdfs.write("/private/of-alice", b"x")
        yield found
        hdfs.empty()


def headers(token: str | None, *, basic: bool = False) -> dict[str, str]:
    if basic:
        return {"Authorization": "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
    return {"Authorization": f"Bearer {token}"} if token else {}


def asked(client: httpx.Client, verb: str, path: str, sent: dict[str, str]) -> str:
    """``in``: somebody behind the gateway answered; else the status with which the gateway itself did."""
    answer = client.request(verb, path, headers=sent)
    return str(answer.status_code) if "x-request-id" in answer.headers else "in"  # HDFS knows of no such header


def test_files(running: Running) -> None:
    with cells("gateway-files", least=500) as matrix, running.client() as client:
        callers = {**running.callers(), "the gateway's audience": running.token(USER, "gateway"), "password": None}
        for prefix in PREFIXES:
            for path in FILES:
                for verb in VERBS:
                    for caller, token in callers.items():
                        good = caller in ("right role", "the gateway's audience")
                        declared = ("in" if verb in METHODS else "405") if good else "403" if caller == "wrong role" else "401"
                        found = asked(client, verb, prefix + path, headers(token, basic=caller == "password"))
                        matrix.add(f"{verb} {prefix}{path} × {caller}", declared, found)


def test_a_callers_rights_in_hdfs_are_his_own(running: Running, hdfs: HdfsServer) -> None:
    """``other user``: whoever the folder does not belong to, an administrator of the cluster too; whatever names the query claims."""
    with cells("gateway-owners", least=24) as matrix, running.client() as client:
        claims = ("", "&user.name=nobody", "&user.name=root", "&doas=nobody", "&DoAs=nobody", "&delegation=x")
        for name in (USER, ADMIN):
            for claim in claims:
                for verb, call in (("GET", "/private?op=LISTSTATUS"), ("PUT", "/private/new?op=MKDIRS")):
                    answer = client.request(verb, f"/webhdfs/v1{call}{claim}", headers=headers(running.token(name)))
                    said = answer.json().get("RemoteException", {})
                    kept = (
                        "403" if said.get("exception") == "AccessControlException" and f"user={name}," in said["message"] else answer.text
                    )
                    matrix.add(f"{verb} {call}{claim} × {name}", "403", kept)


def test_everything_else(running: Running) -> None:
    with cells("gateway-elsewhere", least=500) as matrix, running.client() as client:
        for path in ELSEWHERE:
            for verb in VERBS:
                for caller, token in running.callers(ADMIN).items():
                    matrix.add(f"{verb} {path} × {caller}", "404", asked(client, verb, path, headers(token)))
        for path in OPEN:
            for caller, token in running.callers(ADMIN).items():
                matrix.add(f"GET {path} × {caller}", "200", str(client.get(path, headers=headers(token)).status_code))


def test_grpc(data_pool: DataPool, tmp_path: pathlib.Path) -> None:
    """Every call of the Flight service, and what is none, as each kind of caller. ``in``: the compute pool answered."""
    descriptor = flight.FlightDescriptor.for_command(b"{}")
    with cells("gateway-grpc", least=60) as matrix, flights(data_pool, tmp_path) as found:
        callers = {
            **found.callers(),
            "the gateway's audience": found.token(USER, "gateway"),
            "nobody at the master": found.changed(sub="x"),
        }
        for caller, token in callers.items():
            good = caller in ("right role", "the gateway's audience", "nobody at the master")
            declared = "in" if good else "403" if caller == "wrong role" else "401"
            with closing(LoggedIn(found, token)) as client:
                calls: dict[str, Callable[[], object]] = {
                    f"action {name}": lambda name=name: list(client.flight.do_action(flight.Action(name, b"{}"), client.options))
                    for name in (*actions.NAMES, "", "nothing")
                }
                calls |= {
                    "list_actions": lambda: list(client.flight.list_actions(client.options)),
                    "list_flights": lambda: list(client.flight.list_flights(b"", client.options)),
                    "get_flight_info": lambda: client.flight.get_flight_info(descriptor, client.options),
                    "get": lambda: client.flight.do_get(flight.Ticket(b"{}"), client.options).read_all(),
                }
                for name, call in calls.items():
                    matrix.add(f"{name} × {caller}", declared, called(found, call))
                    if caller == "nobody at the master":
                        matrix.add(f"{name} × {caller}, at the compute pool", "28P01", said(call))


def test_spark(tmp_path: pathlib.Path) -> None:
    """Every call of Spark Connect, as each kind of caller, an admin and somebody else; what grpc-status says (0: the server was called)."""
    with cells("gateway-spark", least=200) as matrix, sparks(tmp_path) as found:
        callers = {
            f"{caller}, {name}": (token, "0" if name == ADMIN and caller == "right role" else "7" if "role" in caller else "16")
            for name in (ADMIN, USER)
            for caller, token in {**found.callers(name), "the gateway's audience": found.token(name, "gateway")}.items()
        }

        async def work(hand: Hand) -> None:
            for call in SPARK:
                for caller, (token, declared) in callers.items():
                    login = [(b"authorization", b"Bearer " + token.encode())] if token else []
                    number = hand.ask(*login, path=SERVICE + call.encode())
                    await hand.until(ended(number))
                    matrix.add(f"{call} × {caller}", declared, hand.said(number)["grpc-status"])

        by_hand(found, work)


def called(running: Running, call: Callable[[], object]) -> str:
    """``in``, or what HTTP has for what the gateway itself said: its log's last line."""
    before = len(running.lines)
    with suppress(pa.ArrowException, OSError):
        call()
    eventually(lambda: len(running.lines) > before, "the call is logged")
    status = running.lines[-1]["status"]
    return "in" if status == 200 else str(status)


def test_the_api_is_judged_by_the_controller(running: Running) -> None:
    """Each route of the API, as each kind of caller: through the gateway comes what comes without it."""
    with cells("gateway-api", least=200) as matrix, running.client() as client:
        callers = {**running.callers(USER), "the gateway's audience": running.token(USER, "gateway")}
        for verb, path in ACCESS:
            if not path.startswith("/api/v1/") or verb != "GET":
                continue
            to = path.replace("{", "").replace("}", "")
            for caller, token in callers.items():
                direct = running.api.client.request(verb, to, headers=headers(token)).status_code
                matrix.add(f"{verb} {path} × {caller}", str(direct), str(client.request(verb, to, headers=headers(token)).status_code))
        for caller in ("the gateway's audience", "other audience", "forged"):
            matrix.add(
                f"GET /api/v1/whoami × {caller}", "401", str(client.get("/api/v1/whoami", headers=headers(callers[caller])).status_code)
            )


def test_its_own_trail_is_for_admins(running: Running) -> None:
    with cells("gateway-audit", least=700) as matrix, running.client() as client:
        for name in (ADMIN, USER):
            callers = {**running.callers(name), "the gateway's audience": running.token(name, "gateway"), "password": None}
            for verb in VERBS:
                for query in AUDIT_QUERIES:
                    for caller, token in callers.items():
                        known = caller in ("right role", "the gateway's audience", "wrong role")
                        inside = name == ADMIN and known and caller != "wrong role"
                        answer = "405" if verb != "GET" else "400" if query == "?limit=0" else "200"
                        found = client.request(verb, f"{AUDIT}{query}", headers=headers(token, basic=caller == "password"))
                        declared = answer if inside else "403" if known else "401"
                        matrix.add(f"{verb} {AUDIT}{query} × {name}: {caller}", declared, str(found.status_code))
