"""Reads as much of PromQL as our rules and panels use, and refuses the rest: selectors, functions, aggregations, operators, parentheses.

promtool is in no registry that tests may ask; all expressions were also read once by the package promql-parser (a port of Prometheus'
own grammar), and this reader is held to refuse what that one refuses of our own making.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"\s*(?:(?P<duration>\[(?:\d+[smhd]|\$__rate_interval)\])|(?P<number>\d+(?:\.\d+)?)|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)"
    r'|(?P<text>"[^"\n]*")|(?P<sign>=~|!~|!=|==|>=|<=|[-+*/<>(){},=]))'
)
AGGREGATIONS = frozenset({"sum", "count", "max", "min", "avg"})
FUNCTIONS = {"rate": 1, "increase": 1, "absent": 1, "histogram_quantile": 2, "predict_linear": 2, "vector": 1}
RANGED = frozenset({"rate", "increase", "predict_linear"})
OPERATORS = frozenset({"+", "-", "*", "/", ">", "<", ">=", "<=", "==", "!=", "and", "or", "unless"})


class RefusedError(ValueError):
    """The expression is none, or uses what no expression of ours uses."""


@dataclass
class Used:
    """Of one expression: each selector's name with the labels it asks for, labels that are grouped by."""

    selectors: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    grouped: set[str] = field(default_factory=set)


class Reader:
    """Of one expression."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            found = TOKEN.match(text, at)
            if found is None or found.lastgroup is None:
                raise RefusedError(f"at {text[at : at + 20]!r}")
            self._tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        self.used = Used()

    def read(self) -> Used:
        """The whole of it."""
        self._expression()
        if self._tokens:
            raise RefusedError(f"left over: {self._tokens[0][1]}")
        return self.used

    def _next(self, *wanted: str) -> str:
        if not self._tokens or (wanted and self._tokens[0][1] not in wanted):
            raise RefusedError(f"wanted {wanted}, found {self._tokens[:1]}")
        return self._tokens.pop(0)[1]

    def _peek(self) -> str:
        return self._tokens[0][1] if self._tokens else ""

    def _expression(self) -> None:
        number = self._operand()
        while self._peek() in OPERATORS:
            self._next()
            matched = self._peek() in ("on", "ignoring")
            if matched:
                self._next()
                self._labels()
            another = self._operand()
            if matched and (number or another):
                raise RefusedError("on and ignoring stand between vectors")
            number = another

    def _operand(self) -> bool:
        """Was it a number?"""
        kind, text = self._tokens[0] if self._tokens else ("", "")
        if text == "(":
            self._next()
            self._expression()
            self._next(")")
        elif kind == "number":
            self._next()
        elif kind != "name":
            raise RefusedError(f"no operand: {text!r}")
        elif text in AGGREGATIONS:
            self._aggregation()
        elif text in FUNCTIONS:
            self._function()
        else:
            self._selector(ranged=False)
        return kind == "number"

    def _aggregation(self) -> None:
        self._next()
        if self._peek() in ("by", "without"):
            self._next()
            self._labels()
        self._next("(")
        self._expression()
        self._next(")")

    def _function(self) -> None:
        name = self._next()
        self._next("(")
        for number in range(FUNCTIONS[name]):
            if number:
                self._next(",")
            if name in RANGED and number == 0:
                self._selector(ranged=True)
            else:
                self._expression()
        self._next(")")

    def _selector(self, *, ranged: bool) -> None:
        if not self._tokens or self._tokens[0][0] != "name":
            raise RefusedError(f"no selector: {self._peek()!r}")
        name, labels = self._next(), set()
        if self._peek() == "{":
            self._next()
            while self._peek() != "}":
                labels.add(self._next())
                self._next("=", "=~", "!=", "!~")
                if not self._next().startswith('"'):
                    raise RefusedError("a label's value is a text")
                if self._peek() == ",":
                    self._next()
            self._next("}")
        if ranged != (bool(self._tokens) and self._tokens[0][0] == "duration"):
            raise RefusedError(f"{name}: a range where none belongs, or none where one does")
        if ranged:
            self._next()
        self.used.selectors.append((name, frozenset(labels)))

    def _labels(self) -> None:
        self._next("(")
        while self._peek() != ")":
            self.used.grouped.add(self._next())
            if self._peek() == ",":
                self._next()
        self._next(")")
