"""The coordinator of loads (Arrow Flight, one on each compute replica): log in, ask, and say what it answered in plain words."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight

from pyspark_bdc.addresses import AUTHORITY_VARIABLE
from pyspark_bdc.errors import BdcError, UnreachableError, WriteError

ROOT_VARIABLE = "PGSSLROOTCERT"
DATABASE_HEADER = "bdc-database"
ANSWER_SECONDS = 120.0
LOGIN_SECONDS = 15.0
OPTIONS: list[tuple[str, Any]] = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


@dataclass(frozen=True)
class Login:
    """A session at a coordinator; travels to the tasks, so it holds the short-lived token and not the password."""

    location: str
    """``grpc://host:port``."""
    headers: tuple[tuple[str, str], ...] = field(repr=False)

    def call(self, seconds: float = ANSWER_SECONDS) -> flight.FlightCallOptions:
        """What goes along with each call."""
        return _options(self.headers, seconds)

    def stream(self) -> flight.FlightCallOptions:
        """The same for streams, which take as long as their rows."""
        return _options(self.headers)

    def ask(self, action: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """One action, one answer. WriteError with the server's own words."""
        try:
            with connect(self.location) as client:
                answers = list(client.do_action(flight.Action(action, json.dumps(body).encode()), self.call()))
        except (flight.FlightError, pa.ArrowException, OSError) as error:
            raise refused(error, self.location) from None
        answer: dict[str, Any] = json.loads(answers[0].body.to_pybytes())
        return answer


def connect(location: str) -> flight.FlightClient:
    """A client; the connection is made at the first call. Who speaks TLS (``grpc+tls://``) is verified by the certificates of a file: of a
    cluster that this runs in (BDC_AUTHORITY), else of libpq's variable PGSSLROOTCERT; without any by those that the machine trusts."""
    named = os.environ.get(AUTHORITY_VARIABLE) or os.environ.get(ROOT_VARIABLE)
    root = named if location.startswith("grpc+tls:") else None
    trusted: Any = pathlib.Path(root).read_bytes() if root else None
    return flight.FlightClient(location, tls_root_certs=trusted, generic_options=OPTIONS)


def log_in(location: str, user: str, password: str, database: str) -> Login:
    """UnreachableError when nobody listens or the login is refused."""
    header = (DATABASE_HEADER, database)
    try:
        with connect(location) as client:
            token = client.authenticate_basic_token(user, password, _options([header], LOGIN_SECONDS))
    except (flight.FlightError, pa.ArrowException, OSError) as error:
        why = refused(error, location)
        raise UnreachableError(f"can't log in as {user}@{location}: {why.message}", why.hint) from None
    return Login(location, (header, (_text(token[0]), _text(token[1]))))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _options(headers: Sequence[tuple[str, str]], seconds: float | None = None) -> flight.FlightCallOptions:
    encoded: Any = [(name.encode(), value.encode()) for name, value in headers]  # bytes, whatever the stubs say
    return flight.FlightCallOptions(headers=encoded, timeout=seconds)


def refused(error: Exception, location: str) -> BdcError:
    """What a Flight error means: the server's JSON where there is one, else gRPC's words."""
    text = str(error)
    start = text.find("{")
    if start >= 0:
        try:
            said, _ = json.JSONDecoder().raw_decode(text[start:])
        except ValueError:
            said = None
        if isinstance(said, dict) and "message" in said:
            details = f": {said['detail']}" if said.get("detail") else ""
            return WriteError(f"{said['message']}{details} [{said.get('sqlstate', 'XX000')}]", said.get("hint"), said.get("sqlstate"))
    if isinstance(error, flight.FlightUnavailableError | flight.FlightTimedOutError):
        return UnreachableError(f"{location} does not answer", "see bdc status, and bdc endpoint list for the address")
    return WriteError(" ".join(text.split(". gRPC client debug context")[0].split()))
