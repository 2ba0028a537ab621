"""What connectors are asked, and what they answered: fragments, each only once, and the reasons for everything they declined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

from sqlglot import exp

from virtualization.catalog import Catalog, DataSource, VirtualTable
from virtualization.fragments import by_engine
from virtualization.plan import Accepted, Connector, Fragment, FragmentRequest, Kept, Scanned, TakesKeys
from virtualization.planner.asked_again import MOST_KEYS, Again, AskedAgain, narrowed_query, scan_condition
from virtualization.planner.costs import Link, Links, assumed, joining_loses, repeating_loses
from virtualization.planner.estimates import known_of, query_rows, rows_by_alias, scanned_rows
from virtualization.planner.first_rows import FirstRows
from virtualization.planner.join_sizes import join_sizes
from virtualization.planner.key_flows import Modes
from virtualization.planner.properties import base_tables, call_name, free_aliases, free_ctes, session_call, shown
from virtualization.predictions import PREDICT
from virtualization.source_options import FORCED, OFF, ON, pushdown_of

NO_ENGINE = "no_engine"
"""What file connectors answer to every query: no news for EXPLAIN, the executor works right on their scans."""
Connectors = Callable[[DataSource], Connector]


class Offers:
    """The fragments of one plan. ``tables``: the statement's virtual tables by alias."""

    def __init__(self, catalog: Catalog, connectors: Connectors, tables: Mapping[str, VirtualTable], links: Links = assumed) -> None:
        self.tables = tables
        self.fragments: list[Fragment] = []
        self.estimates: list[float] = []
        """Rows expected of each fragment."""
        self.kept: list[Kept] = []
        self._catalog = catalog
        self._connectors = connectors
        self._links = links
        self.decisions: list[str] = []
        """What was decided by cost, with its numbers, or by the session, for EXPLAIN."""
        if catalog.pushdown != ON:
            self.decide(f"pushdown is {catalog.pushdown} for this connection (bdc.pushdown)")
        self._known: dict[tuple[str, str], int] = {}  # (source, what was asked) -> number of the fragment
        self._reads: Counter[int] = Counter()
        self._again: dict[int, Again] = {}  # by which a fragment is had for some keys only

    def keep(self, what: exp.Expr, code: str, why: str, fix: str | None = None) -> None:
        """Note why something stays here."""
        self.note([Kept(shown(what), code, why, fix)])

    def note(self, reasons: Iterable[Kept]) -> None:
        """Note a connector's reasons; repeated ones once."""
        self.kept += [reason for reason in reasons if reason not in self.kept]

    def decide(self, sentence: str) -> None:
        """Note a decision; repeated ones once."""
        if sentence not in self.decisions:
            self.decisions.append(sentence)

    def link(self, source: str) -> Link:
        """How far away a source is."""
        return self._links(self._catalog.source(source))

    def is_off(self, table: VirtualTable) -> bool:
        """Has somebody switched pushdown off for this table or its source?"""
        return OFF in self._pushdown(table)

    def is_forced(self, node: exp.Expr) -> bool:
        """Shall all tables below be asked for as little as possible, whatever is expected?"""
        return all(FORCED in self._pushdown(self.tables[table.alias]) for table in base_tables(node))

    def modes(self) -> Modes:
        """The fragments that take keys whatever is expected, and those that never do."""
        return Modes(self._with_option(FORCED), self._with_option(OFF))

    def _with_option(self, value: str) -> frozenset[int]:
        asked = {table.key for table in self.tables.values() if value in self._pushdown(table)}
        return frozenset(number for number, fragment in enumerate(self.fragments) if asked & set(fragment.tables))

    def _pushdown(self, table: VirtualTable) -> tuple[str, ...]:
        """What the table's and its source's options say, and the session."""
        own = pushdown_of(table.options, f"table {table.schema}.{table.name}")
        sources = pushdown_of(self._catalog.source(table.source).options, f'data source "{table.source}"')
        return own, sources, self._catalog.pushdown

    def source_of(self, node: exp.Expr) -> str | None:
        """The one source of all tables below; None for none, several, or switched-off ones."""
        found = [self.tables[table.alias] for table in base_tables(node)]
        names = {table.source for table in found}
        return names.pop() if len(names) == 1 and not any(self.is_off(table) for table in found) else None

    def whole(self, query: exp.Expr) -> int | None:
        """Offer a whole query; the number of its fragment, or None with the reasons noted."""
        found = [self.tables[table.alias] for table in base_tables(query)]
        if not found or free_aliases(query) or free_ctes(query):
            return None
        source = self.source_of(query)
        if source is None:
            self._note_no_source(query, found)
            return None
        call = session_call(query)
        if call is not None and call_name(call) == PREDICT:
            return None  # the plan says where it runs
        if call is not None:
            self.keep(call, "session_function", "its value belongs to this side's session or clock, or changes at each call")
            return None
        return self.push(query, source)

    def push(self, query: exp.Expr, source: str) -> int | None:
        """Offer a query whose tables are all of ``source``."""
        key = (source, query.sql("postgres"))
        if key in self._known:
            return self._read(self._known[key])
        tables = {table.alias: self.tables[table.alias] for table in base_tables(query)}
        data_source = self._catalog.source(source)
        connector = self._connectors(data_source)
        answer = connector.push(FragmentRequest(cast(exp.Query, query.copy()), tables, data_source))
        if isinstance(answer, Accepted):
            most = answer.fragment.most_keys if isinstance(answer.fragment, TakesKeys) else MOST_KEYS
            if self._is_dearer(query, source, most):
                return None
            asked = cast(exp.Query, query)  # nobody changes it once it was taken

            def again(column: str, values: list[exp.Expr]) -> Fragment | None:
                narrowed = narrowed_query(asked, column, values)
                found = connector.push(FragmentRequest(narrowed, tables, data_source)) if narrowed is not None else None
                return found.fragment if isinstance(found, Accepted) else None

            number = self._add(key, answer.fragment, query_rows(query, rows_by_alias(query, self.tables), known_of(self.tables)))
            self._again[number] = again
            return number
        self.note(reason for reason in answer.kept if reason.code != NO_ENGINE)
        return None

    def _is_dearer(self, query: exp.Expr, source: str, most_keys: int) -> bool:
        """Does a join multiply rows, or repeat wide ones, so that its tables are better fetched one by one?"""
        sizes = None if self.is_forced(query) else join_sizes(query, self.tables, most_keys)
        link = self.link(source)
        if sizes is None:
            return False
        repeats = repeating_loses(sizes.apart, sizes.joined, sizes.hashed, link)
        if not repeats and not joining_loses(sizes.parts, sizes.joined, link):
            return False
        parts = " and ".join(map(str, sizes.parts))
        self.keep(
            query,
            "cost",
            f"its tables, {parts}, come sooner than {sizes.joined} of the join; link {link}",
            "Set option pushdown to forced.",
        )
        return True

    def scan(self, table: VirtualTable, columns: list[str], predicates: Sequence[exp.Expr]) -> tuple[int, list[str], list[exp.Expr]]:
        """Read a table: the fragment's number, its columns, and the predicates that must still be applied above it (and whose
        columns the fragment therefore brings too)."""
        if self.is_off(table):
            if predicates:
                self.keep(predicates[0], "switched_off", f'pushdown is off for "{table.name}" or its source', self._switched_on)
            columns, left = _with_columns_of(predicates, columns, table), list(predicates)
            scanned = self._ask_scan(table, columns, [])
        else:
            scanned = self._ask_scan(table, columns, predicates)
            wider = _with_columns_of(scanned.left, columns, table)
            if wider != columns:
                columns = wider
                scanned = self._ask_scan(table, columns, predicates)
            left = list(scanned.left)
        self.note(scanned.kept)
        key = (table.source, f"{table.key} {columns} {scanned.fragment.text}")
        number = self._known.get(key)
        if number is not None:
            return self._read(number), columns, left
        number = self._add(key, scanned.fragment, scanned_rows(table, [one for one in predicates if one not in left]))
        self._again[number] = self._scan_again(table, columns, [one for one in predicates if one not in left])
        return number, columns, left

    def _scan_again(self, table: VirtualTable, columns: list[str], predicates: Sequence[exp.Expr]) -> Again:
        types = {column.name: column.type for column in table.columns}
        kept = [predicate.copy() for predicate in predicates]

        def again(column: str, values: list[exp.Expr]) -> Fragment | None:
            condition = scan_condition(column, types[column], values)
            found = self._ask_scan(table, columns, [*(one.copy() for one in kept), condition])
            return None if found.left else found.fragment

        return again

    def takers(self) -> list[Fragment]:
        """The fragments; those whose connector can be asked again for some keys only, as such."""
        return [
            fragment if isinstance(fragment, TakesKeys) or number not in self._again else AskedAgain(fragment, self._again[number])
            for number, fragment in enumerate(self.fragments)
        ]

    def distinct(self, number: int, column: str) -> float | None:
        """How many values a fragment's column has in its table; None: nobody knows."""
        tables = self.fragments[number].tables if number < len(self.fragments) else ()
        found = {table.key: known_of({"": table})(exp.column(column)) for table in self.tables.values() if table.key in tables}
        told = [one.distinct for one in found.values() if one is not None]
        return told[0] if len(told) == 1 else None

    def measured_link(self, number: int) -> Link | None:
        """See ``key_flows.Known``."""
        fragment = self.fragments[number] if number < len(self.fragments) else None
        if fragment is None or by_engine(fragment):
            return None
        link = self.link(fragment.source)
        return link if link.measured else None

    def first_rows(self, number: int, rows: int) -> None:
        """Only ``rows`` rows of a fragment are wanted, whichever; no effect when another part of the query reads it too."""
        if self._reads[number] == 1:
            self.fragments[number] = FirstRows(self.fragments[number], rows)
            self._again.pop(number, None)
            self._known = {key: known for key, known in self._known.items() if known != number}

    def _ask_scan(self, table: VirtualTable, columns: list[str], predicates: Sequence[exp.Expr]) -> Scanned:
        connector = self._connectors(self._catalog.source(table.source))
        return connector.scan(table, columns, cast(Sequence[exp.Expression], list(predicates)))

    def _add(self, key: tuple[str, str], fragment: Fragment, rows: float) -> int:
        self._known[key] = number = len(self.fragments)
        self.fragments.append(fragment)
        self.estimates.append(rows)
        return self._read(number)

    def _read(self, number: int) -> int:
        self._reads[number] += 1
        return number

    def _note_no_source(self, query: exp.Expr, found: list[VirtualTable]) -> None:
        names = sorted({table.source for table in found})
        if len(names) > 1:
            self.keep(
                query,
                "several_sources",
                f"its tables belong to the sources {', '.join(names)}",
                "Move them to one source, or load one into the data pool.",
            )
        else:
            self.keep(query, "switched_off", f"pushdown is off for tables of source {names[0]}", self._switched_on)

    @property
    def _switched_on(self) -> str:
        """How pushdown that is off would be on again."""
        return "RESET bdc.pushdown on this connection." if self._catalog.pushdown == OFF else "Set option pushdown to on."


def _with_columns_of(predicates: Sequence[exp.Expr], columns: Sequence[str], table: VirtualTable) -> list[str]:
    """``columns`` and those of (unqualified) predicates that must be applied here after all, in the table's order."""
    names = {column.name for predicate in predicates for column in predicate.find_all(exp.Column)} | set(columns)
    return [column.name for column in table.columns if column.name in names]
