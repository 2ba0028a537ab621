"""What is known of the link to a source, from the fragments that were read."""

from __future__ import annotations

from dataclasses import dataclass

from virtualization.catalog import DataSource
from virtualization.links import WINDOW_SECONDS, Links
from virtualization.plan import Counts

SOURCE = DataSource("one", "postgresql", "postgresql://127.0.0.1:5432/x", {})
QUICK = Counts(rows=3, bytes=100, milliseconds=15.0)
LARGE = Counts(rows=1_000_000, bytes=24_000_000, milliseconds=2000)
GROUPED = Counts(rows=25, bytes=700, milliseconds=400.0)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def learned(*counts: Counts) -> Links:
    links = Links(Clock())
    for one in counts:
        links.learn("one", one)
    return links


def told(links: Links) -> str:
    return str(links.link(SOURCE))


def test_before_a_source_was_asked_a_fast_link_is_assumed() -> None:
    assert told(Links()) == "200 MB/s, 1.0 ms, assumed"
    assert told(learned(QUICK)) == "200 MB/s, 15.0 ms, assumed"


def test_the_best_that_was_seen_counts() -> None:
    assert told(learned(LARGE, QUICK)) == "12 MB/s, 15.0 ms"
    assert told(learned(GROUPED, QUICK, LARGE)) == "12 MB/s, 15.0 ms"


def test_what_the_source_works_is_no_matter_of_the_link() -> None:
    """Else every query that groups many rows would make all plans anew."""
    links = learned(LARGE, QUICK)
    version = links.version
    for _ in range(1000):
        links.learn("one", GROUPED)
        links.learn("one", Counts(rows=1_000_000, bytes=24_000_000, milliseconds=8000))
        links.learn("one", QUICK)
    assert (told(links), links.version) == ("12 MB/s, 15.0 ms", version)


def test_a_small_step_is_none() -> None:
    links = learned(LARGE, QUICK)
    version = links.version
    links.learn("one", Counts(rows=3, bytes=100, milliseconds=9.0))
    links.learn("one", Counts(rows=1_000_000, bytes=24_000_000, milliseconds=1100))
    assert links.version == version
    links.learn("one", Counts(rows=3, bytes=100, milliseconds=7.0))
    assert (told(links), links.version) == ("12 MB/s, 7.0 ms", version + 1)


def test_a_link_that_became_worse_is_noticed_in_time() -> None:
    clock = Clock()
    links = Links(clock)
    links.learn("one", QUICK)
    links.learn("one", LARGE)
    slow = (Counts(rows=3, bytes=100, milliseconds=90.0), Counts(rows=1_000_000, bytes=24_000_000, milliseconds=24_000))
    for seconds, expected in (
        (WINDOW_SECONDS, "12 MB/s, 15.0 ms"),
        (2 * WINDOW_SECONDS - 1, "12 MB/s, 15.0 ms"),
        (2 * WINDOW_SECONDS, "1 MB/s, 90.0 ms"),
    ):
        clock.now = seconds
        for one in slow:
            links.learn("one", one)
        assert told(links) == expected


def test_an_idle_time_forgets_nothing() -> None:
    clock = Clock()
    links = Links(clock)
    links.learn("one", QUICK)
    clock.now = 50 * WINDOW_SECONDS
    links.learn("one", GROUPED)
    assert told(links) == "200 MB/s, 15.0 ms, assumed"


def test_sources_are_told_apart() -> None:
    links = learned(QUICK)
    assert str(links.link(DataSource("two", "postgresql", "postgresql://127.0.0.1:5432/y", {}))) == "200 MB/s, 1.0 ms, assumed"
