"""Questions about sub-trees of a bound query that decide whether they may leave this process."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

# Another value at each call, or with an effect: moving, merging or repeating the call changes the answer.
_VOLATILE = """random random_normal setseed nextval currval lastval setval gen_random_uuid uuid_generate_v1 uuid_generate_v4 uuidv4
    uuidv7 clock_timestamp timeofday pg_sleep pg_sleep_for pg_sleep_until txid_current pg_current_xact_id pg_advisory_lock
    pg_notify predict"""
VOLATILE = frozenset(_VOLATILE.split())
# One value per statement or session *of this side*: the source's clock, user and settings are others.
_SESSION = """now statement_timestamp transaction_timestamp current_setting set_config current_database current_schema current_schemas
    current_query version pg_backend_pid inet_client_addr inet_server_addr pg_conf_load_time pg_postmaster_start_time
    current_user session_user user current_role current_catalog system_user pg_is_in_recovery pg_typeof has_table_privilege"""
SESSION = frozenset(_SESSION.split())
_SESSION_CLASSES = (
    exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentTime, exp.Localtime, exp.Localtimestamp, exp.CurrentUser, exp.SessionUser,
    exp.CurrentRole, exp.CurrentSchema, exp.CurrentDatabase, exp.CurrentCatalog,
)  # fmt: skip


def call_name(node: exp.Expr) -> str | None:
    """The name of a plain function call, lower case."""
    if isinstance(node, exp.Anonymous):
        return (node.this if isinstance(node.this, str) else node.this.name).lower()
    return None


def is_volatile(node: exp.Expr) -> bool:
    """Does anything below give another value at each call?"""
    return any(isinstance(inner, exp.Rand) or call_name(inner) in VOLATILE for inner in node.walk())


def session_call(node: exp.Expr) -> exp.Expr | None:
    """The first call below whose value belongs to this side's session or clock, or changes at each call."""
    for inner in node.walk():
        if isinstance(inner, (*_SESSION_CLASSES, exp.Rand)):
            return inner
        if isinstance(inner, exp.Var) and inner.name.lower() in SESSION and not isinstance(inner.parent, exp.Extract | exp.Interval):
            return inner
        name = call_name(inner)
        if name is not None and (name in VOLATILE or name in SESSION):
            return inner
    return None


_SCALAR = (
    exp.Alias, exp.Identifier, exp.Column, exp.Literal, exp.Boolean, exp.Null, exp.Cast, exp.DataType, exp.DataTypeParam, exp.Paren,
    exp.Binary, exp.Unary, exp.Case, exp.If, exp.Between, exp.In, exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least, exp.Upper, exp.Lower,
    exp.Initcap, exp.Length, exp.Substring, exp.Left, exp.Right, exp.Trim, exp.Replace, exp.Concat, exp.ConcatWs, exp.Round, exp.Abs,
    exp.Ceil, exp.Floor, exp.Extract, exp.TimestampTrunc, exp.Interval, exp.Var, exp.SplitPart, exp.Pad, exp.Repeat, exp.Reverse, exp.Sqrt,
    exp.MD5,
)  # fmt: skip


def is_row_by_row(node: exp.Expr) -> bool:
    """Is it surely a value of one row: no aggregate, window, set of rows, sub-query or unknown call below?"""
    return all(isinstance(inner, _SCALAR) and not isinstance(inner, exp.AggFunc | exp.SetOperation) for inner in node.walk())


def is_base_table(node: exp.Expr) -> bool:
    """A virtual table (the binder gives those, and only those, a schema)."""
    return isinstance(node, exp.Table) and bool(node.db) and isinstance(node.this, exp.Identifier)


def base_tables(node: exp.Expr) -> Iterator[exp.Table]:
    """All virtual tables below."""
    return (table for table in node.find_all(exp.Table) if is_base_table(table))


def defined_aliases(node: exp.Expr) -> set[str]:
    """Aliases of FROM items below (unique in a bound statement)."""
    found = set()
    for inner in node.find_all(exp.Table, exp.Subquery, exp.Values, exp.Unnest, exp.Lateral):
        alias = inner.args.get("alias")
        if alias is not None:
            found.add(alias.name)
    return found


def used_aliases(node: exp.Expr) -> set[str]:
    """Aliases that columns below refer to."""
    return {column.table for column in node.find_all(exp.Column) if column.table}


def free_aliases(node: exp.Expr) -> set[str]:
    """Aliases used below and defined outside: what a sub-query is correlated with, what a condition is about."""
    return used_aliases(node) - defined_aliases(node)


def free_ctes(node: exp.Expr) -> set[str]:
    """Names of common table expressions used below and defined outside."""
    defined = {cte.alias for cte in node.find_all(exp.CTE)}
    used = {t.name for t in node.find_all(exp.Table) if not t.db and isinstance(t.this, exp.Identifier)}
    return used - defined


def has_query(node: exp.Expr) -> bool:
    """Is there a sub-query inside?"""
    return node.find(exp.Select, exp.SetOperation) is not None


def untyped_output(query: exp.Expr) -> exp.Expr | None:
    """A select item that is an untyped literal: in a set operation its type comes from the other arms, so it can't leave them."""
    for select in [query] if isinstance(query, exp.Select) else query.find_all(exp.Select):
        for item in select.selects:
            value = item.unalias()
            while isinstance(value, exp.Paren):
                value = value.this
            if isinstance(value, exp.Null) or (isinstance(value, exp.Literal) and value.is_string):
                return value
    return None


def conjuncts(node: exp.Expr | None) -> list[exp.Expr]:
    """The parts of a condition joined by AND, brackets taken off."""
    if node is None:
        return []
    found: list[exp.Expr] = []
    stack = [node]
    while stack:
        current = stack.pop()
        while isinstance(current, exp.Paren):
            current = current.this
        if isinstance(current, exp.And):
            stack += [current.expression, current.this]
        else:
            found.append(current)
    return found


def conjunction(parts: list[exp.Expr]) -> exp.Expr | None:
    """The parts joined by AND (not copied); None for none."""
    bracketed = [exp.Paren(this=part) if isinstance(part, exp.Or) else part for part in parts]
    result: exp.Expr | None = None
    for part in bracketed:
        result = part if result is None else exp.And(this=result, expression=part)
    return result


def shown(node: exp.Expr, limit: int = 300) -> str:
    """A sub-tree as text for people."""
    text = node.sql("postgres")
    return text if len(text) <= limit else text[: limit - 1] + "…"
