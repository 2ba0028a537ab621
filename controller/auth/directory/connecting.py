"""Talking to the directory's servers: always encrypted, to a server whose certificate fits, with time limits, one server after the other.

A connection that searches is kept for the next search, one on which passwords are tried for the next password; one on which somebody
searches with his own rights is made for it and closed. Referrals are not followed: a server of somebody else's would be told passwords.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from controller.auth.directory.errors import DirectoryAccountError, DirectoryBusyError, DirectoryError
from controller.auth.directory.session import BUSY, SUCCESS, UNAVAILABLE, LostError, Refused, Session, losing, words_of
from controller.log import Log
from controller.spec.directory import Directory, server_of

KEPT = 4
KEPT_SECONDS = 60.0
"""Idle connections are not kept longer: firewalls forget them."""
DOWN_SECONDS = 30.0
"""A server that did not answer is asked last for so long."""
AT_ONCE = 16
"""Calls that may wait for the directory together: the rest of the API must go on when it is slow."""
log = Log("directory")
Result = TypeVar("Result")


class Servers:
    """The servers of one directory as a spec names them. ``password``: the search account's; None: none was set. Safe in threads."""

    def __init__(self, settings: Directory, password: Callable[[], str | None]) -> None:
        self._settings = settings
        self._password = password
        self._context = _context(settings.ca)
        self._mutex = threading.Lock()
        self._idle: list[Session] = []
        self._binders: list[Session] = []
        """On these passwords were tried, and nothing else is asked."""
        self._down: dict[str, float] = {}
        self._slots = threading.BoundedSemaphore(AT_ONCE)

    def searching(self, work: Callable[[Session], Result]) -> Result:
        """What ``work`` finds, logged in as the search account. It may be called again, on another server. DirectoryError."""
        with self._slot():
            idle = self._taken(self._idle)
            if idle is not None:
                try:
                    return self._kept(idle, work)
                except LostError:
                    pass  # it had been idle: a new one tells whether the server is there
            return self._anywhere(lambda url: self._kept(self._logged_in(url), work))

    def proves(self, name: str, password: str) -> Refused | None:
        """Whether this is somebody's password: None when it is. Asked on a connection that is kept for nothing but that, since a TLS
        handshake takes longer than all the rest. A blank password is never sent."""
        if not name or not password:
            return Refused(-1, "a blank name or password is not sent")
        with self._slot():
            idle = self._taken(self._binders)
            if idle is not None:
                try:
                    return self._bound(idle, name, password)
                except LostError:
                    pass  # it had been idle

            def attempt(url: str) -> Refused | None:
                return self._bound(Session(self._connected(url, None, None), url, self._settings.answer_seconds), name, password)

            return self._anywhere(attempt)

    def _bound(self, session: Session, name: str, password: str) -> Refused | None:
        try:
            code, words = session.bind(name, password)
        except BaseException:
            session.close()
            raise
        if code in (BUSY, UNAVAILABLE):
            session.close()
            raise LostError(f"it answered {words}")
        with self._mutex:
            kept = len(self._binders) < KEPT and time.monotonic() - session.since < KEPT_SECONDS
            if kept:
                self._binders.append(session)
        if not kept:
            session.close()
        return None if code == SUCCESS else Refused(code, words)

    def as_user(self, name: str, password: str, work: Callable[[Session], Result]) -> Result | Refused:
        """The same, logged in as somebody with his password on a connection of its own; Refused when it does not fit. A blank password is
        never sent: directories take it for an anonymous login, which succeeds."""
        if not name or not password:
            return Refused(-1, "a blank name or password is not sent")

        def attempt(url: str) -> Result | Refused:
            session = self._opened(url, name, password)
            if isinstance(session, Refused):
                return session
            try:
                return work(session)
            finally:
                session.close()

        with self._slot():
            return self._anywhere(attempt)

    def probe(self, url: str) -> None:
        """Returns where this server can be reached, is to be trusted and lets the search account in. LostError, DirectoryError."""
        if self._settings.search_user is None:
            Session(self._connected(url, None, None), url, self._settings.answer_seconds).close()
        else:
            self._logged_in(url).close()

    def reach(self, url: str) -> str | None:
        """None where ``probe`` returns; else why it does not."""
        try:
            self.probe(url)
        except LostError as error:
            return error.words
        except DirectoryError as error:
            return error.message
        return None

    def close(self) -> None:
        """Close what is kept."""
        with self._mutex:
            idle = [*self._idle, *self._binders]
            self._idle.clear()
            self._binders.clear()
        for session in idle:
            session.close()

    def _anywhere(self, attempt: Callable[[str], Result]) -> Result:
        reasons = []
        for url in self.order():
            try:
                found = attempt(url)
            except LostError as error:
                self._down[url] = time.monotonic()
                reasons.append(f"{url}: {error.words}")
                log.warning("a server does not answer", server=url, reason=error.words)
                continue
            self._down.pop(url, None)
            return found
        raise DirectoryError(
            "the directory does not answer: " + "; ".join(reasons),
            where="spec.security.directory.servers",
            hint="local users can still log in; 'bdc auth test' shows each server",
        )

    def order(self) -> list[str]:
        """As the spec has them, those last that did not answer a moment ago."""
        now = time.monotonic()
        return sorted(self._settings.servers, key=lambda url: now - self._down.get(url, float("-inf")) < DOWN_SECONDS)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=self._settings.answer_seconds):
            raise DirectoryBusyError("too many logins wait for the directory", hint="try again in some seconds")
        try:
            yield
        finally:
            self._slots.release()

    def _kept(self, session: Session, work: Callable[[Session], Result]) -> Result:
        try:
            found = work(session)
        except BaseException:
            session.close()
            raise
        with self._mutex:
            if len(self._idle) < KEPT and time.monotonic() - session.since < KEPT_SECONDS:
                self._idle.append(session)
                return found
        session.close()
        return found

    def _taken(self, kept: list[Session]) -> Session | None:
        with self._mutex:
            while kept:
                session = kept.pop()
                if time.monotonic() - session.since < KEPT_SECONDS:
                    return session
                session.close()
        return None

    def _logged_in(self, url: str) -> Session:
        name, password = self._settings.search_user, self._password()
        if name is None:
            raise DirectoryAccountError("nobody may search the directory: spec.security.directory.searchUser is not set")
        if not password:
            raise DirectoryAccountError(
                f"the password of the search account {name!r} was never set",
                where="spec.security.directory.searchUser",
                hint="bdc auth password",
            )
        session = self._opened(url, name, password)
        if isinstance(session, Refused):
            raise DirectoryAccountError(
                f"{url} does not let the search account {name!r} in ({session.diagnosis or 'wrong name or password'})",
                where="spec.security.directory.searchUser",
                hint="set its password with: bdc auth password",
            )
        return session

    def _opened(self, url: str, name: str, password: str) -> Session | Refused:
        connection = self._connected(url, name, password)
        with losing():
            connection.bind(read_server_info=False)
        result = connection.result
        if result["result"] == SUCCESS:
            return Session(connection, url, self._settings.answer_seconds)
        with losing():
            connection.unbind()
        if result["result"] in (BUSY, UNAVAILABLE):
            raise LostError(f"it answered {result.get('description')}")
        return Refused(int(result["result"]), str(result.get("message") or result.get("description") or ""))

    def _connected(self, url: str, name: str | None, password: str | None) -> Any:  # noqa: ANN401 (ldap3 has no types)
        """An encrypted connection on which nothing was said yet."""
        import ldap3
        from ldap3.core.exceptions import LDAPExceptionError

        from controller.auth.directory.encrypting import Tls

        scheme, host, port = server_of(url)
        tls = Tls(self._context, host)
        limit, answer = self._settings.connect_seconds, self._settings.answer_seconds
        server = ldap3.Server(host, port, use_ssl=scheme == "ldaps", tls=tls, get_info=ldap3.NONE, connect_timeout=limit)
        connection = ldap3.Connection(
            server,
            name,
            password.encode() if password is not None else None,  # octets: else ldap3 changes them by SASLprep
            auto_bind=ldap3.AUTO_BIND_NONE,
            client_strategy=ldap3.SYNC,
            auto_referrals=False,
            check_names=False,
            receive_timeout=answer,
            return_empty_attributes=False,
        )
        try:
            connection.open(read_server_info=False)
            if scheme == "ldap":
                connection.start_tls(read_server_info=False)
        except (LDAPExceptionError, OSError) as error:
            _drop(connection)
            raise LostError(tls.problem or words_of(error)) from None
        if not isinstance(connection.socket, ssl.SSLSocket):
            _drop(connection)
            raise LostError("the connection is not encrypted")
        return connection


def _drop(connection: Any) -> None:  # noqa: ANN401 (ldap3 has no types)
    """ldap3 forgets a socket that could not be connected."""
    if connection.socket is not None:
        connection.socket.close()


def _context(ca: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
