"""Which OS users of this machine may open connections to ports of its own: a table of nf_tables, asked of the kernel over netlink.

A table of ours holds one chain. Of what leaves through loopback (whatever a process of this machine sends to any of its own addresses) it
looks at the first packet of a TCP connection: those of ``users`` pass, to one of ``ports`` all others are answered by a reset, so that who
tries hears *connection refused* at once. Everything else is left alone, as are all other tables.

The messages are those of <linux/netfilter/nf_tables.h>, which Linux keeps for good, so neither a program nor a library is needed; why not
``nft``, see docs/decisions/2026-11-23-ports-of-hdfs.md. A change is one transaction: it holds as a whole, or not at all. All calls raise
OSError: EPERM without CAP_NET_ADMIN; ENOENT, EINVAL or EOPNOTSUPP from a kernel that was built without what this needs.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Iterator

NETLINK_NETFILTER = 12
SECONDS = 5.0
INET = 1
"""IPv4 and IPv6."""
SUBSYSTEM = 10
BATCH_BEGIN, BATCH_END = 16, 17
NEW_TABLE, GET_TABLE, DELETE_TABLE, NEW_CHAIN, NEW_RULE, GET_RULE = 0, 1, 2, 3, 6, 7
REQUEST, ACKNOWLEDGE, DUMP, CREATE, APPEND = 0x1, 0x4, 0x300, 0x400, 0x800
ERROR, DONE = 2, 3
NESTED = 0x8000
HEADER = struct.Struct("=IHHII")
"""Length, kind, flags, sequence number, port: of netlink."""
ATTRIBUTE = struct.Struct("=HH")

TABLE_NAME, TABLE_USERDATA = 1, 6
CHAIN = "first-packets"
HOOK_OUTPUT, PRIORITY, POLICY_ACCEPT = 3, 0, 1
REGISTER = 1
META_OUT_INTERFACE, META_USER, META_PROTOCOL = 5, 10, 16
LOOPBACK_INTERFACE = 1
TCP = 6
SYN, SYN_OR_ACK = b"\x02", b"\x12"
EQUAL, DIFFERENT = 0, 1
TCP_RESET = 1
LONGEST_COMMENT = 127


def replace(table: str, comment: str, ports: Iterable[int], users: Iterable[int]) -> None:
    """Have ``table`` hold exactly this, in one step, whatever it held. ``users``: their numbers; ``comment``: for ``nft list`` and
    ``tables``, cut where it is too long."""
    rules = [
        [*_meta(META_OUT_INTERFACE, DIFFERENT, struct.pack("=I", LOOPBACK_INTERFACE)), _accept()],
        [*_meta(META_PROTOCOL, DIFFERENT, bytes([TCP])), _accept()],
        [_of_header(13, 1), _masked(SYN_OR_ACK), _compared(DIFFERENT, SYN), _accept()],
        *([*_meta(META_USER, EQUAL, struct.pack("=I", user)), _accept()] for user in sorted(set(users))),
        *([_of_header(2, 2), _compared(EQUAL, struct.pack(">H", port)), _refuse()] for port in sorted(set(ports))),
    ]
    hook = [_attribute(1, HOOK_OUTPUT), _attribute(2, PRIORITY)]
    chain = [_attribute(1, table), _attribute(3, CHAIN), _attribute(4, hook), _attribute(5, POLICY_ACCEPT), _attribute(7, "filter")]
    _transaction(
        [
            *_gone(table),
            _message(NEW_TABLE, CREATE, [_attribute(TABLE_NAME, table), _attribute(TABLE_USERDATA, _said(comment))]),
            _message(NEW_CHAIN, CREATE, chain),
            *(
                _message(NEW_RULE, CREATE | APPEND, [_attribute(1, table), _attribute(2, CHAIN), _attribute(4, parts)])
                for parts in rules
            ),
        ]
    )  # fmt: skip


def remove(table: str) -> None:
    """One that is not there is no error."""
    _transaction(_gone(table))


def tables() -> dict[str, str]:
    """Those that there are, whoever made them: name → comment."""
    found = {}
    for body in _listed(GET_TABLE, []):
        attributes = dict(_attributes(body))
        found[_text(attributes.get(TABLE_NAME, b""))] = _text(attributes.get(TABLE_USERDATA, b"")[2:])
    return found


def rules(table: str) -> int:
    """How many a table of ours holds; 0: it is not there."""
    listed = (dict(_attributes(body)) for body in _listed(GET_RULE, [_attribute(1, table), _attribute(2, CHAIN)]))
    return sum((_text(one.get(1, b"")), _text(one.get(2, b""))) == (table, CHAIN) for one in listed)


def _gone(table: str) -> list[tuple[int, int, bytes]]:
    """Deleting what is not there is an error; making what is there is none."""
    named = [_attribute(TABLE_NAME, table)]
    return [_message(NEW_TABLE, CREATE, named), _message(DELETE_TABLE, 0, named)]


def _said(comment: str) -> bytes:
    """As nft writes a table's comment: type 0, length, text that ends with a zero."""
    value = comment.encode()[:LONGEST_COMMENT] + b"\0"
    return bytes([0, len(value)]) + value


