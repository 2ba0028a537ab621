"""The functions that this connector sends, as a table, with what makes each mean the same at the source; and those that it does not,
each with its reason.

Both sides are PostgreSQL, so the rule is: every immutable built-in of ``pg_catalog`` that people write in queries, and those stable ones
whose settings our sessions fix (``options.SESSION``: DateStyle, IntervalStyle, lc_*, and the caller's time zone). A test holds the two
tables against ``pg_proc``. sqlglot knows some functions as classes of their own: ``CLASSES`` says which names they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

LETTERS = "letters"
"""Which characters are letters, and their upper and lower case, follow the locale: the source is told to use Unicode's."""
UTF8 = "utf8"
"""The value shows the bytes or numbers of characters: only where the source's encoding is UTF8."""
ZONE = "zone"
"""It may look at the session's time zone: that is the caller's, but the source's rules of time zones must not be old."""
TWO = "two"
"""Only with two arguments: with one it looks at the clock."""
FIRST = "first"
"""In ``gives``: the type of its first argument."""

OLDEST = 120000


@dataclass(frozen=True)
class Row:
    """``names``, separated by blanks; ``gives``: the type (sqlglot's name; '': not known here); ``needs``: conditions, see above;
    ``since``: the version of the source from which on it exists and means the same."""

    names: str
    gives: str
    note: str
    needs: tuple[str, ...] = ()
    since: int = OLDEST


