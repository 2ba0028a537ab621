"""One connection to a server of the directory on which somebody has logged in, and what it finds.

ldap3 is imported where it is used: most clusters have no directory, and it costs each start of a controller a tenth of a second."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from controller.auth.directory.errors import DirectorySetupError

PAGE = 1000
PAGED = "1.2.840.113556.1.4.319"
SUCCESS, TIME_LIMIT, SIZE_LIMIT, REFERRAL, ADMIN_LIMIT, NO_SUCH_OBJECT, BUSY, UNAVAILABLE = 0, 3, 4, 10, 11, 32, 51, 52


@dataclass(frozen=True)
class Entry:
    """One entry; attribute names in lower case, values as octets."""

    dn: str
    attributes: dict[str, list[bytes]]

    def text(self, name: str) -> str | None:
        """The first value by order, so that several values give the same one each time; None when there is none."""
        values = self.attributes.get(name.lower(), [])
        return min(value.decode("utf-8", "replace") for value in values) if values else None

    def octets(self, name: str) -> bytes | None:
        """The first value."""
        values = self.attributes.get(name.lower(), [])
        return values[0] if values else None


@dataclass(frozen=True)
class Refused:
    """The directory's answer to a password that it did not take; ``diagnosis`` is its own text."""

    code: int
    diagnosis: str


class LostError(Exception):
    """This server did not answer; another one may. ``words`` without the server's name."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class Session:
    """A connection that somebody has logged in on."""

    def __init__(self, connection: Any, url: str, seconds: int) -> None:  # noqa: ANN401 (ldap3 has no types)
        self._connection = connection
        self._seconds = seconds
        self.url = url
        self.since = time.monotonic()

    def search(self, base: str, condition: str, attributes: tuple[str, ...], *, most: int, only_base: bool = False) -> list[Entry]:
        """Entries below ``base``, page by page, at most ``most`` and one more. DirectorySetupError where the base does not exist."""
        found: list[Entry] = []
        cookie: bytes | None = None
        while True:
            result, response = self._asked(base, condition, attributes, most, only_base, cookie)
            self._check(result, base, len(found))
            found += [
                Entry(one["dn"], {name.lower(): list(values) for name, values in one["raw_attributes"].items()})
                for one in response
                if one["type"] == "searchResEntry"
            ]
            cookie = result.get("controls", {}).get(PAGED, {}).get("value", {}).get("cookie")
            if not cookie or len(found) > most:
                return found

    def bind(self, name: str, password: str) -> tuple[int, str]:
        """Log in anew on this connection: the directory's code and words. LostError, also where it is not encrypted any more: ldap3 would
        open it again by itself, in clear."""
        if self._connection.closed or not isinstance(self._connection.socket, ssl.SSLSocket):
            raise LostError("the connection was closed")
        try:
            with losing():
                self._connection.rebind(user=name, password=password.encode(), read_server_info=False)
            result = self._connection.result
        finally:
            self._connection.user = self._connection.password = None
        return int(result["result"]), str(result.get("message") or result.get("description") or "")

    def holds(self, dn: str, attribute: str, value: str) -> bool:
        """Whether an entry's attribute has this value (LDAP compare)."""
        with losing():
            return bool(self._connection.compare(dn, attribute, value))

    def close(self) -> None:
        """End it; no error when it is gone."""
        from ldap3.core.exceptions import LDAPExceptionError

        with suppress(LDAPExceptionError, OSError):
            self._connection.unbind()

    def _asked(
        self, base: str, condition: str, attributes: tuple[str, ...], most: int, only_base: bool, cookie: bytes | None
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        import ldap3

        with losing():
            self._connection.search(
                base,
                condition,
                ldap3.BASE if only_base else ldap3.SUBTREE,
                dereference_aliases=ldap3.DEREF_NEVER,
                attributes=list(attributes) or ["1.1"],
                time_limit=self._seconds,
                paged_size=min(PAGE, most + 1),
                paged_cookie=cookie,
            )
        return self._connection.result, self._connection.response or []

    def _check(self, result: dict[str, Any], base: str, before: int) -> None:
        code, words = result["result"], result.get("description", "")
        if code in (SUCCESS, REFERRAL):
            return
        if code == NO_SUCH_OBJECT:
            raise DirectorySetupError(
                f"the directory has no entry {base!r}, or does not show it to the search account",
                where="spec.security.directory",
                hint="bdc auth test",
            )
        if code in (SIZE_LIMIT, ADMIN_LIMIT):
            raise DirectorySetupError(
                f"the directory gives the search account no more than {before} entries ({words})",
                where=base,
                hint="raise its limit for this account (in OpenLDAP: limits … size.prtotal=unlimited)",
            )
        if code in (BUSY, UNAVAILABLE, TIME_LIMIT):
            raise LostError(f"it answered {words}")
        raise DirectorySetupError(f"the directory refused a search below {base!r}: {words}", where=base, hint="bdc auth test")


@contextmanager
def losing() -> Iterator[None]:
    """What ldap3 raises means: this server does not answer."""
    from ldap3.core.exceptions import LDAPExceptionError

    try:
        yield
    except (LDAPExceptionError, OSError) as error:
        raise LostError(words_of(error)) from None


def words_of(error: BaseException) -> str:
    """What ldap3 or the system says, in a few words."""
    text = " ".join(str(error).split())
    lowered = text.lower()
    if "timed out" in lowered or "temporarily unavailable" in lowered:
        return "it did not answer in time"
    if "refused" in lowered:
        return "nobody listens there"
    if "name or service not known" in lowered or "invalid server address" in lowered or "name resolution" in lowered:
        return "there is no such host"
    return text[:300] or type(error).__name__
