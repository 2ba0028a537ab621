"""Files of a cluster without a gateway whose HDFS speaks TLS itself, as in pods: verified by the login's authority, and shown no token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bdc import contexts
from bdc.errors import BdcError
from bdc.session import Session
from tests.services.certificates import Laid, laid
from tests.services.namenode import NameNode, namenode

STATUS = ("GETFILESTATUS", "/webhdfs/v1/")


@pytest.fixture
def certificates(tmp_path: Path) -> Laid:
    return laid(tmp_path / "tls")


@pytest.fixture
def server(certificates: Laid) -> Iterator[NameNode]:
    with namenode(certificates) as made:
        yield made


def login(server: NameNode, trusted: Laid, **more: str) -> Session:
    endpoints = {"webhdfs": f"{server.url}/webhdfs/v1", **more}
    authority = trusted.authority.certificate
    login = {"token": "a token", "expires": 2.0**40, "token_expires": 2.0**40}
    made = contexts.Session("x", "https://127.0.0.1:1", "ann", endpoints=endpoints, authority=authority, **login)  # type: ignore[arg-type]
    return Session(made, saved=False)


def test_hdfs_is_shown_no_token(server: NameNode, certificates: Laid) -> None:
    assert login(server, certificates).files.status("/").folder
    assert server.asked == [(*STATUS, None)]


def test_the_gateway_is_shown_it(server: NameNode, certificates: Laid) -> None:
    assert login(server, certificates, gateway=server.url).files.status("/").folder
    assert server.asked == [(*STATUS, "Bearer a token")]


def test_somebody_else_is_asked_nothing(server: NameNode, tmp_path: Path) -> None:
    with pytest.raises(BdcError, match="certificate is not trusted"):
        login(server, laid(tmp_path / "other")).files.status("/")
    assert not server.asked
