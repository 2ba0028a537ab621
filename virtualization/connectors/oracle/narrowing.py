"""A statement asked for some keys only: ``SELECT … FROM (statement) WHERE column IN (…) OR column IN (…)``.

Oracle merges the inner statement where it may, and so finds its indexes. Lists have at most 1,000 elements; with rights to read only
there is no temporary table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute

from virtualization.connectors.oracle import literals
from virtualization.connectors.oracle.expressions import MOST_IN_LIST
from virtualization.connectors.oracle.names import alias
from virtualization.connectors.oracle.statements import Output
from virtualization.connectors.oracle.values import Value

MOST_KEYS = 20_000
"""Some twenty lists: more would cost the source more in reading the statement than it saves."""

MOST_BYTES = 1024 * 1024
"""Of the keys in the statement."""

_NAME = '"keys of another source"'

pc: Any = pyarrow.compute


def narrowed(text: str, outputs: Sequence[Output], column: str, keys: Any, utf8: bool) -> str | None:  # noqa: ANN401 an Arrow array
    """``text`` with only the rows whose ``column`` is among ``keys``; None where the source can't be told these keys."""
    output = next(output for output in outputs if output.name == column)
    constants = _constants(output.value, keys, utf8)
    names = {alias(one.name) for one in outputs}
    if (
        constants is None
        or len(names) < len(outputs)
        or any(one.divisor is not None for one in outputs)
        or sum(map(len, constants)) > MOST_BYTES
    ):
        return None
    name = f"{_NAME}.{alias(column)}"
    portions = [constants[at : at + MOST_IN_LIST] for at in range(0, len(constants), MOST_IN_LIST)]
    wanted = " OR ".join(f"{name} IN ({', '.join(portion)})" for portion in portions) or "(1 = 0)"
    columns = ", ".join(f"{_NAME}.{alias(one.name)}" for one in outputs)
    return f"SELECT {columns} FROM ({text}) {_NAME} WHERE {wanted}"


def _constants(value: Value, keys: Any, utf8: bool) -> list[str] | None:  # noqa: ANN401
    if value.kind == "number" and value.scale is not None and (pa.types.is_integer(keys.type) or pa.types.is_decimal(keys.type)):
        return [f"{key:f}" if pa.types.is_decimal(keys.type) else str(key) for key in keys.to_pylist()]
    if value.kind == "text" and value.remote in ("", "national") and (pa.types.is_string(keys.type) or pa.types.is_large_string(keys.type)):
        texts = [key for key in keys.to_pylist() if key]  # the source holds no empty text
        if any(len(text.encode()) > literals.LONGEST_TEXT or (not utf8 and not text.isascii()) for text in texts):
            return None
        return [literals.written(text) for text in texts]
    if value.kind in ("date", "timestamp") and pa.types.is_date(keys.type) == (value.kind == "date"):
        return _moments(value, keys)
    return None


def _moments(value: Value, keys: Any) -> list[str] | None:  # noqa: ANN401
    ticks = keys.cast(pa.timestamp("us"))
    if len(ticks) and not 1 <= pc.min(pc.year(ticks)).as_py() <= pc.max(pc.year(ticks)).as_py() <= 9999:
        return None
    return [literals.moment_value(moment, value.pg, value.remote).text for moment in ticks.to_pylist()]
