"""``predict`` on a connection to the compute pool itself."""

from __future__ import annotations

import threading

import pytest
from psycopg import errors

from tests.patience import eventually
from tests.pools.compute.scoring.conftest import FEATURES, ROWS, World

INPUTS = ", ".join(name.lower() for name in FEATURES)
PREDICTED = f"predict('house', {INPUTS})"


def test_it_gives_what_score_gives(world: World) -> None:
    with world.cluster.connect("rita") as rita:
        scored = {
            row["id"]: row["prediction"] for (row,) in rita.execute("SELECT * FROM bdc.score('house', 'SELECT * FROM public.houses')")
        }
    with world.cluster.direct("rita") as rita:
        predicted = dict(rita.execute(f"SELECT id, {PREDICTED} AS p FROM houses").fetchall())
        assert predicted == pytest.approx(scored)
        middle = sorted(predicted.values())[ROWS // 2]
        wanted = [key for key, value in sorted(predicted.items(), key=lambda one: (-one[1], one[0])) if value > middle and key < 100]
        rows = rita.execute(
            f"SELECT id FROM houses WHERE {PREDICTED} > {middle!r}::float8 AND id < 100 ORDER BY {PREDICTED} DESC, id"
        ).fetchall()
        assert [key for (key,) in rows] == wanted
        assert len(wanted) > 1
        (average,) = rita.execute(f"SELECT avg({PREDICTED}) FROM houses").fetchone() or ()
        assert average == pytest.approx(sum(predicted.values()) / ROWS)
        groups = rita.execute(f"SELECT id % 2, count(*), max({PREDICTED}) FROM houses GROUP BY 1 ORDER BY 1").fetchall()
        assert [count for _, count, _ in groups] == [ROWS // 2, ROWS // 2]
        joined = (
            f"SELECT count(*) FROM (SELECT id, {PREDICTED} AS p FROM houses) AS h JOIN people ON n = id WHERE p > 0 AND weight IS NOT NULL"
        )
        assert rita.execute(joined).fetchone() == (32,)


def test_outputs_of_other_types_and_by_name(world: World) -> None:
    with world.cluster.direct("rita") as rita:
        rows = rita.execute(
            "SELECT predict('plain@v1#text', n, name, day, flag), predict('plain#later', n, name, day, flag) - day FROM people LIMIT 2"
        ).fetchall()
    assert sorted(rows) == [("p1 2", 1), ("p2 4", 1)]


def test_a_cursor_that_is_left_and_a_query_that_is_cancelled(world: World) -> None:
    people = "(SELECT n AS k FROM people)"
    many = f"FROM houses AS h CROSS JOIN {people} AS p CROSS JOIN {people} AS q"
    with world.cluster.direct("rita") as rita:
        for _ in range(3):
            with rita.transaction():
                rita.execute(f"DECLARE c CURSOR FOR SELECT {PREDICTED} {many}")
                assert len(rita.execute("FETCH 10 FROM c").fetchall()) == 10
        slow = f"SELECT predict('plain#text', a.n, a.name, a.day, a.flag) {many} CROSS JOIN people AS a"
        stopping = threading.Timer(1.0, rita.cancel)
        stopping.start()
        with pytest.raises(errors.QueryCanceled):
            rita.execute(slow).fetchall()
        stopping.join()
        assert rita.execute(f"SELECT count({PREDICTED}) FROM houses").fetchone() == (ROWS,)


CALL = "predict('counted#negated', a.n, a.name, a.day, a.flag)"


@pytest.mark.parametrize(
    ("sql", "calls"),
    [
        (f"SELECT {CALL}, {CALL} FROM people AS a WHERE n <= 5", 5),
        (f"SELECT a.flag, count({CALL}) FROM people AS a JOIN houses AS h ON h.id = a.n WHERE a.n > 30 GROUP BY a.flag", 10),
        (f"SELECT count(*) FROM houses AS h JOIN (SELECT n, {CALL} AS p FROM people AS a WHERE n <= 7) AS s ON h.id = s.n WHERE s.p", 7),
        (f"WITH s AS (SELECT n, {CALL} AS p FROM people AS a WHERE n <= 6) SELECT * FROM s AS x JOIN s AS y ON x.n = y.n WHERE x.p", 6),
        (f"SELECT n FROM people AS a WHERE n <= 8 AND {CALL} AND n > 2 ORDER BY 1", 6),
        (f"SELECT p, count(*) FROM (SELECT {CALL} AS p FROM people AS a WHERE n <= 9) AS s GROUP BY p ORDER BY p LIMIT 1", 9),
        (f"SELECT {CALL} FROM people AS a WHERE n = 1 UNION ALL SELECT {CALL} FROM people AS a WHERE n = 2", 2),
        (f"SELECT id FROM houses WHERE id IN (SELECT n FROM people AS a WHERE {CALL} AND n <= 4)", 4),
        (f"SELECT h.id, {CALL} FROM houses AS h LEFT JOIN people AS a ON a.n = h.id WHERE h.id <= 3", 3),
    ],
)
def test_an_app_is_called_once_for_each_row(world: World, sql: str, calls: int) -> None:
    def called() -> int:
        return int(world.proxy.call("GET", "/api/v1/apps/counted/v1").json()["calls"])

    before = called()
    with world.cluster.direct("rita") as rita:
        assert rita.execute(sql).fetchall()
    assert called() - before == calls


@pytest.mark.parametrize(
    "amount",
    [
        "amount",
        "amount::float8",
        "CAST(amount AS double precision)",
        "amount * 1.0",
        "exact",
        "exact::float8",
        "n",
        "'1.5'",
        "1.5",
        "9007199254740992 + n",
    ],
)
def test_numbers_of_every_type_are_the_nearest_doubles(world: World, amount: str) -> None:
    ones = ", 1" * 11
    with world.cluster.connect("rita") as rita:
        columns = ", ".join(f"1 AS {name.lower()}" for name in FEATURES[1:])
        text = f"SELECT n, {amount.replace(chr(39), '')} AS crim, {columns} FROM people"
        scored = {row["n"]: row["prediction"] for (row,) in rita.execute("SELECT * FROM bdc.score('house', %s)", [text])}
    with world.cluster.direct("rita") as rita:
        assert dict(rita.execute(f"SELECT n, predict('house', {amount}{ones}) FROM people").fetchall()) == scored


def test_an_integer_that_no_double_is_goes_as_by_rest(world: World) -> None:
    large, ones = 2**53 + 1, ", 1" * 11
    given = dict.fromkeys(FEATURES, 1) | {FEATURES[0]: large}
    answer = world.proxy.call("POST", "/api/app/house/v1/run", world.proxy.token("app-reader"), json=given)
    with world.cluster.direct("rita") as rita:
        predicted = rita.execute(f"SELECT predict('house', {large}{ones})").fetchone()
    assert predicted == pytest.approx((answer.json()["outputParameters"]["prediction"],))


def test_with_parameters(world: World) -> None:
    with world.cluster.direct("rita") as rita:
        sql = "SELECT predict(%s, n + %s, name, day, flag) FROM people WHERE n = %s"
        assert rita.execute(sql, ["plain@v1#text", 10, 3]).fetchall() == [("p3 26",)]


def test_explain_says_where_it_runs_and_the_source_is_asked_for_columns_only(world: World) -> None:
    with world.cluster.direct("rita") as rita:
        model = "\n".join(line for (line,) in rita.execute(f"EXPLAIN SELECT {PREDICTED} FROM houses WHERE id < 10"))
        python = "\n".join(line for (line,) in rita.execute("EXPLAIN SELECT predict('plain#text', n, name, day, flag) FROM people"))
    assert "predict('house@v1', …)" in model
    assert "in the compute pool, in batches: model" in model
    assert "asks the app proxy, in batches: its runtime is python" in python
    source = next(line for line in model.splitlines() if "FROM" in line and "public" in line)
    assert "predict" not in source


@pytest.mark.parametrize(
    ("sql", "error", "message"),
    [
        ("SELECT predict('house', 1) FROM houses", errors.InvalidParameterValue, "takes 12 inputs, there are 1"),
        ("SELECT predict('plain', n, name, day, flag) FROM people", errors.InvalidParameterValue, "has 4 outputs"),
        ("SELECT predict('plain#x', n, name, day, flag) FROM people", errors.InvalidParameterValue, "no output 'x'"),
        ("SELECT predict('plain#text', name, name, day, flag) FROM people", errors.InvalidParameterValue, "input n of plain@v1"),
        ("SELECT predict('plain#text', weight, name, day, flag) FROM people", errors.InvalidParameterValue, "is bigint, this is double"),
        ("SELECT predict('plain#text', n, NULL, day, flag) FROM people", errors.NullValueNotAllowed, "name of plain@v1 is NULL"),
        ("SELECT predict('plain#text', n, 'bad', day, flag) FROM people", errors.ExternalRoutineException, "bad luck"),
        ("SELECT predict(name, n) FROM people", errors.InvalidParameterValue, "must be the app's name, a constant"),
        ("SELECT predict('nobody', n) FROM people", errors.UndefinedObject, "nobody"),
        (f"SELECT predict('house', ratio{', 1' * 11}) FROM people", errors.NumericValueOutOfRange, "CRIM of house@v1 is NaN"),
        ("SELECT CASE WHEN flag THEN predict('plain#text', n, name, day, flag) END FROM people", errors.FeatureNotSupported, "CASE"),
    ],
)
def test_what_is_wrong_is_one_error(world: World, sql: str, error: type[Exception], message: str) -> None:
    with world.cluster.direct("rita") as rita, pytest.raises(error) as refused:
        rita.execute(sql).fetchall()
    assert message in refused.value.diag.message_primary  # type: ignore[attr-defined]
    assert "\n" not in refused.value.diag.message_primary  # type: ignore[attr-defined]


def test_rights_are_asked_for(world: World) -> None:
    with world.cluster.direct("alice") as alice, pytest.raises(errors.InsufficientPrivilege, match="may not call apps"):
        alice.execute(f"SELECT {PREDICTED} FROM houses")


def test_a_proxy_that_is_away_is_one_error_until_it_is_back(world: World) -> None:
    one = f"SELECT {PREDICTED} FROM houses WHERE id = 1"
    with world.cluster.direct("rita") as rita:
        before = rita.execute(one).fetchone()
        world.proxy.stop()
        try:
            with pytest.raises(errors.SqlclientUnableToEstablishSqlconnection, match="the app proxy does not answer"):
                rita.execute(one)
        finally:
            world.proxy.start()
            for app in ("house", "plain"):
                eventually(
                    lambda app=app: world.proxy.call("GET", f"/api/v1/apps/{app}/v1").json()["state"] == "Ready", f"{app} is served again"
                )
        assert rita.execute(one).fetchone() == before
