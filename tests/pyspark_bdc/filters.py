"""Stand-ins of the same names and shapes as ``pyspark.sql.datasource``'s filters, for tests without Spark.

``tests/pyspark_bdc/test_spark.py`` uses the real ones.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Filter:
    attribute: tuple[str, ...]


@dataclass(frozen=True)
class ValueFilter(Filter):
    value: object


class EqualTo(ValueFilter): ...


class EqualNullSafe(ValueFilter): ...


class GreaterThan(ValueFilter): ...


class GreaterThanOrEqual(ValueFilter): ...


class LessThan(ValueFilter): ...


class LessThanOrEqual(ValueFilter): ...


class In(ValueFilter): ...


class StringStartsWith(ValueFilter): ...


class StringEndsWith(ValueFilter): ...


class StringContains(ValueFilter): ...


class IsNull(Filter): ...


class IsNotNull(Filter): ...


@dataclass(frozen=True)
class Not:
    child: Filter


def evaluate(offered: Filter | Not, value: object) -> bool | None:
    """What Spark answers for one value of the column; None is SQL's unknown."""
    if isinstance(offered, Not):
        inner = evaluate(offered.child, value)
        return None if inner is None else not inner
    if isinstance(offered, IsNull | IsNotNull):
        return (value is None) == isinstance(offered, IsNull)
    assert isinstance(offered, ValueFilter)
    if isinstance(offered, EqualNullSafe):
        return _same(value, offered.value) if value is not None and offered.value is not None else value is offered.value
    if isinstance(offered, In):
        assert isinstance(offered.value, tuple)
        if value is None:
            return None
        found = any(other is not None and _same(value, other) for other in offered.value)
        return found or (None if None in offered.value else False)
    return None if value is None or offered.value is None else _ordered(offered, value, offered.value)


def _key(value: object) -> object:
    """Spark's order: bytes of UTF-8 for texts; NaN equals NaN and is the greatest."""
    if isinstance(value, str):
        return value.encode()
    return (1, 0.0) if isinstance(value, float) and value != value else (0, value) if isinstance(value, float) else value


def _same(one: object, other: object) -> bool:
    return bool(_key(one) == _key(other))


def _ordered(offered: ValueFilter, value: object, other: object) -> bool:
    name, left, right = type(offered).__name__, _key(value), _key(other)
    answers = {
        "EqualTo": lambda: left == right,
        "GreaterThan": lambda: left > right,  # type: ignore[operator]
        "GreaterThanOrEqual": lambda: left >= right,  # type: ignore[operator]
        "LessThan": lambda: left < right,  # type: ignore[operator]
        "LessThanOrEqual": lambda: left <= right,  # type: ignore[operator]
        "StringStartsWith": lambda: left.startswith(right),  # type: ignore[attr-defined]
        "StringEndsWith": lambda: left.endswith(right),  # type: ignore[attr-defined]
        "StringContains": lambda: right in left,  # type: ignore[operator]
    }
    return bool(answers[name]())
