"""Random expressions of a wanted kind over the columns in scope. Each is one that PostgreSQL gives one certain value for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from virtualization.verify.chance import Chance
from virtualization.verify.kinds import EDGES, Kind
from virtualization.verify.tables import Item

TEMPLATES: dict[Kind, tuple[str, ...]] = {
    Kind.INTEGER: (
        "<i> + 1", "<i> - <i>", "<i> * 3", "<i> % 7", "<i> / 3", "-<i>", "abs(<i>)", "coalesce(<i>, 0)", "nullif(<i>, <ic>)",
        "length(<t>)", "strpos(<t>, 'a')", "char_length(<t>)", "position('b' in <t>)", "<d> - date '2024-01-01'", "<i> / nullif(<i>, 0)",
        "sign(<i>)::integer", "CASE WHEN <b> THEN <i> ELSE <i> END", "CASE <i> WHEN <ic> THEN 1 WHEN 2 THEN NULL ELSE 0 END",
        "greatest(<i>, <ic>)", "least(<i>, <i>)", "extract(year FROM <d>)::integer", "<n>::integer", "mod(<i>, 5)", "ascii(<t>)",
        "<b>::integer", "octet_length(<t>)", "(<i>)::smallint", "gcd(<i>, 12)", "width_bucket(<i>, 0, 100, 5)", "bit_length(<t>)",
        "date_part('month', <d>)::integer", "array_length(string_to_array(<t>, ' '), 1)", "num_nulls(<i>, <t>)", "regexp_count(<t>, 'a')",
        "(<i> & 7) | 8", "<i> << 1", "CASE WHEN <t> ~ '^[a-z]' THEN 1 ELSE <i> END", "cardinality(ARRAY[<i>, <i>])",
        "(ARRAY[<i>, 2, NULL])[1]",
    ),
    Kind.NUMERIC: (
        "<n> + 0.125", "<n> * 2", "<n> - <n>", "<n> * <n>", "<n> / 4", "round(<n>, 1)", "round(<n>)", "floor(<n>)", "ceil(<n>)",
        "trunc(<n>, 1)", "abs(<n>)", "-<n>", "<n> % 3", "nullif(<n>, 2)", "coalesce(<n>, 0)", "<i>::numeric", "<i> * 1.5", "<n> + <i>",
        "<n> / nullif(<i>, 0)", "CASE WHEN <b> THEN <n> + 0 ELSE 0.50 END", "CASE WHEN <b> THEN <n> ELSE <nc> END",
        "CASE WHEN <b> THEN <n> WHEN <b> THEN <n> END", "greatest(<n>, <nc>)", "extract(month FROM <d>)", "extract(hour FROM <s>)",
        "round(<n>, -1)", "<n>::numeric(20,3)", "extract(epoch FROM <s>)", "sign(<n>)", "extract(dow FROM <d>)", "div(<n>, 3)",
        "trunc(<n>, 2)", "power(<i> % 5, 2)::numeric", "extract(quarter FROM <d>)", "extract(hour FROM <z>)", "abs(<n> - <nc>)",
        "trim_scale(<n>)",
    ),
    Kind.FLOAT: (
        "<F> * 2", "<F> + 1", "-<F>", "abs(<F>)", "<i>::double precision", "floor(<F>)", "round(<F>)", "<F> / 3",
        "CASE WHEN <b> THEN <F> ELSE <fc> END", "coalesce(<F>, 0)", "sqrt(abs(<F>))", "<n>::double precision", "<F>::real",
        "nullif(<F>, 0)",
    ),
    Kind.TEXT: (
        "upper(<t>)", "lower(<t>)", "left(<t>, 2)", "right(<t>, 2)", "left(<t>, -1)", "<t> || '!'", "<t> || <t>", "coalesce(<t>, 'none')",
        "md5(<t>)", "substring(<t> FROM 2 FOR 3)", "substr(<t>, 2)", "replace(<t>, 'a', 'b')", "trim(<t>)", "ltrim(<t>, 'a')",
        "rtrim(<t>)", "btrim(<t>, 'ab')", "reverse(<t>)", "lpad(<t>, 4, '*')", "rpad(<t>, 4)", "repeat(<t>, 2)",
        "split_part(<t>, ' ', 1)", "translate(<t>, 'ab', 'b')", "<i>::text", "<d>::text", "<n>::text", "<b>::text", "<s>::text",
        "to_char(<d>, 'YYYY-MM')", "concat(<t>, <i>)", "concat_ws('-', <t>, <t>)", "<t>::varchar(2)",
        "CASE WHEN <b> THEN <t> || '' ELSE 'else' END", "CASE WHEN <b> THEN <t> ELSE 'else' END",
        "CASE <i> WHEN <ic> THEN <t> WHEN <ic> THEN <tc> END", "nullif(<t>, <tc>)", "greatest(<t>, <tc>)", "initcap(<t>)", "<F>::text",
        "to_char(<s>, 'HH24:MI')", "<t>::character(3)", "overlay(<t> placing 'zz' from 2 for 1)", "chr(65 + abs(<i> % 20)::integer)",
        "regexp_replace(<t>, '[aeiou]', '*', 'g')", "substring(<t> FROM 'a.')", "format('%s/%s', <i>, <t>)", "quote_literal(<t>)",
        "to_hex(abs(<i> % 1000)::integer)", "to_char(<z>, 'YYYY-MM-DD HH24')", "<z>::text", "array_to_string(ARRAY[<t>, 'x'], ',')",
        "upper(<t>) || lower(<t>)", "encode(convert_to('x', 'UTF8'), 'hex') || <t>", "<i> || <t>", "to_char(<n>, 'FM999990.00')",
    ),
    Kind.DATE: (
        "<d> + 7", "<d> - 1", "<d> + <b>::integer", "<s>::date", "date_trunc('month', <d>)::date", "coalesce(<d>, date '2000-01-01')",
        "(<d> + interval '1 month')::date", "nullif(<d>, <dc>)", "greatest(<d>, <dc>)", "CASE WHEN <b> THEN <d> END",
        "CASE <t> WHEN <tc> THEN <d> ELSE <dc> END", "<z>::date", "make_date(2024, abs(<i> % 12)::integer + 1, 1)",
        "date_bin('7 days', <s>, timestamp '2001-01-01')::date",
    ),
    Kind.TIMESTAMP: (
        "<s> + interval '1 day'", "date_trunc('month', <s>)", "date_trunc('hour', <s>)", "<d>::timestamp", "<d> + interval '1 month'",
        "<s> - interval '90 minutes'", "<s>::timestamp(0)", "coalesce(<s>, <d>::timestamp)", "CASE WHEN <b> THEN <s> ELSE <sc> END",
        "<z> AT TIME ZONE 'Europe/Berlin'", "make_timestamp(2024, 1, 1, abs(<i> % 24)::integer, 0, 0)", "<z>::timestamp",
    ),
    Kind.INSTANT: (
        "<z> + interval '1 hour'", "<z> - interval '1 day'", "date_trunc('day', <z>)", "<s>::timestamptz",
        "<s> AT TIME ZONE 'Europe/Berlin'", "coalesce(<z>, <zc>)", "CASE WHEN <b> THEN <z> END", "date_trunc('month', <d>)",
        "<d>::timestamptz", "greatest(<z>, <zc>)",
    ),
    Kind.BOOLEAN: (
        "NOT <b>", "coalesce(<b>, false)", "<b> IS TRUE", "<b> IS NOT FALSE", "<b> IS UNKNOWN", "<i> > <ic>", "<n> < <nc>", "<t> = <tc>",
        "<d> >= <dc>", "<s> < <sc>", "<t> IS NULL", "<t> LIKE '%a%'", "<b> OR <b>", "<b> AND <b>", "(<i> % 2) = 0", "<t> ~* 'A'",
        "<t> SIMILAR TO '(a|b)%'", "starts_with(<t>, 'a')", "<i> = ANY (ARRAY[1, 2, NULL])", "(<i>, <t>) = (1, 'a')",
        "<i> <> ALL (ARRAY[3, 4])", "isfinite(<d>)", "<z> > <s>",
    ),
}  # fmt: skip
"""``<k>``: an expression of that kind, ``<kc>``: a constant, ``<F>``: a column (where a last digit would show)."""

_HOLE = re.compile(r"<([a-z])(c?)>|<(F)>")
_KEYED = {Kind.NUMERIC: ("round(<n>, 2)", "trunc(<n>, 1)", "floor(<n>)"), Kind.FLOAT: ()}
"""Expressions whose equal values look the same, of the kinds for which that is not so as a rule."""


class Expressions:
    """Of one scope, from one stream of chance."""

    def __init__(self, pick: Chance, scope: Sequence[Item]) -> None:
        self.pick = pick
        self.scope = scope
        self.kinds = sorted({item.kind for item in scope if item.kind is not Kind.OTHER})

    def column(self, kind: Kind) -> Item | None:
        """Any column of that kind."""
        found = [item for item in self.scope if item.kind is kind]
        return self.pick.choice(found) if found else None

    def constant(self, kind: Kind, item: Item | None = None) -> str:
        """One of the values of the column, else an edge of the kind."""
        item = item or self.column(kind)
        if item is not None and item.constants and self.pick.constants.random() < 0.75:
            return self.pick.constants.choice(item.constants)
        return self.pick.constants.choice(EDGES[kind])

    def of(self, kind: Kind, depth: int = 1) -> str:
        """An expression of that kind."""
        item = self.column(kind)
        if depth <= 0 or self.pick.random() < 0.35:
            return item.sql if item is not None else self._typed_constant(kind)
        return self._filled(self.pick.choice(TEMPLATES[kind]), depth - 1)

    def key(self, kind: Kind) -> str:
        """An expression that may be grouped by or ordered by with one certain outcome."""
        items = [item for item in self.scope if item.kind is kind and item.key]
        templates = _KEYED.get(kind, TEMPLATES[kind])
        if items and (not templates or self.pick.random() < 0.65):
            return self.pick.choice(items).sql
        plain = Expressions(self.pick, [item for item in self.scope if not item.padded])
        return plain._filled(self.pick.choice(templates), 0) if templates else "NULL::double precision"

    def keys(self, count: int) -> list[tuple[str, Kind]]:
        """Some of them, of any kinds."""
        kinds = [self.pick.choice(self.kinds or [Kind.INTEGER]) for _ in range(count)]
        return [(self.key(kind), kind) for kind in kinds]

    def any(self, depth: int = 2) -> tuple[str, Kind]:
        """An expression of any kind; at times a column that can only be fetched."""
        item = self.pick.choice(self.scope)
        if item.kind is Kind.OTHER or self.pick.random() < 0.4:
            return item.sql, item.kind
        return self.of(item.kind, depth), item.kind

    def _filled(self, template: str, depth: int) -> str:
        def fill(hole: re.Match[str]) -> str:
            if hole[3]:
                item = self.column(Kind.FLOAT)
                return item.sql if item is not None else "1.5::double precision"
            kind = Kind(hole[1])
            if hole[2]:
                return self.constant(kind)
            inner = self.of(kind, depth)
            return inner if (inner.endswith(")") and inner.startswith("(")) or re.fullmatch(r'[\w."]+', inner) else f"({inner})"

        return _HOLE.sub(fill, template)

    def _typed_constant(self, kind: Kind) -> str:
        of = {
            "i": "integer",
            "n": "numeric",
            "f": "double precision",
            "t": "text",
            "d": "date",
            "s": "timestamp",
            "z": "timestamptz",
            "b": "boolean",
        }
        return f"{self.constant(kind)}::{of[kind]}"
