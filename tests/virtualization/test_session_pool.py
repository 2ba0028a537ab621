"""Sessions are shared, capped, waited for, and ended; a wait can be cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.patience import PATIENCE
from virtualization import session_pool
from virtualization.errors import CancelledError, SourceTimeoutError
from virtualization.plan import QueryContext
from virtualization.session_pool import PooledSession, SessionPool


class _Source:
    """Counts what was begun and ended."""

    def __init__(self, most: int, timeout: float = 0.05) -> None:
        self.ended: list[PooledSession] = []
        self.pool = SessionPool[PooledSession]("erp", most, timeout, self.ended.append)

    def take(self, client: str | None = None, context: QueryContext | None = None) -> PooledSession:
        return self.pool.take(context or QueryContext(), lambda: PooledSession(client=client), client)


def _in_background(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    found: list[object] = []

    def run() -> None:
        try:
            found.append(work())
        except Exception as error:  # noqa: BLE001 the test looks at it
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, found


def test_the_last_one_used_is_taken_first() -> None:
    source = _Source(2)
    first, second = source.take(), source.take()
    assert not first.reused
    source.pool.give_back(first)
    source.pool.give_back(second)
    assert source.take() is second
    assert second.reused


def test_no_more_than_allowed_and_the_wait_ends_in_time() -> None:
    source = _Source(1)
    source.take()
    with pytest.raises(SourceTimeoutError, match=r'"erp": no free connection within 0\.05 s'):
        source.take()
    assert source.pool.take_free(PooledSession) is None


def test_whoever_waits_gets_what_comes_back() -> None:
    source = _Source(1, PATIENCE)
    held = source.take()
    thread, found = _in_background(source.take)
    source.pool.give_back(held)
    thread.join(PATIENCE)
    assert found == [held]


def test_a_wait_can_be_cancelled() -> None:
    source, context = _Source(1, PATIENCE), QueryContext()
    source.take()
    thread, found = _in_background(lambda: source.take(context=context))
    context.cancel()
    thread.join(PATIENCE)
    assert isinstance(found[0], CancelledError)


def test_a_client_gets_only_sessions_of_its_own() -> None:
    source = _Source(1)
    of_ann = source.take("ann")
    source.pool.give_back(of_ann)
    of_bea = source.take("bea")  # the place is taken from ann's, which is idle
    assert of_bea is not of_ann
    assert source.ended == [of_ann]


def test_a_session_that_cannot_be_begun_frees_its_place() -> None:
    source = _Source(1)

    def fail() -> PooledSession:
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        source.pool.take(QueryContext(), fail)
    source.take()


def test_idle_ones_end_after_a_time_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    source = _Source(2)
    first, second = source.take(), source.take()
    source.pool.give_back(first)
    monkeypatch.setattr(session_pool, "IDLE_SECONDS", -1.0)
    assert source.take() is not first
    assert source.ended == [first]
    source.pool.close()
    source.pool.give_back(second)
    assert source.ended == [first, second]
