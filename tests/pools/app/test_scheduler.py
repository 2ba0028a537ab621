"""Schedules in a running proxy: the state on disk says since when nothing was looked at, so no test waits for a minute to pass."""

from __future__ import annotations

import json
import pathlib
import signal
import time
from collections.abc import Callable
from typing import Any

from tests.apps.folders import python
from tests.patience import eventually
from tests.pools.app.stand import Stand, stand

CODE = "import pathlib\ndef run(file):\n    with open(file, 'a') as made:\n        made.write('x')\n    return 1\n"
HISTORY = "/api/v1/apps/t/v1/history"


def app(folder: pathlib.Path, schedule: str, code: str = CODE, version: str = "v1") -> pathlib.Path:
    inputs = f"inputs: {{file: '{folder.parent / 'made'}'}}"
    made = python(folder, code, "{file: str}", more=f"schedule: {{{schedule}, {inputs}}}\ntimeout: 600\noptions: {{prediction_log: true}}")
    (made / "spec.yaml").write_text((made / "spec.yaml").read_text().replace("version: v1", f"version: {version}"))
    return made


def looked_at(proxy: Stand, seconds_ago: float, version: str = "v1", **more: Any) -> None:
    """The proxy, which is down, dealt with its schedule then for the last time."""
    path = proxy.folder / "data" / "history" / f"t@{version}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "handled": time.time() - seconds_ago, **more}))


def runs(proxy: Stand) -> list[dict[str, Any]]:
    return list(proxy.call("GET", HISTORY, proxy.token("app-reader")).json()["runs"])


def down(proxy: Stand, seconds: float, between: Callable[[], object] = lambda: None, **more: Any) -> None:
    """As if it had not looked for so long."""
    proxy.stop(signal.SIGKILL)
    looked_at(proxy, seconds, **more)
    between()
    proxy.start()


def settled(proxy: Stand) -> None:
    eventually(lambda: proxy.call("GET", "/api/v1/apps/t/v1").json()["settled"], "it is settled")


def acts(proxy: Stand, version: str = "v1") -> bool:
    return (proxy.folder / "data" / "history" / f"t@{version}.json").exists()


def test_skipped_or_made_up_by_one_run_and_told(tmp_path: pathlib.Path) -> None:
    with stand(tmp_path) as proxy:
        never = "cron: '0 0 1 1 *', timezone: Europe/Berlin, missed: {}"
        found = proxy.create(app(tmp_path / "a", never.format("skip")))
        assert (found["schedule"]["missed"], found["schedule"]["cron"]) == ("skip", "0 0 1 1 *")
        eventually(lambda: acts(proxy), "the schedule acts")
        assert proxy.call("GET", "/api/v1/apps/t/v1").json()["next_run"].endswith("-12-31T23:00:00Z")
        assert runs(proxy) == []
        down(proxy, 2.5 * 366 * 86400)
        eventually(lambda: runs(proxy), "what was missed is told")
        (line,) = runs(proxy)
        assert (line["result"], line["reason"]) == ("missed", "the app proxy was not running")
        assert line["missed"] in (2, 3)  # turns of the year, in so many days
        assert line["planned"] < line["until"]
        assert not (tmp_path / "made").exists()

        settled(proxy)
        proxy.create(app(tmp_path / "a", never.format("once")), "PUT")
        eventually(lambda: json.loads((proxy.folder / "data/history/t@v1.json").read_text())["schedule"]["missed"] == "once", "it is taken")
        proxy.api.services.keys.jwks = lambda: 1 / 0  # type: ignore[method-assign, assignment, return-value] # the controller as good as away
        down(proxy, 2.5 * 366 * 86400)
        eventually(lambda: runs(proxy)[-1]["result"] == "ok", "one run makes up for all")
        gap, made = runs(proxy)[1:]
        assert (gap["result"], made["noticed"], made["planned"]) == ("missed", "missed", gap["until"])
        assert made["planned"] < made["started"] <= made["ended"]
        assert (tmp_path / "made").read_text() == "x"
        assert proxy.call("GET", "/api/v1/apps/t/v1").json()["calls"] == 1
        told, counter = proxy.metrics(), "openbdc_app_scheduled_runs_total"
        assert [told[counter, ("t", result, "v1")] for result in ("ok", "missed")] == [1, gap["missed"]]
        logged = proxy.call("GET", "/api/v1/apps/t/v1/log?predictions=true").json()["lines"]
        assert json.loads(logged[-1])["request"] == made["request"]
        proxy.stop(signal.SIGKILL)
        proxy.start()
        eventually(lambda: acts(proxy) and proxy.run("t", file="/dev/null").status_code == 200, "it serves again")
        assert (len(runs(proxy)), (tmp_path / "made").read_text()) == (3, "x")  # never twice

        proxy.call("DELETE", "/api/v1/apps/t/v1")
        assert list((proxy.folder / "data" / "history").iterdir()) == []


