"""Everything that SQL has, over one PostgreSQL source: it leaves as one statement, and the answer is the one that the source gives to the
very text that was asked."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.services.postgresql import PostgresqlServer
from tests.virtualization.verify.edges import TABLES
from virtualization.catalog import Column, Credential, DataSource, MemoryCatalog, VirtualTable
from virtualization.engine import Engine
from virtualization.plan import QueryContext
from virtualization.verify.answers import Answer, difference
from virtualization.verify.copies import Copies
from virtualization.verify.promises import promise_of
from virtualization.verify.sides import EngineSide

pytestmark = pytest.mark.service
DATABASE = "pushdown_tests"
STATEMENTS = pathlib.Path(__file__).with_name("postgresql_pushdown.sql")


def forms() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in STATEMENTS.read_text().splitlines():
        if line.startswith("-- "):
            form = line.removeprefix("-- ")
        elif line:
            found.setdefault(form, []).append(line)
    return found


FORMS = forms()


@dataclass(frozen=True)
class Places:
    """The engine (with no executor: whatever is not one statement fails) and the source itself."""

    server: PostgresqlServer
    engine: Engine
    catalog: MemoryCatalog
    direct: Copies


@pytest.fixture(scope="module")
def places(postgresql: PostgresqlServer) -> Iterator[Places]:
    with postgresql.connect() as admin:
        admin.execute(f"CREATE DATABASE {DATABASE}")
    with postgresql.connect(DATABASE) as made:
        for name, (_, columns, rows) in TABLES.items():
            made.execute(f'CREATE TABLE "{name}" ({", ".join(f"{quoted(c)} {t}" for c, t in columns.items())})'.encode())
            if rows:
                made.execute(f'INSERT INTO "{name}" VALUES {", ".join(rows)}'.encode())
    login = Credential(postgresql.user, postgresql.password)
    source = DataSource("src", "postgresql", f"postgresql://127.0.0.1:{postgresql.port}/{DATABASE}", {}, login)
    tables = [
        VirtualTable("public", name, "src", f'public."{name}"', tuple(Column(c, t) for c, t in columns.items()))
        for name, (_, columns, _) in TABLES.items()
    ]
    engine = Engine([])
    with Copies(postgresql.dsn(DATABASE)) as direct:
        yield Places(postgresql, engine, MemoryCatalog.of([source], tables), direct)
    engine.close()
    with postgresql.connect() as admin:
        admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("form", FORMS)
def test_one_statement_with_the_same_answer(places: Places, form: str) -> None:
    trace = f"form {form}"[:40]
    side = EngineSide("pushed", places.engine, places.catalog, lambda: QueryContext(trace=trace))
    wrong: list[str] = []
    for sql in FORMS[form]:
        expected, actual = places.direct.ask(sql), side.ask(sql)
        if not isinstance(expected, Answer) or not isinstance(actual, Answer):
            wrong.append(f"{sql}\n  source: {expected}\n  here: {actual}")
            continue
        found = difference(expected, actual, promise_of(sql), lambda: expected)  # noqa: B023 called at once
        if found is not None:
            wrong.append(f"{sql}\n  {found.text}")
    assert not wrong, "\n".join(wrong)
    arrived = [line for line in places.server.log.splitlines() if f"[bdc {trace}]" in line and "COPY (" in line]
    assert len(arrived) == len(FORMS[form])
    for line, sql in zip(arrived, FORMS[form], strict=True):
        (fragment,) = places.engine.plan(sql, places.catalog).fragments
        assert fragment.text in line


def test_the_session_has_the_callers_time_zone(places: Places) -> None:
    sql = "SELECT id, instant::date, date_trunc('day', instant), extract(hour FROM instant), day::timestamptz FROM times WHERE id < 4"
    answers = {}
    for zone in ("UTC", "Asia/Tokyo", "America/New_York", "UTC"):
        ours = EngineSide("pushed", places.engine, places.catalog, lambda: QueryContext(timezone=zone)).ask(sql)  # noqa: B023
        assert isinstance(ours, Answer)
        with places.server.connect(DATABASE) as session:
            session.execute(f"SET timezone = '{zone}'".encode())
            theirs = session.execute(f"SELECT q.id, q.d::text, q.h::text FROM ({sql}) q(id, d, t, h, z)".encode()).fetchall()
        assert [(int(row[0] or 0), row[1], row[3]) for row in ours.rows] == theirs
        answers[zone] = ours.rows
    assert answers["UTC"] != answers["Asia/Tokyo"] != answers["America/New_York"]
