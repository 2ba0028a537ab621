"""The alias ``live``: who is behind it, shares of calls, switches that lose nothing and are kept; and every request that can't act."""

from __future__ import annotations

import collections
import concurrent.futures
import json
import pathlib
import signal
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pools.app.live import Live, Share
from tests.apps.folders import python
from tests.patience import eventually
from tests.pools.app.stand import Stand, stand


def app(
    folder: pathlib.Path, name: str, version: str, code: str = "", more: str = "poolsize: 2", sample: str | None = None
) -> pathlib.Path:
    """Gives its own version."""
    python(folder, f"{code}\ndef run(n):\n    return '{version}'\n", "{n: int}", "{result: str}", more)
    spec = (folder / "spec.yaml").read_text().replace("name: t\nversion: v1", f"name: {name}\nversion: {version}")
    (folder / "spec.yaml").write_text(spec)
    if sample is not None:
        (folder / "sample.json").write_text(sample)
    return folder


def made(proxy: Stand, tmp_path: pathlib.Path, name: str, *versions: str) -> None:
    for version in versions:
        proxy.create(app(tmp_path / version, name, version))


def act(proxy: Stand, name: str, version: str, what: str) -> tuple[int, Any]:
    answer = proxy.call("POST", f"/api/v1/apps/{name}/{version}/{what}")
    return answer.status_code, answer.json()


def answered(proxy: Stand, name: str, count: int = 1) -> dict[str, int]:
    """Version → calls of the alias that it answered."""
    token, found = proxy.token("app-reader"), collections.Counter[str]()
    for _ in range(count):
        answer = proxy.run(name, "live", token, n=1)
        assert answer.status_code == 200, answer.text
        version = answer.json()["outputParameters"]["result"]
        assert answer.headers["x-app-version"] == version
        found[version] += 1
    return dict(found)


def percents(proxy: Stand, name: str) -> dict[str, int]:
    return {row["version"]: row["percent"] for row in proxy.call("GET", "/api/v1/apps").json() if row["name"] == name}


def test_the_first_that_is_ready_is_live_and_the_alias_is_a_version_everywhere(proxy: Stand, tmp_path: pathlib.Path) -> None:
    made(proxy, tmp_path, "first", "v1", "v2")
    assert answered(proxy, "first") == {"v1": 1}
    assert percents(proxy, "first") == {"v1": 100, "v2": 0}
    assert proxy.call("GET", "/api/v1/apps/first/live").json()["version"] == "v1"
    assert list(proxy.call("GET", "/api/app/first/live/swagger.json").json()["paths"]) == ["/api/app/first/live/run"]
    assert proxy.call("GET", "/api/v1/apps/first/live/log").json() == proxy.call("GET", "/api/v1/apps/first/v1/log").json()


def test_promote_rollback_canary_and_metrics(proxy: Stand, tmp_path: pathlib.Path) -> None:
    made(proxy, tmp_path, "life", "v1", "v2", "v3")
    status, found = act(proxy, "life", "v2", "promote")
    assert (status, found["version"], found["percent"]) == (200, "v2", 100)
    assert answered(proxy, "life") == {"v2": 1}
    assert act(proxy, "life", "v3", "canary?percent=10")[1]["percent"] == 10
    before = proxy.metrics()
    assert answered(proxy, "life", 100) == {"v2": 90, "v3": 10}
    after = proxy.metrics()
    calls = {version: after["openbdc_app_calls_total", ("life", version)] - before["openbdc_app_calls_total", ("life", version)]
             for version in ("v1", "v2", "v3")}  # fmt: skip
    assert calls == {"v1": 0, "v2": 90, "v3": 10}
    assert [after["openbdc_app_live_percent", ("life", version)] for version in ("v1", "v2", "v3")] == [0, 90, 10]
    assert act(proxy, "life", "v3", "canary?percent=50")[0] == 200
    assert answered(proxy, "life", 10) == {"v2": 5, "v3": 5}
    assert act(proxy, "life", "live", "promote")[1]["version"] == "v3"
    assert answered(proxy, "life", 2) == {"v3": 2}
    assert act(proxy, "life", "live", "rollback")[1]["version"] == "v2"
    assert act(proxy, "life", "live", "rollback")[1]["version"] == "v1"
    assert answered(proxy, "life", 2) == {"v1": 2}
    assert percents(proxy, "life") == {"v1": 100, "v2": 0, "v3": 0}
    assert any("life@v3 is live, by uappowner" in line for line in proxy.call("GET", "/api/v1/apps/life/v3/log").json()["lines"])