FUNCTIONS: tuple[Row, ...] = (
    # numbers
    Row("abs ceil ceiling floor sign mod", FIRST, "the same code on both sides, errors of overflow and division included"),
    Row("round trunc", FIRST, "numeric: half away from zero; double precision: half to even, on both sides"),
    Row("div trim_scale", "DECIMAL", "exact"),
    Row("gcd lcm", FIRST, "exact", since=130000),
    Row("scale", "INT", "exact"),
    Row("min_scale", "INT", "exact", since=130000),
    Row("factorial", "DECIMAL", "exact; before 14 negative numbers were no error", since=140000),
    Row("width_bucket", "INT", "exact; thresholds of texts are compared by the column's collation: not with arrays of texts"),
    Row("sqrt cbrt exp ln log log10 pow power", "", "numeric: exact to the digits chosen; double precision: the last bit is libm's"),
    Row(
        "acos acosd acosh asin asind asinh atan atan2 atan2d atand atanh cos cosd cosh cot cotd degrees pi radians sin sind sinh tan tand "
        "tanh",
        "DOUBLE",
        "double precision: the last bit is that of the machine's libm",
    ),
    Row("erf erfc", "DOUBLE", "as above", since=160000),
    Row("gamma lgamma", "DOUBLE", "as above", since=180000),
    Row("to_hex", "TEXT", "digits"),
    Row("to_bin to_oct", "TEXT", "digits", since=160000),
    Row("num_nulls num_nonnulls", "INT", "counts its arguments"),
    # texts
    Row("length char_length character_length strpos position", "INT", "characters, whatever the encoding; equal texts are equal bytes"),
    Row("btrim ltrim rtrim trim left right lpad rpad repeat replace reverse substr translate", "TEXT", "characters"),
    Row("overlay", "TEXT", "characters"),
    Row("split_part", "TEXT", "negative places are an error before 14", since=140000),
    Row("starts_with", "BOOLEAN", "bytes"),
    Row("concat concat_ws format", "TEXT", "prints its arguments by settings that our sessions fix", (ZONE,)),
    Row("quote_ident quote_literal quote_nullable", "TEXT", "characters", (ZONE,)),
    Row("string_to_array", "", "characters"),
    Row("unistr", "TEXT", "code points", (UTF8,), 140000),
    Row("ascii octet_length bit_length", "INT", "shows code points or bytes", (UTF8,)),
    Row("chr md5", "TEXT", "shows code points or bytes", (UTF8,)),
    Row("lower upper initcap", FIRST, "by Unicode's table of letters", (LETTERS,)),
    Row("regexp_replace regexp_substr", "TEXT", "classes of characters by Unicode's table", (LETTERS,), 150000),
    Row("regexp_count regexp_instr", "INT", "as above", (LETTERS,), 150000),
    Row("regexp_like", "BOOLEAN", "as above", (LETTERS,), 150000),
    Row("regexp_match regexp_split_to_array", "", "as above", (LETTERS,), 150000),
    # bytes
    Row("get_byte get_bit", "INT", "exact"),
    Row("set_byte set_bit sha224 sha256 sha384 sha512 decode", "BINARY", "exact"),
    Row("encode", "TEXT", "exact"),
    Row("bit_count", "BIGINT", "exact", since=140000),
    # dates and times
    Row("extract", "DECIMAL", "numeric from version 14 on", (ZONE,), 140000),
    Row("date_part", "DOUBLE", "double precision in all versions", (ZONE,)),
    Row("date_trunc", "", "of a date it gives a timestamp with time zone", (ZONE,)),
    Row("date_bin", FIRST, "from version 14 on", (ZONE,), 140000),
    Row("age", "INTERVAL", "of two values", (ZONE, TWO)),
    Row("make_date", "DATE", "exact"),
    Row("make_time", "TIME", "exact"),
    Row("make_timestamp", "TIMESTAMP", "exact"),
    Row("make_timestamptz", "TIMESTAMPTZ", "in the session's zone, or the one given", (ZONE,)),
    Row("make_interval justify_days justify_hours justify_interval", "INTERVAL", "exact"),
    Row("isfinite", "BOOLEAN", "exact"),
    Row("to_char", "TEXT", "names of months and marks of numbers are those of lc_time and lc_numeric C", (ZONE,), 130000),
    Row("to_date", "DATE", "its patterns read the same from version 13 on", since=130000),
    Row("to_timestamp", "TIMESTAMPTZ", "as above", (ZONE,), 130000),
    Row("to_number", "DECIMAL", "as above", since=130000),
    Row("timezone", "", "AT TIME ZONE", (ZONE,)),
    # arrays
    Row("array_length array_lower array_upper array_ndims array_position cardinality", "INT", "elements are equal by their bytes"),
    Row("array_append array_cat array_fill array_positions array_prepend array_remove array_replace", "", "as above"),
    Row("trim_array", "", "exact", since=140000),
    Row("all", "", "ALL of an array: syntax that sqlglot reads as a call"),
    Row("array_dims", "TEXT", "exact"),
    Row("array_to_string", "TEXT", "prints by settings that our sessions fix", (ZONE,)),
    # JSON
    Row("json_typeof jsonb_typeof json_extract_path_text jsonb_extract_path_text jsonb_pretty", "TEXT", "exact"),
    Row("json_array_length jsonb_array_length", "INT", "exact"),
    Row("jsonb_path_exists jsonb_path_match", "BOOLEAN", "without time zones"),
    Row("json_extract_path jsonb_extract_path json_strip_nulls jsonb_strip_nulls jsonb_set jsonb_insert", "JSONB", "exact"),
    Row("jsonb_set_lax", "JSONB", "exact", since=130000),
    Row("json_object jsonb_object jsonb_path_query_array jsonb_path_query_first", "JSONB", "exact"),
    Row("json_build_array json_build_object jsonb_build_array jsonb_build_object to_json to_jsonb", "JSONB", "times by zone", (ZONE,)),
    Row("array_to_json", "JSON", "times by zone", (ZONE,)),
    # ranges and networks
    Row("isempty lower_inc upper_inc lower_inf upper_inf", "BOOLEAN", "exact"),
    Row("int4range int8range numrange daterange tsrange tstzrange range_merge", "", "bounds are no texts"),
    Row("abbrev host", "TEXT", "exact"),
    Row("family masklen", "INT", "exact"),
    Row("broadcast hostmask netmask network set_masklen", "", "exact"),
    # aggregates
    Row("count", "BIGINT", "exact"),
    Row("sum avg stddev stddev_pop stddev_samp variance var_pop var_samp", "", "numbers and intervals: the same code on both sides"),
    Row("bool_and bool_or every", "BOOLEAN", "exact"),
    Row("bit_and bit_or", FIRST, "exact"),
    Row("bit_xor", FIRST, "exact", since=140000),
    Row("any_value", FIRST, "which one is left open by SQL", since=160000),
    Row("corr covar_pop covar_samp", "DOUBLE", "the last digits depend on the order of rows, there and here"),
    Row("regr_avgx regr_avgy regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy", "DOUBLE", "as above"),
    Row("regr_count", "BIGINT", "exact"),
    Row("string_agg", FIRST, "in the order of its ORDER BY"),
    Row("array_agg", "", "in the order of its ORDER BY"),
    Row("json_agg jsonb_agg json_object_agg jsonb_object_agg", "JSONB", "in the order of its ORDER BY; times by zone", (ZONE,)),
    Row("mode percentile_cont percentile_disc", "", "its ORDER BY decides"),
    # windows, and hypothetical rows
    Row("row_number rank dense_rank ntile", "BIGINT", "the order of ties is left open by SQL, there and here"),
    Row("percent_rank cume_dist", "DOUBLE", "exact"),
    Row("lag lead first_value last_value nth_value", FIRST, "the order of ties is left open by SQL, there and here"),
    Row("grouping", "INT", "exact"),
)  # fmt: skip

