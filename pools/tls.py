"""TLS of our own servers: a certificate that is looked at again while the server runs, and TLS over bytes that somebody else carries.

A certificate is renewed by replacing its files. Who accepts connections asks ``ServerCertificate.current()`` for each: new connections get
the new one, sessions that run keep theirs. Files that don't load (half replaced, another key, unreadable) leave the old one in use, which
is told once.
"""

from __future__ import annotations

import contextlib
import hashlib
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LOOK_SECONDS = 1.0
"""How often the files are looked at, at most."""

READ_BYTES = 262_144
HANDSHAKE = 0x16
"""The first byte of a client that begins with TLS at once."""


class CertificateFileError(ValueError):
    """Certificate and key can't be loaded; the message says why and what brings them back."""


RECOVERY = "'bdc cert rotate' makes new ones, 'bdc start' lays them again"


@dataclass(frozen=True)
class Files:
    """Paths of a PEM certificate chain and its key; ``recovery``: what is said to do where they can't be used."""

    certificate: str
    key: str
    recovery: str = RECOVERY


@dataclass(frozen=True)
class Loaded:
    """``end_point``: what SCRAM binds a login to (RFC 5929, tls-server-end-point); ``pem``: (certificates, key) as gRPC takes them."""

    context: ssl.SSLContext
    end_point: bytes
    pem: tuple[bytes, bytes]


class ServerCertificate:
    """``alpn``: protocols that are agreed on. The first ``current()`` raises CertificateFileError; later ones keep what there was.
    ``failed`` is told each new reason for which files were not taken. Thread-safe."""

    def __init__(self, files: Files, alpn: tuple[str, ...] = (), failed: Callable[[str], None] = lambda why: None) -> None:
        self._files = files
        self._alpn = alpn
        self._failed = failed
        self._lock = threading.Lock()
        self._loaded: Loaded | None = None
        self._seen: object = None
        self._looked = 0.0

    def current(self) -> Loaded:
        """What new connections get."""
        with self._lock:
            now = time.monotonic()
            if self._loaded is None or now - self._looked >= LOOK_SECONDS:
                self._looked = now
                self._look()
            assert self._loaded is not None
            return self._loaded

    def _look(self) -> None:
        seen = tuple(_stamp(path) for path in (self._files.certificate, self._files.key))
        if seen == self._seen and self._loaded is not None:
            return
        try:
            self._loaded = load(self._files, self._alpn)
        except CertificateFileError as error:
            if self._loaded is None:
                raise
            if seen != self._seen:
                self._failed(str(error))
        self._seen = seen


def load(files: Files, alpn: tuple[str, ...] = ()) -> Loaded:
    """CertificateFileError."""
    try:
        pem = Path(files.certificate).read_bytes(), Path(files.key).read_bytes()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(files.certificate, files.key)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        end_point = hashlib.sha256(ssl.PEM_cert_to_DER_cert(_first(pem[0].decode()))).digest()
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise CertificateFileError(f"{files.certificate} and {files.key} can't be used: {_why(error)}; {files.recovery}") from None
    return Loaded(context, end_point, pem)


def reloading(certificate: ServerCertificate) -> ssl.SSLContext:
    """A context for servers that take one for all of their life: each handshake is done with the certificate of that moment."""
    outer = certificate.current().context

    def choose(connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = certificate.current().context

    outer.sni_callback = choose  # called at each handshake, whether or not the client names a server
    return outer


def client_context(authority: str) -> ssl.SSLContext:
    """Trusts the certificates of the file ``authority``, and nobody else. OSError, ssl.SSLError."""
    return ssl.create_default_context(cafile=authority)


class Layer:
    """The server's side of one TLS connection over bytes that arrive elsewhere. Pure: no socket, no clock."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self._arrived, self._leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = loaded.context.wrap_bio(self._arrived, self._leaving, server_side=True)
        self.established = False
        self.ended = False
        """The client has said that nothing more comes."""

    @property
    def protocol(self) -> str | None:
        """What was agreed on by ALPN."""
        return self._tls.selected_alpn_protocol()

    def received(self, data: bytes) -> bytes:
        """What the client said by ``data``; ssl.SSLError for what is no TLS. Afterwards there may be something in ``leaving()``."""
        self._arrived.write(data)
        parts: list[bytes] = []
        try:
            if not self.established:
                self._tls.do_handshake()
                self.established = True
            while part := self._tls.read(READ_BYTES):
                parts.append(part)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        return b"".join(parts)

    def sealed(self, data: bytes | memoryview) -> bytes:
        """``data`` as it goes over the network."""
        self._tls.write(data)
        return self._leaving.read()

    def farewell(self) -> bytes:
        """Says that nothing more comes: without it the client takes the end for an attacker's (libpq: "unexpected eof while reading")."""
        with contextlib.suppress(ssl.SSLError):  # the client's own farewell is not waited for
            self._tls.unwrap()
        return self._leaving.read()

    def leaving(self) -> bytes:
        """What the handshake has to send."""
        return self._leaving.read()


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _first(pem: str) -> str:
    end = "-----END CERTIFICATE-----"
    begin = pem.find("-----BEGIN CERTIFICATE-----")
    if begin < 0 or end not in pem:
        raise ValueError("it holds no certificate in PEM form")
    return pem[begin : pem.index(end, begin) + len(end)]


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return "the key does not belong to the certificate"
    return getattr(error, "strerror", None) or str(error)
