"""The prediction log: what calls asked and got, where the spec says so, bounded, and gone with the version."""

from __future__ import annotations

import asyncio
import json
import pathlib

from pools.app import predictions
from pools.app.predictions import LIMIT, LINE, Predictions
from tests.apps.folders import python
from tests.pools.app.stand import Stand, stand

CODE = """
    def run(x):
        return 1 / x
"""
ON = "options: {prediction_log: true}"
LOG = "/api/v1/apps/t/v1/log?predictions=true"


def told(proxy: Stand) -> list[dict[str, object]]:
    return [json.loads(line) for line in proxy.call("GET", LOG).json()["lines"]]


def test_calls_and_failures_of_a_version_that_wants_it(tmp_path: pathlib.Path) -> None:
    with stand(tmp_path) as proxy:
        proxy.create(python(tmp_path / "a", CODE, "{x: float}", "{result: float}"))
        assert proxy.run(x=2).status_code == 200
        refused = proxy.call("GET", LOG)
        assert (refused.status_code, "prediction_log: true" in refused.json()["error"]["hint"]) == (409, True)
        assert proxy.call("GET", LOG.replace("true", "yes")).status_code == 400
        proxy.create(python(tmp_path / "a", CODE, "{x: float}", "{result: float}", ON), "PUT")
        for x in (2, 0, 4):
            proxy.run(x=x)
        proxy.run(x="wrong")  # no call of the app
        found = told(proxy)
        assert [(row["inputs"], row.get("outputs"), row.get("error")) for row in found] == [
            ({"x": 2}, {"result": 0.5}, None), ({"x": 0}, None, "app_failed"), ({"x": 4}, {"result": 0.25}, None),
        ]  # fmt: skip
        assert all(float(str(row["ms"])) > 0 and len(str(row["request"])) == 32 for row in found)
        assert proxy.call("GET", LOG, proxy.token("app-reader")).status_code == 403
        assert proxy.call("GET", LOG + "&lines=1").json()["lines"] == [json.dumps(found[-1], separators=(",", ":"))]
        proxy.run(x=8)
        proxy.stop()  # in good order: what waits is written
        last = (tmp_path / "data" / "predictions" / "t@v1.jsonl").read_text().splitlines()[-1]
        assert json.loads(last)["outputs"] == {"result": 0.125}


def test_it_is_private_and_goes_with_the_version(proxy: Stand, tmp_path: pathlib.Path) -> None:
    proxy.create(python(tmp_path / "a", CODE, "{x: float}", "{result: float}", ON))
    proxy.run(x=2)
    assert told(proxy)[0]["outputs"] == {"result": 0.5}
    assert (proxy.folder / "data" / "predictions").stat().st_mode & 0o077 == 0
    proxy.call("DELETE", "/api/v1/apps/t/v1")
    assert list((proxy.folder / "data" / "predictions").iterdir()) == []


def test_it_is_bounded_and_every_line_is_whole(tmp_path: pathlib.Path) -> None:
    async def run() -> list[str]:
        log = Predictions(tmp_path / "p" / "a.jsonl")
        for number in range(600):
            log.add(str(number), 0.001, {"x": "ü" * 15_000}, {"outputs": {"n": number}})
        log.add("large", 0.001, {"x": "y" * LINE}, {"outputs": {}})
        return await log.tail(10_000)

    lines = [json.loads(line) for line in asyncio.run(run())]
    assert lines[-1]["left_out"]
    assert lines[-2]["outputs"] == {"n": 599}
    assert len(lines) < 601
    sizes = [path.stat().st_size for path in (tmp_path / "p").iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= LIMIT


def test_lines_are_written_soon_without_being_asked_for(tmp_path: pathlib.Path) -> None:
    async def run() -> None:
        log = Predictions(tmp_path / "a.jsonl")
        log.add("1", 0.001, {}, {"outputs": {}})
        assert not (tmp_path / "a.jsonl").exists()
        while not (tmp_path / "a.jsonl").exists():
            await asyncio.sleep(predictions.WAIT_SECONDS / 10)

    asyncio.run(asyncio.wait_for(run(), 60))
