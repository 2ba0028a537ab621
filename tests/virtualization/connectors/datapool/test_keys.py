"""What a point query spares: the bucket of one key without Arrow, tickets that are signed once, statements filled in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtualization.buckets import bucket_numbers
from virtualization.connectors.datapool import tickets
from virtualization.connectors.datapool.pruning import shards_of
from virtualization.connectors.datapool.rows import Layout
from virtualization.connectors.datapool.single_bucket import bucket_of
from virtualization.connectors.datapool.tickets import Tickets
from virtualization.pieces import Pieces
from virtualization.types import pg_type

GOLDEN = json.loads((Path(__file__).parents[3] / "golden" / "buckets_v1.json").read_text())
TYPES = {
    "smallint": st.integers(-(2**15), 2**15 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "text": st.text(max_size=40),
    "character varying(40)": st.text(max_size=40),
}


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: " ".join(case["types"]))
def test_golden_values(case: dict[str, Any]) -> None:
    """None (Arrow does it) or the very bucket; integers and texts are never left to Arrow."""
    for row, bucket in zip(zip(*case["values"], strict=True), case["buckets"], strict=True):
        found = bucket_of(row, case["types"])
        plain = None not in row and set(case["types"]) <= TYPES.keys() | {"character varying"}
        assert found == bucket if plain else found in (None, bucket)


@given(
    st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=3).flatmap(
        lambda of: st.tuples(*(st.tuples(st.just(t), TYPES[t]) for t in of))
    )
)
def test_one_key_as_whole_columns(key: tuple[tuple[str, object], ...]) -> None:
    types, values = zip(*key, strict=True)
    columns = [pa.array([value], pg_type(of).arrow) for of, value in key]
    assert bucket_of(values, types) == int(bucket_numbers(columns, types)[0])


def test_a_key_beyond_its_column_is_no_error() -> None:
    """A template is made from one key and filled with another one of the same kind of literal, which a smallint may not hold."""
    layout = Layout(("integer",), 1, tuple(range(256)), ("smallint",))
    assert len(shards_of(layout, [(100_000,)])) == 1


def test_pieces_are_split_as_texts_are() -> None:
    pieces = Pieces(("a = ", " and|", "", "|b", "|"), (1, 22, 3, 4))
    assert pieces.text == "a = 1 and|223|b4|"
    assert [part.text for part in pieces.split("|")] == pieces.text.split("|")
    assert [part.values for part in pieces.split("|")] == [(1,), (22, 3), (4,), ()]


def test_a_ticket_is_signed_once_per_state(monkeypatch: pytest.MonkeyPatch) -> None:
    signed: list[Mapping[str, Any]] = []

    def sign(claims: Mapping[str, Any]) -> str:
        signed.append(claims)
        return f"ticket {len(signed)}"

    made = Tickets(sign)
    assert [made.ticket(state, dict) for state in (1, 1, 2, 1)] == ["ticket 1", "ticket 1", "ticket 2", "ticket 1"]
    for state in range(3, 100):  # a load after the other
        made.ticket(state, dict)
    assert len(signed) == 99
    monkeypatch.setattr(tickets, "GOOD_SECONDS", -1.0)
    fresh = Tickets(sign)
    assert fresh.ticket(1, dict) != fresh.ticket(1, dict)
