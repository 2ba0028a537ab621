"""Oracle's SQL as SQL of the PostgreSQL behind the stand-in, where ``rules.sql`` has functions with Oracle's meaning.

The connector writes its SQL by hand, sqlglot reads it here: neither can hide a mistake of the other. What is not Oracle 12.1 is refused
before it is read, since sqlglot takes more than Oracle does.
"""

from __future__ import annotations

import re

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

_TOKEN = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|[A-Za-z_][\w$#]*|\d+(?:\.\d+)?|\s+|.""", re.DOTALL)
_NOT_ORACLE = frozenset(
    {
        "LIMIT",
        "ILIKE",
        "TRUE",
        "FALSE",
        "EXCEPT",
        "FILTER",
        "BOOLEAN",
        "TEXT",
        "USING",
        "LATERAL",
        "STRPOS",
        "POSITION",
        "SUBSTRING",
        "BTRIM",
    }
)
_LONGEST_NAME, _LONGEST_TEXT, _LONGEST_LIST = 30, 4000, 1000
_RENAMED = {
    "SUBSTR", "LTRIM", "RTRIM", "TRIM", "LENGTH", "INSTR", "TRANSLATE", "TO_CHAR", "TO_NUMBER", "TO_DATE", "TO_BINARY_DOUBLE",
    "SYS_EXTRACT_UTC", "SYS_CONTEXT", "TRUNC", "ROUND", "MOD", "RAWTOHEX",
}  # fmt: skip
_KEPT = {"ABS", "CEIL", "FLOOR", "COALESCE", "COUNT", "SUM", "MIN", "MAX", "ROW_NUMBER", "RANK", "DENSE_RANK", "LAG", "LEAD", "NULLIF"}
_COUNTS = (exp.Count, exp.RowNumber, exp.Rank, exp.DenseRank)


class OracleError(Exception):
    """ORA-nnnnn."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"ORA-{code:05d}: {text}")
        self.code = code


def translated(sql: str) -> str:
    """For PostgreSQL; OracleError for what no Oracle 12.1 takes."""
    _check_words(sql)
    # functions by other names, so that sqlglot doesn't read more into them than a call
    renamed = re.sub(r"\b(" + "|".join(sorted(_RENAMED)) + r")\(", lambda match: f"ora__{match[1].lower()}(", _outside_texts(sql))
    renamed = re.sub(r":(\d+)\b", r"ora__bind\1", renamed)
    renamed = re.sub("\\b(?:DATE|TIMESTAMP) (\0\\d+\0)", r"ora__moment(\1)", renamed)
    try:
        tree = parse_one(_with_texts(renamed, sql), dialect="oracle")
    except SqlglotError as error:
        raise OracleError(900, f"invalid SQL statement: {' '.join(str(error).split())[:200]}") from None
    return re.sub("ora__", "ora.", _inside_out(tree).sql(dialect="postgres"), flags=re.IGNORECASE)


def _inside_out(tree: exp.Expr) -> exp.Expr:
    """With every node in its PostgreSQL form; ``transform`` would not look into what it has replaced."""
    for node in reversed([*tree.walk()]):
        parent, key, index = node.parent, node.arg_key, node.index
        made = _node(node)
        if made is node:
            continue
        if parent is None or key is None:
            tree = made
        else:
            parent.set(key, made, index)
    return tree


def _check_words(sql: str) -> None:
    for token in _TOKEN.findall(sql):
        if token.upper() in _NOT_ORACLE:
            raise OracleError(933, f"SQL command not properly ended ({token})")
        if token == ";" or token == "`":
            raise OracleError(911, f"invalid character ({token})")
        if token.startswith('"') and not 0 < len(token[1:-1].encode()) <= _LONGEST_NAME:
            raise OracleError(972, f"identifier is too long ({token})")
        if token.startswith("'") and len(token.encode()) > _LONGEST_TEXT + 2:
            raise OracleError(1704, "string literal too long")
    if "::" in re.sub(r"'(?:[^']|'')*'", "", sql):
        raise OracleError(911, "invalid character (::)")


def _outside_texts(sql: str) -> str:
    """Texts and quoted names as numbered places."""
    places = iter(range(sql.count("'") + sql.count('"')))
    return "".join(f"\0{next(places)}\0" if token[0] in "'\"" else token for token in _TOKEN.findall(sql))


def _with_texts(renamed: str, sql: str) -> str:
    texts = [token for token in _TOKEN.findall(sql) if token[0] in "'\""]
    return re.sub("\0(\\d+)\0", lambda match: texts[int(match[1])], renamed)


def _node(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Literal):
        return _literal(node)
    made = _ARITHMETIC.get(type(node))
    if made is not None:
        return _call(made, node.this, node.expression)
    if isinstance(node, exp.DPipe):
        return _call("concat", node.this, node.expression)
    if isinstance(node, exp.Cast):
        return _cast(node)
    if isinstance(node, exp.In) and len(node.expressions) > _LONGEST_LIST:
        raise OracleError(1795, "maximum number of expressions in a list is 1000")
    if isinstance(node, exp.Like) and not isinstance(node.parent, exp.Escape):
        return exp.Escape(this=node, expression=exp.Literal.string(""))  # no escape character unless one is named
    if _is_counted(node):
        return exp.cast(node, "numeric", dialect="postgres")
    if isinstance(node, exp.Anonymous) and not node.name.startswith("ora__") and node.name.upper() not in _KEPT:
        raise OracleError(904, f'"{node.name}": invalid identifier')
    return node


def _is_counted(node: exp.Expr) -> bool:
    """Would it be an integer in PostgreSQL? In Oracle every number is a NUMBER."""
    if isinstance(node, exp.Window):
        return isinstance(node.this, _COUNTS)
    return isinstance(node, exp.Extract) or (isinstance(node, _COUNTS) and not isinstance(node.parent, (exp.Window, exp.Cast)))


_ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "add", exp.Sub: "sub", exp.Mul: "mul", exp.Div: "div"}


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=f"ora__{name}", expressions=list(arguments))


def _literal(node: exp.Literal) -> exp.Expr:
    if node.is_string:
        escaping = isinstance(node.parent, exp.Escape)
        return node if node.name or escaping else exp.cast(exp.Null(), "text", dialect="postgres")  # '' is NULL
    if isinstance(
        node.parent, (exp.Fetch, exp.Offset, exp.Limit, exp.Ordered, exp.DataTypeParam, exp.Cast, exp.WindowSpec, exp.Lag, exp.Lead)
    ):
        return node
    return exp.cast(node.copy(), "numeric", dialect="postgres")


def _cast(node: exp.Cast) -> exp.Expr:
    to = node.to
    name = to.sql("oracle").upper()
    if name.startswith("NUMBER") or to.this in (exp.DType.DECIMAL, exp.DType.DOUBLE, exp.DType.BIGDECIMAL):
        parts = [part.name for part in to.expressions]
        return exp.cast(node.this, f"numeric({','.join(parts)})" if parts else "numeric", dialect="postgres")
    if name.startswith(("VARCHAR2", "NVARCHAR2")):
        return exp.cast(node.this, "text", dialect="postgres")
    if name == "DATE" or name.startswith("TIMESTAMP"):
        digits = [part.name for part in to.expressions]
        return exp.cast(node.this, f"timestamp({digits[0]})" if digits else "timestamp", dialect="postgres")
    raise OracleError(902, f"invalid datatype ({name})")
