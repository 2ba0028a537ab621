"""What goes between the pool and a model's process: frames (eight bytes of length, big endian, then so many), and batches in them."""

from __future__ import annotations

import socket
import struct

import pyarrow as pa

HEADER = struct.Struct(">Q")


def read(frame: bytes | bytearray | memoryview) -> pa.RecordBatch:
    """The one batch of an Arrow stream."""
    with pa.ipc.open_stream(pa.py_buffer(frame)) as stream:
        return stream.read_next_batch()


def written(batch: pa.RecordBatch) -> bytes:
    """An Arrow stream of one batch."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue().to_pybytes()


def send(connection: socket.socket, content: bytes) -> None:
    """A frame."""
    connection.sendall(HEADER.pack(len(content)))
    connection.sendall(content)


def receive(connection: socket.socket) -> bytearray | None:
    """The next frame; None at the end."""
    head = _exactly(connection, HEADER.size)
    return None if head is None else _exactly(connection, HEADER.unpack(head)[0])


def _exactly(connection: socket.socket, length: int) -> bytearray | None:
    found = bytearray(length)
    view, at = memoryview(found), 0
    while at < length:
        count = connection.recv_into(view[at:])
        if not count:
            return None
        at += count
    return found
