"""Logins at the Flight endpoint."""

from __future__ import annotations

import pytest
from pyarrow import flight

from pools.compute.errors import DIRECTORY_HINT
from tests.patience import SOON
from tests.pools.compute.loads.rows import eventually
from tests.services.data_pool import PASSWORD, Client, DataPool, refusal


def options(token: str, database: str = "bdc") -> flight.FlightCallOptions:
    return flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {token}".encode()), (b"bdc-database", database.encode())])


def refused_status(client: flight.FlightClient, given: flight.FlightCallOptions | None) -> dict[str, object]:
    with pytest.raises(flight.FlightError) as raised:
        list(client.do_action(flight.Action("status", b"{}"), given))
    return refusal(raised.value)


@pytest.mark.parametrize(("user", "password"), [("alice", "wrong"), ("nobody", PASSWORD), ("bdc_pool", PASSWORD), ("alice", "")])
def test_a_wrong_login_is_refused_in_the_same_words(data_pool: DataPool, user: str, password: str) -> None:
    with pytest.raises(flight.FlightUnauthenticatedError) as raised:
        data_pool.client(user, password)
    message = f'password authentication failed for user "{user}"'
    assert refusal(raised.value) == {"sqlstate": "28P01", "message": message, "hint": DIRECTORY_HINT}


def test_another_database_has_other_logins(data_pool: DataPool) -> None:
    with pytest.raises(flight.FlightUnauthenticatedError):
        data_pool.client("alice", database="nowhere")


def test_nothing_without_a_token_or_with_a_forged_one(data_pool: DataPool) -> None:
    with flight.FlightClient(f"grpc://127.0.0.1:{data_pool.flight_ports[0]}") as client:
        assert refused_status(client, None)["sqlstate"] == "28000"
        assert refused_status(client, options("x.y.z"))["sqlstate"] == "28P01"
        shard_ticket = data_pool.signer.sign("data-shard", "session", 60, {"sub": "alice", "db": "bdc"})
        assert refused_status(client, options(shard_ticket))["sqlstate"] == "28P01"
        unbound = data_pool.signer.sign("bdc-flight", "session", 60, {"sub": "alice", "db": "bdc", "v": "made up"})
        assert refused_status(client, options(unbound))["sqlstate"] == "28P01"
        over = data_pool.signer.sign("bdc-flight", "session", -120, {"sub": "alice", "db": "bdc"})
        assert "expired" in str(refused_status(client, options(over))["message"])


def test_a_password_of_many_alphabets_logs_in(data_pool: DataPool) -> None:
    data_pool.add_user("ünïcode", password="пароль 密码 ½")
    Client(f"grpc://127.0.0.1:{data_pool.flight_ports[0]}", "ünïcode", "пароль 密码 ½").close()


def test_a_changed_password_ends_the_token_within_seconds(data_pool: DataPool) -> None:
    data_pool.add_user("carol")
    client = data_pool.client("carol")
    body = flight.Action("read", b'{"sql": "SELECT 1 AS one"}')
    assert list(client.flight.do_action(body, client.options))
    data_pool.add_user("carol", password="Another-1234")

    def gone() -> bool:
        try:
            list(client.flight.do_action(body, client.options))
        except flight.FlightUnauthenticatedError:
            return True
        return False

    eventually(gone, SOON)
    client.close()
