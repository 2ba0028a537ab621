"""A shard whose file was replaced by an older copy of itself: its identity fits, and only its mark tells it from the newer one."""

from __future__ import annotations

import pathlib
import shutil
import uuid
from collections.abc import Callable

import duckdb
import pyarrow as pa
import pytest

from tests.pools.data.stand import DB, Client, RefusedError, served, table

OF = table({"a": "bigint"})
ROWS = pa.table({"a": pa.array([1, 2], pa.int64())})


def replaced(folder: pathlib.Path, after: Callable[[Client], object]) -> int:
    """One load, a copy of the file, ``after``, the copy put back: the mark that was told last."""
    aside = folder.with_name("aside")
    with served(folder) as (client, _):
        client.load(OF, ROWS, 1)
    shutil.copytree(folder, aside)
    with served(folder) as (client, _):
        after(client)
        mark = client.mark
    shutil.rmtree(folder)
    aside.rename(folder)
    return mark


def test_every_ticket_that_knows_more_is_refused(tmp_path: pathlib.Path) -> None:
    mark = replaced(tmp_path / "data", lambda client: client.load(OF, ROWS, 2))
    with served(tmp_path / "data") as (client, _):
        with pytest.raises(RefusedError, match="data-0 was replaced by an older copy"):
            client.read(OF, 2, mark=mark)
        for action in ("seal", "publish", "modify", "stats"):
            with pytest.raises(RefusedError, match="data-0 was replaced by an older copy"):
                client.act(action, ticket=client.ticket("control", mark=mark))
        assert client.column(OF, 1, mark=mark - 2) == [1, 2]  # what was known when the copy was made


def test_a_seal_without_a_publication_counts(tmp_path: pathlib.Path) -> None:
    def sealed(client: Client) -> None:
        load = str(uuid.uuid4())
        client.put(OF, ROWS, load)
        client.seal(OF, load, [[0, 0, 2]])

    mark = replaced(tmp_path / "data", sealed)
    with served(tmp_path / "data") as (client, _), pytest.raises(RefusedError, match="older copy"):
        client.read(OF, 2, mark=mark)


def test_a_restart_forgets_no_mark(tmp_path: pathlib.Path) -> None:
    for version in (1, 2, 3):
        with served(tmp_path / "data") as (client, _):
            assert client.column(OF, version - 1, "SELECT count(*) FROM t", mark=client.mark) == [2 * (version - 1)]
            client.load(OF, ROWS, version)
            mark = client.mark
    with served(tmp_path / "data") as (client, _):
        assert client.column(OF, 3, "SELECT count(*) FROM t", mark=mark) == [6]
        with pytest.raises(RefusedError, match="older copy"):
            client.read(OF, 3, mark=mark + 1)


def test_how_far_it_has_come_with_a_database_is_told(tmp_path: pathlib.Path) -> None:
    """Also when the segments are folded and only the table's horizon knows, and after a restart; an older master gives itself away."""
    told: list[int] = []
    with served(tmp_path / "data", retention_seconds=0) as (client, shard):
        told.append(client.act("hello", db=DB)[0]["newest"])
        client.load(OF, ROWS, 7)
        told.append(client.act("hello", db=DB)[0]["newest"])
        assert shard.compaction.round().segments_folded == 1
        told.append(client.act("hello", db=DB)[0]["newest"])
        told.append(client.act("hello", db=str(uuid.uuid4()))[0]["newest"])
    with served(tmp_path / "data") as (client, _):
        assert [*told, client.act("hello", db=DB)[0]["newest"]] == [0, 7, 7, 0, 7]
        assert "newest" not in client.act("hello")[0]


def test_a_file_of_an_earlier_release_has_no_marks(tmp_path: pathlib.Path) -> None:
    with served(tmp_path / "data") as (client, _):
        client.load(OF, ROWS, 1)
    with duckdb.connect(str(tmp_path / "data" / "shard.duckdb")) as file:
        file.execute("DROP TABLE meta.marks")
    with served(tmp_path / "data") as (client, _):
        client.load(OF, ROWS, 2)
        assert client.mark == 2 and client.column(OF, 2, mark=2) == [1, 1, 2, 2]
