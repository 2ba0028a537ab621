"""The codec: every message survives its bytes, however they are cut; garbage is a ProtocolError and nothing else."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pools.compute.errors import ProtocolError
from pools.compute.wire import backend
from pools.compute.wire.frontend import (
    Bind,
    CancelRequest,
    Close,
    Decoder,
    Describe,
    Execute,
    Flush,
    Message,
    Parse,
    Password,
    Query,
    SslRequest,
    Startup,
    Sync,
    Terminate,
    parse_opening,
)  # fmt: skip

text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
format_code = st.sampled_from([0, 1])


@st.composite
def binds(draw: st.DrawFn) -> Bind:
    values = tuple(draw(st.lists(st.none() | st.binary(max_size=30), max_size=5)))
    formats = tuple(draw(st.lists(format_code, max_size=1) | st.lists(format_code, min_size=len(values), max_size=len(values))))
    return Bind(draw(text), draw(text), formats, values, tuple(draw(st.lists(format_code, max_size=4))))


messages = st.one_of(
    st.builds(Query, text),
    st.builds(Parse, text, text, st.lists(st.integers(0, 2**32 - 1), max_size=4).map(tuple)),
    binds(),
    st.builds(Describe, st.sampled_from("SP"), text),
    st.builds(Close, st.sampled_from("SP"), text),
    st.builds(Execute, text, st.integers(0, 2**31 - 1)),
    st.builds(Password, st.binary(max_size=40)),
    st.just(Flush()), st.just(Sync()), st.just(Terminate()),
)  # fmt: skip


def encode(message: Message) -> bytes:
    """What a client would send."""

    def zero(value: str) -> bytes:
        return value.encode() + b"\0"

    def shorts(values: tuple[int, ...]) -> bytes:
        return struct.pack(f">H{len(values)}h", len(values), *values)

    match message:
        case Query(sql):
            return backend.message(b"Q", zero(sql))
        case Parse(name, sql, oids):
            return backend.message(b"P", zero(name) + zero(sql) + struct.pack(f">H{len(oids)}I", len(oids), *oids))
        case Bind(portal, statement, formats, values, results):
            body = b"".join(struct.pack(">i", -1) if v is None else struct.pack(">i", len(v)) + v for v in values)
            head = zero(portal) + zero(statement) + shorts(formats) + struct.pack(">H", len(values))
            return backend.message(b"B", head + body + shorts(results))
        case Describe(kind, name):
            return backend.message(b"D", kind.encode() + zero(name))
        case Close(kind, name):
            return backend.message(b"C", kind.encode() + zero(name))
        case Execute(portal, limit):
            return backend.message(b"E", zero(portal) + struct.pack(">I", limit))
        case Password(body):
            return backend.message(b"p", body)
    return backend.message({Flush: b"H", Sync: b"S", Terminate: b"X"}[type(message)], b"")


@given(st.lists(messages, max_size=6), st.integers(1, 50))
def test_messages_survive_any_cut(sent: list[Message], step: int) -> None:
    data = b"".join(map(encode, sent))
    decoder = Decoder()
    found: list[Message] = []
    for place in range(0, len(data), step):
        decoder.feed(data[place : place + step])
        found += decoder.messages()
    assert found == sent
    assert decoder.pending == 0


@given(st.binary(max_size=200))
def test_garbage_is_a_protocol_error_and_nothing_else(data: bytes) -> None:
    decoder = Decoder()
    decoder.feed(data)
    try:
        list(decoder.messages())
        Decoder().feed(data)
        parse_opening(data)
    except ProtocolError:
        pass


@given(messages, st.data())
def test_cut_bodies_are_protocol_errors(message: Message, data: st.DataObject) -> None:
    raw = bytearray(encode(message))
    body = bytes(raw[5:])
    cut = body[: data.draw(st.integers(0, max(0, len(body) - 1)))]
    decoder = Decoder()
    decoder.feed(backend.message(bytes(raw[:1]), cut))
    with contextlib.suppress(ProtocolError):
        assert list(decoder.messages()) == [message] or isinstance(message, Password | Query) or cut != body


@given(st.dictionaries(text.filter(bool), text, max_size=4))
def test_startup(parameters: dict[str, str]) -> None:
    body = struct.pack(">I", 196608) + b"".join(f"{k}\0{v}\0".encode() for k, v in parameters.items()) + b"\0"
    assert parse_opening(body) == Startup(196608, parameters)


def test_other_openings() -> None:
    assert parse_opening(struct.pack(">I", 80877103)) == SslRequest("TLS")
    assert parse_opening(struct.pack(">I", 80877104)) == SslRequest("GSS")
    assert parse_opening(struct.pack(">II", 80877102, 7) + b"key!") == CancelRequest(7, b"key!")
    with pytest.raises(ProtocolError, match=r"unsupported frontend protocol 2\.0"):
        parse_opening(struct.pack(">I", 131072))


def test_limit_is_checked_before_the_body_comes() -> None:
    decoder = Decoder()
    decoder.feed(b"Q" + struct.pack(">I", decoder.limit + 1))
    with pytest.raises(ProtocolError, match="invalid message length"):
        list(decoder.messages())
