"""Schedules: what is read, what is refused with its reason, and planned times over the changes of the clock."""

from __future__ import annotations

import pathlib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.errors import SpecError
from apps.reading import load, read
from apps.schedule import COUNTED, Due, Schedule
from apps.schedule import read as schedule
from tests.apps.folders import SPEC, app

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia")
YEARS = (datetime(2011, 1, 1, tzinfo=UTC).timestamp(), datetime(2030, 1, 1, tzinfo=UTC).timestamp())


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def days(cron: str, zone: str, first: str, last: str) -> list[str]:
    """Planned times from ``first`` to ``last`` (UTC), as that zone's clock shows them."""
    made, found, after = schedule({"cron": cron, "timezone": zone}), [], at(first) - 1
    while (after := made.next(after) or at("2100-01-01")) <= at(last):
        found.append(datetime.fromtimestamp(after, ZoneInfo(zone)).isoformat(timespec="minutes")[5:])
    return found


def test_the_originals_text_and_all_of_it() -> None:
    assert read(SPEC + "schedule: '*/1 * * * *'\n").schedule == Schedule("*/1 * * * *")
    text = "schedule: {cron: ' 30  6 * * MON-FRI', timezone: Europe/Berlin, inputs: {x: 1, y: 2}, missed: once, when: always}\n"
    assert read(SPEC + text).schedule == Schedule("30 6 * * MON-FRI", "Europe/Berlin", {"x": 1, "y": 2}, "once", "always")
    assert read(SPEC + text).schedule == schedule(Schedule("30 6 * * MON-FRI", "Europe/Berlin", {"x": 1, "y": 2}, "once", "always").json())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("61 * * * *", r"cron: minute can't be '61'; it is 0 to 59"),
        ("0 24 * * *", r"cron: hour can't be '24'"),
        ("0 0 0 * *", r"cron: day-of-month can't be '0'"),
        ("0 0 * FOO *", r"cron: month can't be 'FOO'"),
        ("0 0 * * 1L/2", r"cron: day-of-week can't be '1L/2'"),
        ("*/0 * * * *", r"cron: minute can't be '\*/0'"),
        ("5-1 * * * *", r"cron: minute can't be '5-1'"),
        (f"{'9' * 100} * * * *", r"cron: minute can't be '9999"),
        (f"{'9' * 5000} * * * *", r"must have five fields"),
        ("0 0 * * * *", r"must have five fields .* has 6"),
        ("@daily", r"must have five fields .* has 1"),
        ("0 0 30 2 *", r"there is no day that is '0 0 30 2 \*'"),
        ("* * */20 * 1L", r"there is no day"),
        ("", r"must be a text of five fields"),
        (5, r"must be cron text such as"),
        ({"timezone": "UTC"}, r"cron: must be a text of five fields, is null"),
        ({"cron": "* * * * *", "timezone": "Europe/Bonn"}, r"timezone: there is none called 'Europe/Bonn'"),
        ({"cron": "* * * * *", "timezone": "../../etc/passwd"}, r"timezone: there is none"),
        ({"cron": "* * * * *", "timezone": "Europe"}, r"timezone: there is none"),
        ({"cron": "* * * * *", "missed": "all"}, r"missed: must be skip or once"),
        ({"cron": "* * * * *", "inputs": []}, r"inputs: must map names to values"),
        ({"cron": "* * * * *", "inputs": {"x": [float("nan")]}}, r"NaN"),
        ({"cron": "* * * * *", "overlap": True}, r"there is no 'overlap' in it"),
    ],
)
def test_what_can_not_act_is_refused_with_field_and_reason(given: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        schedule(given)


def test_its_inputs_are_those_of_the_spec(tmp_path: pathlib.Path) -> None:
    for more, said in (
        ("'0 6 * * *'", "spec.yaml:13: schedule: inputs: x (int) is missing"),
        ("{cron: '0 6 * * *', inputs: {x: 1, y: two}}", "spec.yaml:13: schedule: inputs: y must be an integer, is a text"),
    ):
        with pytest.raises(SpecError) as caught:
            load(app(tmp_path / "a", f"{SPEC}schedule: {more}\n"))
        assert caught.value.message == said
    assert load(app(tmp_path / "a", f"{SPEC}schedule: {{cron: '0 6 * * *', inputs: {{x: 1, y: 2}}}}\n"))[0].schedule is not None


def test_text_without_quotes_says_so() -> None:
    with pytest.raises(SpecError, match=r"spec.yaml:13: a value that begins with '\*' must be in quotes"):
        read(SPEC + "schedule: */1 * * * *\n")


def test_a_time_that_a_day_does_not_have_and_one_that_comes_twice() -> None:
    gap, overlap = ("2026-03-28T12:00", "2026-03-30T12:00"), ("2026-10-24T12:00", "2026-10-26T12:00")
    assert days("30 2 * * *", "Europe/Berlin", *gap) == ["03-29T03:00+02:00", "03-30T02:30+02:00"]
    assert days("30 2 * * *", "Europe/Berlin", *overlap) == ["10-25T02:30+02:00", "10-26T02:30+01:00"]
    assert days("0 * * * *", "Europe/Berlin", "2026-03-29T00:00", "2026-03-29T02:00") == [
        "03-29T01:00+01:00", "03-29T03:00+02:00", "03-29T04:00+02:00",
    ]  # fmt: skip
    assert days("0 * * * *", "Europe/Berlin", "2026-10-25T00:00", "2026-10-25T02:00") == [
        "10-25T02:00+02:00", "10-25T02:00+01:00", "10-25T03:00+01:00",
    ]  # fmt: skip


def test_begun_in_the_hour_that_comes_twice_it_does_not_go_back() -> None:
    second = datetime(2026, 10, 25, 2, 10, tzinfo=ZoneInfo("Europe/Berlin"), fold=1).timestamp()
    assert schedule({"cron": "30 2 * * *", "timezone": "Europe/Berlin"}).next(second) == at("2026-10-26T01:30")


FIELD = {
    "minute": st.sampled_from(["*", "*/7", "0", "30", "5-9", "0,29,59"]),
    "hour": st.sampled_from(["*", "*/5", "0", "1", "2", "3", "1-3,23"]),
    "day": st.sampled_from(["*", "1", "L", "13-15", "*/9"]), "month": st.sampled_from(["*", "3", "10-11", "*/2"]),
    "weekday": st.sampled_from(["*", "SUN", "1-5", "7", "5#2", "0L"]),
}  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.tuples(*FIELD.values()), st.sampled_from(ZONES), st.integers(*map(int, YEARS)), st.floats(0, 0.999))
def test_next_is_later_and_nothing_lies_between(parts: tuple[str, ...], zone: str, after: int, share: float) -> None:
    """Wherever it is asked from before a planned time, that time is the answer: what a restart forgets is not run twice, nor left out."""
    made = Schedule(" ".join(parts), zone)
    found = made.next(after)
    if found is None:
        return
    assert found > after
    assert found % 60 == 0
    between = after + (found - after) * share
    assert made.next(between) == found
    assert made.next(found - 1) == found
    assert made.due(after, found) == Due(found, found, 1)
    assert made.due(after, found - 1) is None


@settings(deadline=None, max_examples=60)
@given(st.tuples(st.sampled_from(["0", "17", "*/20"]), st.sampled_from(["*", "3", "1-5"])), st.integers(*map(int, YEARS)))
def test_in_utc_it_is_what_the_text_says_minute_by_minute(parts: tuple[str, str], after: int) -> None:
    minutes = {"0": {0}, "17": {17}, "*/20": {0, 20, 40}}[parts[0]]
    hours = {"*": {*range(24)}, "3": {3}, "1-5": {*range(1, 6)}}[parts[1]]
    moment = datetime.fromtimestamp(after - after % 60 + 60, UTC)
    while moment.minute not in minutes or moment.hour not in hours:
        moment += timedelta(minutes=1)
    assert Schedule(f"{parts[0]} {parts[1]} * * *").next(after) == moment.timestamp()


def test_many_missed_times_are_counted_up_to_a_limit() -> None:
    made = schedule("* * * * *")
    assert made.due(at("2026-01-01"), at("2026-01-01T00:05")) == Due(at("2026-01-01T00:01"), at("2026-01-01T00:05"), 5)
    found = made.due(at("2026-01-01"), at("2027-01-01"))
    assert found is not None
    assert found.count == COUNTED
