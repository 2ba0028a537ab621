"""The older releases of Spark that the documentation names: what test_spark_write and test_spark_score show for the locked one, each in its
own environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bdc import test_spark_score as scoring
from tests.pyspark_bdc.test_spark_write import HOUSE_ROWS, ROWS, written
from tests.services.cluster import Stage
from tests.services.data_pool import DataPool
from tests.services.spark import SparkEnvironment, spark_environment

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]  # 450 MB to download for each
Older = tuple[str, SparkEnvironment]


@pytest.fixture(scope="module", params=["4.1.4", "4.2.1"])
def older(request: pytest.FixtureRequest) -> Iterator[Older]:
    with spark_environment(version=request.param) as spark:
        yield request.param, spark


def test_frames_are_written_and_read(older: Older, data_pool: DataPool) -> None:
    version, spark = older
    done = written(spark, data_pool, connect=False)
    assert done["version"] == version
    assert done["house"] == [HOUSE_ROWS, HOUSE_ROWS]
    assert done["many"] == done["after the failures"] == ROWS
    assert done["upserted"] == [ROWS, 1000]
    assert done["read"] == ["13333", "1999900.00", "2026-01-02 03:04:05"]
    assert done["attempts"] == [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1)]
    assert (done["partitions"], done["tiny"], done["empty"]) == (2, 60, "no error")
    assert "23505" in done["duplicate key"] and "already exists" in done["ifExists"]


@pytest.fixture(scope="module")
def stage(cluster: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with scoring.staged(cluster, tmp_path_factory.mktemp("apps")) as made:
        yield made


@pytest.mark.parametrize("connect", [False, True], ids=["classic", "connect"])
def test_frames_are_scored(older: Older, connect: bool, stage: Stage, tmp_path: Path) -> None:
    version, spark = older
    with scoring.logged_in(stage) as session:
        done = scoring.scored(spark, stage, session, tmp_path, connect=connect)
        assert done["version"] == version
        scoring.test_spark_rest_and_sql_agree_row_by_row(done, stage, session)
    scoring.test_outputs_are_further_columns_of_their_types(done)
    scoring.test_a_python_app_is_called_at_the_proxy(done)
    for what, parts in scoring.REFUSED:
        scoring.test_what_is_wrong_is_one_error(done, what, parts)
    scoring.test_no_token_is_shown(done)
