"""Values of the extended protocol, written into the text as literals.

A value of a declared type becomes ``'…'::type``; one without a type stays an untyped literal, which the planner resolves from
where it stands, as PostgreSQL resolves an unknown parameter. Binary values are read into PostgreSQL's text form first.
"""

from __future__ import annotations

import datetime
import struct
import uuid
from collections.abc import Callable, Sequence

from pools.compute.errors import StatementError
from pools.compute.lexer import Token, tokens
from virtualization.errors import DefinitionError
from virtualization.types import pg_type, pg_type_by_oid

UNKNOWN, TEXT = 705, 25
_EPOCH = datetime.datetime(2000, 1, 1)
_UNTYPED = (0, UNKNOWN, TEXT)


def declared(sql: str, oids: Sequence[int]) -> tuple[int, ...]:
    """The types of all parameters of ``sql``: as the client said, else as a cast right behind ``$n`` says, else text."""
    if "$" not in sql:
        return tuple(oid or TEXT for oid in oids)
    numbers = [int(token.text[1:]) for token in tokens(sql) if token.kind == "parameter"]
    count = max([*numbers, len(oids)], default=0)
    if count > 65_535 or 0 in numbers:
        raise StatementError("42P02", "there is no parameter $0" if 0 in numbers else "too many parameters")
    found = [*oids, *[0] * (count - len(oids))]
    for number, type_name in _casts(list(tokens(sql))):
        if found[number - 1] in (0, UNKNOWN):
            found[number - 1] = type_name
    return tuple(oid or TEXT for oid in found)


def _casts(all_tokens: list[Token]) -> list[tuple[int, int]]:
    """(parameter, oid) of each ``$n::type``."""
    casts = []
    for place, token in enumerate(all_tokens[:-2]):
        if token.kind != "parameter" or all_tokens[place + 1].text != "::":
            continue
        words = [word.folded for word in all_tokens[place + 2 : place + 6] if word.kind == "word"]
        for length in range(len(words), 0, -1):  # "timestamp with time zone" before "timestamp"
            behind = [one.text for one in all_tokens[place + 2 + length : place + 4 + length]]
            try:
                casts.append((int(token.text[1:]), pg_type(" ".join(words[:length]) + ("[]" if behind == ["[", "]"] else "")).oid))
                break
            except DefinitionError:
                continue
    return casts


def fill(sql: str, literals: Sequence[str]) -> str:
    """``sql`` with every ``$n`` replaced; strings, names and comments are left alone."""
    parts: list[str] = []
    place = 0
    for token in tokens(sql):
        if token.kind == "parameter":
            number = int(token.text[1:])
            if not 1 <= number <= len(literals):
                raise StatementError("42P02", f"there is no parameter ${number}")
            parts += (sql[place : token.start], literals[number - 1])
            place = token.end
    return "".join([*parts, sql[place:]])


def literals(values: Sequence[bytes | None], formats: Sequence[int], oids: Sequence[int]) -> tuple[str, ...]:
    """One literal per value; ``formats`` as in Bind; StatementError 22P03 or 22P02 for a value that is none of its type."""
    if len(values) != len(oids):
        raise StatementError("08P01", f"bind message supplies {len(values)} parameters, but the statement requires {len(oids)}")
    each = list(formats) * len(values) if len(formats) == 1 else list(formats) or [0] * len(values)
    return tuple(_literal(value, binary, oid) for value, binary, oid in zip(values, each, oids, strict=True))


def texts(values: Sequence[bytes | None], formats: Sequence[int], oids: Sequence[int]) -> Sequence[bytes | None]:
    """The values in PostgreSQL's text form, for who reads them as columns."""
    if not any(formats):
        return values
    each = list(formats) * len(values) if len(formats) == 1 else list(formats)
    if len(each) != len(values) or len(values) != len(oids):
        raise StatementError("08P01", f"bind message supplies {len(values)} parameters, but the statement requires {len(oids)}")
    return tuple(
        _from_binary(value, oid).encode() if binary and value is not None else value
        for value, binary, oid in zip(values, each, oids, strict=True)
    )


