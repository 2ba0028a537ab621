"""Restore takes nothing but a whole backup, and leaves nothing of one that is none; the round trip of a cluster is in tests/cluster."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.local import backup
from controller.local.errors import LocalError
from controller.local.progress import Progress
from controller.profiles import render_profile
from controller.spec.edit import set_value
from controller.substrates.local.layout import ClusterHome
from tests.services.cluster import Stage, folder

Entries = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Restores are not started, and make no OS users: that takes seconds, and is tested with whole clusters."""
    with folder() as found:
        monkeypatch.setenv("BDC_HOME", str(found.folder / "home"))
        monkeypatch.setattr(backup, "start", lambda home, _seconds, _progress: {"name": home.name, "controller": "http://x"})
        monkeypatch.setattr(backup, "ensure_users", lambda _home: {})
        yield found


def file(name: str, content: bytes = b"x", kind: bytes = tarfile.REGTYPE) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.size, entry.type, entry.mode = len(content), kind, 0o640
    entry.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
    return entry, content


def archive(stage: Stage, *entries: tuple[tarfile.TarInfo, bytes], digests: dict[str, str] | None = None, form: int = 1) -> Path:
    """A backup of a cluster with one table's folder, and ``entries``."""
    text = set_value(render_profile("local", stage.cluster), "spec.ports.base", "27000")  # a block that nobody has
    spec = file("bdc.yaml", text.encode())
    inner = [spec, file("secrets/ticket.key"), file("store/users.json", b"[]"), file("workloads/master-0/data/pgdata/PG_VERSION", b"18")]
    manifest = {"format": form, "name": stage.cluster, "made_at": "then", "pools": {"master-0": "master"}}
    told = {entry.name: hashlib.sha256(content).hexdigest() for entry, content in (*inner, *entries)} if digests is None else digests
    path = stage.folder / "backup.tar"
    with tarfile.open(path, "w") as made:
        for entry, content in (
            file("manifest.json", json.dumps(manifest).encode()), *inner, *entries, file("digests.json", json.dumps(told).encode()),
        ):  # fmt: skip
            made.addfile(entry, io.BytesIO(content))
    return path


def refused(stage: Stage, path: Path) -> str:
    with pytest.raises(LocalError) as failure:
        backup.restore(path, None, 60, Progress())
    assert not (stage.folder / "home" / "clusters" / stage.cluster).exists()
    return failure.value.message


def test_a_whole_one_is_laid_for_its_users_under_another_name_too(stage: Stage) -> None:
    path = archive(stage)
    done = backup.restore(path, None, 60, Progress())
    home = stage.folder / "home" / "clusters" / stage.cluster
    assert done["name"] == stage.cluster and (home / "workloads/master-0/data/pgdata/PG_VERSION").read_bytes() == b"18"
    assert (home / "workloads/master-0/data/pgdata").stat().st_mode & 0o777 == 0o700
    assert "base: null" not in (home / "bdc.yaml").read_text()
    with pytest.raises(LocalError, match="there is a cluster"):
        backup.restore(path, None, 60, Progress())
    assert home.exists()


@pytest.mark.parametrize(
    "entry",
    [
        file("../../evil"), file("/etc/evil"), file("workloads/../../evil"), file("store/link", b"", tarfile.SYMTYPE),
        file("store/hard", b"", tarfile.LNKTYPE), file("store/device", b"", tarfile.CHRTYPE), file("workloads/stranger-0/data/x"),
    ],
    ids=lambda entry: entry[0].name,
)  # fmt: skip
def test_what_leaves_its_place_is_refused_and_nothing_stays(stage: Stage, entry: tuple[tarfile.TarInfo, bytes]) -> None:
    assert "backup holds" in refused(stage, archive(stage, entry))
    assert not (stage.folder / "evil").exists() and not Path("/etc/evil").exists()


def test_damaged_cut_and_foreign_files_are_told(stage: Stage) -> None:
    whole = archive(stage)
    assert "missing or damaged" in refused(stage, archive(stage, digests={"bdc.yaml": "0"}))
    cut = stage.folder / "cut.tar"
    cut.write_bytes(whole.read_bytes()[:3000])
    assert "not whole" in refused(stage, cut)
    assert "is no backup" in refused(stage, archive(stage, form=99))
    cut.write_bytes(b"no tar at all")
    assert "can't be read as a backup" in refused(stage, cut)


def test_trails_stay_and_an_apps_own_file_of_that_name_goes_along(stage: Stage) -> None:
    home = ClusterHome(stage.folder / "home" / "clusters" / stage.cluster)
    data = home.workload("app-proxy") / "data"
    (data / "versions" / "a").mkdir(parents=True)
    for path in (data / "audit.jsonl", data / "audit.jsonl.1", data / "versions" / "a" / "audit.jsonl", home.spec):
        path.write_text("x")
    found = [name for path, name in backup._files(home, {"app-proxy": "app"}) if path.is_file()]
    assert found == ["bdc.yaml", "workloads/app-proxy/data/versions/a/audit.jsonl"]
