"""Models in ONNX, written by hand: protobuf's wire format needs a screen of code, the package ``onnx`` is not among ours."""

from __future__ import annotations

FLOAT, INT64, BOOL = 1, 7, 9
Shape = tuple[int | None, ...]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, content: bytes | str) -> bytes:
    raw = content.encode() if isinstance(content, str) else content
    return _varint(field << 3 | 2) + _varint(len(raw)) + raw


def tensor(name: str, kind: int, shape: Shape) -> bytes:
    """An input or output; None in ``shape``: any size."""
    dimensions = b"".join(_bytes(1, _bytes(2, "n") if size is None else _number(1, size)) for size in shape)
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, dimensions)))


def node(operation: str, inputs: list[str], output: str, **attributes: int | list[int]) -> bytes:
    """One step."""
    made = b"".join(_bytes(1, name) for name in inputs) + _bytes(2, output) + _bytes(4, operation)
    for name, value in attributes.items():
        if isinstance(value, int):
            made += _bytes(5, _bytes(1, name) + _number(3, value) + _number(20, 2))
        else:
            made += _bytes(5, _bytes(1, name) + b"".join(_number(8, one) for one in value) + _number(20, 7))
    return made


def outside(name: str, size: int, file: str) -> bytes:
    """A constant of so many bytes that lie in a file beside the model."""
    return _number(1, size) + _number(2, 2) + _bytes(8, name) + _bytes(13, _bytes(1, "location") + _bytes(2, file)) + _number(14, 1)


def model(nodes: list[bytes], inputs: list[bytes], outputs: list[bytes], constants: tuple[bytes, ...] = ()) -> bytes:
    """The file."""
    graph = b"".join(_bytes(1, one) for one in nodes) + _bytes(2, "g") + b"".join(_bytes(5, one) for one in constants)
    graph += b"".join(_bytes(11, one) for one in inputs) + b"".join(_bytes(12, one) for one in outputs)
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13))
