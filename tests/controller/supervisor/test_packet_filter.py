"""The kernel's own rules, tried by processes of other OS users; and what becomes of a table."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from controller.supervisor import packet_filter
from tests.strangers import OPEN, REFUSED, only_root, tried

pytestmark = only_root
NOBODY, SOMEBODY = 65534, 61234


@pytest.fixture
def table() -> Iterator[str]:
    name = f"openbdc_test_{secrets.token_hex(4)}"
    yield name
    packet_filter.remove(name)


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    """Two that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        yield one.getsockname()[1], other.getsockname()[1]


def test_others_are_refused_at_once_and_other_ports_left_alone(table: str, ports: tuple[int, int]) -> None:
    closed, other = ports
    assert tried(NOBODY, ports) == {closed: OPEN, other: OPEN}
    packet_filter.replace(table, "/nowhere", [closed], [0, SOMEBODY])
    assert tried(NOBODY, ports) == {closed: REFUSED, other: OPEN}
    assert tried(SOMEBODY, ports) == tried(0, ports) == {closed: OPEN, other: OPEN}
    packet_filter.remove(table)
    assert tried(NOBODY, ports) == {closed: OPEN, other: OPEN}


def test_by_ipv6_too(table: str) -> None:
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with server:
        port = server.getsockname()[1]
        packet_filter.replace(table, "", [port], [0])
        source = f"import socket; socket.create_connection(('::1', {port}), timeout=60)"
        done = subprocess.run([sys.executable, "-I", "-S", "-c", source], user=NOBODY, capture_output=True, text=True)
        assert "ConnectionRefusedError" in done.stderr
        socket.create_connection(("::1", port), timeout=60).close()


def test_what_is_sent_after_the_program_has_ended_arrives(table: str, ports: tuple[int, int]) -> None:
    """The kernel sends it without anybody's socket: only the first packet of a connection is looked at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port, size = server.getsockname()[1], 3_000_000
        packet_filter.replace(table, "", [port], [0])
        source = f"import socket; s = socket.create_connection(('127.0.0.1', {port})); s.setblocking(False); print(s.send(bytes({size})))"
        sent = int(subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True).stdout)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(60)
            received = 0
            while block := connection.recv(1 << 20):
                received += len(block)
        assert received == sent > 0


def test_a_table_is_replaced_as_a_whole_and_removed_once(table: str, ports: tuple[int, int]) -> None:
    closed, other = ports
    packet_filter.replace(table, "/a/folder", [closed], [0])
    assert packet_filter.tables()[table] == "/a/folder" and packet_filter.rules(table) == 3 + 1 + 1
    packet_filter.replace(table, "x" * 200, [other], [0, 1])
    assert packet_filter.tables()[table] == "x" * packet_filter.LONGEST_COMMENT and packet_filter.rules(table) == 3 + 2 + 1
    assert tried(NOBODY, ports) == {closed: OPEN, other: REFUSED}
    packet_filter.remove(table)
    packet_filter.remove(table)
    assert table not in packet_filter.tables() and packet_filter.rules(table) == 0


def test_a_mistake_changes_nothing(table: str, ports: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel refuses the last rule, after the table of before was deleted and made anew."""
    closed, other = ports
    packet_filter.replace(table, "", [closed], [0])
    monkeypatch.setattr(packet_filter, "TCP_RESET", 77)
    with pytest.raises(OSError, match=r"Invalid argument|not supported"):
        packet_filter.replace(table, "", [other], [0])
    assert tried(NOBODY, ports) == {closed: REFUSED, other: OPEN}


def test_a_process_without_the_right_hears_so() -> None:
    source = "from controller.supervisor import packet_filter\ntry: packet_filter.tables()\nexcept PermissionError: print('no')"
    rights = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"]
    done = subprocess.run([*rights, sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout == "no\n"