def test_on_time_at_its_own_minute_and_what_fails_or_hangs(tmp_path: pathlib.Path) -> None:
    with stand(tmp_path) as proxy:
        proxy.create(app(tmp_path / "a", "cron: '* * * * *'", "def run(file):\n    raise ValueError('bad luck')\n"))
        eventually(lambda: acts(proxy), "the schedule acts")
        down(proxy, 61)
        eventually(lambda: [one for one in runs(proxy) if one["result"] == "error"], "the minute of its restart is run")
        found = next(one for one in runs(proxy) if one["result"] == "error")
        assert (found["noticed"], found["code"], found["reason"]) == ("on time", "app_failed", "ValueError: bad luck")

        settled(proxy)
        hangs = "import time\ndef run(file):\n    open(file, 'a').close()\n    time.sleep(600)\n"
        proxy.create(app(tmp_path / "a", "cron: '*/1 * * * *'", hangs), "PUT")
        eventually(lambda: "*/1" in (proxy.folder / "data/history/t@v1.json").read_text(), "the new schedule acts")
        down(proxy, 61)
        eventually(lambda: runs(proxy)[-1]["result"] == "running", "it runs")
        eventually(lambda: (tmp_path / "made").exists(), "the call is under way")
        proxy.stop(signal.SIGKILL)
        proxy.start()
        eventually(lambda: [one for one in runs(proxy) if one["result"] == "interrupted"], "its end is told")


def test_only_the_live_version_runs_unless_it_is_to_run_always(tmp_path: pathlib.Path) -> None:
    with stand(tmp_path) as proxy:
        hourly = "cron: '0 0 1 1 *', missed: once"
        proxy.create(app(tmp_path / "a", hourly))
        proxy.create(app(tmp_path / "b", hourly, version="v2"))
        proxy.create(app(tmp_path / "c", f"{hourly}, when: always", version="v3"))
        eventually(lambda: acts(proxy) and acts(proxy, "v3"), "v1 is live, v3 runs always")
        assert proxy.call("GET", "/api/v1/apps/t/v2").json()["next_run"] is None
        assert proxy.call("POST", "/api/v1/apps/t/v2/promote").status_code == 200
        eventually(lambda: acts(proxy, "v2") and not acts(proxy), "the schedule goes with live")
        assert proxy.call("GET", "/api/v1/apps/t/v1").json()["next_run"] is None
        assert proxy.call("GET", "/api/v1/apps/t/v3").json()["next_run"] is not None
        (proxy.folder / "data" / "history" / "t@v2.json").unlink()
        down(proxy, 400 * 86400, version="v3")
        eventually(lambda: acts(proxy, "v2") and (tmp_path / "made").exists(), "v3 made up for its run")
        assert (tmp_path / "made").read_text() == "x"


def test_a_state_that_can_not_be_read_begins_anew(tmp_path: pathlib.Path) -> None:
    with stand(tmp_path) as proxy:
        proxy.create(app(tmp_path / "a", "cron: '0 0 1 1 *', missed: once"))
        eventually(lambda: acts(proxy), "the schedule acts")
        path = proxy.folder / "data" / "history" / "t@v1.json"
        proxy.stop()
        path.write_text("{")
        proxy.start()
        eventually(lambda: path.read_text().startswith('{"schedule"'), "it acts again")
        assert runs(proxy) == []
