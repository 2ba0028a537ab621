"""PostgreSQL text -> sqlglot tree of one query, or a named error with the place. No catalog, no meaning: names stay as written.

sqlglot reads many dialects at once. Where that would read a PostgreSQL text as something else without an error, this module steps in
between tokenizer and parser: functions that PostgreSQL does not know by that name, or that sqlglot rewrites into something with another
result type, stay plain calls; number forms that the tokenizer splits in two are refused. Texts are bounded in length and nesting,
so that hostile ones neither exhaust the stack nor hang.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import sqlglot
from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from virtualization.errors import SqlError, UnsupportedError

MAX_CHARACTERS = 4_000_000
"""Longer texts are refused: IN lists of some hundred thousand keys still fit."""
MAX_NESTING = 120
"""Open brackets and CASEs at one place, and prefix or suffix operators in one run. Python's stack ends at about three times that."""
MAX_TERMS = 20_000
"""Operators joined in one chain."""

DIALECT = "postgres"
WRITTEN = "written"
"""Key of a node's ``meta``: the name of the function as the text has it, where sqlglot knows several under one class."""
_SEVERAL_NAMES = (exp.Substring, exp.StrPosition, exp.Length, exp.Ceil, exp.CurrentTimestamp, exp.Variance)
_POSTGRES = Postgres()
_PLAIN = "__plain_call_"

# Calls that sqlglot's tree carries exactly. Every other name that sqlglot gives a meaning of its own stays an ``exp.Anonymous``.
_FAITHFUL = """ABS ACOS ARRAY ARRAY_AGG ASCII ASIN ATAN ATAN2 AVG BOOL_AND BOOL_OR BTRIM CAST CBRT CEIL CEILING CHAR_LENGTH CHR
    COALESCE CONCAT CONCAT_WS CORR COS COUNT COVAR_POP COVAR_SAMP CUME_DIST CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP
    CURRENT_USER DATE_TRUNC DEGREES DENSE_RANK EXISTS EXP EXTRACT FIRST_VALUE FLOOR GENERATE_SERIES GREATEST GROUPING
    INITCAP LAG LAST_VALUE LEAD LEAST LEFT LENGTH LN LOCALTIME LOCALTIMESTAMP LOWER LPAD LTRIM MAX MD5 MIN MODE NOW
    NTH_VALUE NTILE NULLIF OVERLAY PERCENTILE_CONT PERCENTILE_DISC PERCENT_RANK PI POSITION POWER RADIANS RANDOM RANK REPEAT
    REPLACE REVERSE RIGHT ROUND ROW_NUMBER RPAD RTRIM SESSION_USER SIGN SIN SPLIT_PART SQRT STDDEV STDDEV_POP STDDEV_SAMP
    STRING_AGG STRPOS SUBSTR SUBSTRING SUM TAN TRANSLATE TRIM TRUNC UNNEST UPPER VARIANCE VAR_POP VAR_SAMP XMLELEMENT ANY
    ALL SOME IN VALUES ROW"""
FAITHFUL_FUNCTIONS = frozenset(_FAITHFUL.split())
_RENAMED = (frozenset(_POSTGRES.parser_class.FUNCTIONS) | {"DATE_PART"}) - FAITHFUL_FUNCTIONS
_OPENING = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.CASE}
_CLOSING = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.END}
_CHAINED = {TokenType.NOT, TokenType.TILDE, TokenType.DCOLON, TokenType.L_BRACKET, TokenType.DOT}
_TYPES = frozenset(_POSTGRES.parser_class.TYPE_TOKENS)
_SIGNS = {TokenType.PLUS, TokenType.DASH}
_RESETS = {TokenType.COMMA, TokenType.AND, TokenType.OR, TokenType.SELECT, TokenType.WHERE, TokenType.FROM, TokenType.WHEN}
_STARTS = {"SELECT", "VALUES", "TABLE", "WITH"}
_STATEMENTS = (exp.Select, exp.SetOperation, exp.Values, exp.Subquery)


