"""Files of a cluster without a gateway whose HDFS speaks TLS itself, as in pods: verified by the login's authority, and shown no token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from bdc import contexts
from bdc.errors import BdcError
from bdc.session import Session
from tests.services.certificates import laid
from tests.services.hdfs import HdfsServer

pytestmark = pytest.mark.service
TOKEN = "nobody else's business"


def login(server: HdfsServer, authority: str, **more: str) -> Session:
    endpoints = {"webhdfs": f"{server.web}/webhdfs/v1", **more}
    made = contexts.Session(
        name="x", controller="https://127.0.0.1:1", username="nobody", cluster="x", authority=authority, endpoints=endpoints
    )
    return Session(made, saved=False)


@pytest.fixture
def asked() -> Iterator[list[str]]:
    """The tokens that were taken to show them to somebody."""
    taken: list[str] = []

    def token(_: Session) -> str:
        taken.append(TOKEN)
        return TOKEN

    with patch.object(Session, "_token", token):
        yield taken


def test_hdfs_is_verified_and_shown_no_token(hdfs_tls: HdfsServer, tmp_path: Path, asked: list[str]) -> None:
    assert hdfs_tls.certificates is not None
    session = login(hdfs_tls, hdfs_tls.certificates.authority.certificate)
    session.files.write("/told", b"of a DataNode by TLS")
    assert b"".join(session.files.read("/told")) == b"of a DataNode by TLS"
    assert not asked
    with pytest.raises(BdcError, match="certificate is not trusted"):
        login(hdfs_tls, laid(tmp_path / "other").authority.certificate).files.status("/")
    hdfs_tls.empty()


def test_the_gateway_is_shown_it(hdfs_tls: HdfsServer, asked: list[str]) -> None:
    assert hdfs_tls.certificates is not None
    login(hdfs_tls, hdfs_tls.certificates.authority.certificate, gateway=hdfs_tls.web).files.status("/")
    assert asked == [TOKEN]