def test_what_can_not_act_says_why_and_what_next(proxy: Stand, tmp_path: pathlib.Path) -> None:
    made(proxy, tmp_path, "not", "v1", "v2", "v3")
    proxy.create(app(tmp_path / "bad", "not", "bad", "1 / 0"), state="Error")
    made(proxy, tmp_path / "other", "alone", "v1")
    act(proxy, "not", "v3", "canary?percent=5")
    for name, version, what, status, said, hint in (
        ("not", "bad", "promote", 409, "not@bad is not ready: Error", "bdc app logs not@bad"),
        ("not", "bad", "canary?percent=5", 409, "not@v3 is being tried with 5 %", "bdc app canary not@v3 --percent 0"),
        ("not", "v9", "promote", 404, "there is no app not@v9", "bdc app list"),
        ("not", "v1", "canary?percent=5", 409, "not@v1 is live", "name the version to try"),
        ("not", "v2", "canary?percent=0", 409, "not@v2 gets no calls of not@live", "bdc app list"),
        ("not", "v3", "canary?percent=100", 400, "percent must be from 0 to 99", "bdc app promote not@v3"),
        ("not", "v3", "canary?percent=101", 400, "percent must be a whole number from 0 to 100", None),
        ("not", "v3", "canary?percent=-1", 400, "percent must be a whole number", None),
        ("not", "v3", "canary?percent=²", 400, "percent must be a whole number", None),
        ("not", "v3", "canary", 400, "percent must be a whole number", None),
        ("not", "live", "rollback", 409, "no other version of not was live before", "bdc app promote not@VERSION"),
        ("not", "v1", "rollback", 404, "only what is live can be rolled back", "bdc app rollback not"),
        ("alone", "live", "promote", 409, "no version of alone is being tried", "bdc app promote alone@VERSION"),
        ("none", "live", "rollback", 409, "no version of none is live", "bdc app promote none@VERSION"),
        ("none", "live", "promote", 409, "no version of none is being tried", "bdc app promote none@VERSION"),
    ):  # fmt: skip
        found, content = act(proxy, name, version, what)
        error = content["error"]
        assert (found, said in error["message"], (hint or "") in (error["hint"] or "")) == (status, True, True), (what, content)
    for version, said, hint in (
        ("v1", "not@v1 is live", "first: bdc app promote not@"),
        ("v3", "not@v3 gets 5 % of the calls of not@live", "bdc app canary not@v3 --percent 0"),
        ("live", "whatever version is live", "name the version itself"),
    ):
        answer = proxy.call("DELETE", f"/api/v1/apps/not/{version}")
        error = answer.json()["error"]
        assert (answer.status_code, said in error["message"], hint in error["hint"]) == (409, True, True), error
    assert proxy.call("DELETE", "/api/v1/apps/not/v1?live=maybe").status_code == 400
    assert percents(proxy, "not") == {"bad": 0, "v1": 95, "v2": 0, "v3": 5}


