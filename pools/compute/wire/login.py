"""From the first byte to an authenticated session: encryption requests, versions, SCRAM."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pools.compute.catalogs import Identity
from pools.compute.errors import AuthenticationError, ProtocolError, StatementError
from pools.compute.wire import backend, scram
from pools.compute.wire.frontend import PROTOCOL_3_2, CancelRequest, Password, Reader, SslRequest, Startup
from pools.compute.wire.link import Link

_OWN = frozenset({"user", "database", "options", "replication"})


class ClientLeftError(AuthenticationError):
    """Nobody waits for an answer."""


@dataclass(frozen=True)
class Login:
    """Who logs in, with which settings, speaking which version of the protocol."""

    identity: Identity
    variables: dict[str, str]
    version: int


async def opening(link: Link) -> Startup | CancelRequest | None:
    """Encrypt where that can be done, else refuse it politely, until a start-up or cancel packet comes; None: the client left."""
    answered: set[str] = set()
    while True:
        packet = await link.opening()
        if not isinstance(packet, SslRequest):
            return packet
        if packet.kind in answered:
            raise ProtocolError("encryption was requested twice")
        answered.add(packet.kind)
        if packet.kind == "TLS" and link.can_encrypt:
            link.send(backend.ACCEPTED_ENCRYPTION)
            await link.encrypt()
        else:
            link.send(backend.REFUSED_ENCRYPTION)
            await link.drain()


def read_startup(startup: Startup) -> Login:
    """Who and what; StatementError where the packet asks for something that the pool does not have."""
    given = {name.lower(): value for name, value in startup.parameters.items() if not name.startswith("_pq_.")}
    user = given.get("user", "")
    if not user:
        raise StatementError("28000", "no PostgreSQL user name specified in startup packet")
    if given.get("replication", "off").lower() not in ("", "off", "false", "no", "0"):
        raise StatementError("0A000", "the compute pool has no replication")
    variables = {name: value for name, value in given.items() if name not in _OWN} | _options(given.get("options", ""))
    mapping = user.startswith("fdw:")
    identity = Identity(user.removeprefix("fdw:"), given.get("database") or user, mapping)
    return Login(identity, variables, min(startup.version, PROTOCOL_3_2))


def _options(text: str) -> dict[str, str]:
    """``-c name=value`` and ``--name=value``."""
    found: dict[str, str] = {}
    try:
        words = shlex.split(text)
    except ValueError:
        raise StatementError("22023", "invalid command-line options in startup packet") from None
    while words:
        word = words.pop(0)
        setting = words.pop(0) if word == "-c" and words else word.removeprefix("--").removeprefix("-c")
        name, sign, value = setting.partition("=")
        if not sign:
            raise StatementError("22023", "invalid command-line options in startup packet")
        found[name.replace("-", "_").lower()] = value
    return found


async def authenticate(link: Link, login: Login, verifier: Callable[[Identity], Awaitable[str | None]], key: bytes) -> None:
    """SCRAM-SHA-256; AuthenticationError for whoever can't show the password. ``key`` makes up salts of users who don't exist."""
    stored = await verifier(login.identity)
    known = scram.Verifier.parse(stored) if stored is not None else None
    name = login.identity.login
    binding = None if link.encrypted is None else link.encrypted.loaded.end_point
    offered = (scram.MECHANISM,) if binding is None else (scram.BOUND, scram.MECHANISM)
    link.send(backend.sasl_mechanisms(*offered))
    await link.drain()
    reader = Reader(await _password(link))
    chosen = reader.text()
    if chosen not in offered:
        raise ProtocolError("client selected an invalid SASL authentication mechanism")
    dialogue = scram.Dialogue(
        name,
        known or scram.Verifier.pretended(name, key),
        real=known is not None,
        channel=scram.Channel(binding, bound=chosen == scram.BOUND),
    )
    first = reader.take(length) if (length := reader.int32()) >= 0 else b""
    reader.end()
    link.send(backend.sasl_continue(dialogue.first(first)))
    await link.drain()
    link.send(backend.sasl_final(dialogue.final(await _password(link))))
    link.send(backend.AUTHENTICATION_OK)


async def _password(link: Link) -> bytes:
    message = await link.next()
    if message is None:
        raise ClientLeftError("the client left during the login")
    if not isinstance(message, Password):
        raise ProtocolError("expected an authentication message")
    return message.body
