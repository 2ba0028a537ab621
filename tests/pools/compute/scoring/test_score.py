"""``bdc.score`` on the master: a query goes to the compute pool whole, its rows come back with what the app gives for each by REST."""

from __future__ import annotations

import datetime
import json
import pathlib

import pytest
from psycopg import errors

from tests.apps.folders import app
from tests.pools.compute.scoring.conftest import FEATURES, ROWS, World
from tests.pools.compute.scoring.onnx_models import FLOAT, model, node, outside, tensor

HOUSES = "SELECT * FROM houses"
PEOPLE = "SELECT n, name, day, flag FROM public.people"


def test_a_model_gives_what_rest_gives_row_by_row(world: World) -> None:
    with world.cluster.connect("rita") as rita:
        rows = [row for (row,) in rita.execute("SELECT * FROM bdc.score('house@v1', %s)", [HOUSES])]
    assert len(rows) == ROWS
    for row in rows:
        answer = world.proxy.run("house", "v1", **{name: row[name.lower()] for name in FEATURES})
        assert row["prediction"] == pytest.approx(answer.json()["outputParameters"]["prediction"], rel=1e-6)


def test_python_gives_what_rest_gives_row_by_row(world: World) -> None:
    with world.cluster.connect("rita") as rita:
        rows = [row for (row,) in rita.execute("SELECT * FROM bdc.score('plain@v1', %s)", [PEOPLE])]
    assert len(rows) == 40
    for row in rows:
        given = {name: row[name] for name in ("n", "name", "day", "flag")}
        answer = world.proxy.call("POST", "/api/app/plain/v1/run", world.proxy.token("app-reader"), json=given)
        assert {name: row[name] for name in ("text", "later", "negated", "parts")} == answer.json()["outputParameters"]


def test_a_model_that_can_not_be_run_here_is_asked_at_the_proxy(world: World, tmp_path: pathlib.Path) -> None:
    """It is more than its file."""
    steps = [node("Cast", ["w"], "f", to=FLOAT), node("Add", ["x", "f"], "y")]
    made = model(steps, [tensor("x", FLOAT, (None, 1))], [tensor("y", FLOAT, (None, 1))], (outside("w", 1, "beside.bin"),))
    spec = "name: larger\nversion: v1\nruntime: onnx\nsrc: model.onnx\ninputs: {n: float}\noutput: {y: float}\n"
    world.proxy.create(app(tmp_path / "larger", spec, model_onnx=made, beside_bin=b"\x05"))
    with world.cluster.connect("rita") as rita:
        rows = [row for (row,) in rita.execute("SELECT * FROM bdc.score('larger', 'SELECT n FROM people')")]
    assert [row["y"] - row["n"] for row in rows] == [5.0] * 40


def test_outputs_as_typed_columns(world: World) -> None:
    with world.cluster.connect("rita") as rita:
        columns = rita.execute("SELECT bdc.score_columns('plain', %s)", [PEOPLE]).fetchone()
        assert columns == ("n integer, name text, day date, flag boolean, text text, later date, negated boolean, parts jsonb",)
        row = rita.execute(f"SELECT * FROM bdc.score_rows('plain', $${PEOPLE}$$) AS t ({columns[0]}) WHERE n = 3").fetchone()
    assert row == (3, "p3", datetime.date(2026, 1, 4), False, "p3 6", datetime.date(2026, 1, 5), True, [3, "p3"])


def test_names_are_looked_for_along_the_callers_path(world: World) -> None:
    with world.cluster.connect("rita") as rita:
        rita.execute("SET search_path = nowhere")
        with pytest.raises(errors.UndefinedTable):
            rita.execute("SELECT * FROM bdc.score('house', %s)", [HOUSES])


def test_of_no_rows_there_are_none(world: World) -> None:
    with world.cluster.connect("rita") as rita:
        assert rita.execute("SELECT * FROM bdc.score('house', %s)", [f"{HOUSES} WHERE id < 0"]).fetchall() == []