def test_deleting_what_is_live(proxy: Stand, tmp_path: pathlib.Path) -> None:
    made(proxy, tmp_path, "gone", "v1", "v2")
    act(proxy, "gone", "v2", "promote")
    assert proxy.call("DELETE", "/api/v1/apps/gone/v1").status_code == 200
    assert "no other version" in act(proxy, "gone", "live", "rollback")[1]["error"]["message"]
    refused = proxy.call("DELETE", "/api/v1/apps/gone/v2")
    assert (refused.status_code, "--live" in refused.json()["error"]["hint"]) == (409, True)
    assert proxy.call("DELETE", "/api/v1/apps/gone/v2?live=true").status_code == 200
    assert not list((proxy.folder / "data" / "live").glob("gone*"))
    made(proxy, tmp_path, "gone", "v2")
    assert answered(proxy, "gone") == {"v2": 1}
    assert proxy.call("DELETE", "/api/v1/apps/gone/v2").status_code == 200  # the only one, and nobody made it live
    assert proxy.run("gone", "live", n=1).status_code == 404


def test_a_version_is_tried_with_its_sample_before_it_is_live(proxy: Stand, tmp_path: pathlib.Path) -> None:
    made(proxy, tmp_path, "sample", "v1")
    flag = tmp_path / "flag"
    flag.touch()
    code = f"import pathlib\nassert True\ndef bad():\n    return not pathlib.Path({str(flag)!r}).exists()"
    folder = app(tmp_path / "v2", "sample", "v2", code, sample='{"n": 1}')
    (folder / "app.py").write_text((folder / "app.py").read_text().replace("    return 'v2'", "    return 1 / 0 if bad() else 'v2'"))
    proxy.create(folder)
    flag.unlink()
    status, found = act(proxy, "sample", "v2", "promote")
    assert (status, "sample@v2 was tried and failed: with sample.json: ZeroDivisionError" in found["errorMessage"]) == (409, True)
    assert answered(proxy, "sample") == {"v1": 1}
    (folder / "sample.json").write_text('{"n": 0}')
    (folder / "app.py").write_text("def run(n):\n    return str(1 / n)\n")
    assert (
        "the update was refused, the version before it serves: with sample.json: ZeroDivisionError" in proxy.create(folder, "PUT")["reason"]
    )
    assert proxy.run("sample", "v2", n=1).status_code == 500  # the old package, without its flag
    slow = app(tmp_path / "v3", "sample", "v3", sample='{"n": 1}', more="timeout: 0.5")
    (slow / "app.py").write_text("import time\ndef run(n):\n    time.sleep(60)\n")
    assert "with sample.json: the call took longer than 0.5 s" in proxy.create(slow, state="Error")["reason"]


def test_the_specs_traffic_is_given_once_it_is_ready_and_only_then(proxy: Stand, tmp_path: pathlib.Path) -> None:
    def traffic(version: str, percent: int, code: str = "", state: str = "Ready", method: str = "POST") -> dict[str, Any]:
        return proxy.create(app(tmp_path / version, "wish", version, code, f"traffic: {percent}"), method, state)

    traffic("v1", 0)
    traffic("v2", 20, "1 / 0", "Error")
    assert percents(proxy, "wish") == {"v1": 100, "v2": 0}
    traffic("v2", 20, method="PUT")
    assert percents(proxy, "wish") == {"v1": 80, "v2": 20}
    assert "its traffic (30 %) can't be given: another version is being tried" in traffic("v3", 30)["reason"]
    traffic("v4", 100)
    assert percents(proxy, "wish") == {"v1": 0, "v2": 0, "v3": 0, "v4": 100}
    act(proxy, "wish", "live", "rollback")
    traffic("v4", 100, method="PUT")  # it served: what people have said since counts
    assert percents(proxy, "wish") == {"v1": 100, "v2": 0, "v3": 0, "v4": 0}


SLOW = """
    import pathlib, time
    def run(go):
        pathlib.Path(go).with_suffix(".begun").touch()
        while not pathlib.Path(go).exists():
            time.sleep(0.01)
        import helper
        return helper.SAID
"""


