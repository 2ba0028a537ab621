"""The older releases of Spark that the documentation names: what test_spark_write shows for the locked one, each in its own environment."""

from __future__ import annotations

import pytest

from tests.pyspark_bdc.test_spark_write import HOUSE_ROWS, ROWS, written
from tests.services.data_pool import DataPool
from tests.services.spark import spark_environment

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]  # 450 MB to download for each


@pytest.mark.parametrize("version", ["4.1.4", "4.2.1"])
def test_frames_are_written_and_read(version: str, data_pool: DataPool) -> None:
    with spark_environment(version=version) as spark:
        done = written(spark, data_pool, connect=False)
    assert done["version"] == version
    assert done["house"] == [HOUSE_ROWS, HOUSE_ROWS]
    assert done["many"] == done["after the failures"] == ROWS
    assert done["upserted"] == [ROWS, 1000]
    assert done["read"] == ["13333", "1999900.00", "2026-01-02 03:04:05"]
    assert done["attempts"] == [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1)]
    assert (done["partitions"], done["tiny"], done["empty"]) == (2, 60, "no error")
    assert "23505" in done["duplicate key"] and "already exists" in done["ifExists"]
