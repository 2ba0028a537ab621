"""Which connectors stay open: one per definition that a catalog still has."""

from __future__ import annotations

import dataclasses

from virtualization.catalog import Credential, DataSource
from virtualization.connections import Connections

KEPT = DataSource("kept", "fake", "fake://h", {"a": "1"}, Credential("u", "s"), version="db/1/1:1")


class Closing:
    """A stand-in for a connector that remembers its end."""

    def __init__(self, source: DataSource) -> None:
        self.source = source
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def connections() -> Connections:
    return Connections({"fake": Closing})  # type: ignore[dict-item]


def test_what_no_catalog_has_any_more_is_closed_once() -> None:
    open_ = connections()
    dropped = dataclasses.replace(KEPT, name="dropped", version="db/2/2:1")
    here, gone = open_.connector(KEPT), open_.connector(dropped)
    open_.retain([KEPT])
    open_.retain([KEPT])
    assert (here.closed, gone.closed) == (0, 1)  # type: ignore[attr-defined]
    assert open_.connector(KEPT) is here and open_.connector(dropped) is not gone
    open_.close()
    assert (here.closed, gone.closed) == (1, 1)  # type: ignore[attr-defined]


def test_a_request_before_the_commit_leaves_its_connector_to_the_committed_source() -> None:
    open_ = connections()
    asked = open_.connector(dataclasses.replace(KEPT, version="request:1234"))
    open_.retain([KEPT])
    assert asked.closed == 0  # type: ignore[attr-defined]
    for changed in ({"location": "fake://other"}, {"options": {}}, {"credential": Credential("u", "other")}):
        asked = open_.connector(dataclasses.replace(KEPT, version="request:1234"))
        open_.retain([dataclasses.replace(KEPT, **changed)])  # type: ignore[arg-type]
        assert asked.closed == 1, changed  # type: ignore[attr-defined]
