"""What a service says of itself is what it counted, read by Prometheus' own parser."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from pools.exposition import BOUNDS, Book, Metric, text

SEEN = Metric("openbdc_test_seen_total", "counter", "Things.\nIn two lines, with a \\.", ("kind",))
PLAIN = Metric("openbdc_test_plain_total", "counter", "Without labels.")
SIZE = Metric("openbdc_test_size_bytes", "gauge", "A size.", ("kind",))
TIME = Metric("openbdc_test_seconds", "histogram", "A time.")
TABLE = (SEEN, PLAIN, SIZE, TIME)


def parsed(book: Book) -> dict[tuple[str, tuple[str, ...]], float]:
    told = text(TABLE, book, [lambda: [(SIZE, ("a",), 5)]]).decode()
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(told)
        for sample in family.samples
    }


@given(st.lists(st.text()))
def test_counters_add_up_whatever_their_labels_hold(kinds: list[str]) -> None:
    book = Book()
    for kind in kinds:
        book.add(SEEN, kind)
    found = parsed(book)
    assert {labels[0]: value for (name, labels), value in found.items() if name == SEEN.name} == Counter(kinds)
    assert found[PLAIN.name, ()] == 0 and found[SIZE.name, ("a",)] == 5


@given(st.lists(st.floats(0, 1000)))
def test_a_histogram_s_buckets_hold_what_was_observed(values: list[float]) -> None:
    book = Book()
    for value in values:
        book.observe(TIME, value)
    found = parsed(book)
    if values:
        for bound in BOUNDS:
            assert found["openbdc_test_seconds_bucket", (str(bound),)] == sum(value <= bound for value in values)
        assert found["openbdc_test_seconds_count", ()] == len(values)
        assert found["openbdc_test_seconds_sum", ()] == pytest.approx(sum(values))


def test_nothing_is_lost_between_threads() -> None:
    book = Book()

    def count() -> None:
        for _ in range(2000):
            book.add(PLAIN)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert parsed(book)[PLAIN.name, ()] == 8000


def test_what_no_table_names_is_refused() -> None:
    book = Book()
    book.add(Metric("openbdc_test_other_total", "counter", "Not in the table."))
    with pytest.raises(ValueError, match="openbdc_test_other_total"):
        text(TABLE, book)
