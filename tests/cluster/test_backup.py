"""A whole cluster into a file, deleted, and back: tables of master and data pool, files, users. Minutes: ``full``."""

from __future__ import annotations

import pytest

from tests.cluster.life import connect, green, home_of, until
from tests.services.cluster import Stage, folder

pytestmark = [pytest.mark.service, pytest.mark.full]
ROWS = 5_000


def test_everything_is_back_under_its_own_name_and_another() -> None:
    with folder() as stage:
        stage.create()
        file = stage.folder / "backup.tar.gz"
        _fill(stage)
        stage.bdc("backup", str(file), "--yes")
        assert green(home_of(stage)) and file.stat().st_mode & 0o777 == 0o600
        _check(stage)
        stage.delete()
        stage.bdc("restore", str(file))
        stage.bdc("login", stage.cluster)
        until(lambda: green(home_of(stage)), "the restored cluster is ready")
        _check(stage)
        with connect(stage, user="ann", password="ann's pass phrase") as ann:
            assert ann.execute("SELECT current_user").fetchone() == ("ann",)


def _fill(stage: Stage) -> None:
    text = stage.folder / "lines.txt"
    text.write_text("hello\n")
    stage.bdc("hdfs", "cp", str(text), "hdfs:/lines.txt", output=None)
    stage.bdc("user", "add", "ann", "--password-stdin", secret="ann's pass phrase\n")
    with connect(stage) as master:
        master.execute("CREATE TABLE own AS SELECT 42 AS answer")
        master.execute("CALL bdc.create_data_table('spread', %s, 'ROUND_ROBIN')", ('[{"name": "id", "type": "bigint"}]',))
        master.execute(f"INSERT INTO spread SELECT * FROM generate_series(1, {ROWS})".encode())


def _check(stage: Stage) -> None:
    with connect(stage) as master:
        assert master.execute("SELECT * FROM own").fetchone() == (42,)
        assert master.execute("SELECT count(*), sum(id) FROM spread").fetchone() == (ROWS, ROWS * (ROWS + 1) // 2)
    assert stage.bdc("hdfs", "cat", "hdfs:/lines.txt", output=None) == "hello\n"
