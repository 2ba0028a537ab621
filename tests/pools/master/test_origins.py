"""From where the client of a session is: what the master answers to the compute pool's trail, with and without a process before it."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from pools.master.front_clients import Clients, Greeting
from pools.master.workloads import SUPERUSER
from tests.patience import eventually
from tests.pools.master.conftest import Master

ID = """
    SELECT to_hex(trunc(extract(epoch FROM backend_start))::bigint) || '.' || to_hex(pid) FROM pg_stat_activity WHERE pid = pg_backend_pid()
"""


def session_id(connection: psycopg.Connection) -> str:
    row = connection.execute(ID).fetchone()
    assert row is not None
    return str(row[0])


def origin(master: Master, session: str, user: str = SUPERUSER) -> str | None:
    """As the pool asks."""
    with master.connect("bdc_pool", master.secrets["pool-password"]) as pool:
        row = pool.execute("SELECT bdc.pool_session_origin(%s, %s)", [session, user]).fetchone()
    assert row is not None
    return None if row[0] is None else str(row[0])


def test_an_address_while_the_session_lasts(master: Master) -> None:
    with master.superuser() as connection:
        session = session_id(connection)
        assert origin(master, session) == "127.0.0.1"
        began, _, process = session.partition(".")
        assert origin(master, f"{int(began, 16) - 1:x}.{process}") is None, "another session that had the same process number"
    eventually(lambda: origin(master, session) is None, "it has ended")


def test_a_session_is_that_of_who_may_be_the_user(master: Master, people: Callable[..., psycopg.Connection]) -> None:
    """Who comes to the pool says himself which session he is (postgres_fdw.application_name): of somebody else's he gets no address."""
    ann, bob = people("ann_of_origins"), people("bob_of_origins", "admin")
    assert origin(master, session_id(ann), "ann_of_origins") == "127.0.0.1"
    assert origin(master, session_id(bob), "bdc_admin") == "127.0.0.1", "by SET ROLE"
    assert origin(master, session_id(bob), "ann_of_origins") is None
    assert origin(master, session_id(ann), "nobody_at_all") is None
    with master.superuser() as connection:
        assert origin(master, session_id(connection), "ann_of_origins") is None, "a superuser is a member of everything"


@pytest.mark.parametrize(
    "session", ["", ".", "1.", "x.y", "1.2.3", "1." + "f" * 8, "../../etc/passwd", "1.2'; --", "9" * 100, "\u0663.\u0663"]
)
def test_what_is_no_session_is_nobodys(master: Master, session: str) -> None:
    assert origin(master, session) is None


def test_over_the_socket_who_stands_before_the_server_has_left_the_address(master: Master) -> None:
    with master.superuser() as connection:
        row = connection.execute("SHOW unix_socket_directories").fetchone()
    assert row is not None
    folder = pathlib.Path(str(row[0])) / "clients"
    clients = Clients(folder, pytest.fail)
    folder.chmod(0o755)  # the server is another OS user than this test
    where = make_conninfo(
        host=str(folder.parent), port=master.settings.port, user=SUPERUSER, password=master.secrets["master-superuser"], dbname="bdc"
    )
    with psycopg.connect(where, autocommit=True) as connection:
        session, me = session_id(connection), object()
        assert origin(master, session) is None
        clients.came(connection.info.backend_pid, "192.0.2.7", me)
        assert origin(master, session) == "192.0.2.7"
        clients.left(connection.info.backend_pid, object())
        assert origin(master, session) == "192.0.2.7", "somebody else's end"
        clients.left(connection.info.backend_pid, me)
        assert origin(master, session) is None


def test_only_the_pool_may_ask(master: Master, resident: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        resident.execute("SELECT bdc.pool_session_origin('1.2', 'rita')")


def greeting(*messages: bytes) -> list[int | None]:
    heard = Greeting()
    return [heard.heard(message) for message in messages]


def test_the_process_number_in_whatever_pieces_it_comes() -> None:
    key = b"K" + (12).to_bytes(4, "big") + (4711).to_bytes(4, "big") + b"\0\1\2\3"
    before, after = b"R\0\0\0\x08\0\0\0\0" + b"S\0\0\0\x09a\0b\0\0"[:10], b"Z\0\0\0\x05I"
    assert greeting(before + key + after, key) == [4711, None], "said once"
    assert [one for one in greeting(*(bytes([byte]) for byte in before + key + after)) if one is not None] == [4711]
    assert greeting(after, key) == [None, None], "nobody's any more"
    assert greeting(b"E\xff\xff\xff\xff" + key, key) == [None, None]
    assert greeting(b"", b"") == [None, None]


def test_a_folder_that_can_not_be_made_is_said_once(tmp_path: pathlib.Path) -> None:
    said: list[str] = []
    clients = Clients(tmp_path / "none" / "clients", said.append)
    clients.came(1, "192.0.2.7", me := object())
    clients.left(1, me)
    assert len(said) == 1 and "audit" in said[0]
    left = tmp_path / "clients"
    left.mkdir()
    (left / "17").write_text("192.0.2.8")
    Clients(left, said.append)
    assert list(left.iterdir()) == [], "of a front before this one"
