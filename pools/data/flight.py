"""The shard on Arrow Flight: DoPut, DoGet, actions. Bodies are JSON; errors are one JSON object in the message of a Flight error."""

from __future__ import annotations

import json
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import duckdb
import pyarrow as pa
import structlog
from pyarrow import flight

from pools.data.errors import ShardError, shard_error
from pools.data.question import Asked
from pools.data.reading import Answer
from pools.data.shard import Shard
from pools.data.watching import Watch
from pools.flight_listening import location, pairs
from pools.tls import Loaded
from virtualization.shard_calls import MANY

log = structlog.get_logger()

BROKEN = 70
"""Exit code when DuckDB has given the file up (a failed write): a new process reads what is durable."""

SHUTDOWN_SECONDS = 1.0
SLOW_SECONDS = 1.0
"""A call that takes so long is worth a line in the log."""

QUIET = frozenset({"28000", "40001", "23505", "23502", "21000", "57014", "57P01", "72000"})
"""Errors that users cause; the rest is logged as a warning."""


class ShardServer(flight.FlightServerBase):
    """Serves from its own threads as soon as it is made. ``port`` 0: any; see ``self.port``."""

    def __init__(self, shard: Shard, host: str, port: int, loaded: Loaded | None = None) -> None:
        self._shard = shard
        self._meters = shard.meters
        self._calls = 0
        self._idle = threading.Condition()
        self._stopping = False
        self._watch = Watch()
        super().__init__(location(host, port, loaded), tls_certificates=pairs(loaded))

    def do_put(self, context: Any, descriptor: Any, reader: Any, writer: Any) -> None:  # noqa: ANN401 pyarrow
        """One stream of rows; the answer is its put result."""
        with self._call("put"):
            answer = self._shard.put(_json(descriptor.command), reader)
            self._meters.received(answer["rows"], answer["bytes"])
            writer.write(json.dumps(answer).encode())

    def do_get(self, context: Any, ticket: Any) -> flight.FlightDataStream:  # noqa: ANN401 pyarrow
        """The rows of a read ticket."""
        asked = _ticket(ticket.ticket)
        query = Asked.of(asked).query
        with self._call("read", query):
            answer = self._shard.read(asked)
            whole = answer.whole()
            if whole is not None:
                self._meters.sent(whole.num_rows, whole.nbytes)
                return flight.RecordBatchStream(whole)
            batches = self._batches(answer, context, query)
            weakref.finalize(batches, answer.close)  # a generator that nobody has asked for a batch ends without its finally
            return flight.GeneratorStream(answer.schema, batches)

    def do_exchange(self, context: Any, descriptor: Any, reader: Any, writer: Any) -> None:  # noqa: ANN401 pyarrow
        """Read tickets one after the other, an answer for each (load-protocol.md); the client keeps the stream between them."""
        with suppress(flight.FlightCancelledError):  # it has left
            for message in reader:
                writer.write_metadata(self._brief(_ticket(message.app_metadata.to_pybytes())))

    def _brief(self, ticket: str) -> pa.Buffer | bytes:
        """All rows as an Arrow stream, ``MANY`` where that would be many, or the error's JSON."""
        try:
            with self._call("read", Asked.of(ticket).query):
                answer = self._shard.read(ticket)
                whole = answer.whole()
                if whole is None:
                    answer.close()
                    return MANY
        except flight.FlightError as error:
            return str(error).encode()
        self._meters.sent(whole.num_rows, whole.nbytes)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, whole.schema) as rows:
            rows.write_table(whole)
        return sink.getvalue()

    def do_action(self, context: Any, action: Any) -> Iterator[bytes]:  # noqa: ANN401 pyarrow
        """One action; a result per row."""
        with self._call(action.type if self._shard.knows(action.type) else "unknown"):
            body = action.body.to_pybytes() if action.body is not None else b""
            rows = self._shard.act(action.type, _json(body) if body else {})
        return iter([json.dumps(row).encode() for row in rows])

    def stop(self, seconds: float) -> None:
        """Refuse new calls, give those under way ``seconds``, then end."""
        deadline = time.monotonic() + seconds
        with self._idle:
            self._stopping = True
            self._idle.wait_for(lambda: self._calls == 0, max(0.0, deadline - time.monotonic()))
            left = self._calls
        if left:
            log.warning("calls are cut off", calls=left)
        # it waits for streams whose clients hold them half-read: the end of the process ends those
        ending = threading.Thread(target=self.shutdown, name="shutdown", daemon=True)
        ending.start()
        ending.join(SHUTDOWN_SECONDS)

    def _batches(self, answer: Answer, context: Any, query: str) -> Iterator[pa.RecordBatch]:  # noqa: ANN401 pyarrow
        with self._call("stream", query), self._watch.over(context.is_cancelled, answer.cancel):
            for batch in answer:
                self._meters.sent(batch.num_rows, batch.nbytes)
                yield batch

    @contextmanager
    def _call(self, name: str, query: str = "") -> Iterator[None]:
        """Count the call; turn its errors into Flight's. ``query``: the number of the query that asks, for the log."""
        began, code = time.monotonic(), None
        with self._idle:
            if self._stopping:
                raise _flight_error(ShardError("57P01", "the shard stops", hint="Try again in a moment."))
            self._calls += 1
        try:
            yield
        except duckdb.FatalException as error:
            log.error("DuckDB gave the file up: the process ends and is started again", why=str(error).splitlines()[0])
            os._exit(BROKEN)
        except flight.FlightError:
            raise
        except Exception as error:  # noqa: BLE001 whatever it is, the caller gets it in the protocol's form
            found = shard_error(error)
            code = found.code
            if found.code not in QUIET:
                log.warning("call failed", call=name, query=query or None, sqlstate=found.code, why=found.message, detail=found.detail)
            raise _flight_error(found) from None
        finally:
            seconds = time.monotonic() - began
            self._meters.called(name, seconds, code)
            if seconds >= SLOW_SECONDS:
                log.info("slow call", call=name, query=query or None, seconds=round(seconds, 3), sqlstate=code)
            with self._idle:
                self._calls -= 1
                self._idle.notify_all()


def _flight_error(error: ShardError) -> Exception:
    """28000 and 57P01 have classes of Flight's own, so that generic clients understand them too."""
    kinds = {"28000": flight.FlightUnauthenticatedError, "57P01": flight.FlightUnavailableError, "57014": flight.FlightCancelledError}
    made: Exception = kinds.get(error.code, flight.FlightServerError)(error.json())
    return made


def _ticket(raw: bytes) -> str:
    """As text; what is none can't be a ticket, and is refused as one: signatures are over ASCII."""
    return raw.decode("ascii", "replace")


def _json(raw: bytes | None) -> dict[str, Any]:
    try:
        body = json.loads(raw or b"")
    except ValueError as error:
        raise ShardError("08P01", "the message is not JSON") from error
    if not isinstance(body, dict):
        raise ShardError("08P01", "the message is not a JSON object")
    return body
