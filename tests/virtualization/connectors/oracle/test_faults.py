"""A source that is down, slow, full, or says no: each one clear error with what to do next."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.patience import PATIENCE
from tests.services.oracle import OracleError, StandIn
from tests.services.postgresql import free_port
from virtualization.catalog import Column, Credential, DataSource, VirtualTable
from virtualization.connectors.oracle import OracleConnector
from virtualization.errors import (
    CancelledError,
    DataError,
    DefinitionError,
    RemoteObjectError,
    SourceCredentialError,
    SourceError,
    SourceTimeoutError,
    SourceUnreachableError,
    VirtualizationError,
)
from virtualization.plan import QueryContext

pytestmark = pytest.mark.service
TABLE = VirtualTable("public", "f", "src", "SHOP.FAULTS", (Column("id", "integer", True, "ID"),))
ROWS = 300


@pytest.fixture(scope="module", autouse=True)
def faults(stand_in: StandIn) -> None:
    stand_in.database.create("FAULTS", [("ID", "NUMBER(9,0)")], [(number,) for number in range(ROWS)])


@pytest.fixture
def calm(stand_in: StandIn) -> Iterator[StandIn]:
    """The stand-in, well behaved before and after."""
    yield stand_in
    stand_in.delay, stand_in.dropping, stand_in.login_error = 0.0, False, None
    stand_in.errors.clear()
    stand_in.unknown_clients.clear()
    stand_in.database.hidden.clear()


def wait_until(done: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def connector(source: DataSource) -> OracleConnector:
    return OracleConnector(source)


def read(made: OracleConnector, context: QueryContext | None = None) -> int:
    batches = made.scan(TABLE, ["id"], []).fragment.open(context or QueryContext())
    try:
        return sum(batch.num_rows for batch in batches)
    finally:
        batches.close()


def failed(source: DataSource) -> VirtualizationError:
    made = connector(source)
    try:
        with pytest.raises(VirtualizationError) as caught:
            made.test()
        return caught.value
    finally:
        made.close()


@pytest.mark.parametrize(
    ("change", "error", "hint"),
    [
        ({"credential": Credential("scott", "wrong")}, SourceCredentialError, "user and password"),
        ({"credential": Credential("nobody", "Tiger-1234")}, SourceCredentialError, "user and password"),
        ({"credential": Credential("scott", None)}, SourceCredentialError, "credential"),
        ({"location": f"oracle://127.0.0.1:{free_port()}/standin"}, SourceUnreachableError, "listener running"),
    ],
)
def test_a_login_that_fails(calm: StandIn, change: dict[str, object], error: type[Exception], hint: str) -> None:
    caught = failed(replace(calm.source(connect_timeout="5"), **change))  # type: ignore[arg-type]
    assert type(caught) is error
    assert hint in (caught.hint or "") and "Tiger-1234" not in str(caught)


def test_an_unknown_service(calm: StandIn) -> None:
    caught = failed(replace(calm.source(), location=f"oracle://127.0.0.1:{calm.port}/elsewhere"))
    assert type(caught) is RemoteObjectError and "service" in caught.message and "lsnrctl" in (caught.hint or "")


@pytest.mark.parametrize(
    ("code", "error", "hint"),
    [
        (28000, SourceCredentialError, "UNLOCK"),
        (28001, SourceCredentialError, "expired"),
        (1045, SourceCredentialError, "CREATE SESSION"),
        (2391, SourceError, "max_connections"),
        (1033, SourceUnreachableError, "started"),
    ],
)
def test_a_login_that_is_refused(calm: StandIn, code: int, error: type[Exception], hint: str) -> None:
    calm.login_error = OracleError(code, "told so")
    caught = failed(calm.source())
    assert type(caught) is error and f"ORA-{code:05d}: told so" in caught.message and hint in (caught.hint or "")


@pytest.mark.parametrize(
    ("code", "error", "hint"),
    [
        (1031, SourceCredentialError, "GRANT|Grant"),
        (904, RemoteObjectError, "refresh_table"),
        (1555, SourceError, "UNDO_RETENTION"),
        (1476, DataError, ""),
        (1722, DataError, "refresh_table"),
        (4031, SourceError, ""),
        (2393, SourceTimeoutError, "statement_timeout"),
        (3113, SourceUnreachableError, "again"),
    ],
)
def test_a_statement_that_is_refused(calm: StandIn, code: int, error: type[Exception], hint: str) -> None:
    made = connector(calm.source())
    calm.errors['"SHOP"."FAULTS"'] = OracleError(code, "told so")
    with pytest.raises(VirtualizationError) as caught:
        read(made)
    assert type(caught.value) is error and "SHOP.FAULTS" in caught.value.message
    assert any(word in (caught.value.hint or "") for word in hint.split("|"))
    calm.errors.clear()
    assert read(made) == ROWS
    made.close()


def test_a_right_that_was_revoked(calm: StandIn) -> None:
    made = connector(calm.source())
    assert read(made) == ROWS
    calm.database.hidden.add("FAULTS")
    with pytest.raises(RemoteObjectError, match="ORA-00942") as caught:
        read(made)
    assert "GRANT SELECT" in (caught.value.hint or "")
    made.close()


def test_a_session_that_died_while_idle_is_not_noticed(calm: StandIn) -> None:
    made = connector(calm.source())
    assert read(made) == ROWS
    before = len(calm.logins)
    calm.errors['"SHOP"."FAULTS"'] = OracleError(28, "your session has been killed")
    worker = threading.Thread(target=lambda: wait_until(lambda: len(calm.logins) > before, "a new session"))
    worker.start()
    with pytest.raises(SourceUnreachableError):  # on the new session, too: so it was tried again once
        read(made)
    worker.join()
    calm.errors.clear()
    assert read(made) == ROWS
    made.close()


def test_lost_in_the_middle(calm: StandIn) -> None:
    made = connector(calm.source(fetch_rows="100"))
    batches = iter(made.scan(TABLE, ["id"], []).fragment.open(QueryContext()))
    assert next(batches).num_rows == 100
    calm.dropping = True
    with pytest.raises(SourceUnreachableError, match="connection was lost"):
        list(batches)
    calm.dropping = False
    assert read(made) == ROWS
    made.close()


def test_cancel_reaches_the_source(calm: StandIn) -> None:
    made = connector(calm.source())
    made.test()
    made.scan(TABLE, ["id"], [])
    calm.delay, before, context, sent = 600.0, calm.breaks, QueryContext(), len(calm.selects())

    def stop() -> None:
        wait_until(lambda: len(calm.selects()) > sent, "the statement")
        context.cancel()

    worker = threading.Thread(target=stop)
    worker.start()
    with pytest.raises(CancelledError):
        read(made, context)
    worker.join()
    calm.delay = 0.0
    assert calm.breaks == before + 1
    assert read(made) == ROWS
    made.close()


def test_the_time_limit(calm: StandIn) -> None:
    made = connector(calm.source(statement_timeout="60"))
    made.scan(TABLE, ["id"], [])
    made.close()
    impatient = connector(calm.source(statement_timeout="0.5"))
    fragment = made.scan(TABLE, ["id"], []).fragment
    impatient.scan(TABLE, ["id"], [])
    calm.delay = 600.0
    with pytest.raises(SourceTimeoutError) as caught:
        list(impatient.scan(TABLE, ["id"], []).fragment.open(QueryContext()))
    assert "statement_timeout" in (caught.value.hint or "") and fragment.text
    calm.delay = 0.0
    impatient.close()
    made.close()


def test_the_cap_on_sessions(calm: StandIn) -> None:
    made = connector(calm.source(max_connections="1", pool_timeout="0.2", fetch_rows="10"))
    fragment = made.scan(TABLE, ["id"], []).fragment
    held = fragment.open(QueryContext())
    with pytest.raises(SourceTimeoutError, match="no free connection"):
        fragment.open(QueryContext())
    held.close()
    assert read(made) == ROWS
    made.close()


def test_the_caller_works_in_a_session_of_his_own(calm: StandIn) -> None:
    made = connector(calm.source(proxy_user="caller", max_connections="1"))
    for user in ("alice", "alice", "bob"):
        assert read(made, QueryContext(user=user, trace="7:1")) == ROWS
    assert calm.logins[-2:] == [("SCOTT", "alice"), ("SCOTT", "bob")]
    assert "7:1" in calm.actions
    calm.unknown_clients.add("eve")
    with pytest.raises(SourceCredentialError, match="ORA-28150") as caught:
        read(made, QueryContext(user="eve"))
    assert "CONNECT THROUGH" in (caught.value.hint or "")
    made.close()


def test_an_old_version(calm: StandIn) -> None:
    calm.version = "11.2.0.4.0"
    try:
        assert "12.1 or later" in failed(calm.source()).message
    finally:
        calm.version = "12.1.0.2.0"


@pytest.mark.parametrize(
    ("location", "options"),
    [
        ("oracle://h:1521", {}),
        ("oracle://scott:tiger@h/x", {}),
        ("mysql://h/x", {}),
        ("oracle://h:99999/x", {}),
        ("oracle://h/x?y=z", {}),
        ("oracle://h/x", {"nope": "1"}),
        ("oracle://h/x", {"fetch_rows": "0"}),
        ("oracle://h/x", {"number_default": "jsonb"}),
        ("oracle://h/x", {"tls_server_dn": "CN=x"}),
        ("oracles://h/x", {"tls_ca": "/etc/passwd"}),
    ],
)
def test_definitions_that_are_wrong(location: str, options: dict[str, str]) -> None:
    with pytest.raises(DefinitionError) as caught:
        OracleConnector(DataSource("src", "oracle", location, options))
    assert "src" in caught.value.message and "tiger" not in caught.value.message
