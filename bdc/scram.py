"""How ``bdc sql`` logs in after ``bdc login`` without a stored password.

PostgreSQL's SCRAM-SHA-256 proves knowledge of the *ClientKey*, which follows from password, salt and iteration count (RFC 5802). libpq
since 18 takes that key (``scram_client_key``, ``scram_server_key``) in place of the password. At login we ask the master for the salt
with the first message of the exchange, derive both keys, and keep them instead of the password: they open this role at this server
until its password changes, and nothing else anywhere, and the password can't be read back from them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import struct

from bdc.contexts import SqlKeys
from bdc.errors import ServiceError, UnreachableError

AUTHENTICATION, ERROR = b"R", b"E"
SASL, SASL_CONTINUE = 10, 11
SSL_REQUEST = struct.pack("!II", 8, 80877103)
MAX_ITERATIONS = 10_000_000
"""More than this is not a server's honest setting (PostgreSQL's default is 4096) but minutes of our CPU."""
MAX_MESSAGE = 65536
SECONDS = 10.0


def derive(password: str, salt: bytes, iterations: int, expires: float) -> SqlKeys:
    """Both keys (RFC 5802 §3); ``expires`` is only carried along."""
    salted = hashlib.pbkdf2_hmac("sha256", _prepared(password), salt, iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    server = hmac.digest(salted, b"Server Key", "sha256")
    return SqlKeys(base64.b64encode(client).decode(), base64.b64encode(server).decode(), expires)


def _prepared(password: str) -> bytes:
    # SASLprep (RFC 4013) as PostgreSQL applies it changes non-ASCII text only; for these the login itself shows whether the keys fit
    import unicodedata

    return password.encode() if password.isascii() else unicodedata.normalize("NFKC", password).encode()


def keys(host: str, port: int, user: str, password: str, *, expires: float, authority: str | None = None) -> SqlKeys:
    """Ask the PostgreSQL at ``host:port`` for ``user``'s salt and derive the keys.

    ``authority``: what its certificate must be signed by ("": what the machine trusts); None: no TLS is spoken, on loopback. Whether they
    are right only a login shows: a server answers for unknown users too.
    """
    try:
        with socket.create_connection((host, port), SECONDS) as plain, _encrypted(plain, host, authority) as connection:
            salt, iterations = _server_first(connection, user)
    except OSError as error:
        raise UnreachableError(f"the master at {host}:{port} does not answer", where=f"{host}:{port}", why=str(error)) from error
    return derive(password, salt, iterations, expires)


def _encrypted(plain: socket.socket, host: str, authority: str | None) -> socket.socket:
    """The same connection, under TLS where it is spoken."""
    if authority is None:
        return plain
    from bdc import trust

    plain.sendall(SSL_REQUEST)
    if _exactly(plain, 1) != b"S":
        raise ConnectionError("the master speaks no TLS, which this cluster is known to do")
    return trust.context(authority).wrap_socket(plain, server_hostname=host)


def _server_first(connection: socket.socket, user: str) -> tuple[bytes, int]:
    startup = struct.pack("!I", 196608) + b"user\0" + user.encode() + b"\0database\0postgres\0\0"
    connection.sendall(struct.pack("!I", len(startup) + 4) + startup)
    if _authentication(connection, SASL) is None:
        raise ServiceError("the master does not ask for SCRAM-SHA-256")
    first = f"n,,n=,r={secrets.token_urlsafe(18)}".encode()
    body = b"SCRAM-SHA-256\0" + struct.pack("!I", len(first)) + first
    connection.sendall(b"p" + struct.pack("!I", len(body) + 4) + body)
    answer = _authentication(connection, SASL_CONTINUE)
    if answer is None:
        raise ServiceError("the master broke off the SCRAM exchange")
    fields = dict(part.split("=", 1) for part in answer.decode().split(",") if "=" in part)
    try:
        salt, iterations = base64.b64decode(fields["s"], validate=True), int(fields["i"])
    except (KeyError, ValueError) as error:
        raise ServiceError("the master's SCRAM message can't be read") from error
    if not 1 <= iterations <= MAX_ITERATIONS:
        raise ServiceError(f"the master asks for {iterations} SCRAM iterations")
    return salt, iterations


def _authentication(connection: socket.socket, wanted: int) -> bytes | None:
    """The payload of the next Authentication message when it is of that kind; None when it is another or an error."""
    kind = _exactly(connection, 1)
    length = struct.unpack("!I", _exactly(connection, 4))[0] - 4
    if kind != AUTHENTICATION or not 4 <= length <= MAX_MESSAGE:
        return None
    payload = _exactly(connection, length)
    return payload[4:] if struct.unpack("!I", payload[:4])[0] == wanted else None


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionError("the master closed the connection")
        data += part
    return data
