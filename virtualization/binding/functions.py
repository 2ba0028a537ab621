"""Functions in FROM: which columns they give. Most give one, named like the table; those with OUT parameters have names of their own."""

from __future__ import annotations

from sqlglot import exp

from virtualization.errors import UnsupportedError

_PAIR, _VALUE = ("key", "value"), ("value",)
OUT_COLUMNS = {
    "json_array_elements": _VALUE,
    "json_array_elements_text": _VALUE,
    "json_each": _PAIR,
    "json_each_text": _PAIR,
    "jsonb_array_elements": _VALUE,
    "jsonb_array_elements_text": _VALUE,
    "jsonb_each": _PAIR,
    "jsonb_each_text": _PAIR,
    "ts_parse": ("tokid", "token"),
    "ts_token_type": ("tokid", "alias", "description"),
}
"""PostgreSQL's OUT parameters: these names are the columns', also where the table has an alias."""

_RECORDS = frozenset(
    [f"{kind}_{verb}_{what}" for kind in ("json", "jsonb") for verb in ("populate", "to") for what in ("record", "recordset")]
    + ["aclexplode", "ts_debug"]
)


def function_columns(call: exp.Expr, label: str, name: str) -> list[str]:
    """Names of the columns of ``call``; ``label``: the function's name, ``name``: the table's. UnsupportedError for what gives records."""
    if label in _RECORDS:
        raise UnsupportedError(f"{label} is not supported in FROM: its columns are not known here")
    if isinstance(call, exp.Unnest) and len(call.expressions) > 1:
        return [label] * len(call.expressions)
    return list(OUT_COLUMNS.get(label, (name,)))
