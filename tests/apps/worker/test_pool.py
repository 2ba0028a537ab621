"""Workers: what an app may do to itself harms neither the host nor the next call, and its caller gets one clear error."""

from __future__ import annotations

import asyncio
import os
import pathlib
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from apps.environments import Environments
from apps.errors import CallError, CrashError, OverloadError, StartError, TimeLimitError
from apps.package import pack, remove, unpack
from apps.running import Place, running
from apps.worker import console
from apps.worker.pool import Result, Workers
from tests.apps.folders import python
from tests.patience import PATIENCE, eventually

Use = Callable[[Workers], Awaitable[Any]]


def use(folder: pathlib.Path, what: Use, written: list[bytes] | None = None) -> Any:
    """Pack and unpack ``folder``, start it, and leave nothing."""
    code = folder.parent / f"{folder.name}-code"
    unpack(pack(folder).archive, code)
    place = Place(
        code,
        folder.parent / "scratch",
        Environments(folder.parent / "environments"),
        {},
        None,
        (written if written is not None else []).append,
    )

    async def all_of_it() -> Any:
        _, workers = await running(place)
        try:
            return await what(workers)
        finally:
            pids = [worker.process.pid for worker in workers._all if worker.process]
            await workers.close()
            assert not [pid for pid in pids if pathlib.Path(f"/proc/{pid}").exists()]

    try:
        return asyncio.run(all_of_it())
    finally:
        remove(code)


def call(folder: pathlib.Path, **inputs: object) -> Result:
    return use(folder, lambda workers: workers.call(inputs))  # type: ignore[no-any-return]


async def failed(workers: Workers, kind: type[Exception], **inputs: object) -> str:
    with pytest.raises(kind) as caught:
        await workers.call(inputs)
    return str(caught.value)


def test_types_arrive_as_pythons_and_go_back(tmp_path: pathlib.Path) -> None:
    code = """
        import datetime
        def run(day, raw, text):
            assert isinstance(day, datetime.date) and isinstance(raw, bytes)
            print("seen", text)
            return {"next": day + datetime.timedelta(days=1), "raw": raw * 2, "n": len(text)}
    """
    folder = python(tmp_path / "a", code, "{day: date, raw: bytes, text: str}", "{n: int, next: date, raw: bytes}")
    found = call(folder, day="2026-12-31", raw="AAE=", text="ä")
    assert found == Result({"n": 1, "next": "2027-01-01", "raw": "AAEAAQ=="}, "seen ä\n")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def run(): return 'x'", "output result: must be an int, is a text"),
        ("def run(): return {'other': 1}", "output result: must be an int"),
        ("def run(): return float('nan')", "output result: must be an int"),
        ("def run(): raise KeyError('k')", "KeyError: 'k'"),
        ("def run(): import sys; sys.exit(3)", "SystemExit: 3"),
        ("def run(): return run()", "RecursionError"),
        ("import threading\ndef run(): return [0] * 10**12", "out of memory"),
    ],
)
def test_an_error_of_the_app_is_told_and_the_worker_goes_on(tmp_path: pathlib.Path, code: str, said: str) -> None:
    async def twice(workers: Workers) -> None:
        assert said in await failed(workers, CallError)
        assert said in await failed(workers, CallError)
        assert workers.restarts == 0

    use(python(tmp_path / "a", code), twice)


def test_it_runs_out_of_memory_by_and_by_and_the_next_call_is_served(tmp_path: pathlib.Path) -> None:
    code = """
        def run(big):
            if not big:
                return 1
            held = []
            while True:
                held.append(bytearray(2**20))
    """
    folder = python(tmp_path / "a", code, "{big: bool}", more="resources: {memory: 128M}")

    async def both(workers: Workers) -> None:
        assert "memory" in await failed(workers, CallError, big=True)
        assert (await workers.call({"big": False})).outputs == {"result": 1}

    use(folder, both)


