"""One session of the stand-in: connect, login, statements, fetches, breaks. Packets as a server of version 12.1 sends them.

Only what python-oracledb's thin mode needs to read: no PL/SQL, no DML, no LOB locators (LOBs go as LONG, as the driver asks for data
frames), binds as input only.
"""

from __future__ import annotations

import re
import select
import socketserver
import struct
import time
from typing import TYPE_CHECKING, Any

from tests.services.oracle import encodings
from tests.services.oracle.dialect import OracleError
from tests.services.oracle.encodings import Buffer, clr, clr4, ub
from tests.services.oracle.login import Login

if TYPE_CHECKING:
    from tests.services.oracle.server import StandIn

CONNECT, ACCEPT, REFUSE, DATA, MARKER = 1, 2, 4, 6, 12
BREAK_MARKER, RESET_MARKER = b"\x01\x00\x01", b"\x01\x00\x02"
_SDU = 8192
_EXECUTE, _FETCH, _REEXECUTE, _REEXECUTE_AND_FETCH, _AUTH_ONE, _AUTH_TWO = 94, 5, 4, 78, 118, 115
_COMMIT, _ROLLBACK, _PING, _LOGOFF = 14, 15, 147, 9
_CLOSE_CURSORS, _END_TO_END = 105, 135
_DONE = b"\x09" + ub(0) + ub(0)
_SIZES = {encodings.NUMBER: 22, encodings.DATE: 7, encodings.TIMESTAMP: 11, encodings.BINARY_DOUBLE: 8, encodings.BINARY_FLOAT: 4}
_AS_LONG = {encodings.CLOB: encodings.LONG, encodings.BLOB: encodings.LONG_RAW}


class GoneError(Exception):
    """The connection ends."""