EXCEPTIONS: Mapping[str, str] = {
    "min max greatest least coalesce nullif": "syntax and extremes have conditions of their own: see conditions",
    "normalize is_normalized casefold unicode_assigned unicode_version icu_unicode_version": "Unicode's tables grow with each version",
    "to_ascii convert convert_from convert_to pg_encoding_max_length": "about encodings, which differ",
    "to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_headline ts_lexize ts_parse ts_token_type ts_rewrite "
    "json_to_tsvector jsonb_to_tsvector array_to_tsvector tsvector_to_array setweight strip ts_delete ts_filter ts_rank ts_rank_cd numnode "
    "querytree tsquery_phrase": "text search follows dictionaries and parsers of the server",
    "xml_is_well_formed_content xml_is_well_formed_document xmlcomment xmlconcat2 xmlexists xmltext xmlvalidate xpath xpath_exists":
    "by the server's libxml, or without one",
    "area box center circle diagonal diameter height isclosed ishorizontal isopen isparallel isperp isvertical line lseg npoints path "
    "pclose point polygon popen radius slope width bound_box": "geometry compares with a tolerance; nobody asked for it",
    "unnest generate_series generate_subscripts json_array_elements json_array_elements_text json_each json_each_text json_object_keys "
    "jsonb_array_elements jsonb_array_elements_text jsonb_each jsonb_each_text jsonb_object_keys jsonb_path_query regexp_matches "
    "regexp_split_to_table string_to_table": "give sets of rows",
    "crc32 crc32c array_reverse array_sort uuid_extract_timestamp uuid_extract_version date_add date_subtract": "too new for most sources",
    "bit bool bpchar bytea char cidr date float4 float8 int2 int4 int8 interval macaddr macaddr8 name numeric oid pg_lsn text time "
    "timestamp timestamptz timetz varbit varchar xid macaddr8_set7bit": "casts in the form of calls; write CAST",
    "daterange_canonical datemultirange int4multirange int8multirange multirange nummultirange tsmultirange tstzmultirange": "multiranges",
    "pg_partition_root pg_size_bytes pg_size_pretty pg_visible_in_snapshot pg_wal_lsn_diff pg_walfile_name pg_walfile_name_offset "
    "pg_snapshot_xip pg_snapshot_xmax pg_snapshot_xmin txid_snapshot_xip txid_snapshot_xmax txid_snapshot_xmin txid_visible_in_snapshot "
    "pg_indexam_progress_phasename satisfies_hash_partition makeaclitem acldefault": "about the server, not the data",
    "similar_escape similar_to_escape like like_escape notlike parse_ident overlaps cash_words": "behind syntax; write the syntax",
}  # fmt: skip
"""Immutable built-ins that stay here, and why."""

