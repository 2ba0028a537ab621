"""``bdc audit``."""

from __future__ import annotations

import datetime

import pytest

from azdata_like_cli.groups.audit import instant
from bdc.errors import UserError
from tests.azdata_like_cli.conftest import Run
from tests.azdata_like_cli.standin_controller import StandinController

NOW = datetime.datetime(2026, 11, 22, 12, 0, tzinfo=datetime.UTC)


def test_entries_as_a_table_and_as_json(bdc: Run, logged_in: StandinController) -> None:
    shown = bdc("audit", "query", "--user", "alice", "--since", "2026-11-22T08:00:00+00:00", "--limit", "5")
    assert shown.code == 0
    for part in ("users.add", "refused", "admin: forbidden", "name=eve", "127.0.0.1", "s1"):
        assert part in shown.out
    assert "compute-0: it does not answer" in shown.err and "control could not write 2 entries" in shown.err
    assert logged_in.requests[-1] == ("GET", "/api/v1/audit?limit=5&user=alice&since=2026-11-22T08%3A00%3A00%2B00%3A00", None)
    (entry,) = bdc("audit", "query", "-o", "json").json
    assert entry["at"] == "2026-11-22T08:00:00.000+00:00" and entry["objects"] == ["name=eve"]


def test_options_that_make_no_sense(bdc: Run, logged_in: StandinController) -> None:
    assert bdc("audit", "query", "--since", "yesterday").code == 1
    assert bdc("audit", "query", "--outcome", "maybe").code == 2
    assert bdc("audit", "query", "--limit", "0").code == 2


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("90s", "2026-11-22T11:58:30+00:00"), ("7d", "2026-11-15T12:00:00+00:00"),
        ("2026-11-22T08:00:00+02:00", "2026-11-22T06:00:00+00:00"),
    ],
)  # fmt: skip
def test_times(text: str, wanted: str) -> None:
    assert instant(text, NOW) == wanted


@pytest.mark.parametrize("text", ["", "7", "-5m", "5 weeks", "999999d", "2026-13-01"])
def test_no_times(text: str) -> None:
    with pytest.raises(UserError):
        instant(text, NOW)
