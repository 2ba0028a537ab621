"""Functions of texts. Oracle has no empty text: where one could come out, the value is marked, and used only where that can't matter."""

from __future__ import annotations

from sqlglot import exp

from virtualization.connectors.oracle import literals
from virtualization.connectors.oracle.expressions import Expressions, Handler, weakest
from virtualization.connectors.oracle.values import Value, integer
from virtualization.refusal import refuse

_LOWER, _UPPER = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MORE_UPPER = ("ıſ", "IS")
"""Letters outside ASCII whose upper case is in it, in Unicode's table."""
_MORE_LOWER = ("İK", "ik")
_MOST_LENGTH = 32767


def text(made: Expressions, node: exp.Expr) -> Value:
    """A plain text, not a constant; RefusedError."""
    value = made.value(node)
    if value.kind != "text" or value.remote in ("lob", "converted", "folded") or value.literal is not None:
        raise refuse(node, "type", "text functions are sent for plain texts")
    return value


def _filled(made: Expressions, node: exp.Expr) -> Value:
    value = text(made, node)
    if value.empty:
        raise refuse(node, "empty_string", "the empty text is NULL at the source")
    return value


def _cased(letters: str, others: str, more: tuple[str, str]) -> Handler:
    """upper and lower as far as ASCII goes; to be compared with ASCII constants only (see ``comparisons``)."""

    def made(made: Expressions, node: exp.Expr) -> Value:
        value = text(made, node.this)
        if not made.scope.utf8 or value.remote:
            raise refuse(node, "character_classes", "which letters belong together is the source's own table", "A database in AL32UTF8.")
        return value.but(
            text=f"TRANSLATE({value.text}, '{letters}{more[0]}', '{others}{more[1]}')", pg="text", remote="folded", column=False
        )

    return made


def length(made: Expressions, node: exp.Expr) -> Value:
    """In characters."""
    value = _filled(made, node.this)
    return integer(f"LENGTH({value.text})", "integer", _MOST_LENGTH, nullable=value.nullable)


def substring(made: Expressions, node: exp.Expr) -> Value:
    """From a constant place, of a constant length."""
    value = text(made, node.this)
    start = literals.whole_number(node.args.get("start")) if node.args.get("start") is not None else 1
    given = node.args.get("length")
    size = literals.whole_number(given)
    if start is None or start < 1 or (given is not None and (size is None or size < 1)):
        raise refuse(node, "substring", "only constant places from 1 on")
    return _part(value, start, size)


def left(made: Expressions, node: exp.Expr) -> Value:
    """The first characters."""
    size = literals.whole_number(node.expression)
    if size is None or size < 1:
        raise refuse(node, "substring", "only constant lengths from 1 on")
    return _part(text(made, node.this), 1, size)


def _part(value: Value, start: int, size: int | None) -> Value:
    end = "" if size is None else f", {size}"
    return value.but(text=f"SUBSTR({value.text}, {start}{end})", pg="text", empty=value.empty or start > 1, column=False)


def trimmed(made: Expressions, node: exp.Expr) -> Value:
    """Blanks only."""
    if node.expression is not None or node.args.get("collation") is not None:
        raise refuse(node, "not_on_list", "only blanks are trimmed")
    name = {"LEADING": "LTRIM", "TRAILING": "RTRIM"}.get(str(node.args.get("position") or "").upper(), "TRIM")
    value = text(made, node.this)
    return value.but(text=f"{name}({value.text})", pg="text", empty=True, column=False)


def place(made: Expressions, node: exp.Expr) -> Value:
    """Of a constant in a text; 0 where it is not."""
    sought = node.args["substr"]
    if not isinstance(sought, exp.Literal) or not sought.name or node.args.get("position") is not None:
        raise refuse(node, "not_on_list", "only constants are looked for")
    value = _filled(made, node.this)
    return integer(f"INSTR({value.text}, {made.value(sought).text})", "integer", _MOST_LENGTH, nullable=value.nullable)


def joined(made: Expressions, node: exp.Expr) -> Value:
    """``||``: NULL where one is NULL, which Oracle takes for an empty text."""
    parts = list(node.flatten(unnest=True))
    values = [made.value(part) for part in parts]
    for value in values:
        if value.literal == "":
            raise refuse(node, "empty_string", "the empty text is NULL at the source")
        if value.kind == "unknown":
            continue
        if value.kind != "text" or value.remote in ("lob", "converted", "folded"):
            raise refuse(node, "not_text", "only texts are joined at the source", "Cast to text first.")
        if value.empty:
            raise refuse(node, "empty_string", "the empty text is NULL at the source")
    missing = " OR ".join(f"{value.text} IS NULL" for value in values if value.nullable)
    chain = " || ".join(value.text for value in values)
    remote = weakest(value.remote for value in values)
    return Value(f"CASE WHEN NOT ({missing}) THEN {chain} END" if missing else f"({chain})", "text", remote=remote, nullable=bool(missing))


HANDLERS: dict[type[exp.Expr], Handler] = {
    exp.Upper: _cased(_LOWER, _UPPER, _MORE_UPPER), exp.Lower: _cased(_UPPER, _LOWER, _MORE_LOWER), exp.Length: length,
    exp.Substring: substring, exp.Left: left, exp.Trim: trimmed, exp.StrPosition: place, exp.DPipe: joined,
}  # fmt: skip
