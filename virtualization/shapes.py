"""Texts that differ in literals only share one bound query.

postgres_fdw and most programs send the same text with other constants. The first text of a shape is planned as any other. The second one
is bound once more with *stand-in* literals, to see which of them come through binding and rules unchanged: those are the variable ones.
From then on such a text needs no parsing: the bound query is copied and the stand-ins replaced by the text's own literals. All other
literals (ordinals, lengths of types, elements of arrays that a rule took apart) must be the same, else the text is planned as any other.
"""

from __future__ import annotations

import dataclasses
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from sqlglot import exp

from virtualization.bind import Bound
from virtualization.errors import VirtualizationError

SHAPES_KEPT = 500
TEXT_LIMIT = 20_000
"""Longer texts are planned each time: looking for their literals would cost as much as it saves."""

_TOKENS = re.compile(
    r"""(?P<skip>"(?:[^"]|"")*"|[A-Za-z_\u0080-\U0010ffff][\w$]*'?)   # names, and words glued to a quote (E'…', B'…')
      | (?P<quoted>'-?\d+'(?=::(?:smallint|integer|bigint|numeric)\b))   # PostgreSQL's own way to write a number; a rule takes it apart
      | (?P<string>'(?:[^'\\]|'')*')
      | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (?P<odd>&'|--|/\*|\$|'|\\)""",
    re.VERBOSE,
)
_INT4, _INT8 = 2**31, 2**63
Binding = Callable[[str], Bound]


@dataclass(frozen=True)
class Literals:
    """A text cut at its literals: ``parts`` has one more element than ``values``; ``kinds``: s(tring), a(rray, or another string that
    a rule takes apart), i(nt4), l(ong), d(ecimal)."""

    parts: tuple[str, ...]
    values: tuple[str, ...]
    kinds: str

    @property
    def shape(self) -> tuple[tuple[str, ...], str]:
        """What texts of one shape have in common."""
        return self.parts, self.kinds


@dataclass(frozen=True)
class Template:
    """A bound query with stand-ins. ``variable``: stand-in -> number of the literal; ``fixed``: literals that must be the same."""

    bound: Bound
    variable: dict[str, int]
    fixed: tuple[tuple[int, str], ...]

    def filled(self, literals: Literals) -> Bound | None:
        """The bound query of another text of the shape; None when a fixed literal differs."""
        if any(literals.values[number] != value for number, value in self.fixed):
            return None
        query = self.bound.query.copy()
        for literal in query.find_all(exp.Literal):
            number = self.variable.get(literal.this)
            if number is not None:
                value = literals.values[number]
                literal.set("this", value[1:-1].replace("''", "'") if literals.kinds[number] == "s" else value)
        return dataclasses.replace(self.bound, query=query)


class Shapes:
    """Bounded and thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, Template | bool] = OrderedDict()  # False: seen once; True: seen, no template is possible

    def bound(self, text: str, version: Hashable, binding: Binding) -> Bound:
        """The bound query of ``text``: from a template where there is one, else by ``binding``."""
        literals = find_literals(text)
        if literals is None or not literals.values:
            return binding(text)
        key = (literals.shape, version)
        with self._lock:
            known = self._known.get(key)
            self._known[key] = known or False
            self._known.move_to_end(key)
            while len(self._known) > SHAPES_KEPT:
                self._known.popitem(last=False)
        if isinstance(known, Template):
            filled = known.filled(literals)
            if filled is not None:
                return filled
        if known is False:  # the second text of this shape
            template = make_template(literals, binding)
            with self._lock:
                self._known[key] = template or True
            if template is not None:
                filled = template.filled(literals)
                if filled is not None:
                    return filled
        return binding(text)


def find_literals(text: str) -> Literals | None:
    """None: the text has something in which literals can't be told for sure (comments, dollar quotes, escapes)."""
    if len(text) > TEXT_LIMIT:
        return None
    parts, values, kinds = [], [], []
    place = 0
    for match in _TOKENS.finditer(text):
        kind = match.lastgroup
        if kind == "skip":
            if match.group().endswith("'"):
                return None
            continue
        if kind == "odd" or kind is None:
            return None
        parts.append(text[place : match.start()])
        values.append(match.group())
        kinds.append(_KINDS[kind](match.group()))
        place = match.end()
    return Literals((*parts, text[place:]), tuple(values), "".join(kinds))


def _string_kind(text: str) -> str:
    """An array is taken apart by a rule, so it is never variable."""
    return "a" if text.startswith("'{") else "s"


def _number_kind(text: str) -> str:
    if not text.isdigit():
        return "d"
    value = int(text) if len(text) < 20 else _INT8
    return "i" if value < _INT4 else "l" if value < _INT8 else "d"


_KINDS: dict[str, Callable[[str], str]] = {"quoted": lambda _: "a", "string": _string_kind, "number": _number_kind}


def make_template(literals: Literals, binding: Binding) -> Template | None:
    """Bind with stand-ins; None when nothing can vary."""
    stand_ins = [_stand_in(number, kind) for number, kind in enumerate(literals.kinds)]
    surviving = _surviving(literals, stand_ins, {number for number, kind in enumerate(literals.kinds) if kind != "a"}, binding)
    if surviving is None:  # a stand-in broke the text (an ordinal, a date, a length): keep numbers, then try again
        strings = {number for number, kind in enumerate(literals.kinds) if kind == "s"}
        surviving = _surviving(literals, stand_ins, strings, binding)
    if not surviving:
        return None
    try:
        bound = binding(_text(literals, stand_ins, surviving))
    except VirtualizationError:
        return None
    fixed = tuple((number, value) for number, value in enumerate(literals.values) if number not in surviving)
    return Template(bound, {_inner(stand_ins[number]): number for number in surviving}, fixed)


def _surviving(literals: Literals, stand_ins: list[str], wanted: set[int], binding: Binding) -> set[int] | None:
    try:
        query = binding(_text(literals, stand_ins, wanted)).query
    except VirtualizationError:
        return None
    found = {literal.this for literal in query.find_all(exp.Literal) if not isinstance(literal.parent, exp.DataTypeParam | exp.Interval)}
    return {number for number in wanted if _inner(stand_ins[number]) in found}


def _text(literals: Literals, stand_ins: list[str], variable: set[int]) -> str:
    pieces = [literals.parts[0]]
    for number, value in enumerate(literals.values):
        pieces += [stand_ins[number] if number in variable else value, literals.parts[number + 1]]
    return "".join(pieces)


def _stand_in(number: int, kind: str) -> str:
    """A literal of the same kind that no text is likely to hold."""
    if kind in "sa":
        return f"'\x02literal {number}\x03'"
    return {"i": str(2_000_000_011 + number), "l": str(7_111_222_333_000_000_000 + number), "d": f"{number}8123456.7918273645"}[kind]


def _inner(stand_in: str) -> str:
    return stand_in[1:-1] if stand_in.startswith("'") else stand_in