def parse(text: str) -> exp.Query:
    """One SELECT, VALUES, TABLE, WITH … SELECT or set operation. SqlError for a bad text, UnsupportedError for another statement."""
    if len(text) > MAX_CHARACTERS:
        raise UnsupportedError(
            f"the query has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}",
            hint="Put long lists of keys into a table and join it.",
        )
    try:
        tokens = _with_typed_constants(_without_catalog_prefix(_POSTGRES.tokenize(text)))
        _check_tokens(tokens, text)
        _check_statement(tokens)
        trees = [tree for tree in _POSTGRES.parser().parse(tokens, text) if tree is not None]
    except ParseError as error:
        raise _syntax_error(error) from error
    except SqlglotError as error:
        raise SqlError(f"syntax error: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise _too_deep() from error
    if len(trees) != 1:
        raise SqlError("expected one statement" if trees else "the query is empty")
    return _query(trees[0], text)


def replace_parameters(query: exp.Query, values: Sequence[exp.Expression]) -> exp.Query:
    """A copy in which ``$1`` … are the given (typed) literals. SqlError where a number has no value."""
    copy = query.copy()
    for parameter in list(copy.find_all(exp.Parameter)):
        number = int(parameter.name)
        if not 1 <= number <= len(values):
            raise SqlError(f"there is no parameter ${number}")
        parameter.replace(values[number - 1].copy())
    return copy


def _query(tree: exp.Expr, text: str) -> exp.Query:
    if not isinstance(tree, _STATEMENTS):
        kind = tree.name if isinstance(tree, exp.Command) else tree.key
        raise UnsupportedError(
            f"{str(kind).upper()} is not supported here: the compute pool only runs queries",
            hint="Write SELECT, VALUES, TABLE or WITH … SELECT.",
        )
    if isinstance(tree, exp.Values):  # a bare VALUES becomes a query block like any other
        tree = _values_query(tree)
    for node in list(tree.walk()):
        _mend(node, text)
    return tree


def _mend(node: exp.Expr, text: str) -> None:
    """Refuse or put right one node of what sqlglot made."""
    if isinstance(node, _REFUSED):
        _refuse(node)
    elif isinstance(node, exp.Anonymous):
        _restore_call(node)
    elif isinstance(node, _SEVERAL_NAMES):
        _note_name(node, text)
    elif isinstance(node, exp.Operator):
        _resolve_operator(node)
    elif isinstance(node, exp.JSONExtract | exp.JSONExtractScalar):
        _restore_empty_key(node)
    elif isinstance(node, exp.DataType) and node.this == exp.DType.USERDEFINED:
        _resolve_type(node)
    elif isinstance(node, exp.Parameter) and not node.name.isdigit():
        raise SqlError(f'syntax error at or near "@{node.name}"', hint="For the absolute value write abs(…).")


def _values_query(values: exp.Values) -> exp.Select:
    width = len(values.expressions[0].expressions) if values.expressions else 0
    names = [exp.to_identifier(f"column{number + 1}", quoted=True) for number in range(width)]
    outer = exp.Select(expressions=[exp.column(name.copy(), table="*VALUES*", quoted=True) for name in names])
    for part in ("with_", "order", "limit", "offset"):
        moved = values.args.get(part)
        if moved is not None:
            values.set(part, None)
            outer.set(part, moved)
    values.set("alias", exp.TableAlias(this=exp.to_identifier("*VALUES*", quoted=True), columns=names))
    outer.set("from_", exp.From(this=values))
    return outer


_REFUSED = (exp.Lock, exp.Into, exp.TableSample, exp.HexString, exp.DML, exp.DDL, exp.Command, exp.Placeholder, exp.Pivot)


def _refuse(node: exp.Expr) -> None:
    if isinstance(node, exp.Query):  # sqlglot counts queries among DML and DDL
        return
    if isinstance(node, exp.Lock):
        raise UnsupportedError("FOR UPDATE and FOR SHARE are not supported: virtual tables can't be locked", hint="Leave the clause out.")
    if isinstance(node, exp.HexString):
        return
    raise UnsupportedError(f"{type(node).__name__.upper()} is not supported in a query over virtual tables")


def _note_name(node: exp.Expr, text: str) -> None:
    if isinstance(node, exp.CurrentTimestamp) and node.this is not None:
        # sqlglot's generator drops the precision
        node.replace(exp.cast(exp.CurrentTimestamp(), f"timestamptz({node.name})", dialect=DIALECT))
    elif "end" in node.meta:
        node.meta[WRITTEN] = text[node.meta["start"] : node.meta["end"] + 1].lower()


def _restore_call(node: exp.Anonymous) -> None:
    name = node.this
    if isinstance(name, str) and name.lower().startswith(_PLAIN):
        node.set("this", name[len(_PLAIN) :])


def _restore_empty_key(node: exp.Expr) -> None:
    """``j -> ''`` asks for the key ''; sqlglot would write it as the whole document."""
    path = node.expression
    keys = path.expressions[1:] if isinstance(path, exp.JSONPath) else []
    if len(keys) == 1 and isinstance(keys[0], exp.JSONPathKey) and keys[0].this == "":
        node.set("expression", exp.Literal.string(""))


def _resolve_operator(node: exp.Operator) -> None:
    """``a OPERATOR(pg_catalog.=) b`` is ``(a = b)``."""
    schema, _, symbol = str(node.args["operator"]).rpartition(".")
    if schema.strip('"').lower() not in ("pg_catalog", ""):
        raise UnsupportedError(f"operator {node.args['operator']} is not one of PostgreSQL's own")
    try:
        shape = sqlglot.parse_one(f"a {symbol} b", read=DIALECT)
    except SqlglotError as error:
        raise SqlError(f"operator does not exist: {symbol}") from error
    for column in list(shape.find_all(exp.Column)):
        operand = node.this if column.name == "a" else node.expression
        column.replace(operand.copy() if isinstance(operand, exp.Column | exp.Literal | exp.Paren) else exp.Paren(this=operand.copy()))
    node.replace(exp.Paren(this=shape))


def _resolve_type(node: exp.DataType) -> None:
    """``pg_catalog.int4`` is ``int4``."""
    kind = node.args.get("kind")
    if isinstance(kind, exp.Dot) and kind.this.name.lower() == "pg_catalog":
        resolved = exp.DataType.build(kind.expression.name, dialect=DIALECT, udt=True)
        node.replace(resolved)


def _without_catalog_prefix(tokens: list[Token]) -> list[Token]:
    """Drop ``pg_catalog.`` before function and type names, and mark calls that must stay plain."""
    kept: list[Token] = []
    skip = 0
    for index, token in enumerate(tokens):
        if skip:
            skip -= 1
            continue
        following = tokens[index + 1].token_type if index + 1 < len(tokens) else None
        if token.text == "pg_catalog" and following == TokenType.DOT and index + 3 < len(tokens) and _is_call_or_type(tokens, index):
            skip = 1
            continue
        if following == TokenType.L_PAREN and token.token_type == TokenType.VAR and token.text.upper() in _RENAMED:
            token = Token(TokenType.VAR, _PLAIN + token.text.lower(), token.line, token.col, token.start, token.end)
        kept.append(token)
    return kept


def _with_typed_constants(tokens: list[Token]) -> list[Token]:
    """``date 'x' :: text`` as ``'x' :: date :: text``: sqlglot would cast the other way round."""
    made: list[Token] = []
    for index, token in enumerate(tokens):
        made.append(token)
        following = tokens[index + 1] if index + 1 < len(tokens) else None
        if token.token_type != TokenType.STRING or following is None or following.token_type != TokenType.DCOLON:
            continue
        length = _type_length(made[:-1])
        if length:
            of = made[-1 - length : -1]
            made[-1 - length :] = [token, following, *of]
    return made


def _type_length(tokens: list[Token]) -> int:
    """How many tokens at the end name a type: ``date``, ``timestamp(3)``, ``timestamp with time zone``; 0: none."""
    for length in (1, 4, 7):
        rest = tokens[-length:]
        if len(rest) == length and rest[0].token_type in _TYPES and (length == 1 or rest[-1].text.upper() in (")", "ZONE")):
            before = tokens[-length - 1].token_type if len(tokens) > length else None
            return 0 if before in (TokenType.DCOLON, TokenType.DOT) else length
    return 0


def _is_call_or_type(tokens: list[Token], index: int) -> bool:
    return tokens[index + 3].token_type == TokenType.L_PAREN or (index > 0 and tokens[index - 1].token_type == TokenType.DCOLON)


def _check_statement(tokens: list[Token]) -> None:
    first = next((token for token in tokens if token.token_type not in (TokenType.L_PAREN, TokenType.SEMICOLON)), None)
    if first is not None and first.text.upper() not in _STARTS:
        raise UnsupportedError(
            f"{first.text.upper()[:40]} is not supported here: the compute pool only runs queries",
            hint="Write SELECT, VALUES, TABLE or WITH … SELECT.",
        )


def _check_tokens(tokens: list[Token], text: str) -> None:
    depth = run = chain = 0
    for position, token in enumerate(tokens):
        kind = token.token_type
        if kind in _OPENING:
            depth += 1
        elif kind in _CLOSING:
            depth -= 1
        if kind in _RESETS:
            run = 0
        elif kind in _CHAINED or (kind in _SIGNS and tokens[position - 1].token_type in _SIGNS):
            run += 1
        elif kind in _SIGNS:  # between two operands, or the first sign of one
            run = 0
        chain = 0 if kind in (TokenType.COMMA, TokenType.SELECT) else chain + 1
        if depth > MAX_NESTING or run > MAX_NESTING * 2 or chain > MAX_TERMS * 4:
            raise _too_deep()
        if kind in (TokenType.NUMBER, TokenType.HEX_STRING, TokenType.BIT_STRING):
            _check_number(token, tokens[position + 1] if position + 1 < len(tokens) else None, text)


def _check_number(token: Token, following: Token | None, text: str) -> None:
    """The tokenizer reads ``1_000`` as ``1 AS _000`` and ``0x1F`` as a bit string: refused, not answered wrongly."""
    joined = following is not None and following.start == token.end + 1 and following.token_type in (TokenType.VAR, TokenType.NUMBER)
    written = text[token.start : token.end + 1]
    if joined or re.match(r"0[xob]", written, re.IGNORECASE):
        raise UnsupportedError(
            f'number at column {token.col} is written in a form that is not supported: "{written}…"', hint="Write plain decimal digits."
        )


def _too_deep() -> SqlError:
    return SqlError("the query is nested too deeply", hint=f"At most {MAX_NESTING} brackets or operators may be open at one place.")


def _syntax_error(error: ParseError) -> SqlError:
    first = error.errors[0] if error.errors else {}
    near = str(first.get("highlight") or "").strip()
    place = f"line {first.get('line')}, column {first.get('col')}" if first.get("line") else None
    message = f'syntax error at or near "{near}"' if near else "syntax error at end of input"
    return SqlError(message, detail="; ".join(part for part in (place, str(first.get("description") or "")) if part) or None)