@pytest.mark.parametrize(
    ("end", "kind", "said"),
    [
        ("while True: pass", TimeLimitError, "longer than 0.5 s"),
        ("import time; time.sleep(3600)", TimeLimitError, "longer than 0.5 s"),
        ("os._exit(7)", CrashError, "exit code 7"),
        ("os.kill(os.getpid(), 9)", CrashError, "SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", CrashError, "SIGSEGV"),
        ("[os.write(fd, b'{}' * 100) for fd in range(3, 20) if os.path.exists(f'/proc/self/fd/{fd}')]; os._exit(0)", CallError, ""),
    ],
)
def test_a_worker_that_hangs_or_crashes_is_replaced(tmp_path: pathlib.Path, end: str, kind: type[Exception], said: str) -> None:
    code = f"import os\ndef run(bad):\n    if bad:\n        {end}\n    return os.getpid()\n"
    folder = python(tmp_path / "a", code, "{bad: bool}", more="timeout: 0.5")

    async def all_three(workers: Workers) -> None:
        before = (await workers.call({"bad": False})).outputs["result"]
        assert said in await failed(workers, kind, bad=True)
        workers.timeout = PATIENCE
        assert (await workers.call({"bad": False})).outputs["result"] != before
        assert not pathlib.Path(f"/proc/{before}").exists()

    use(folder, all_three)


def test_what_it_started_ends_with_it(tmp_path: pathlib.Path) -> None:
    code = """
        import subprocess
        def run():
            return subprocess.Popen(["sleep", "3600"]).pid
    """

    async def start(workers: Workers) -> int:
        return int((await workers.call({})).outputs["result"])

    pid = use(python(tmp_path / "a", code), start)
    path = pathlib.Path(f"/proc/{pid}/stat")

    def ended() -> bool:
        try:
            return path.read_text().split()[2] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    eventually(ended, "what it started has ended")


def test_a_flood_of_print_is_bounded(tmp_path: pathlib.Path) -> None:
    code = """
        import os
        def run():
            for _ in range(300):
                print("x" * 100_000)
            os.write(1, b"past Python")
            return 1
    """
    written: list[bytes] = []
    found: Result = use(python(tmp_path / "a", code), lambda workers: workers.call({}), written)
    assert len(found.console) < console.LIMIT + 100
    assert found.console.endswith("characters more were left out")
    assert b"past Python" in b"".join(written)


def test_it_writes_into_its_own_folder_only_and_that_is_told_and_gone(tmp_path: pathlib.Path) -> None:
    code = """
        import os, pathlib, tempfile
        def run():
            pathlib.Path("left.txt").write_text("x")
            pathlib.Path("sub").mkdir()
            assert tempfile.gettempdir() == os.getcwd() == os.environ["HOME"]
            return len(os.listdir("."))
    """

    async def twice(workers: Workers) -> list[Result]:
        return [await workers.call({}), await workers.call({})]

    for found in use(python(tmp_path / "a", code), twice):
        assert (found.outputs, found.changed) == ({"result": 2}, ("left.txt", "sub"))


def test_nothing_of_the_host_is_in_its_environment(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET", "do not tell")
    code = "import os\ndef run():\n    return {'names': sorted(os.environ), 'mode': os.environ['MODE']}\n"
    found = call(python(tmp_path / "a", code, output="{names: list, mode: str}", more="env: {MODE: fast}"))
    assert found.outputs["mode"] == "fast"
    assert set(found.outputs["names"]) <= {"PATH", "LANG", "LC_CTYPE", "HOME", "TMPDIR", "MODE", "MALLOC_ARENA_MAX"} | {
        name for name in found.outputs["names"] if name.endswith("_THREADS")
    }


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nothing_of_that_name\ndef run(): pass", "No module named 'nothing_of_that_name'"),
        ("x = 1\nrun = 5", "has no function run"),
        ("1 / 0\ndef run(): pass", "ZeroDivisionError"),
        ("import os\nos._exit(3)\ndef run(): pass", "exit code 3"),
        ("import sys\nsys.exit('no')\ndef run(): pass", "SystemExit: no"),
    ],
)
def test_what_can_not_be_loaded_says_why(tmp_path: pathlib.Path, code: str, said: str) -> None:
    with pytest.raises(StartError, match=said):
        call(python(tmp_path / "a", code))


def test_as_many_calls_at_once_as_workers_and_the_others_wait(tmp_path: pathlib.Path) -> None:
    code = "import os, time\ndef run():\n    time.sleep(0.02)\n    return os.getpid()\n"

    async def many(workers: Workers) -> None:
        found = await asyncio.gather(*(workers.call({}) for _ in range(12)))
        assert len({result.outputs["result"] for result in found}) == 3
        workers.count = 0
        held = [asyncio.create_task(workers.call({})) for _ in range(3)]
        await asyncio.sleep(0)
        assert "wait already" in await failed(workers, OverloadError)
        await asyncio.gather(*held)

    use(python(tmp_path / "a", code, more="poolsize: 3"), many)


