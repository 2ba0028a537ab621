"""The file of a backup as the client writes and reads it: the same as one machine's, whole or refused."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from azdata_like_cli.kubernetes import archive, backup
from bdc.errors import UserError
from controller.local import backup as local

MANIFEST: dict[str, object] = {"name": "sales", "made_at": "then", "pools": {"master-0": "master", "data-0": "data"}}


def made(path: Path) -> Path:
    with archive.Writer(path, MANIFEST) as out:
        out.add("bdc.yaml", b"kind: BigDataCluster\n")
        out.add("secrets/ticket.key", b"\x00key")
        out.add("store/users.json", b"[]")
        for workload, content in (("data-0", b"rows"), ("master-0", b"18")):
            folder, file = tarfile.TarInfo("pgdata"), tarfile.TarInfo("pgdata/PG_VERSION")
            folder.type, folder.mode, file.mode, file.size = tarfile.DIRTYPE, 0o700, 0o600, len(content)
            out.copy(f"workloads/{workload}/data/pgdata", folder, None)
            out.copy(f"workloads/{workload}/data/pgdata/PG_VERSION", file, io.BytesIO(content))
        assert out.done() == 5
    return path


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_what_was_written_is_read(tmp_path: Path, name: str) -> None:
    path = made(tmp_path / name)
    assert path.stat().st_mode & 0o777 == 0o600 and [file.name for file in tmp_path.iterdir()] == [name]
    found = archive.check(path)
    assert (found.name, found.made_at, found.spec) == ("sales", "then", "kind: BigDataCluster\n")
    assert (found.secrets, found.store) == ({"ticket.key": b"\x00key"}, {"users.json": b"[]"})
    assert found.sizes == {"data-0": 4, "master-0": 2}
    read = [
        (workload, [(entry.name, entry.mode, content.read() if content else None) for entry, content in entries])
        for workload, entries in found.folders()
    ]
    assert read == [
        ("data-0", [("pgdata", 0o700, None), ("pgdata/PG_VERSION", 0o600, b"rows")]),
        ("master-0", [("pgdata", 0o700, None), ("pgdata/PG_VERSION", 0o600, b"18")]),
    ]


def test_long_names_are_laid_where_they_belong(tmp_path: Path) -> None:
    """As HDFS's: beyond 100 characters tar keeps a name beside the entry too, and that one won when the entry was laid elsewhere."""
    name, content = f"blocks/{'x' * 120}/blk_1", b"a block"
    with archive.Writer(tmp_path / "a.tar", MANIFEST) as out:
        out.add("bdc.yaml", b"kind: BigDataCluster\n")
        file = tarfile.TarInfo(name)
        file.size = len(content)
        out.copy(f"workloads/storage-0-0/data/{name}", file, io.BytesIO(content))
        out.done()
    with tarfile.open(tmp_path / "volume.tar", "w|") as volume:
        for _, entries in archive.check(tmp_path / "a.tar").folders():
            for entry, read in entries:
                volume.addfile(entry, read)
    with tarfile.open(tmp_path / "volume.tar") as volume:
        (found,) = volume
        assert found.name == name and volume.extractfile(found).read() == content  # type: ignore[union-attr]


def test_one_machine_knows_the_file(tmp_path: Path) -> None:
    path = made(tmp_path / "a.tar")
    with local._opened(path) as opened:
        assert local._manifest(opened, path)["pools"] == MANIFEST["pools"]


def test_the_spec_of_one_machine_means_kubernetes_after_a_restore() -> None:
    text = """
apiVersion: openbdc.dev/v1alpha1
kind: BigDataCluster
metadata: {name: sales}
spec:
  profile: local
  network: {bind: 192.0.2.7}
  pools: {master: {memoryMegabytes: 64, postgresql: {bin: /usr/lib/postgresql/17/bin}}, data: {shards: 3}}
"""
    found = archive.Found(Path("a.tar"), "sales", "then", text, {}, {}, {})
    made = backup._spec(found, "copy")
    pools = {"master": {"memoryMegabytes": 64}, "data": {"shards": 3}}
    assert made["metadata"] == {"name": "copy"}
    assert made["spec"] == {"profile": "kubernetes", "pools": pools}


def test_a_writer_that_is_not_done_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), archive.Writer(tmp_path / "a.tar", MANIFEST) as out:
        out.add("bdc.yaml", b"x")
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_what_is_damaged_or_no_backup_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "a.tar")
    content = path.read_bytes()
    for changed, why in (
        (content.replace(b"rows", b"rowz"), "not whole"),
        (content[: content.index(b"digests.json")], "not whole"),
        (b"nothing", "read as a backup"),
    ):
        path.write_bytes(changed)
        with pytest.raises(UserError, match=why):
            archive.check(path)


def test_what_would_leave_its_folder_is_refused(tmp_path: Path) -> None:
    with archive.Writer(tmp_path / "a.tar", MANIFEST) as out:
        out.add("workloads/data-0/data/../../../etc/passwd", b"x")
        out.done()
    with pytest.raises(UserError, match="must not"):
        archive.check(tmp_path / "a.tar")
