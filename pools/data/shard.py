"""What a shard does, without the wire: tickets checked, each call carried out. The Flight server and the tests stand on it."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from pools.data.changes import Changes
from pools.data.compaction import Compaction
from pools.data.errors import ShardError, required
from pools.data.intake import Intake, Put, Stream
from pools.data.metrics import Meters
from pools.data.question import Asked, Question
from pools.data.reading import Answer
from pools.data.sealing import Loads
from pools.data.settings import ShardSettings
from pools.data.statistics import hello, segments, stats, tables
from pools.data.store import Store
from pools.keyring import KeyFile
from pools.tickets import KNOWN, Verifier

Row = Mapping[str, Any]

OPEN_ACTIONS = frozenset({"hello"})
"""These need no ticket: who asks learns which shard answers, and how far it is."""
ACTIONS = (*OPEN_ACTIONS, "seal", "publish", "abort", "modify", "segments", "compact", "drop", "hold", "tables", "stats")
"""All that there are; the matrix of who gets in where (tests/matrix) is made from them."""


class Shard:
    """One shard, open."""

    def __init__(self, settings: ShardSettings, store: Store) -> None:
        self.number = settings.number
        self.store = store
        file = settings.ticket_keys_file
        self._verifier = Verifier(settings.ticket_public_key if file is None else KeyFile(pathlib.Path(file)))
        self._questions: dict[str, Question] = {}
        self._intake = Intake(store)
        self._loads = Loads(store)
        self._changes = Changes(store)
        self.meters = Meters()
        self.compaction = Compaction(store, self.meters)
        self._actions: dict[str, Callable[[str, dict[str, Any]], list[Row]]] = {
            "seal": lambda db, body: [self._loads.seal(db, body)],
            "publish": lambda db, body: [self._loads.publish(db, required(body, "loads")[0])],
            "abort": lambda db, body: [self._loads.abort(db, body)],
            "modify": lambda db, body: [self._changes.modify(db, body)],
            "segments": lambda db, body: list(segments(self.store, db, float(body.get("older_than_seconds") or 0))),
            "compact": lambda db, body: [vars(self.compaction.round(db, body.get("table"), bool(body.get("full"))))],
            "drop": self._drop,
            "hold": lambda db, body: [self.store.holds.hold(db, body)],
            "tables": lambda db, body: list(tables(self.store, db)),
            "stats": self._stats,
        }

    def put(self, command: dict[str, Any], stream: Stream) -> dict[str, int]:
        """One stream of rows."""
        return self._intake.put(Put.of(self._claims(command, "put"), command), stream)

    def read(self, ticket: str) -> Answer:
        """The rows that a read ticket asks for, as it comes (``Asked``)."""
        signed, values, _ = Asked.of(ticket)
        claims = self._claims({"ticket": signed}, "read")
        question = self._questions.get(signed)
        if question is None:
            if len(self._questions) >= KNOWN:
                self._questions.clear()
            question = self._questions[signed] = Question(claims)
        return Answer(self.store, question, values)

    def knows(self, action: str) -> bool:
        """Is there such an action?"""
        return action in ACTIONS

    def act(self, name: str, body: dict[str, Any]) -> list[Row]:
        """An action: its rows."""
        if name == "hello":
            return [hello(self.store, self.number, body.get("db"))]
        action = self._actions.get(name)
        if action is None or name not in ACTIONS:
            raise ShardError("08P01", f'there is no action "{name}"')
        return action(self._claims(body, "control")["db"], body)

    def _stats(self, db: str, body: dict[str, Any]) -> list[Row]:
        self._loads.publish(db, body.get("pending") or ())
        return list(stats(self.store, db, body.get("tables")))

    def _drop(self, db: str, body: dict[str, Any]) -> list[Row]:
        self.store.holds.refuse_drop(db)
        self.compaction.drop(db, required(body, "table")[0])
        return [{}]

    def _claims(self, body: dict[str, Any], op: str) -> dict[str, Any]:
        (ticket,) = required(body, "ticket")
        claims = self._verifier.verify(str(ticket), "data-shard", {op})
        shard, _ = required(claims, "shard", "db")
        if shard != self.store.shard:
            raise ShardError(
                "55000",
                f"data-{self.number} is not the shard that the ticket is for: its folder was lost or replaced",
                detail=f"The ticket is for shard {shard}, this is {self.store.shard}.",
                hint="Restore the shard from a backup: bdc data restore.",
            )
        if (claims.get("mark") or 0) > self.store.mark:
            raise ShardError(
                "55000",
                f"the folder of data-{self.number} was replaced by an older copy: loads that were committed since are missing in it",
                detail=f"Change {claims['mark']} of this shard is known, its file ends with change {self.store.mark}.",
                hint="Put the newer folder back, or move this one away: the shard comes back empty; then bdc data restore.",
            )
        return claims
