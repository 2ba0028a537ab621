"""Apps by the SDK in a whole cluster: folders, a function of a notebook, rows in batches; and the snippets of the page."""

from __future__ import annotations

import math
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pandas
import pyarrow
import pytest

import bdc
from bdc.errors import ConflictError, NotFoundError, ServiceError, UserError
from bdc.session import Session
from tests.apps.folders import app, python
from tests.services.cluster import Stage
from tests.test_docs import blocks

ROOT = pathlib.Path(__file__).parents[2]
HOUSE = ROOT / "examples" / "apps" / "house"
BASE = 100.0
SAID = ("(132,)", "['rooms', 'lower_status', 'result']", "{'result': 33.95}", "house@v1 exists already", "42703 column", "33.95")
SLOW = "def run(x: int):\n    if x == 1500:\n        raise RuntimeError('row of its own')\n    return x + 1\n"


@pytest.fixture(scope="module")
def session(cluster: Stage) -> Iterator[Session]:
    with bdc.connect(controller=cluster.endpoint("controller"), username="admin", password=cluster.password) as found:
        yield found
        for one in found.apps.list():
            found.apps.delete(str(one["name"]), str(one["version"]), live=True)


def doubled(x: float, label: str) -> dict[str, Any]:
    return {"twice": rounded(2 * x + BASE), "shown": label.upper()}


def rounded(x: float) -> float:
    return math.floor(x * 10) / 10


def test_a_function_is_published_called_and_put_in_its_own_place(session: Session) -> None:
    found = session.apps.publish(doubled, output={"twice": float, "shown": "str"}, sample={"x": 1.0, "label": "a"}, timeout=10)
    assert (found["state"], found["name"], found["version"], found["percent"]) == ("Ready", "doubled", "v1", 100)
    given = {"x": 1.23, "label": "ab"}
    expected = {"twice": 102.4, "shown": "AB"}
    assert session.apps.run("doubled@v1", given)["outputParameters"] == expected == doubled(**given)
    for answer in (session.apps.run("doubled", given), session.apps.run("doubled", "live", given)):
        assert answer["outputParameters"] == expected
    with pytest.raises(ConflictError, match="exists already"):
        session.apps.publish(doubled, output={"twice": float, "shown": str})
    with pytest.raises(ServiceError, match="can't be started") as caught:  # its sample fails, so the old one goes on
        session.apps.publish(doubled, output={"twice": str, "shown": str}, sample={"x": 1, "label": "a"}, update=True)
    assert "twice" in str(caught.value.why)
    assert session.apps.run("doubled@v1", given)["outputParameters"] == expected
    with pytest.raises(UserError, match="which inputs"):
        session.apps.run("doubled", "v1")  # type: ignore[call-overload]


def test_rows_come_back_in_their_order_with_the_outputs(session: Session, tmp_path: pathlib.Path) -> None:
    session.apps.create(python(tmp_path / "t", SLOW, "{x: int}", "{y: int}", "poolsize: 2"))
    frame = pandas.DataFrame({"x": range(1400), "beside": "é"}, index=range(5000, 6400))
    scored = session.apps.score(frame, "t@v1")
    assert scored.y.tolist() == [x + 1 for x in range(1400)]
    assert scored.index.equals(frame.index) and list(scored.columns) == ["x", "beside", "y"] and "y" not in frame
    table = session.apps.score(pyarrow.table({"x": pyarrow.array([3, 1, 2], pyarrow.int16())}), "t")
    assert table.to_pydict() == {"x": [3, 1, 2], "y": [4, 2, 3]}
    assert session.apps.score(({"x": 7},), "t@live") == [{"x": 7, "y": 8}]
    assert session.apps.score([{"X": 7}], "t@live") == [{"X": 7, "y": 8}]
    assert session.apps.score([], "t@live") == []
    with pytest.raises(ServiceError, match=r"row 1500: .*row of its own"):
        session.apps.score([{"x": x} for x in range(1600)], "t")
    for rows, said in (
        (pandas.DataFrame({"x": [1, None]}), "row 1: x must be an integer, is null"),
        (pandas.DataFrame({"z": [1]}), "no column 'x'"),
        (pandas.DataFrame([[1, 2]], columns=["x", "x"]), "more than one column 'x'"),
        (pandas.DataFrame({"x": [1], "Y": [1]}), "a column 'y' already"),
        ([{"x": 1}, {"z": 1}], "row 1 has no 'x'"),
        ("x", "not str"),
    ):
        with pytest.raises(UserError) as caught:
            session.apps.score(rows, "t")
        assert said in caught.value.message
    with pytest.raises(NotFoundError, match="no app t@v9"):
        session.apps.score([{"x": 1}], "t@v9")


def test_a_folder_is_waited_for_and_the_reason_told(session: Session, tmp_path: pathlib.Path) -> None:
    good = app(tmp_path / "add")
    assert session.apps.create(good)["state"] == "Ready"
    bad = python(tmp_path / "bad", "import nothing_of_that_name\ndef run(): pass\n")
    (bad / "spec.yaml").write_text((bad / "spec.yaml").read_text().replace("name: t", "name: bad"))
    with pytest.raises(ServiceError, match="bad@v1 can't be started") as caught:
        session.apps.create(str(bad))
    assert "No module named 'nothing_of_that_name'" in str(caught.value.why)
    (good / "add.py").write_text("def add(x, y):\n    return x - y\n")
    assert session.apps.update(good)["state"] == "Ready"
    assert session.apps.run("add@v1", {"x": 3, "y": 1})["outputParameters"] == {"result": 2}
    with pytest.raises(UserError, match="is no folder"):
        session.apps.create(tmp_path / "nowhere")


@pytest.fixture
def reader(cluster: Stage, tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """What the page takes for granted: the tables of the demo, a folder in HDFS, a folder with an app. The folder to be in."""
    with cluster.sql() as master:
        master.execute("""
            CREATE SCHEMA legacy;
            CREATE TABLE legacy.neighbourhoods AS SELECT 1 AS id, 'Harbour' AS name UNION ALL SELECT 2, 'Old Town';
            CREATE TABLE legacy.sales AS SELECT 1 AS neighbourhood_id, 10.00::numeric(12,2) AS price;
            CREATE TABLE house AS SELECT 24 AS "RAD", 6.5::float8 AS "RM", 5.0::float8 AS "LSTAT" FROM generate_series(1, 132);
            GRANT USAGE ON SCHEMA legacy TO PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA legacy, public TO PUBLIC""")
    shutil.copytree(HOUSE, tmp_path / "house")
    yield tmp_path
    with cluster.sql() as master:
        master.execute("DROP TABLE house; DROP SCHEMA legacy CASCADE")


def test_each_snippet_of_the_page_runs(cluster: Stage, reader: pathlib.Path) -> None:
    """One after the other, as a reader who has logged in; what the comments behind ``print`` say is printed."""
    environment = {**cluster.environment, "PYTHONPATH": str(ROOT)}
    environment.pop("BDC_PASSWORD")
    page = reader / "page.py"  # a file, as a notebook's cells are: what is published has a source
    for snippet in blocks((ROOT / "docs/guide/python.md").read_text(), "python"):
        page.write_text(snippet)
        done = subprocess.run([sys.executable, page], cwd=reader, env=environment, text=True, capture_output=True, check=False)
        assert done.returncode == 0, f"{snippet}\n{done.stderr[-3000:]}"
        for said in SAID:
            assert said not in snippet or said in done.stdout, done.stdout
