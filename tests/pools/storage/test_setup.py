"""The job that makes HDFS's first folders, where WebHDFS speaks TLS; against a real HDFS it runs with every cluster."""

from __future__ import annotations

import urllib.error
from pathlib import Path

import pytest

from pools.storage.setup import FOLDERS, Place, make_folders
from tests.services.certificates import laid
from tests.services.namenode import namenode


def test_it_verifies_the_namenode(tmp_path: Path) -> None:
    certificates = laid(tmp_path / "tls")
    with namenode(certificates) as server:
        address = f"{server.url}/webhdfs/v1"
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            make_folders(Place(address, laid(tmp_path / "other").root), 0)
        assert not server.asked
        make_folders(Place(address, certificates.root), 60)
        made = {path for operation, path, _ in server.asked if operation == "MKDIRS"}
        assert made == {f"/webhdfs/v1{path}" for path, _ in FOLDERS}
