"""Calls of Spark Connect through the gateway: with the caller's own server's token, for whom the controller lets have one."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from pools.gateway import sparks as module
from pools.gateway.settings import AS_LISTED
from pools.storage.spark import token_of
from tests.controller.api.service import ADMIN, PASSWORD, USER
from tests.pools.gateway.running import Running, gateway
from tests.pools.gateway.sparks import SERVICE, listed, sparks, stand_in
from tests.pools.gateway.test_http2 import Hand, by_hand, ended

PLAN = SERVICE + b"AnalyzePlan"


@pytest.fixture
def running(tmp_path: pathlib.Path) -> Iterator[Running]:
    with sparks(tmp_path) as found:
        yield found


def own(user: str) -> str:
    """With which login this user's server wants to be called."""
    return "Bearer " + token_of("spark's token", user)


def called(running: Running, *tokens: str) -> list[dict[str, str]]:
    """What each call, with such a token, is answered."""
    said = []

    async def work(hand: Hand) -> None:
        for token in tokens:
            number = hand.ask((b"authorization", b"Bearer " + token.encode()), path=PLAN)
            await hand.until(ended(number))
            said.append(hand.said(number))

    by_hand(running, work)
    return said


def test_an_admins_server_is_started_and_called_with_its_own_token(running: Running) -> None:
    assert running.api.services.spark is not None
    token = running.token(ADMIN)
    first, second = called(running, token, token)
    assert first == second and first["grpc-status"] == "0"
    assert first["x-called-with"] == "Bearer spark's token"
    assert set(running.api.services.spark.demand.asked()) == {"spark-connect-0"}
    assert running.api.view.changes == 1, "the second call is not asked for again"
    (line, *_) = [line for line in running.lines if line.get("path") == PLAN.decode()]
    assert (line["user"], line["status"]) == (ADMIN, 200) and token not in str(running.lines)


def test_each_admin_gets_his_own_server_and_beyond_their_number_nobody(running: Running) -> None:
    running.api.view.spark_servers = 2
    for name in ("bea", "cem"):
        running.api.services.users.add(name, PASSWORD, ("admin",))
    (entry,) = running.api.view.more_endpoints
    running.api.view.more_endpoints += [{**entry, "name": f"spark-{name}"} for name in (ADMIN, "bea")]
    first, bea, cem = called(running, *(running.token(name) for name in (ADMIN, "bea", "cem")))
    assert [first["x-called-with"], bea["x-called-with"]] == [own(ADMIN), own("bea")]
    assert cem["grpc-status"] == "14" and "all 2 Spark Connect servers are in use" in cem["grpc-message"]


def test_who_may_not_have_a_server_gets_none(running: Running) -> None:
    user, gateways_own, roleless = called(running, running.token(USER), running.token(ADMIN, "gateway"), running.changed(ADMIN, roles=[]))
    assert [one["grpc-status"] for one in (user, gateways_own, roleless)] == ["7", "16", "7"]
    assert "admin" in user["grpc-message"] and "x-called-with" not in user
    assert running.api.services.spark is not None and not running.api.services.spark.demand.asked()


def test_a_server_that_does_not_come_up_is_told(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LISTED_SECONDS", 0.1)
    (entry,) = running.api.view.more_endpoints
    running.api.view.more_endpoints.clear()
    (said,) = called(running, running.token(ADMIN))
    assert said["grpc-status"] == "12"
    monkeypatch.setattr(module, "START_SECONDS", 0.1)
    running.api.view.more_endpoints.append({**entry, "endpoint": "sc://localhost:1"})
    (said,) = called(running, running.token(ADMIN))
    assert said["grpc-status"] == "14" and "still starts" in said["grpc-message"] and "bdc status" in said["grpc-message"]


def test_a_server_that_moved_meanwhile_is_asked_for_once_more(tmp_path: pathlib.Path) -> None:
    with gateway(tmp_path, spark_host="127.0.0.1") as running:
        token = running.token(ADMIN)
        for _ in range(2):  # the second one has another port, and the gateway still knows the first
            with stand_in() as port:
                running.api.view.more_endpoints[:] = [listed(port)]
                (said,) = called(running, token)
                assert said["grpc-status"] == "0"
        assert running.api.view.changes == 2


def test_in_pods_a_server_is_where_the_controller_lists_it(tmp_path: pathlib.Path) -> None:
    with gateway(tmp_path, spark_host=AS_LISTED) as running, stand_in() as port:
        running.api.view.more_endpoints.append({**listed(port), "endpoint": f"sc://127.0.0.1:{port}"})
        (said,) = called(running, running.token(ADMIN))
        assert said["x-called-with"] == "Bearer spark's token"


def test_without_spark_there_is_no_such_service(tmp_path: pathlib.Path) -> None:
    with gateway(tmp_path) as running:
        (said,) = called(running, running.token(ADMIN))
        assert said["grpc-status"] == "12" and "no Spark" in said["grpc-message"]