class Cursor:
    """An open statement."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.kinds: list[int] = []
        self.binds: list[Any] = []
        self.columns: tuple[tuple[str, int], ...] = ()
        self.rows: list[tuple[Any, ...]] = []
        self.place = 0


class Session(socketserver.BaseRequestHandler):
    """See the module."""

    server: Any

    def setup(self) -> None:
        """Nothing is known yet."""
        self._big = False  # 4-byte lengths of packets, after ACCEPT
        self._cursors: dict[int, Cursor] = {}
        self._next = 1
        self._login = Login("")
        self.user = self.client = ""

    @property
    def stand_in(self) -> StandIn:
        """Whose session it is."""
        found: StandIn = self.server.stand_in
        return found

    def handle(self) -> None:
        """To its end."""
        try:
            self._run()
        except (GoneError, ConnectionError, OSError):
            return

    # packets

    def _exact(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            part = self.request.recv(size - len(found))
            if not part:
                raise GoneError
            found += part
        return found

    def _packet(self) -> tuple[int, bytes]:
        head = self._exact(8)
        size = struct.unpack(">I", head[:4])[0] if self._big else struct.unpack(">H", head[:2])[0]
        return head[4], self._exact(size - 8)

    def _send(self, kind: int, body: bytes) -> None:
        size = len(body) + 8
        head = struct.pack(">I", size) if self._big else struct.pack(">HH", size, 0)
        self.request.sendall(head + bytes([kind, 0, 0, 0]) + body)

    def _data(self, body: bytes) -> None:
        for at in range(0, len(body), _SDU - 10):
            self._send(DATA, b"\0\0" + body[at : at + _SDU - 10])

    def _message(self) -> bytes | None:
        """One call of the client: it may span packets, which are full then. None: the end."""
        found = b""
        while True:
            kind, body = self._packet()
            if kind == MARKER:
                self._reset()  # the client could not read on
                self._data(error(OracleError(1013, "user requested cancel of current operation")))
                continue
            if kind != DATA:
                continue
            if struct.unpack(">H", body[:2])[0] & 0x40:
                return None
            found += body[2:]
            if len(body) + 8 < _SDU:
                return found

    # the session

    def _run(self) -> None:
        _, body = self._packet()
        length, offset = struct.unpack(">HH", body[16:20])
        told = body[offset - 8 :] if length <= 230 else self._packet()[1][2:]
        wanted = re.search(rb"SERVICE_NAME=([^)]*)", told, re.IGNORECASE)
        service = wanted[1].decode() if wanted else ""
        if service.upper() != self.stand_in.service.upper():
            said = b"(DESCRIPTION=(ERR=12514)(VSNNUM=0)(ERROR_STACK=(ERROR=(CODE=12514)(EMFI=4))))"
            self._send(REFUSE, b"\0\0" + struct.pack(">H", len(said)) + said)
            return
        self._send(ACCEPT, struct.pack(">HH", 315, 0) + bytes(10) + b"\0" + bytes(9) + struct.pack(">I", _SDU))
        self._big = True
        while (message := self._message()) is not None:
            if not self._answer(Buffer(message)):
                return

    def _answer(self, buffer: Buffer) -> bool:
        while buffer.more:
            kind = buffer.u1()
            if kind == 1:  # which protocol
                self._data(self._protocol())
                return True
            if kind == 2:  # which data types
                self._data(b"\x02\0\0")
                return True
            function = buffer.u1()
            buffer.u1()
            if kind == 17:
                self._piggyback(function, buffer)
                continue
            return self._call(function, buffer)
        return True

    def _protocol(self) -> bytes:
        capabilities = bytearray(45)
        capabilities[7] = 7  # TTC field version of 12.1
        character_set = bytes(9) + struct.pack(">H", 2000)
        head = b"\x01\x06\0stand-in\0" + struct.pack("<H", 873) + b"\0" + struct.pack("<H", 0)
        return head + struct.pack(">H", len(character_set)) + character_set + clr(bytes(capabilities)) + clr(bytes(11))

    def _piggyback(self, function: int, buffer: Buffer) -> None:
        if function == _CLOSE_CURSORS:
            buffer.u1()
            for _ in range(buffer.ub()):
                self._cursors.pop(buffer.ub(), None)
        elif function == _END_TO_END:
            self._end_to_end(buffer)
        else:
            raise NotImplementedError(f"piggyback {function}")

    def _end_to_end(self, buffer: Buffer) -> None:
        """Module, action and the like: what V$SESSION shows."""
        buffer.skip("bbn")
        present: list[str] = []
        for name in ("client", "module", "action"):
            told, size = buffer.u1(), buffer.ub()
            present += [name] if told and size else []
        buffer.skip("bnbn")
        told, size = buffer.u1(), buffer.ub()
        present += ["info"] if told and size else []
        buffer.skip("bnbn")
        told, size = buffer.u1(), buffer.ub()
        present += ["operation"] if told and size else []
        found = {name: (buffer.clr() or b"").decode() for name in present}
        self.stand_in.actions.append(found.get("action", ""))

    def _call(self, function: int, buffer: Buffer) -> bool:
        if function in (_AUTH_ONE, _AUTH_TWO):
            self._auth(function, buffer)
        elif function == _EXECUTE:
            self._reply(lambda: self._execute(buffer))
        elif function in (_REEXECUTE, _REEXECUTE_AND_FETCH):
            self._reply(lambda: self._again(buffer))
        elif function == _FETCH:
            number, size = buffer.ub(), buffer.ub()
            self._reply(lambda: self._rows(number, size))
        elif function in (_COMMIT, _ROLLBACK, _PING, _LOGOFF):
            self._data(_DONE)
        else:
            raise NotImplementedError(f"function {function}")
        return True

    def _auth(self, phase: int, buffer: Buffer) -> None:
        buffer.skip("bnnb")
        count = buffer.ub()
        buffer.raw(2)
        self.user = (buffer.clr() or b"").decode().upper()
        told: dict[str, str] = {}
        for _ in range(count):
            buffer.ub()
            name = (buffer.clr() or b"").decode()
            value = buffer.clr() if buffer.ub() else b""
            buffer.ub()
            told[name] = (value or b"").decode()
        if phase == _AUTH_ONE:
            password = self.stand_in.password if self.user == self.stand_in.user.upper() else "\0nobody's"
            self._login = Login(password)
            self._data(self._login.challenge())
            return
        self.client = told.get("PROXY_CLIENT_NAME", "")
        refused = self.stand_in.refusal(self.client)
        answer = self._login.answer(told, self.stand_in.version) if refused is None else None
        if answer is None:
            self._data(error(refused or OracleError(1017, "invalid username/password; logon denied")))
        else:
            self.stand_in.logins.append((self.user, self.client))
            self._data(answer)

    # statements

    def _reply(self, made: Any) -> None:
        try:
            answer = made()
            self._be_slow(self.stand_in.delay)
        except OracleError as refused:
            answer = error(refused)
        self._data(answer)

    def _be_slow(self, seconds: float) -> None:
        """As long as the tests say, unless the client breaks in."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.request], [], [], 0.02)[0]:
                kind, _ = self._packet()
                if kind == MARKER:
                    self.stand_in.breaks += 1
                    self._reset()
                    raise OracleError(1013, "user requested cancel of current operation")

    def _reset(self) -> None:
        """After a break: both sides forget what is on the way."""
        self._send(MARKER, BREAK_MARKER)
        while True:
            kind, body = self._packet()
            if kind == MARKER and body[:3] == RESET_MARKER:
                break
        self._send(MARKER, RESET_MARKER)

    def _execute(self, buffer: Buffer) -> bytes:
        options, number = buffer.ub(), buffer.ub()
        buffer.skip("bnbnbbn")
        size = buffer.ub()
        buffer.skip("nb")
        binds = buffer.ub()
        buffer.raw(5)
        buffer.u1()
        defines = buffer.ub()
        buffer.skip("nbbbnbnnbnb")
        if not number or options & 1:
            sql = (buffer.clr() or b"").decode()
            number, self._next = self._next, self._next + 1
            self._cursors[number] = Cursor(sql)
        cursor = self._cursors[number]
        for _ in range(13):
            buffer.ub()
        if defines:
            return self._rows(number, size, as_long=True)
        if binds:
            cursor.kinds = [self._bind_kind(buffer) for _ in range(binds)]
            buffer.u1()
            cursor.binds = [_bound(kind, buffer.clr()) for kind in cursor.kinds]
        return self._start(number, cursor, size, describe=True)

    def _bind_kind(self, buffer: Buffer) -> int:
        kind = buffer.u1()
        buffer.raw(3)
        buffer.skip("nnnnnnbn")
        return kind

    def _again(self, buffer: Buffer) -> bytes:
        number, size = buffer.ub(), buffer.ub()
        buffer.skip("nn")
        cursor = self._cursors[number]
        if buffer.more:
            buffer.u1()
            cursor.binds = [_bound(kind, buffer.clr()) for kind in cursor.kinds]
        return self._start(number, cursor, size, describe=False)

    def _start(self, number: int, cursor: Cursor, size: int, *, describe: bool) -> bytes:
        self.stand_in.statements.append(cursor.sql)
        self.stand_in.misbehave(cursor.sql)
        if self.stand_in.dropping:
            raise GoneError
        if cursor.sql.startswith(("ALTER SESSION SET ", "SET TRANSACTION READ ONLY")):
            return end(number, 0)
        if any(f'"{name}"' in cursor.sql for name in self.stand_in.sleepers):
            self.stand_in.waiting.append(cursor.sql)
            try:
                self._be_slow(600)
            finally:
                self.stand_in.waiting.remove(cursor.sql)
        answer = self.stand_in.database.query(cursor.sql, cursor.binds)
        cursor.columns, cursor.rows, cursor.place = answer.columns, answer.rows, 0
        head = _description(cursor.columns) if describe else b""
        if any(kind in _AS_LONG for _, kind in cursor.columns):
            return head + end(number, 0)  # the client defines LOBs as LONG first
        return head + self._rows(number, size)

    def _rows(self, number: int, size: int, *, as_long: bool = False) -> bytes:
        cursor = self._cursors[number]
        if self.stand_in.dropping:
            raise GoneError
        part = cursor.rows[cursor.place : cursor.place + size]
        cursor.place += len(part)
        made = [b"\x06\0" + ub(0) * 5 + clr4(b"")] if part else []
        kinds = [kind for _, kind in cursor.columns]
        for row in part:
            made.append(b"\x07")
            for kind, value in zip(kinds, row, strict=True):
                made.append(encodings.encoded(kind, value))
                if kind in _AS_LONG:
                    made.append(b"\0\0")  # no null indicator, no return code
        sent = b"".join(made).replace(*self.stand_in.spoiled)
        if cursor.place >= len(cursor.rows):
            return sent + end(number, cursor.place, OracleError(1403, "no data found"))
        return sent + end(number, cursor.place)


