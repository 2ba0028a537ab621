"""What the proxy tells of itself after real calls, failures and restarts of workers."""

from __future__ import annotations

import concurrent.futures
import pathlib

from pools.app.metric_table import TABLE
from pools.app.tally import Tally
from tests.apps.folders import python
from tests.patience import eventually
from tests.pools.app.stand import Stand

CODE = """
    import os, pathlib, time
    def run(do):
        if do == "raise":
            raise ValueError
        if do == "exit":
            os._exit(3)
        while do and not pathlib.Path(do).exists():
            time.sleep(0.01)
        return 1
"""
V1 = ("t", "v1")


def test_calls_failures_workers_and_states(proxy: Stand, tmp_path: pathlib.Path) -> None:
    proxy.create(
        python(tmp_path / "a", CODE, "{do: str}", "{result: int}", "poolsize: 2\nschedule: {cron: 0 0 29 2 *, inputs: {do: ''}}\n")
    )
    bad = python(tmp_path / "b", "1 / 0\ndef run(): pass\n")
    (bad / "spec.yaml").write_text((bad / "spec.yaml").read_text().replace("name: t", "name: bad"))
    proxy.create(bad, state="Error")
    for do in ("", "", "raise", "exit"):
        proxy.run(do=do)
    proxy.run(do=1)
    proxy.run(other=1)
    eventually(lambda: proxy.metrics()["openbdc_app_workers", ("t", "idle", "v1")] == 2, "the worker that ended was replaced")
    told = proxy.metrics()
    assert told["openbdc_app_calls_total", V1] == told["openbdc_app_call_seconds_count", V1] == 4
    assert (
        told["openbdc_app_call_errors_total", ("t", "app_failed", "v1")]
        == told["openbdc_app_call_errors_total", ("t", "app_crashed", "v1")]
        == 1
    )
    assert told["openbdc_app_calls_refused_total", V1] == 2
    assert told["openbdc_app_worker_restarts_total", V1] == 1
    assert told["openbdc_app_versions", ("Ready",)] == told["openbdc_app_versions", ("Error",)] == 1
    assert told["openbdc_app_calls_total", ("bad", "v1")] == 0
    assert ("openbdc_app_workers", ("bad", "idle", "v1")) not in told
    assert told["openbdc_app_memory_resident_bytes", ()] > 10**6
    assert [told["openbdc_app_scheduled_runs_total", ("t", result, "v1")] for result in ("ok", "error", "missed")] == [0, 0, 0]
    names = {metric.name for metric in TABLE}
    assert {name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name, _ in told} == names


def test_calls_that_are_under_way_and_that_wait(proxy: Stand, tmp_path: pathlib.Path) -> None:
    folder = python(tmp_path / "a", CODE, "{do: str}", "{result: int}")
    (folder / "spec.yaml").write_text((folder / "spec.yaml").read_text().replace("name: t", "name: slow"))
    proxy.create(folder)
    slow, token = ("slow", "v1"), proxy.token("app-reader")
    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        calls = [threads.submit(proxy.run, "slow", token=token, do=str(tmp_path / "go")) for _ in range(3)]
        try:
            eventually(lambda: proxy.metrics()["openbdc_app_calls_waiting", slow] == 2, "two wait")
            told = proxy.metrics()
            assert [told["openbdc_app_workers", ("slow", state, "v1")] for state in ("busy", "idle", "missing")] == [1, 0, 0]
        finally:
            (tmp_path / "go").touch()
    assert [call.result().status_code for call in calls] == [200] * 3
    eventually(lambda: proxy.metrics()["openbdc_app_workers", ("slow", "idle", "v1")] == 1, "it is free again")
    proxy.call("DELETE", "/api/v1/apps/slow/v1")
    assert not [labels for _, labels in proxy.metrics() if labels[:1] == ("slow",)]


def test_a_tally_is_right_at_its_bounds() -> None:
    tally = Tally()
    for seconds in (0.0, 0.001, 0.0011, 1e9):
        tally.took(seconds)
    tally.fail("a")
    assert (tally.counts[0], tally.counts[1], tally.counts[-1], sum(tally.counts), tally.failed) == (2, 1, 1, 4, 1)
