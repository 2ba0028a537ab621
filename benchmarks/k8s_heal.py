"""``k8s-heal``: each pod killed in turn, until its successor is ready and the main query right again, asked from outside."""

from __future__ import annotations

import time

import psycopg

from benchmarks.report import Figure, Report
from tests.kubernetes import lake
from tests.services.kubernetes import Node
from tests.services.kubernetes.product import SMALL, Product, product
from tests.services.postgresql import postgresql_server

LIMIT_SECONDS = 300
WORKLOAD = "openbdc.dev/workload"


def healed_seconds(place: Product, workload: str, expected: list[tuple[object, ...]]) -> float:
    """Kill the pod; the seconds until another one is ready and the query was right after that. RuntimeError: wrong, or not in time."""
    (victim,) = (pod["metadata"] for pod in place.pods(f"{WORKLOAD}={workload}"))
    began = time.perf_counter()
    place.kubectl("delete", "pod", victim["name"], "--grace-period=0", "--force")
    while not (ready(place, workload, victim["uid"]) and right(place, expected)):
        if time.perf_counter() - began > LIMIT_SECONDS:
            raise RuntimeError(f"{workload}: not healed within {LIMIT_SECONDS} s\n{place.shown()}")
        time.sleep(0.1)
    return time.perf_counter() - began


def ready(place: Product, workload: str, before: str) -> bool:
    """Is there another pod, and is it ready?"""
    pods = [pod for pod in place.pods(f"{WORKLOAD}={workload}") if pod["metadata"]["uid"] != before]
    return any(c["type"] == "Ready" and c["status"] == "True" for pod in pods for c in pod["status"].get("conditions", ()))


def right(place: Product, expected: list[tuple[object, ...]]) -> bool:
    """One answer over a new connection; a clear error is not right yet."""
    try:
        rows = lake.answer(place)
    except psycopg.Error:
        return False
    if rows != expected:
        raise RuntimeError(f"a wrong answer: {rows} instead of {expected}")
    return True


def run(rounds: int | None) -> Report:
    """Each pod of the pools once per round."""
    spent: dict[str, list[float]] = {}
    with postgresql_server() as outside, Node() as node, product(node, "heal") as place:
        lake.fill_source(outside)
        place.install()
        place.apply(SMALL)
        place.wait_ready()
        place.login()
        lake.fill(place, outside)
        expected = lake.answer(place)
        victims = sorted(pod["metadata"]["labels"][WORKLOAD] for pod in place.pods() if pod["status"]["phase"] == "Running")
        for _ in range(rounds or 1):
            for workload in victims:
                spent.setdefault(workload, []).append(healed_seconds(place, workload, expected))
    worst = max(value for values in spent.values() for value in values)
    return Report(
        "k8s-heal",
        (Figure("max_s", worst, "s", "<= 20"),),
        tuple(f"{name:<20} {max(values):6.1f} s" for name, values in spent.items()),
        {"killed": sorted(spent)},
    )