INTERNAL = (
    r"larger$|smaller$|send$|typmodin$|_accum|_combine$|_subdiff$|_canonical$|transfn$|statefunc$|_inv$|^int\d(int\d)?_|^int8(inc|dec)|"
    r"^int4inc$|^float8_|^numeric_|^record_|^dround|^dtrunc|^dlog|^dexp|^textlen$|^nameconcatoid$|_validator$"
)
"""Names of functions that stand behind operators, types and aggregates: nobody writes them."""

CLASSES: Mapping[type[exp.Expr], str] = {
    exp.Abs: "abs", exp.Ceil: "ceil", exp.Floor: "floor", exp.Sign: "sign", exp.Round: "round", exp.Trunc: "trunc", exp.Sqrt: "sqrt",
    exp.Cbrt: "cbrt", exp.Exp: "exp", exp.Ln: "ln", exp.Pow: "power", exp.Acos: "acos", exp.Asin: "asin", exp.Atan: "atan",
    exp.Atan2: "atan2", exp.Cos: "cos", exp.Degrees: "degrees", exp.Pi: "pi", exp.Radians: "radians", exp.Sin: "sin", exp.Tan: "tan",
    exp.Length: "length", exp.StrPosition: "strpos", exp.Trim: "btrim", exp.Left: "left", exp.Right: "right", exp.Pad: "lpad",
    exp.Repeat: "repeat", exp.Replace: "replace", exp.Reverse: "reverse", exp.Translate: "translate", exp.Overlay: "overlay",
    exp.SplitPart: "split_part", exp.StartsWith: "starts_with", exp.Concat: "concat", exp.ConcatWs: "concat_ws", exp.Ascii: "ascii",
    exp.Chr: "chr", exp.MD5: "md5", exp.Lower: "lower", exp.Upper: "upper", exp.Initcap: "initcap", exp.Extract: "extract",
    exp.TimestampTrunc: "date_trunc", exp.DateTrunc: "date_trunc", exp.AtTimeZone: "timezone", exp.Count: "count", exp.Sum: "sum",
    exp.Avg: "avg", exp.LogicalAnd: "bool_and", exp.LogicalOr: "bool_or", exp.Stddev: "stddev", exp.StddevPop: "stddev_pop",
    exp.StddevSamp: "stddev_samp", exp.Variance: "variance", exp.VariancePop: "var_pop", exp.Corr: "corr", exp.CovarPop: "covar_pop",
    exp.CovarSamp: "covar_samp", exp.GroupConcat: "string_agg", exp.ArrayAgg: "array_agg", exp.Mode: "mode",
    exp.PercentileCont: "percentile_cont", exp.PercentileDisc: "percentile_disc", exp.RowNumber: "row_number", exp.Rank: "rank",
    exp.DenseRank: "dense_rank", exp.Ntile: "ntile", exp.PercentRank: "percent_rank", exp.CumeDist: "cume_dist", exp.Lag: "lag",
    exp.Lead: "lead", exp.FirstValue: "first_value", exp.LastValue: "last_value", exp.NthValue: "nth_value", exp.Grouping: "grouping",
}  # fmt: skip
"""Substring has two meanings, one of them a regular expression: see ``conditions``."""

_BY_NAME = {name: row for row in FUNCTIONS for name in row.names.split()}


def known(name: str) -> Row | None:
    """The table's row."""
    return _BY_NAME.get(name)


def names() -> Iterator[str]:
    """All that are taken."""
    return iter(_BY_NAME)


def called(node: exp.Expr) -> str | None:
    """The name of the function that a node calls; None: it is no function."""
    if isinstance(node, exp.Anonymous):
        return (node.this if isinstance(node.this, str) else node.this.name).lower()
    return CLASSES.get(type(node))