@pytest.mark.parametrize(
    ("app", "query", "error", "message", "hint"),
    [
        ("house", "SELECT id FROM public.houses", errors.UndefinedColumn, "no column CRIM", "house@v1 takes CRIM double precision"),
        ("house", HOUSES.replace("*", '*, 1 AS "Crim"'), errors.UndefinedColumn, "several columns CRIM", "takes"),
        ("plain", "SELECT 'x' AS n, name, day, flag FROM public.people", errors.DatatypeMismatch, "input n of plain@v1 is bigint", "CAST"),
        (
            "plain",
            "SELECT n, NULL::text AS name, day, flag FROM public.people",
            errors.NullValueNotAllowed,
            "name of plain@v1 is NULL",
            "coalesce",
        ),
        ("plain", "SELECT n, 'bad' AS name, day, flag FROM public.people", errors.ExternalRoutineException, "bad luck", ""),
        ("plain", "SELECT n, name, day, flag, 1 AS text FROM public.people", errors.DuplicateColumn, "two columns text", "Rename"),
        ("nobody@v1", HOUSES, errors.UndefinedObject, "no app nobody@v1", "bdc app list"),
        ("house@v9", HOUSES, errors.UndefinedObject, "no app house@v9", "bdc app list"),
        ("House", HOUSES, errors.InvalidParameterValue, "no app's name", "bdc app list"),
        ("house", "SELECT * FROM public.nothing", errors.UndefinedTable, "nothing", ""),
        ("house", "DELETE FROM public.houses", errors.FeatureNotSupported, "DELETE", ""),
        ("house", "", errors.InvalidParameterValue, "takes the app's name and a query", "SELECT"),
    ],
)
def test_what_is_wrong_is_one_error(world: World, app: str, query: str, error: type[Exception], message: str, hint: str) -> None:
    with world.cluster.connect("rita") as rita, pytest.raises(error) as refused:
        rita.execute("SELECT * FROM bdc.score(%s, %s)", [app, query]).fetchall()
    said = refused.value.diag  # type: ignore[attr-defined]
    assert message in said.message_primary
    assert hint in (said.message_hint or "")


def test_wrong_columns_behind_as(world: World) -> None:
    with world.cluster.connect("rita") as rita, pytest.raises(errors.DatatypeMismatch, match="not those of the query and the app"):
        rita.execute("SELECT * FROM bdc.score_rows('house', %s) AS t (x integer)", [HOUSES])


def test_rights_are_the_callers(world: World) -> None:
    with world.cluster.connect("alice") as alice:
        with pytest.raises(errors.InsufficientPrivilege, match="may not call apps") as refused:
            alice.execute("SELECT * FROM bdc.score('house', %s)", [HOUSES])
        assert "bdc user grant alice app-reader" in str(refused.value.diag.message_hint)
    with world.cluster.connect("rita") as rita, pytest.raises(errors.InsufficientPrivilege, match="permission denied"):
        rita.execute("SELECT * FROM bdc.score('plain', 'SELECT n, name, day, flag FROM public.hidden')")
    with world.cluster.connect("ada") as ada:
        assert len(ada.execute("SELECT * FROM bdc.score('house', %s)", [HOUSES]).fetchall()) == ROWS


def test_predict_by_row_is_refused_on_the_master(world: World) -> None:
    with world.cluster.connect("rita") as rita, pytest.raises(errors.FeatureNotSupported, match="row by row") as refused:
        rita.execute("SELECT predict('house', crim, zn) FROM public.houses")
    assert "bdc.score" in str(refused.value.diag.message_hint)


def test_the_compute_pools_ticket_opens_nothing_else(world: World) -> None:
    for path in ("/api/v1/apps", "/api/app/house/v1/swagger.json"):
        assert world.proxy.client.get(path, headers={"Authorization": "BDC-Ticket x"}).status_code == 401
    assert world.proxy.client.get("/api/app/house/v1/batch", headers={"Authorization": "BDC-Ticket x"}).status_code == 401
    assert world.proxy.client.get("/api/app/house/v1/batch").status_code == 401
    assert world.proxy.call("GET", "/api/app/house/v1/batch", world.proxy.token("app-reader")).json()["runtime"] == "onnx"
    assert world.proxy.call("GET", "/api/app/house/v1/batch", world.proxy.token("user")).status_code == 403


def test_a_batch_by_rest(world: World) -> None:
    path, reader = "/api/app/plain/v1/batch", world.proxy.token("app-reader")
    rows = {"n": [1, 2], "name": ["a", "b"], "day": ["2026-01-01"] * 2, "flag": [True, False]}
    answer = world.proxy.call("POST", path, reader, json={"inputs": rows}).json()
    assert answer["rows"] >= 1
    assert answer["outputs"]["text"][0] == "a 2"
    for wrong, where in (
        ({"inputs": {**rows, "n": [1, "x"]}}, "n"),
        ({"inputs": {"n": [1]}}, "name"),
        ({}, "body"),
        ({"inputs": {**rows, "n": [1]}}, "inputs"),
    ):
        refused = world.proxy.call("POST", path, reader, content=json.dumps(wrong))
        assert (refused.status_code, refused.json()["error"]["where"]) == (422, where)
