"""Constants: read as PostgreSQL reads them, written as Oracle does."""

from __future__ import annotations

import calendar
import datetime
import re
from decimal import Decimal

from sqlglot import exp

from virtualization.connectors.oracle.values import INTEGERS, MOST_DIGITS, Value
from virtualization.refusal import refuse

LONGEST_TEXT = 4000
"""Bytes of a text constant."""

_MOMENT = re.compile(r"^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?)?$")
_NUMBER = re.compile(r"^\d+(\.\d+)?$")
_PERIOD = re.compile(r"^([+-]?\d+)$")


def number(node: exp.Expr, text: str) -> Value:
    """A number as written: integer, bigint or numeric by its size, as in PostgreSQL."""
    if not _NUMBER.match(text):
        raise refuse(node, "literal", "a number with an exponent is not sent")
    if "." not in text:
        size = int(text)
        for of in ("integer", "bigint"):
            if size <= INTEGERS[of]:
                return Value(text, of, len(text), 0, size, literal=text, nullable=False)
    whole, _, fraction = text.partition(".")
    if len(whole) + len(fraction) > MOST_DIGITS:
        raise refuse(node, "precision", f"Oracle keeps {MOST_DIGITS} digits for sure")
    return Value(text, "numeric", len(whole.lstrip("0")), len(fraction), literal=text, nullable=False)


def string(node: exp.Expr, text: str, utf8: bool) -> Value:
    """A text constant that still has no type."""
    if len(text.encode()) > LONGEST_TEXT:
        raise refuse(node, "literal", f"a text constant of more than {LONGEST_TEXT} bytes")
    if not utf8 and not text.isascii():
        raise refuse(node, "text_order", "the source's character set may not hold this text", "A database in AL32UTF8.")
    return Value(written(text), "unknown", literal=text, empty=not text, nullable=False)


def written(text: str) -> str:
    """As a constant of Oracle's SQL; backslashes mean nothing there."""
    return "'" + text.replace("'", "''") + "'"


def as_text(value: Value) -> Value:
    """A constant as a value of its own: Oracle compares and pads bare constants like CHAR, so it says VARCHAR2."""
    size = max(1, len((value.literal or "").encode()))
    return value.but(text=f"CAST({value.text} AS VARCHAR2({size}))", pg="text", literal=None)


def moment(node: exp.Expr, text: str) -> datetime.datetime:
    """Date and time in ISO form, of the years 1 to 9999."""
    match = _MOMENT.match(text)
    try:
        if match is None:
            raise ValueError(text)
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
        return datetime.datetime(year, month, day, hour, minute, second, int((match[7] or "").ljust(6, "0")))
    except ValueError:
        raise refuse(node, "literal", "only YYYY-MM-DD, also with HH:MM:SS, is read the same on both sides", "Write it so.") from None


def moment_value(of: datetime.datetime, pg: str, remote: str) -> Value:
    """As a constant of type ``pg`` (date or timestamp) beside a value that is a ``remote`` (date or timestamp) at the source: of the
    same type there, so that an index serves."""
    if pg == "date" or (remote == "date" and of.time() == datetime.time()):
        text = f"DATE '{of:%Y-%m-%d}'" if of.year >= 1000 else f"DATE '{of.year:04d}{of:-%m-%d}'"
        return Value(text, pg, remote="date", literal=of.isoformat(), nullable=False)
    shown = f"{of.year:04d}{of:-%m-%d %H:%M:%S}"
    if remote == "date" and not of.microsecond:
        text = f"TO_DATE('{shown}', 'YYYY-MM-DD HH24:MI:SS')"
        return Value(text, pg, remote="date", literal=of.isoformat(), nullable=False)
    fraction = f".{of.microsecond:06d}" if of.microsecond else ""
    return Value(f"TIMESTAMP '{shown}{fraction}'", pg, remote="timestamp", literal=of.isoformat(), nullable=False)


def period(node: exp.Interval) -> tuple[int, datetime.timedelta]:
    """(months, the rest) of an interval with one unit."""
    unit = str(node.args.get("unit") or "").upper().removesuffix("S")
    given = node.this
    match = _PERIOD.match(given.name) if isinstance(given, exp.Literal) else None
    seconds = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400, "WEEK": 7 * 86400}
    months = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}
    if match is None or unit not in seconds | months or abs(int(match[1])) > 10**6:
        raise refuse(node, "literal", "only intervals of whole numbers of one unit are sent")
    count = int(match[1])
    if unit in months:
        return count * months[unit], datetime.timedelta()
    return 0, datetime.timedelta(seconds=count * seconds[unit])


def shifted(node: exp.Expr, of: datetime.datetime, months: int, rest: datetime.timedelta) -> datetime.datetime:
    """A constant moved by an interval, as PostgreSQL does it: a day that the month lacks becomes its last one."""
    at = of.year * 12 + of.month - 1 + months
    year, month = at // 12, at % 12 + 1
    try:
        day = min(of.day, calendar.monthrange(year, month)[1])
        return of.replace(year=year, month=month, day=day) + rest
    except (ValueError, OverflowError):
        raise refuse(node, "literal", "a date before the year 1 or after 9999") from None


def whole_number(node: exp.Expr | None) -> int | None:
    """The value of an integer constant, also a negative one; None: it is something else."""
    if isinstance(node, exp.Neg):
        inner = whole_number(node.this)
        return None if inner is None else -inner
    if isinstance(node, exp.Paren):
        return whole_number(node.this)
    plain = isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit()
    return int(node.name) if node is not None and plain else None


def fits(text: str, whole: int, scale: int) -> bool:
    """Does a number as written have at most so many digits?"""
    number = Decimal(text)
    return abs(number) < Decimal(10) ** whole and -int(number.as_tuple().exponent) <= scale
