"""Bytes that nobody meant, at every parser that strangers reach: more than a million in process, 29,000 over sockets."""

from __future__ import annotations

import pathlib
import tempfile

from benchmarks.report import Figure, Report
from tests.fuzz.parsers import fresh_seed, fuzz
from tests.fuzz.test_fuzz import over_apps, over_controller, over_data_pool, over_gateway
from tests.services.data_pool import data_pool

INPUTS = 1_400_000
OF_A_SOCKET = 4_200


def run(rounds: int | None) -> Report:
    """``rounds``: that many times as many inputs."""
    seed, times = fresh_seed(), rounds or 1
    inside = fuzz(INPUTS * times, seed)
    with data_pool() as pool:
        sockets = over_data_pool(pool, OF_A_SOCKET * times, seed)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("apps", "controller", "gateway"):
            (pathlib.Path(folder) / name).mkdir()
        over_controller(pathlib.Path(folder) / "controller", OF_A_SOCKET * times, seed, sockets)
        over_apps(pathlib.Path(folder) / "apps", OF_A_SOCKET * times, seed, sockets)
        over_gateway(pathlib.Path(folder) / "gateway", OF_A_SOCKET * times, seed, sockets)
    crashes, wrong = inside.crashes + sockets.crashes, inside.accepted_wrongly + sockets.accepted_wrongly
    return Report(
        "fuzz",
        (
            Figure("inputs", inside.inputs, "inputs", ">= 1000000"),
            Figure("socket_inputs", sockets.inputs, "inputs", ">= 20000"),
            Figure("crashes", len(crashes), "", "<= 0"),
            Figure("accepted_wrongly", len(wrong), "", "<= 0"),
        ),
        lines=(f"seed {seed}", *(f"{name}: {count}" for name, count in (inside.by_target | sockets.by_target).items()), *crashes, *wrong),
        more={"seed": seed},
    )
