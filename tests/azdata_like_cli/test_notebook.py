"""``bdc notebook`` without JupyterLab, which the checkout's environment does not hold: a stand-in shows what it would be given."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from azdata_like_cli import jupyter
from azdata_like_cli.command import Settings
from azdata_like_cli.groups.notebook import _remote
from bdc.errors import ServiceError, UserError
from tests.azdata_like_cli.conftest import Run

STANDIN = """
import json, os, pathlib, signal, sys, time
def end(number, frame):
    print("ended by", number, flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
spec = json.loads(pathlib.Path(os.environ["JUPYTER_PATH"].split(os.pathsep)[0], "kernels", "python3", "kernel.json").read_text())
given = {name: os.environ.get(name) for name in ("BDC_CONTEXT", "BDC_MASTER", "SPARK_REMOTE")}
print(json.dumps({"kernel": spec["argv"], "path": os.environ["JUPYTER_PATH"], **given}), flush=True)
time.sleep(60)
"""
PROGRAM = f"""
import pathlib, sys
from azdata_like_cli import jupyter
jupyter.command = lambda lab: [sys.executable, "-c", {STANDIN!r}]
added = jupyter.variables("lake", "127.0.0.1:31433", remote="sc://localhost:1/;token=t", password=None)
jupyter.run(jupyter.Lab(pathlib.Path(".")), added)
"""


def test_without_jupyterlab_the_line_to_install_it_is_told(bdc: Run) -> None:
    done = bdc("notebook")
    assert done.code == 1 and done.out == ""
    assert "no jupyterlab" in done.err and "pip install 'openbdc[notebook,spark-client]'" in done.err


def test_it_listens_on_loopback_and_no_secret_is_in_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    words = jupyter.command(jupyter.Lab(pathlib.Path("/books"), 9000, browser=False))
    assert {"--ServerApp.ip=127.0.0.1", "--ServerApp.root_dir=/books", "--ServerApp.port=9000", "--no-browser", "--allow-root"} <= set(
        words
    )
    assert "token" not in " ".join(words).lower()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    words = jupyter.command(jupyter.Lab(pathlib.Path("/books")))
    assert not {"--no-browser", "--allow-root"} & set(words) and "port" not in " ".join(words)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM)])
def test_kernels_find_the_cluster_and_a_signal_ends_it(number: signal.Signals, code: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", program(number)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = json.loads(process.stdout.readline())
    assert found["kernel"][1:3] == ["-m", "ipykernel_launcher"] and "--ext=bdc.magic" in found["kernel"]
    assert (found["BDC_CONTEXT"], found["BDC_MASTER"]) == ("lake", "127.0.0.1:31433")
    assert found["SPARK_REMOTE"] == "sc://localhost:1/;token=t"
    process.send_signal(number)
    assert process.communicate(timeout=30)[0] == "ended by 15\n"
    assert process.returncode == code
    assert not pathlib.Path(found["path"].split(os.pathsep)[0]).exists()


def program(number: signal.Signals) -> str:
    """With SIGTERM as ``bdc`` takes it: an exception that unwinds, and then the end by that signal."""
    if number is signal.SIGINT:
        return PROGRAM
    return f"""
import os, signal
def terminate(number, frame): raise SystemExit
signal.signal(signal.SIGTERM, terminate)
try:
    exec({PROGRAM!r})
except SystemExit:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
"""


def test_without_pyspark_there_is_sql_only_unless_spark_is_insisted_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert _remote(Settings(), needed=False) is None
    said = capsys.readouterr().err
    assert "No Spark in these notebooks" in said and "no pyspark" in said and "openbdc[spark-client]" in said
    with pytest.raises(UserError, match="no pyspark"):
        _remote(Settings(), needed=True)


def test_its_own_failure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jupyter, "command", lambda _lab: [sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(ServiceError, match="ended with 3"):
        jupyter.run(jupyter.Lab(pathlib.Path()), {})


def test_one_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jupyter, "STOP_SECONDS", 0.2)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    begun = time.monotonic()
    jupyter.stop(process)
    process.stdout.close()
    assert process.returncode == -signal.SIGKILL and time.monotonic() - begun < 30
