"""Files through the gateway, from a HDFS whose WebHDFS speaks TLS, as in pods."""

from __future__ import annotations

import os
import urllib.parse
from pathlib import Path

import pytest

from tests.pools.gateway.running import USER, behind, error, gateway
from tests.services.certificates import laid
from tests.services.hdfs import HdfsServer

pytestmark = pytest.mark.service
CONTENT = os.urandom(3 << 20)


def test_a_file_comes_and_goes_and_redirects_lead_to_the_gateway(hdfs_tls: HdfsServer, tmp_path: Path) -> None:
    assert hdfs_tls.certificates is not None
    with gateway(tmp_path, behind(hdfs_tls), authority=hdfs_tls.certificates.root) as running, hdfs_tls.superuser() as files:
        files.mkdirs("/open", 0o1777, True)
        files.set_permission("/open", 0o1777)
        try:
            with running.client(running.token(USER)) as client:
                to = client.put("/webhdfs/v1/open/mine?op=CREATE")
                assert to.status_code == 307 and to.headers["location"].startswith(running.url), to.text
                assert client.put(to.headers["location"], content=CONTENT).status_code == 201
                told = client.get("/webhdfs/v1/open/mine?op=OPEN&noredirect=true").json()["Location"]
                assert urllib.parse.urlsplit(told).netloc == urllib.parse.urlsplit(running.url).netloc
                assert client.get(told).content == CONTENT
                assert client.get("/webhdfs/v1/open/mine?op=GETFILESTATUS").json()["FileStatus"]["owner"] == USER
        finally:
            hdfs_tls.empty()


def test_a_hdfs_that_is_somebody_elses_is_not_asked(hdfs_tls: HdfsServer, tmp_path: Path) -> None:
    other = laid(tmp_path / "other")
    with gateway(tmp_path, behind(hdfs_tls), authority=other.root) as running, running.client(running.token(USER)) as client:
        answer = client.get("/webhdfs/v1/?op=LISTSTATUS")
        assert answer.status_code == 502
        assert error(answer)["message"] == "HDFS does not answer (unable to get local issuer certificate)"
