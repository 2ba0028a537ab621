"""A whole cluster into a file, deleted, and back: tables of master and data pool, files, users. Minutes: ``full``."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from tests.cluster.life import connect, green, home_of, until
from tests.services.cluster import Stage, folder

pytestmark = [pytest.mark.service, pytest.mark.full]
ROWS = 5_000
ANN = {"user": "ann", "password": "ann's pass phrase"}


def test_everything_is_back_under_its_own_name_and_another() -> None:
    with folder() as stage:
        stage.create()
        file = stage.folder / "backup.tar.gz"
        _fill(stage)
        stage.bdc("backup", str(file), "--yes")
        assert green(home_of(stage)) and file.stat().st_mode & 0o777 == 0o600
        _check(stage)
        stage.delete()
        for name in (stage.cluster, f"{stage.cluster}b"):
            again = replace(stage, cluster=name)
            stage.bdc("restore", str(file), "--name", name)
            try:
                stage.bdc("login", name)
                until(lambda place=again: green(home_of(place)), f"the restored cluster {name} is ready")
                _check(again)
                with connect(again, **ANN) as ann:
                    assert ann.execute("SELECT count(*) FROM own").fetchone() == (1,)
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        ann.execute("SELECT * FROM spread")
            finally:
                again.delete()


def _fill(stage: Stage) -> None:
    text = stage.folder / "lines.txt"
    text.write_text("hello\n")
    stage.bdc("hdfs", "cp", str(text), "hdfs:/lines.txt", output=None)
    stage.bdc("user", "add", "ann", "--password-stdin", secret=f"{ANN['password']}\n")
    with connect(stage) as master:
        master.execute("CREATE TABLE own AS SELECT 42 AS answer")
        master.execute("GRANT SELECT ON own TO ann")
        master.execute("CALL bdc.create_data_table('spread', %s, 'ROUND_ROBIN')", ('[{"name": "id", "type": "bigint"}]',))
        master.execute(f"INSERT INTO spread SELECT * FROM generate_series(1, {ROWS})".encode())


def _check(stage: Stage) -> None:
    with connect(stage) as master:
        assert master.execute("SELECT * FROM own").fetchone() == (42,)
        assert master.execute("SELECT count(*), sum(id) FROM spread").fetchone() == (ROWS, ROWS * (ROWS + 1) // 2)
    assert stage.bdc("hdfs", "cat", "hdfs:/lines.txt", output=None) == "hello\n"
