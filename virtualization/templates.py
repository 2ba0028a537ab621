"""Whole plans of texts that differ in integers only: the point queries that postgres_fdw sends all day.

``shapes`` spares parsing and binding; cutting the query into fragments and writing the source's statement costs more than both. Where
the plan is one statement for one source, and an integer of the text does nothing but stand beside a column in a comparison, the
statement is the same up to that integer, because types decide what a source may do and the kind of the integer (int4 or int8) is part of
the shape. A template is believed only after it has given, for the text at hand, exactly the statement that planning gave.
"""

from __future__ import annotations

import dataclasses
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

from sqlglot import exp

from virtualization import caches
from virtualization.errors import VirtualizationError
from virtualization.parse import parse
from virtualization.pieces import Pieces
from virtualization.plan import Fragment, Plan
from virtualization.shapes import Literals, find_literals

TEMPLATES_KEPT = 500
_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
_STAND_IN = {"i": 2_000_000_111, "l": 7_111_222_333_000_000_111}
"""Of the first integer of the kind; the next ones count up."""


@runtime_checkable
class StatementFragment(Protocol):
    """A fragment that is nothing but a statement for its source."""

    @property
    def statement_text(self) -> str | None:
        """All of it that depends on the query's constants; None: other constants may mean another fragment."""
        ...

    def with_text(self, text: Pieces) -> Fragment:
        """The same with another ``statement_text``; the texts between its integers are the same for all fragments of a template."""
        ...


@dataclass(frozen=True)
class Template:
    """``pieces``: the statement cut where integers stand; ``places``: which literal of the text stands between two pieces;
    ``fixed``: literals that must be the same."""

    plan: Plan
    pieces: tuple[str, ...]
    places: tuple[int, ...]
    fixed: tuple[tuple[int, str], ...]

    def filled(self, sql: str, literals: Literals) -> Plan | None:
        """The plan of another text of the shape; None when a fixed literal differs."""
        if any(literals.values[number] != value for number, value in self.fixed):
            return None
        text = Pieces(self.pieces, tuple(int(literals.values[number]) for number in self.places))
        fragment = cast(StatementFragment, self.plan.fragments[0])  # known since ``make_template``; asking again costs more than filling in
        return dataclasses.replace(self.plan, sql=sql, fragments=(fragment.with_text(text),))


class Templates:
    """Bounded and thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, Template | bool] = OrderedDict()  # False: seen once; True: no template is possible

    def plan(self, sql: str, version: Hashable, planning: Callable[[str], Plan]) -> Plan:
        """The plan of ``sql``: from a template where there is one, else by ``planning``, from which a template is made the second time."""
        literals = find_literals(sql)
        if literals is None or not {"i", "l"} & set(literals.kinds):
            return planning(sql)
        key = (literals.shape, version)
        with self._lock:
            known = self._known.get(key)
            self._known[key] = known or False
            self._known.move_to_end(key)
            while len(self._known) > TEMPLATES_KEPT:
                self._known.popitem(last=False)
        filled = known.filled(sql, literals) if isinstance(known, Template) else None
        with self._lock:
            caches.TEMPLATES.hits += filled is not None
            caches.TEMPLATES.misses += filled is None
        if filled is not None:
            return filled
        plan = planning(sql)
        if known is False:  # the second text of this shape
            template = make_template(sql, literals, plan, planning)
            with self._lock:
                self._known[key] = template or True
        return plan


def make_template(sql: str, literals: Literals, plan: Plan, planning: Callable[[str], Plan]) -> Template | None:
    """From the plan of one text and that of the same text with stand-ins; None where the plan could depend on a value."""
    if _statement(plan) is None:
        return None
    try:
        stand_ins = _beside_columns(literals, _stand_ins(literals))
        planned = planning(_with(literals, stand_ins)) if stand_ins else plan
    except VirtualizationError:
        return None
    statement = _statement(planned)
    if statement is None or not stand_ins:
        return None
    pieces, places = _cut(statement, {stand_in: number for number, stand_in in stand_ins.items()})
    if set(places) != set(stand_ins) or any(stand_in in piece for piece in pieces for stand_in in stand_ins.values()):
        return None
    fixed = tuple((number, value) for number, value in enumerate(literals.values) if number not in stand_ins)
    template = Template(planned, pieces, places, fixed)
    check = template.filled(sql, literals)
    same = check is not None and _statement(check) == _statement(plan) and (check.columns, check.names) == (plan.columns, plan.names)
    return template if same else None


def _statement(plan: Plan) -> str | None:
    """The one statement that the whole plan is."""
    whole = plan.residual is None and len(plan.fragments) == 1
    return plan.fragments[0].statement_text if whole and isinstance(plan.fragments[0], StatementFragment) else None


def _stand_ins(literals: Literals) -> dict[int, str]:
    return {number: str(_STAND_IN[kind] + number) for number, kind in enumerate(literals.kinds) if kind in _STAND_IN}


def _with(literals: Literals, stand_ins: dict[int, str]) -> str:
    """The text with stand-ins."""
    values = [stand_ins.get(number, value) for number, value in enumerate(literals.values)]
    return "".join(part + value for part, value in zip(literals.parts, (*values, ""), strict=True))


def _beside_columns(literals: Literals, stand_ins: dict[int, str]) -> dict[int, str]:
    """Those that are one side of a comparison whose other side is a column."""
    numbers = {stand_in: number for number, stand_in in stand_ins.items()}
    found = {}
    for literal in parse(_with(literals, stand_ins)).find_all(exp.Literal):
        parent = literal.parent
        if literal.this in numbers and isinstance(parent, _COMPARISONS):
            other = parent.expression if parent.this is literal else parent.this
            if isinstance(other, exp.Column):
                found[numbers[literal.this]] = literal.this
    return found


def _cut(statement: str, stand_ins: dict[str, int]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    parts = re.split(r"(?<![\w.])(" + "|".join(map(re.escape, stand_ins)) + r")(?![\w.])", statement)
    return tuple(parts[0::2]), tuple(stand_ins[part] for part in parts[1::2])