def test_a_client_that_leaves_costs_no_worker(tmp_path: pathlib.Path) -> None:
    code = "import time\ndef run(slow):\n    time.sleep(3600 if slow else 0)\n    return 1\n"

    async def leave(workers: Workers) -> None:
        task = asyncio.create_task(workers.call({"slow": True}))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await workers.call({"slow": False})).outputs == {"result": 1}

    use(python(tmp_path / "a", code, "{slow: bool}", more="timeout: 60"), leave)


def test_an_answer_that_is_too_large_is_an_error_of_the_call(tmp_path: pathlib.Path) -> None:
    async def large(workers: Workers) -> None:
        assert "can't be sent" in await failed(workers, CallError, n=70 * 2**20)
        assert (await workers.call({"n": 1})).outputs == {"result": "x"}

    use(python(tmp_path / "a", "def run(n): return 'x' * n", "{n: int}", "{result: str}"), large)


def test_a_worker_that_ends_after_its_answer_is_replaced_too(tmp_path: pathlib.Path) -> None:
    code = "import os, threading\ndef run():\n    threading.Timer(0.001, os._exit, (0,)).start()\n    return 1\n"

    async def again_and_again(workers: Workers) -> None:
        good = 0
        for _ in range(15):
            try:
                good += (await workers.call({})).outputs["result"]
            except CrashError:
                continue
        assert good
        assert workers.restarts

    use(python(tmp_path / "a", code), again_and_again)


def test_a_sign_of_life_and_none(tmp_path: pathlib.Path) -> None:
    async def what(workers: Workers) -> None:
        await workers.ping()
        worker = next(iter(workers._all))
        assert worker.process is not None
        os.kill(worker.process.pid, signal.SIGKILL)
        with pytest.raises(CrashError, match=r"ended by signal 9|is gone"):
            while True:  # until its end is noticed, in a ping or before
                await workers.ping()
                if workers.restarts:
                    raise CrashError("the worker is gone")
        async with asyncio.timeout(PATIENCE):
            while not workers.idle:
                await asyncio.sleep(0.01)
        await workers.ping()
        assert (await workers.call({})).outputs == {"result": 1}
        assert (workers.busy, workers.idle, workers.waiting, workers.restarts) == (0, 1, 0, 1)

    use(python(tmp_path / "a", "def run():\n    return 1\n"), what)


def test_who_is_closed_takes_no_calls(tmp_path: pathlib.Path) -> None:
    async def what(workers: Workers) -> None:
        await workers.close()
        async with asyncio.timeout(PATIENCE):
            assert await failed(workers, OverloadError) == "the app was stopped"

    use(python(tmp_path / "a", "def run():\n    return 1\n", more="timeout: 3600"), what)


def test_what_waits_when_it_is_closed_is_served_and_nothing_after_that(tmp_path: pathlib.Path) -> None:
    async def what(workers: Workers) -> None:
        calls = [asyncio.ensure_future(workers.call({"n": n})) for n in range(40)]
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(workers.close(PATIENCE))
        assert [(await call).outputs["result"] for call in calls] == list(range(40))
        assert await failed(workers, OverloadError, n=1) == "the app was stopped"
        await closing
        assert (workers.busy, workers.waiting) == (0, 0)

    use(python(tmp_path / "a", "def run(n):\n    return n\n", "{n: int}", more="poolsize: 2"), what)


def test_who_is_ended_while_he_waits_leaves_his_worker_to_others(tmp_path: pathlib.Path) -> None:
    async def what(workers: Workers) -> None:
        for _ in range(30):
            calls = [asyncio.ensure_future(workers.call({"n": n})) for n in range(6)]
            done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)  # the next has its worker, and does not know it yet
            for call in calls[1:5]:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            assert done
        async with asyncio.timeout(PATIENCE):
            while workers.idle < 1:
                await asyncio.sleep(0.01)
        assert (workers.busy, workers.waiting) == (0, 0)
        assert (await workers.call({"n": 7})).outputs == {"result": 7}

    use(python(tmp_path / "a", "def run(n):\n    return n\n", "{n: int}"), what)
