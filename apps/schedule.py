"""When an app runs by itself: cron text of five fields in a time zone. Times are Unix times in seconds.

``cronsim`` does the arithmetic as Debian's cron does, the changes of the clock included: a job of 02:30 runs at 03:00 on the day that has
no 02:30, and once on the day that has it twice; jobs of every minute, or of every hour, follow the clock of the world.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from apps.types import json_name

FIELDS = {
    "minute": "0 to 59", "hour": "0 to 23", "day-of-month": "1 to 31, L for the last one", "month": "1 to 12 or JAN to DEC",
    "day-of-week": "0 to 7 or SUN to SAT, both 0 and 7 are Sunday",
}  # fmt: skip
LONGEST = 200
COUNTED = 1000
"""Missed times are counted up to here: an app of every minute in a proxy that was down for a year must not hold up the others."""
SOME_TIME = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
Missed = Literal["skip", "once"]
When = Literal["live", "always"]


class ScheduleError(ValueError):
    """The words that follow the field's name."""


@dataclass(frozen=True)
class Due:
    """Planned times: the first, the last, and how many there are (at most ``COUNTED``, then ``last`` is just where counting ended)."""

    first: float
    last: float
    count: int


@dataclass(frozen=True)
class Schedule:
    """inputs  of each run
    missed  ``skip``: what could not run at its time does not; ``once``: one run makes up for all that did not, as soon as it can
    when    ``live``: only while this version is live; ``always``
    """

    cron: str
    timezone: str = "UTC"
    inputs: Mapping[str, Any] = field(default_factory=dict)
    missed: Missed = "skip"
    when: When = "live"

    def next(self, after: float) -> float | None:
        """The first planned time after that one; None: there is none for 50 years."""
        return _next(self.cron, self.timezone, after)

    def due(self, after: float, until: float) -> Due | None:
        """Those after ``after``, up to ``until`` included."""
        first = self.next(after)
        if first is None or first > until:
            return None
        last, count = first, 1
        for at in _times(self.cron, self.timezone, first):
            if at > until or count == COUNTED:
                break
            last, count = at, count + 1
        return Due(first, last, count)

    def json(self) -> dict[str, Any]:
        """As ``spec.yaml`` may hold it."""
        return {
            "cron": self.cron,
            "timezone": self.timezone,
            "inputs": dict(self.inputs),
            "missed": self.missed,
            "when": self.when,
        }


def read(value: object) -> Schedule:
    """From ``spec.yaml``: the original's cron text, or an object. ScheduleError with words that follow the field's name."""
    given = {"cron": value} if isinstance(value, str) else value
    if not isinstance(given, dict):
        raise ScheduleError(f"must be cron text such as '0 6 * * *', or an object with 'cron', is {json_name(value)}")
    for key in given:
        if key not in Schedule.__dataclass_fields__:
            raise ScheduleError(f"there is no {str(key)[:40]!r} in it; there are: {', '.join(Schedule.__dataclass_fields__)}")
    inputs = given.get("inputs", {})
    if not isinstance(inputs, dict):
        raise ScheduleError(f"inputs: must map names to values, is {json_name(inputs)}")
    try:
        json.dumps(inputs, allow_nan=False)
    except ValueError:
        raise ScheduleError("inputs: NaN and infinity can't be carried as JSON") from None
    cron, timezone = _cron(given.get("cron")), _zone(given.get("timezone", "UTC"))
    missed, when = _one_of(given, "missed", ("skip", "once")), _one_of(given, "when", ("live", "always"))
    return Schedule(cron, timezone, inputs, cast("Missed", missed), cast("When", when))


def _cron(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ScheduleError(f"cron: must be a text of five fields, is {json_name(value)}")
    parts = value.split()
    if len(parts) != len(FIELDS) or len(value) > LONGEST:
        raise ScheduleError(f"cron: must have five fields ({', '.join(FIELDS)}), has {len(parts)}, such as '30 6 * * MON-FRI'")
    for at, (name, allowed) in enumerate(FIELDS.items()):
        try:
            CronSim(" ".join(part if number == at else "*" for number, part in enumerate(parts)), datetime(2024, 1, 1, tzinfo=UTC))
        except (CronSimError, ValueError, AssertionError, TypeError):
            raise ScheduleError(f"cron: {name} can't be {parts[at][:40]!r}; it is {allowed}, *, a list, a range, or such as */5") from None
    text = " ".join(parts)
    try:
        found = _next(text, "UTC", SOME_TIME)
    except CronSimError:
        found = None
    if found is None:
        raise ScheduleError(f"cron: there is no day that is {text!r}")
    return text


def _zone(value: object) -> str:
    try:
        return ZoneInfo(str(value)).key if isinstance(value, str) and value else _no_zone(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return _no_zone(value)


def _no_zone(value: object) -> str:
    raise ScheduleError(f"timezone: there is none called {str(value)[:40]!r}; such as UTC or Europe/Berlin")


def _one_of(given: Mapping[str, object], name: str, words: tuple[str, ...]) -> str:
    """The first one where none is given."""
    found = given.get(name, words[0])
    if found not in words:
        raise ScheduleError(f"{name}: must be {' or '.join(words)}")
    return str(found)


@functools.lru_cache(maxsize=4096)
def _next(cron: str, timezone: str, after: float) -> float | None:
    """Asked once a second with the same ``after``."""
    return next(_times(cron, timezone, after), None)


def _times(cron: str, timezone: str, after: float) -> Iterator[float]:
    """Strictly rising: in the hour that comes twice, cronsim begins with its first pass whatever the second that it was given."""
    for found in CronSim(cron, datetime.fromtimestamp(after, ZoneInfo(timezone))):
        at = found.timestamp()
        if at > after:
            yield at
            after = at