# ---- what a rule is made of


def _expression(name: str, *attributes: bytes) -> bytes:
    return _attribute(1, [_attribute(1, name), _attribute(2, list(attributes))])


def _meta(key: int, how: int, value: bytes) -> tuple[bytes, bytes]:
    """Something about the packet that is not in it. A user is that of the socket; a packet without one matches nobody."""
    return _expression("meta", _attribute(1, REGISTER), _attribute(2, key)), _compared(how, value)


def _of_header(offset: int, length: int) -> bytes:
    """Bytes of TCP's header."""
    return _expression("payload", _attribute(1, REGISTER), _attribute(2, 2), _attribute(3, offset), _attribute(4, length))


def _masked(mask: bytes) -> bytes:
    register, size = [_attribute(1, REGISTER), _attribute(2, REGISTER)], _attribute(3, len(mask))
    return _expression("bitwise", *register, size, _attribute(4, [_attribute(1, mask)]), _attribute(5, [_attribute(1, bytes(len(mask)))]))


def _compared(how: int, value: bytes) -> bytes:
    return _expression("cmp", _attribute(1, REGISTER), _attribute(2, how), _attribute(3, [_attribute(1, value)]))


def _accept() -> bytes:
    """Nothing more is asked by this chain."""
    return _expression("immediate", _attribute(1, 0), _attribute(2, [_attribute(2, [_attribute(1, 1)])]))


def _refuse() -> bytes:
    return _expression("reject", _attribute(1, TCP_RESET), _attribute(2, b"\0"))


# ---- netlink


def _attribute(kind: int, value: int | str | bytes | list[bytes]) -> bytes:
    if isinstance(value, list):
        kind, value = kind | NESTED, b"".join(value)
    elif isinstance(value, int):
        value = struct.pack(">I", value)
    elif isinstance(value, str):
        value = value.encode() + b"\0"
    size = ATTRIBUTE.size + len(value)
    return ATTRIBUTE.pack(size, kind) + value + bytes(-size % 4)


def _attributes(body: bytes) -> Iterator[tuple[int, bytes]]:
    while len(body) >= ATTRIBUTE.size:
        size, kind = ATTRIBUTE.unpack_from(body)
        yield kind & ~NESTED, body[ATTRIBUTE.size : size]
        body = body[(size + 3) & ~3 :]


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def _message(kind: int, flags: int, attributes: list[bytes]) -> tuple[int, int, bytes]:
    return SUBSYSTEM << 8 | kind, flags, struct.pack(">BBH", INET, 0, 0) + b"".join(attributes)


def _transaction(messages: list[tuple[int, int, bytes]]) -> None:
    """The kernel answers with the first error, or to the last message that all is done."""
    border = struct.pack(">BBH", 0, 0, SUBSYSTEM)
    (kind, flags, body), last = messages[-1], len(messages)
    numbered = [(BATCH_BEGIN, 0, border), *messages[:-1], (kind, flags | ACKNOWLEDGE, body), (BATCH_END, 0, border)]
    with _opened() as kernel:
        kernel.send(b"".join(_packed(number, *message) for number, message in enumerate(numbered)))
        for number, found, _ in _answers(kernel):
            if found == ERROR and number == last:
                return


def _listed(kind: int, attributes: list[bytes]) -> Iterator[bytes]:
    """The attributes of each that there is."""
    with _opened() as kernel:
        kernel.send(_packed(1, *_message(kind, DUMP, attributes)))
        for _, found, body in _answers(kernel):
            if found == DONE:
                return
            yield body[4:]


def _packed(number: int, kind: int, flags: int, body: bytes) -> bytes:
    return HEADER.pack(HEADER.size + len(body), kind, REQUEST | flags, number, 0) + body


def _opened() -> socket.socket:
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
    kernel.settimeout(SECONDS)
    kernel.bind((0, 0))
    return kernel


def _answers(kernel: socket.socket) -> Iterator[tuple[int, int, bytes]]:
    """Number, kind and body of each; an error ends all of it."""
    while True:
        received = kernel.recv(1 << 17)
        while received:
            size, kind, _, number, _ = HEADER.unpack_from(received)
            body = received[HEADER.size : size]
            if kind in (ERROR, DONE) and len(body) >= 4 and (code := struct.unpack_from("=i", body)[0]) != 0:
                raise OSError(-code, os.strerror(-code))
            yield number, kind, body
            received = received[(size + 3) & ~3 :]
