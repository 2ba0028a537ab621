"""``login``: how long a login with a directory account takes at the controller (``POST /api/v1/token`` over HTTP). OpenLDAP with 10,000
people and 2,000 groups in chains of ten; PostgreSQL roles hang on the last groups. Cold: never seen; cached: the same again."""

from __future__ import annotations

import pathlib
import random
import tempfile
import time
from collections.abc import Iterator

from benchmarks.report import Figure, Report, median
from controller.auth.directory.logins import DirectoryLogins
from tests.controller.api.service import Service, served
from tests.services.directory.slapd import GROUPS, PASSWORD, PEOPLE, missing, slapd_server

USERS, CHAINS, DEPTH, LEAVES, ROLES = 10_000, 200, 10, 3, 10
SEED = 7

Entries = Iterator[tuple[str, dict[str, str | list[str]]]]


def group(chain: int, level: int) -> str:
    """A group's name; level 0 holds people, each other one the group below it."""
    return f"cn=g{chain}-{level},{GROUPS}"


def person(number: int) -> str:
    """A person's entry."""
    return f"uid=user{number},{PEOPLE}"


def entries() -> Entries:
    """Everybody is in the first chain and in two others."""
    chosen = random.Random(SEED)
    members: list[list[str]] = [[] for _ in range(CHAINS)]
    for number in range(USERS):
        uid = f"user{number}"
        yield person(number), {"objectClass": "inetOrgPerson", "uid": uid, "cn": uid, "sn": uid, "userPassword": PASSWORD}
        for chain in (0, *chosen.sample(range(1, CHAINS), LEAVES - 1)):
            members[chain].append(person(number))
    for chain in range(CHAINS):
        for level in range(DEPTH):
            held = members[chain] if level == 0 else [group(chain, level - 1)]
            yield group(chain, level), {"objectClass": "groupOfNames", "cn": f"g{chain}-{level}", "member": held}


def milliseconds(service: Service, number: int) -> float:
    """One login."""
    begun = time.perf_counter()
    service.token(f"user{number}", PASSWORD)
    return (time.perf_counter() - begun) * 1000


def run(rounds: int | None) -> Report:
    """``rounds``: how many people log in."""
    if (reason := missing()) is not None:
        raise SystemExit(reason)
    people = random.Random(SEED).sample(range(USERS), rounds or 200)
    roles = {"user": (group(0, DEPTH - 1),), "sql": {f"role{chain}": (group(chain, DEPTH - 1),) for chain in range(1, ROLES + 1)}}
    with tempfile.TemporaryDirectory() as folder, slapd_server(entries()) as slapd, served(pathlib.Path(folder)) as service:
        logins = service.services.directory
        assert isinstance(logins, DirectoryLogins)
        logins.configure(slapd.settings(roles=roles), 12)
        logins.set_search_password(PASSWORD)
        service.token("user0", PASSWORD)
        cold = [milliseconds(service, number) for number in people]
        cached = [milliseconds(service, number) for number in people]
        logins.asked().servers.close()
    return Report(
        "login",
        (
            Figure("cold_p50_ms", median(cold), "ms", "<= 50"),
            Figure("cold_p95_ms", sorted(cold)[len(cold) * 95 // 100], "ms"),
            Figure("cached_p50_ms", median(cached), "ms", "<= 5"),
            Figure("cached_p95_ms", sorted(cached)[len(cached) * 95 // 100], "ms"),
        ),
        more={"users": USERS, "groups": CHAINS * DEPTH, "depth": DEPTH, "logins": len(people)},
    )