@pytest.mark.parametrize("what", ["PUT", "DELETE"])
def test_a_call_under_way_ends_with_the_package_that_it_began_with(tmp_path: pathlib.Path, what: str) -> None:
    def package(said: str) -> pathlib.Path:
        folder = python(tmp_path / "a", SLOW, "{go: str}", "{result: str}")
        (folder / "helper.py").write_text(f"SAID = {said!r}\n")
        return folder

    with stand(tmp_path, drain_seconds=0.01) as proxy, concurrent.futures.ThreadPoolExecutor(2) as threads:
        proxy.create(package("old"))
        token, go = proxy.token("app-reader"), tmp_path / "go"
        call = threads.submit(proxy.run, token=token, go=str(go))
        try:
            eventually(lambda: go.with_suffix(".begun").exists(), "the call is under way")
            if what == "PUT":
                proxy.create(package("new"), "PUT")
            else:
                deleted = threads.submit(proxy.call, "DELETE", "/api/v1/apps/t/v1")
                eventually(lambda: proxy.call("GET", "/api/v1/apps").json() == [], "it is not listed any more")
        finally:
            go.touch()
        assert call.result().json()["outputParameters"] == {"result": "old"}
        if what == "PUT":
            assert proxy.run(go=str(go)).json()["outputParameters"] == {"result": "new"}
            eventually(lambda: len(list((tmp_path / "data" / "code").iterdir())) == 1, "the old package is gone")
        else:
            assert deleted.result().status_code == 200
            assert list((tmp_path / "data" / "code").iterdir()) == []


def test_what_can_not_be_kept_is_not_done(proxy: Stand, tmp_path: pathlib.Path) -> None:
    made(proxy, tmp_path, "disk", "v1", "v2")
    folder = proxy.folder / "data" / "live"
    folder.rename(tmp_path / "away")
    try:
        status, found = act(proxy, "disk", "v2", "promote")
        assert (status, found["error"]["code"], "can't be written" in found["errorMessage"]) == (507, "not_kept", True)
        assert answered(proxy, "disk") == {"v1": 1}
    finally:
        (tmp_path / "away").rename(folder)
    assert act(proxy, "disk", "v2", "promote")[0] == 200


def test_two_changes_at_once_are_one_after_the_other(proxy: Stand, tmp_path: pathlib.Path) -> None:
    made(proxy, tmp_path, "both", "v1", "v2", "v3")
    with concurrent.futures.ThreadPoolExecutor(6) as threads:
        changes = list(threads.map(lambda version: act(proxy, "both", version, "promote")[0], ["v1", "v2", "v3"] * 4))
    assert set(changes) == {200}
    assert sorted(percents(proxy, "both").values()) == [0, 0, 100]
    live = next(version for version, percent in percents(proxy, "both").items() if percent)
    assert answered(proxy, "both") == {live: 1}
    assert json.loads((proxy.folder / "data" / "live" / "both.json").read_text())["live"] == live


def test_switches_under_calls_lose_none_and_old_versions_can_go(proxy: Stand, tmp_path: pathlib.Path) -> None:
    made(proxy, tmp_path, "under", "v1", "v2")
    token, ended = proxy.token("app-reader"), threading.Event()
    proxy.token("app-owner")

    def calls() -> list[int]:
        found = []
        while not ended.is_set():
            found.append(proxy.run("under", "live", token, n=1).status_code)
        return found

    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        running = [threads.submit(calls) for _ in range(3)]
        try:
            for _ in range(5):
                for new, old in (("v2", "v1"), ("v1", "v2")):
                    assert act(proxy, "under", new, "promote")[0] == 200
                    assert proxy.call("DELETE", f"/api/v1/apps/under/{old}").status_code == 200
                    proxy.create(app(tmp_path / old, "under", old))
        finally:
            ended.set()
        statuses = [status for one in running for status in one.result()]
    assert set(statuses) == {200}


