"""The job that makes HDFS's first folders, on a HDFS whose WebHDFS speaks TLS."""

from __future__ import annotations

import urllib.error
from pathlib import Path

import pytest

from pools.storage.setup import Place, make_folders
from tests.services.certificates import laid
from tests.services.hdfs import HdfsServer

pytestmark = pytest.mark.service


def test_it_verifies_the_namenode(hdfs_tls: HdfsServer, tmp_path: Path) -> None:
    assert hdfs_tls.certificates is not None
    with hdfs_tls.superuser() as files:
        files.set_permission("/", 0o777)
        try:
            with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
                make_folders(Place(f"{hdfs_tls.web}/webhdfs/v1", laid(tmp_path / "other").root), 0)
            make_folders(Place(f"{hdfs_tls.web}/webhdfs/v1", hdfs_tls.certificates.root), 60)
            assert {entry.path: entry.permission for entry in files.list_status("/", False)} == {"/tmp": 0o1777, "/user": 0o1777}
        finally:
            hdfs_tls.empty()
            files.set_permission("/", 0o755)
