"""Who is refused although somebody listens hears why; everybody else hears what there is to hear."""

from __future__ import annotations

import secrets
import socket

import pytest

from bdc.closed import closed, listens
from bdc.errors import UnreachableError
from bdc.webhdfs import WebHdfs
from controller.supervisor import packet_filter
from tests.strangers import as_user, only_root

ASK = """
import sys
from bdc.errors import BdcError
from bdc.webhdfs import WebHdfs
try:
    list(WebHdfs(f"http://127.0.0.1:{sys.argv[1]}/webhdfs/v1", "alice").listing("/"))
except BdcError as error:
    print(error.code, error.message, error.hint, sep="|")
"""


@only_root
def test_who_is_no_user_of_the_cluster_is_shown_the_gateway() -> None:
    table = f"openbdc_test_{secrets.token_hex(4)}"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        packet_filter.replace(table, "", [port], [0])
        try:
            code, message, hint = as_user("nobody", ASK, str(port), isolated=False).stdout.strip().split("|")
        finally:
            packet_filter.remove(table)
    assert code == "closed_port" and "for the cluster's OS users only" in message
    assert "bdc login -e" in hint and "gateway" in hint


def test_where_nobody_listens_it_does_not_answer() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        assert not listens(port)
        assert closed(f"http://127.0.0.1:{port}", ConnectionRefusedError()) is None
        with pytest.raises(UnreachableError, match="does not answer"):
            WebHdfs(f"http://127.0.0.1:{port}/webhdfs/v1", "alice").status("/")


def test_other_hosts_and_other_errors_are_not_explained() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listens(port)
        assert closed(f"http://192.0.2.1:{port}", ConnectionRefusedError()) is None
        assert closed(f"http://127.0.0.1:{port}", TimeoutError()) is None
