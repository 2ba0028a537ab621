"""The Arrow Flight endpoint of one replica: logins, the coordinator's actions, relayed streams.

pyarrow's server calls from threads of its own; what belongs to the event loop is handed over to it. Errors travel as one JSON object
``{"sqlstate", "message", "detail"?, "hint"?}`` in the Flight error's message.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import structlog
from pyarrow import flight

from pools.compute.auditing import Auditing
from pools.compute.catalogs import Identity
from pools.compute.errors import ServiceError, StatementError
from pools.compute.loads.actions import NAMES
from pools.compute.loads.faults import flight_error
from pools.compute.loads.login import DEFAULT_DATABASE, Logins
from pools.compute.loads.relay import Relay
from pools.flight_listening import location, pairs
from pools.tls import Loaded
from virtualization.errors import VirtualizationError

log = structlog.get_logger()

BODY_BYTES = 64 << 20
"""Of an action: a commit of a million partitions is half of it."""

ACTION_SECONDS = 3600.0
LOGIN = "login"
DATABASE = "bdc-database"

Answer = Callable[[Identity, str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""(who, action, body) → the answer, on the event loop."""


@dataclass(frozen=True)
class Endpoint:
    """What the server stands on."""

    logins: Logins
    answer: Answer
    relay: Relay
    loop: asyncio.AbstractEventLoop
    audit: Auditing


class Server(flight.FlightServerBase):
    """Listens as soon as it is made."""

    def __init__(self, endpoint: Endpoint, host: str, port: int, loaded: Loaded | None = None) -> None:
        super().__init__(
            location(host, port, loaded),
            auth_handler=_NoHandshake(),
            tls_certificates=pairs(loaded),
            middleware={LOGIN: _LoginFactory(endpoint.logins)},
        )
        self._endpoint = endpoint

    def do_action(self, context: flight.ServerCallContext, action: flight.Action) -> list[bytes]:
        """See ``actions``."""
        with _told():
            who, body = _who(context), _read_json(action.body.to_pybytes())
            with self._endpoint.audit.flight_call(who, action.type if action.type in NAMES else "unknown", context.peer(), body) as call:
                doing = asyncio.run_coroutine_threadsafe(_awaited(self._endpoint.answer(who, action.type, body)), self._endpoint.loop)
                call.answer = doing.result(ACTION_SECONDS)
            return [json.dumps(call.answer, ensure_ascii=False, default=str).encode()]

    def list_actions(self, context: flight.ServerCallContext) -> list[tuple[str, str]]:  # type: ignore[override]  # pyarrow's stub is wrong
        """For people who look around."""
        return [(name, "see docs/architecture/load-protocol.md") for name in NAMES]

    def do_put(
        self,
        context: flight.ServerCallContext,
        descriptor: flight.FlightDescriptor,
        reader: flight.MetadataRecordBatchReader,
        writer: flight.FlightMetadataWriter,
    ) -> None:
        """See ``Relay.put``."""
        with _told():
            _who(context)
            self._endpoint.relay.put(_read_json(descriptor.command), reader, writer)

    def do_get(self, context: flight.ServerCallContext, ticket: flight.Ticket) -> flight.FlightDataStream:
        """See ``Relay.get``."""
        with _told():
            _who(context)
            return self._endpoint.relay.get(_read_json(ticket.ticket))


async def _awaited(work: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    return await work


def _who(context: flight.ServerCallContext) -> Identity:
    login = context.get_middleware(LOGIN)
    if not isinstance(login, _Login) or login.identity is None:
        raise StatementError("28000", "log in first", hint="authenticate_basic_token(user, password)")
    return login.identity


def _read_json(raw: bytes | None) -> dict[str, Any]:
    if raw is None or len(raw) > BODY_BYTES:
        raise StatementError("54000", f"the message is larger than {BODY_BYTES >> 20} MB, or there is none")
    try:
        text = (raw or b"{}").decode()  # strictly: json itself lets halves of surrogate pairs pass …
        content = json.loads(text)
        if "\\ud" in text.lower():  # … and their escapes, which no answer, log or source could carry
            json.dumps(content, ensure_ascii=False).encode()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise StatementError("22023", "the message is not a JSON object")
    return content


class _NoHandshake(flight.ServerAuthHandler):
    """The handshake itself says nothing: logins are in the headers."""

    def authenticate(self, outgoing: object, incoming: object) -> None:
        """Nothing."""

    def is_valid(self, token: bytes) -> str:  # type: ignore[override]  # pyarrow's stub is wrong
        """Nothing."""
        return ""


class _Login(flight.ServerMiddleware):
    """Of one call: ``identity`` of a bearer, ``token`` to send after a login."""

    def __init__(self, identity: Identity | None, token: str | None) -> None:
        self.identity = identity
        self._token = token

    def sending_headers(self) -> dict[str, list[str] | list[bytes]]:
        """The new token, as Flight's clients look for it."""
        return {} if self._token is None else {"authorization": [f"Bearer {self._token}"]}


class _LoginFactory(flight.ServerMiddlewareFactory):
    def __init__(self, logins: Logins) -> None:
        self._logins = logins

    def start_call(self, info: flight.CallInfo, headers: dict[str, list[str] | list[bytes]]) -> _Login:
        """Each call begins here."""
        given = {name.lower(): str(values[0]) for name, values in headers.items() if values}
        scheme, _, value = given.get("authorization", "").partition(" ")
        database = given.get(DATABASE)
        with _told():
            if info.method == flight.FlightMethod.HANDSHAKE and scheme.lower() == "basic":
                return _Login(None, self._logins.basic(value, database or DEFAULT_DATABASE))
            if scheme.lower() == "bearer":
                return _Login(self._logins.bearer(value, database), None)
        return _Login(None, None)


@contextmanager
def _told() -> Iterator[None]:
    """Errors inside become Flight errors that a client can read."""
    try:
        yield
    except (ServiceError, VirtualizationError) as error:
        raise flight_error(error) from None
    except (flight.FlightError, pa.ArrowException):
        raise
    except Exception as error:
        log.exception("a Flight call failed", kind=type(error).__name__)
        raise flight_error(StatementError("XX000", "the compute pool failed; its log tells more")) from None
