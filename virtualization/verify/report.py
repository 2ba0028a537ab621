"""What a run found, for people and as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from virtualization.verify.judge import Verdict


@dataclass(frozen=True)
class Finding:
    """A statement that differs. ``number``: of its seed; ``small``: the shrunk form; ``how``: the explanation of that one; ``zone``: the
    session's time zone."""

    number: int
    side: str
    what: str
    sql: str
    small: str
    how: str
    zone: str = "UTC"

    def json(self) -> dict[str, object]:
        """As data."""
        shown = {"number": self.number, "side": self.side, "what": self.what, "sql": self.sql, "small": self.small}
        return {**shown, "explain": self.how, "time_zone": self.zone}


@dataclass
class Report:
    """``queries``: statements asked; ``outcomes``: verdicts; ``sources``: statements by the sources that they name (``a+b``);
    ``notes``: tables sampled or left out."""

    seed: int
    queries: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    unsupported: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    tables: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def count(self, verdicts: list[Verdict], sources: Sequence[str] = ()) -> None:
        """One more statement."""
        self.queries += 1
        self.sources["+".join(sources)] += 1
        for verdict in verdicts:
            self.outcomes[verdict.outcome] += 1
            found = {"refused": self.refused, "skipped": self.skipped, "unsupported": self.unsupported}.get(verdict.outcome)
            if found is not None:
                found[verdict.what] += 1

    @property
    def differences(self) -> int:
        """Statements that differ."""
        return len(self.findings)

    def add(self, other: Report) -> None:
        """What another process found with other numbers of the seed."""
        self.queries += other.queries
        self.seconds = max(self.seconds, other.seconds)
        self.findings += other.findings
        for mine, theirs in (
            (self.outcomes, other.outcomes),
            (self.refused, other.refused),
            (self.skipped, other.skipped),
            (self.unsupported, other.unsupported),
            (self.sources, other.sources),
        ):
            mine.update(theirs)

    @property
    def by_source(self) -> dict[str, int]:
        """Statements that name each source; ``2 sources``, ``3 sources``: those that name so many."""
        counted: Counter[str] = Counter()
        for names, count in self.sources.items():
            several = names.split("+") if names else []
            counted.update({name: count for name in several})
            if len(several) > 1:
                counted[f"{len(several)} sources"] += count
        return dict(sorted(counted.items()))

    def json(self) -> dict[str, object]:
        """As data."""
        return {
            "seed": self.seed, "queries": self.queries, "differences": self.differences, "seconds": round(self.seconds, 1),
            "answers": dict(self.outcomes), "refused": dict(self.refused), "skipped": dict(self.skipped),
            "unsupported": dict(self.unsupported),
            "sources": self.by_source, "tables": self.tables,
            "notes": self.notes, "findings": [finding.json() for finding in self.findings],
        }  # fmt: skip

    def text(self) -> str:
        """Lines for people."""
        lines = [f"Tables: {', '.join(f'{name} ({rows:,} rows)' for name, rows in self.tables.items())}", *self.notes]
        for finding in self.findings:
            told = f"DIFFERENT, number {finding.number}, {finding.side}, time zone {finding.zone}: {finding.what}"
            lines += ["", told, f"  {finding.small};"]
            if finding.small != finding.sql:
                lines.append(f"  found as: {finding.sql};")
            lines += [f"  {line}" for line in finding.how.splitlines()]
        lines.append("")
        lines.append(f"{self.queries:,} queries in {self.seconds:.0f} s (seed {self.seed}): {self.differences} differences")
        lines.append(f"Answers compared: {self.outcomes['same']:,} the same, {self.outcomes['different']:,} different")
        if len(self.by_source) > 1:
            lines.append(f"By source: {', '.join(f'{name} {count:,}' for name, count in self.by_source.items())}")
        for title, counted in (
            ("Refused on both sides (PostgreSQL/here)", self.refused),
            ("Not supported", self.unsupported),
            ("Not compared", self.skipped),
        ):
            if counted:
                lines.append(f"{title}: {', '.join(f'{what} {count:,}' for what, count in counted.most_common(8))}")
        return "\n".join(lines)
