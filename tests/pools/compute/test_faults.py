"""Bad input and faults: one clear error, nothing left running."""

from __future__ import annotations

import pathlib
import socket
import struct
import threading
import time
from contextlib import suppress

import psycopg
import pytest
from psycopg import errors

from pools.compute.settings import Limits
from pools.compute.wire import server
from tests.patience import PATIENCE, SOON
from tests.pools.compute.conftest import RunningPool, running_pool
from tests.pools.compute.wire.client import RawClient


def wait_until(condition: object, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_client_that_vanishes_stops_its_query_at_once(pool: RunningPool) -> None:
    client = RawClient(pool.port)
    client.log_in()
    client.send(b"Q", b"SELECT n FROM slow\0")
    wait_until(lambda: pool.engine.contexts)
    client.close()
    wait_until(lambda: pool.engine.contexts[0].cancelled and pool.engine.streams[0].closed.is_set(), SOON)
    assert pool.queries is not None
    wait_until(lambda: not pool.queries.all())  # type: ignore[union-attr]


def test_slow_client_does_not_grow_memory(pool: RunningPool) -> None:
    """A client that reads nothing: the engine is asked for a few chunks only."""
    import pyarrow as pa

    pulled = []
    block = pa.RecordBatch.from_pydict({"t": ["x" * 100] * 10_000})

    def batches():  # type: ignore[no-untyped-def]
        for number in range(1_000):
            pulled.append(number)
            yield block

    pool.engine.batches = batches
    with RawClient.logged_in(pool.port) as client:
        client.send(b"Q", b"SELECT t FROM many\0")
        wait_until(lambda: len(pulled) > 2)
        time.sleep(1)
        assert len(pulled) < 60, len(pulled)
    wait_until(lambda: pool.engine.streams[0].closed.is_set())


def test_cancel_request(pool: RunningPool) -> None:
    with pool.connect() as connection:
        timer = threading.Timer(0.3, connection.cancel_safe)  # cancel() would hold the interpreter, and the server with it
        timer.start()
        start = time.monotonic()
        with pytest.raises(errors.QueryCanceled, match="user request"):
            connection.execute("SELECT n FROM slow")
        assert time.monotonic() - start < SOON
        assert connection.execute("SELECT 1").fetchone() == (1,)
    wait_until(lambda: pool.engine.streams[0].closed.is_set())


def test_cancel_with_a_wrong_key_does_nothing(pool: RunningPool) -> None:
    with pool.connect() as connection:
        with socket.create_connection(("127.0.0.1", pool.port)) as other:
            other.sendall(struct.pack(">IIII", 16, 80877102, connection.info.backend_pid, 1))
            assert other.recv(10) == b""
        assert connection.execute("SELECT count(*) FROM numbers").fetchone() == (25_000,)


def test_statement_timeout(pool: RunningPool) -> None:
    with pool.connect() as connection:
        connection.execute("SET statement_timeout = '200ms'")
        with pytest.raises(errors.QueryCanceled, match="statement timeout"):
            connection.execute("SELECT n FROM slow")
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_admission_refuses_who_has_waited_long_enough() -> None:
    with running_pool(Limits(running=1, wait_seconds=0.5)) as pool, pool.connect() as first, pool.connect() as second:
        first.execute("BEGIN")
        first.execute("DECLARE a CURSOR FOR SELECT n FROM slow")
        first.execute("DECLARE b CURSOR FOR SELECT id FROM numbers")  # a second one of the same session needs no second place
        assert len(first.execute("FETCH 2 FROM b").fetchall()) == 2
        with pytest.raises(errors.TooManyConnections) as caught:
            second.execute("SELECT id FROM numbers")
        assert "bdc.queries" in (caught.value.diag.message_hint or "")
        assert second.execute("SELECT 1").fetchone() == (1,)


def test_admission_queues() -> None:
    with running_pool(Limits(running=1, wait_seconds=PATIENCE)) as pool, pool.connect() as first, pool.connect() as second:
        first.execute("BEGIN")
        first.execute("DECLARE a CURSOR FOR SELECT n FROM slow")
        timer = threading.Timer(0.2, first.execute, ["ROLLBACK"])
        timer.start()
        assert second.execute("SELECT count(*) FROM numbers").fetchone() == (25_000,)
        timer.join()
        assert pool.queries is not None
        assert pool.queries.all() == []


def test_many_clients_side_by_side() -> None:
    with running_pool(Limits(running=4)) as pool:
        failures: list[BaseException] = []

        def work(number: int) -> None:
            try:
                with pool.connect() as connection:
                    for _ in range(5):
                        row = connection.execute("SELECT count(*) FROM numbers WHERE id < %s", (number,)).fetchone()
                        assert row == (number,)
            except BaseException as error:  # noqa: BLE001 (shown by the test)
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 21)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert failures == []


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x08\0\0\0\0", b"\xff" * 100, b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", b"\0\0\0\x04", b""],
)
def test_garbage_instead_of_a_startup(pool: RunningPool, data: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", pool.port), timeout=PATIENCE) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while part := client.recv(1000):
            answer += part
        assert answer == b"" or answer[:1] == b"E"
    assert "Traceback" not in capsys.readouterr().out


@pytest.mark.parametrize("message", [b"\xff\0\0\0\x05x", b"Q\x7f\xff\xff\xff", b"Q\0\0\0\x03", b"B\0\0\0\x06\0\0", b"Q\0\0\0\x06\xff\0"])
def test_garbage_after_the_login(pool: RunningPool, message: bytes) -> None:
    with RawClient.logged_in(pool.port) as client:
        client.socket.sendall(message)
        kind, body = client.receive()
        assert kind == "E"
        assert b"FATAL" in body
        assert b"08P01" in body
        assert client.receive() == ("", b"")


def test_big_message_before_the_login_is_refused(pool: RunningPool) -> None:
    client = RawClient(pool.port)
    client.startup(196608, user="alice", database="sales")
    client.until("R")
    client.socket.sendall(b"p" + struct.pack(">I", 1 << 24))
    assert b"08P01" in client.receive()[1]
    client.close()


def test_errors_skip_to_sync(pool: RunningPool) -> None:
    with RawClient.logged_in(pool.port) as client:
        client.send(b"P", b"\0SELECT wrong FROM nowhere\0\0\0")
        client.send(b"B", b"\0nothere\0" + b"\0\0" * 3)
        client.send(b"E", b"\0\0\0\0\0")
        client.send(b"S")
        kinds = [kind for kind, _ in client.until("Z")]
        assert kinds == ["1", "E", "Z"]


def test_protocol_3_2_gets_a_long_key_and_unknown_versions_are_negotiated(pool: RunningPool) -> None:
    with RawClient.logged_in(pool.port) as old:
        assert old is not None
    for version, options, length, negotiated in ((196610, {}, 36, False), (196608 + 9999, {"_pq_.new": "1"}, 36, True)):
        client = RawClient(pool.port)
        messages = dict(client.log_in(version, **options))
        assert len(messages["K"]) == length
        assert ("v" in messages) is negotiated
        client.close()


def test_encryption_is_refused_with_n(pool: RunningPool) -> None:
    with socket.create_connection(("127.0.0.1", pool.port), timeout=PATIENCE) as client:
        for code in (80877103, 80877104):
            client.sendall(struct.pack(">II", 8, code))
            assert client.recv(10) == b"N"


def test_shutdown_tells_idle_clients_and_cancels_running_ones(pool: RunningPool) -> None:
    with RawClient.logged_in(pool.port) as idle, pool.connect() as busy:
        caught: list[BaseException] = []

        def run() -> None:
            try:
                busy.execute("SELECT n FROM slow")
            except psycopg.Error as error:
                caught.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        wait_until(lambda: pool.engine.contexts)
        assert pool.server is not None
        pool.call(pool.server.stop(0.3))
        assert b"57P01" in idle.receive()[1]
        thread.join(PATIENCE)
        assert isinstance(caught[0], errors.AdminShutdown)
    assert pool.engine.contexts[0].cancelled


def test_idle_clients_are_closed() -> None:
    with running_pool(Limits(idle_seconds=0.2)) as pool, RawClient.logged_in(pool.port) as client:
        kind, body = client.receive()
        assert (kind, b"57P01" in body) == ("E", True)


def test_internal_errors_show_a_reference_only(pool: RunningPool) -> None:
    def broken():  # type: ignore[no-untyped-def]
        raise RuntimeError("planted-secret")
        yield

    pool.engine.batches = broken
    with pool.connect() as connection, pytest.raises(errors.InternalError_) as caught:
        connection.execute("SELECT t FROM many")
    assert "planted-secret" not in str(caught.value)
    assert "Reference" in str(caught.value)


def test_no_file_descriptors_are_left(pool: RunningPool) -> None:
    with pool.connect() as connection:
        connection.execute("SELECT 1")
    time.sleep(0.1)
    before = len(list(pathlib.Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        with pool.connect() as connection:
            connection.execute("SELECT count(*) FROM numbers")
    wait_until(lambda: len(list(pathlib.Path("/proc/self/fd").iterdir())) <= before + 2)


@pytest.mark.parametrize("user", ["alice", "nobody-at-all"])
def test_guesses_are_answered_no_sooner(pool: RunningPool, user: str) -> None:
    begun = time.monotonic()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        pool.connect(user=user, password="a guess")
    assert time.monotonic() - begun >= server.REFUSED_SECONDS


def test_more_connections_than_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STRANGERS", 1)
    with running_pool(Limits(connections=2)) as pool, pool.connect() as first, pool.connect():
        with pytest.raises(psycopg.OperationalError, match="too many clients"):
            pool.connect()
        wait_until(lambda: len(pool.server._tasks) == 2)  # type: ignore[union-attr]
        with socket.create_connection(("127.0.0.1", pool.port)):  # a stranger who says nothing holds the last place
            wait_until(lambda: len(pool.server._tasks) == 3)  # type: ignore[union-attr]
            with socket.create_connection(("127.0.0.1", pool.port), PATIENCE) as another, suppress(ConnectionResetError):
                assert another.recv(1) == b""
        first.close()
        wait_until(lambda: len(pool.server._tasks) == 1)  # type: ignore[union-attr]
        with pool.connect() as again:
            assert again.execute("SELECT 1").fetchone() == (1,)