def nulls(oids: Sequence[int]) -> tuple[str, ...]:
    """NULLs of the same types: enough to find out the columns of a result."""
    return tuple(_typed("NULL", oid) for oid in oids)


def _typed(text: str, oid: int) -> str:
    if oid in _UNTYPED:
        return text
    try:
        return f"({text}::{pg_type_by_oid(oid)})"
    except DefinitionError as error:
        raise StatementError("0A000", f"a parameter has a type that the pool does not know: oid {oid}", hint=error.hint) from None


def _literal(value: bytes | None, binary: int, oid: int) -> str:
    if value is None:
        return _typed("NULL", oid)
    text = _from_binary(value, oid) if binary else _decoded(value)
    if "\0" in text:
        raise StatementError("22021", 'invalid byte sequence for encoding "UTF8": 0x00')
    return _typed("'" + text.replace("'", "''") + "'", oid)


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise StatementError("22021", 'invalid byte sequence for encoding "UTF8" in a parameter') from None


def _from_binary(value: bytes, oid: int) -> str:
    reader = _BINARY.get(oid)
    if reader is None:
        raise StatementError("0A000", f"binary parameters of the type with oid {oid} are not supported", hint="Send it in text format.")
    try:
        return reader(value)
    except (struct.error, ValueError, OverflowError):
        raise StatementError("22P03", f"incorrect binary data format in a parameter of the type with oid {oid}") from None


def _number(form: str) -> Callable[[bytes], str]:
    return lambda value: repr(struct.unpack(form, value)[0]).replace("inf", "Infinity").replace("nan", "NaN")


def _numeric(value: bytes) -> str:
    count, weight, sign, scale = struct.unpack_from(">HhHH", value)
    special = {0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"}.get(sign)
    if special:
        return special
    digits = struct.unpack(f">{count}H", value[8:])
    whole = "".join(f"{digits[i] if i < count else 0:04d}" for i in range(weight + 1)).lstrip("0") or "0"
    behind = "".join(f"{digits[i] if 0 <= i < count else 0:04d}" for i in range(weight + 1, weight + 2 + scale // 4 + 1))
    return ("-" if sign == 0x4000 else "") + whole + ("." + behind[:scale] if scale else "")


def _timestamp(zone: str) -> Callable[[bytes], str]:
    def read(value: bytes) -> str:
        (micros,) = struct.unpack(">q", value)
        if micros in (2**63 - 1, -(2**63)):
            return "infinity" if micros > 0 else "-infinity"
        return (_EPOCH + datetime.timedelta(microseconds=micros)).isoformat(sep=" ") + zone

    return read


def _date(value: bytes) -> str:
    (days,) = struct.unpack(">i", value)
    if days in (2**31 - 1, -(2**31)):
        return "infinity" if days > 0 else "-infinity"
    return (_EPOCH.date() + datetime.timedelta(days=days)).isoformat()


def _time(value: bytes) -> str:
    (micros,) = struct.unpack(">q", value)
    return (_EPOCH + datetime.timedelta(microseconds=micros)).time().isoformat()


_BINARY: dict[int, Callable[[bytes], str]] = {
    0: _decoded,
    16: lambda value: "true" if struct.unpack(">?", value)[0] else "false",
    17: lambda value: "\\x" + value.hex(),
    19: _decoded,
    20: _number(">q"),
    21: _number(">h"),
    23: _number(">i"),
    25: _decoded,
    26: _number(">I"),
    114: _decoded,
    700: _number(">f"),
    701: _number(">d"),
    UNKNOWN: _decoded,
    1042: _decoded,
    1043: _decoded,
    1082: _date,
    1083: _time,
    1114: _timestamp(""),
    1184: _timestamp("+00"),
    1700: _numeric,
    2950: lambda value: str(uuid.UUID(bytes=value)),
    3802: lambda value: _decoded(value[1:]),
}