def _bound(kind: int, data: bytes | None) -> Any:
    if data is None:
        return None
    assert kind in encodings.TEXTS, "only texts are bound"
    return data.decode()


def _description(columns: tuple[tuple[str, int], ...]) -> bytes:
    made = b"\x10" + b"\0" + ub(0) + ub(len(columns)) + b"\0"
    for name, kind in columns:
        text = kind in encodings.TEXTS
        size = _SIZES.get(kind, 4000)
        scale = {encodings.NUMBER: 0x81, encodings.TIMESTAMP: 6}.get(kind, 0)
        made += bytes([kind, 0, 0, scale]) + ub(size) + ub(0) * 4 + ub(873 if text else 0) + bytes([1 if text else 0])
        made += ub(size if text else 0) + b"\1" + bytes([len(name.encode())]) + clr4(name.encode()) + clr4(b"") * 2 + ub(0) * 2
    return made + clr4(b"") + ub(0) * 4 + clr4(b"")


def error(refused: OracleError) -> bytes:
    """The end of a call that failed."""
    return end(0, 0, refused)


def end(cursor: int, rows: int, said: OracleError | None = None) -> bytes:
    """The end of a call."""
    code, text = (said.code, clr(str(said).encode())) if said is not None else (0, b"")
    head = b"\x04" + ub(0) * 6 + ub(cursor) + ub(0) + bytes(6) + ub(0) * 2 + b"\0" + ub(0) * 2
    return head + ub(0) + b"\0\0" + ub(0) * 3 + ub(0) * 3 + ub(code) + ub(rows) + text