def test_batches_go_on_while_packages_are_replaced(proxy: Stand, tmp_path: pathlib.Path) -> None:
    def package(version: int) -> pathlib.Path:
        code = f"import time\ndef run(n):\n    time.sleep(0.001)\n    return n * 10 + {version}\n"
        folder = python(tmp_path / "a", code, "{n: int}", "{result: int}", "poolsize: 2")
        (folder / "spec.yaml").write_text((folder / "spec.yaml").read_text().replace("name: t", "name: rows"))
        return folder

    proxy.create(package(0))
    token, ended = proxy.token("app-reader"), threading.Event()

    def batches() -> list[tuple[int, list[int], int]]:
        found = []
        while not ended.is_set():
            answer = proxy.call("POST", "/api/app/rows/live/batch", token, json={"inputs": {"n": list(range(40))}})
            content = answer.json()
            found.append((answer.status_code, content.get("outputs", {}).get("result", []), content.get("rows", 0)))
        return found

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        running = [threads.submit(batches) for _ in range(2)]
        try:
            for version in range(1, 6):
                proxy.create(package(version), "PUT")
        finally:
            ended.set()
    for status, results, rows in [one for each in running for one in each.result()]:
        assert (status, 0 < rows == len(results)) == (200, True)
        assert {result // 10 - at for at, result in enumerate(results)} == {0}
        assert len({result % 10 for result in results}) == 1  # one answer, one package


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_switched_is_so_after_a_restart(tmp_path: pathlib.Path, number: int) -> None:
    with stand(tmp_path) as proxy:
        made(proxy, tmp_path / "a", "stay", "v1", "v2", "v3")
        act(proxy, "stay", "v2", "promote")
        act(proxy, "stay", "v3", "canary?percent=25")
        (tmp_path / "data" / "live" / "broken.json").write_text("{")
        proxy.stop(number)
        proxy.start()
        eventually(lambda: all(proxy.run("stay", one, n=1).status_code == 200 for one in ("v1", "v2", "v3")), "they serve again")
        assert answered(proxy, "stay", 8) == {"v2": 6, "v3": 2}
        assert act(proxy, "stay", "live", "rollback")[1]["version"] == "v1"


def test_a_canary_that_does_not_serve_gets_no_calls(tmp_path: pathlib.Path) -> None:
    with stand(tmp_path) as proxy:
        made(proxy, tmp_path / "a", "part", "v1", "v2")
        act(proxy, "part", "v2", "canary?percent=99")
        proxy.stop()
        kept = json.loads((tmp_path / "data" / "versions" / "part@v2.json").read_text())
        source = tmp_path / "data" / "code" / kept["code"] / "app.py"
        source.chmod(0o600)
        source.write_text("1 / 0\ndef run(n): pass\n")
        proxy.start()
        eventually(lambda: proxy.call("GET", "/api/v1/apps/part/v2").json()["state"] == "Error", "the canary can't be started")
        eventually(lambda: proxy.run("part", "v1", n=1).status_code == 200, "the live one serves")
        assert answered(proxy, "part", 10) == {"v1": 10}


@given(st.lists(st.tuples(st.sampled_from(["promote", "rollback", "canary", "delete"]), st.sampled_from("abcd"), st.integers(0, 99))))
def test_no_sequence_of_changes_breaks_a_share(steps: list[tuple[str, str, int]]) -> None:
    share: Share | None = Share("a", chosen=False)
    gone = set[str]()
    for what, version, percent in steps:
        if share is None:
            break
        if what == "delete":
            share, gone = share.without(version), gone | {version}
        elif what == "rollback":
            share = share.rolled_back("x") if share.before else share
        elif version in gone or (what == "canary" and version == share.live):
            continue
        else:
            share = share.promoted(version, "x") if what == "promote" else share.trying(version, percent, "x")
        if share is not None:
            assert sum(share.of(one) for one in "abcd") == 100
            assert not {share.live, share.canary, *share.before} & gone
            assert share.canary != share.live
            assert share.before[-1:] != (share.live,)


@given(st.integers(1, 99))
def test_of_a_hundred_calls_just_the_percent_are_the_canarys(percent: int) -> None:
    live = Live(pathlib.Path("/nowhere"))
    live._shares["a"] = Share("v1", chosen=True, canary="v2", percent=percent)
    picked = [live.pick("a") for _ in range(200)]
    assert picked.count(("v2", "v1")) == 2 * percent
    assert picked[:100].count(("v2", "v1")) == percent
