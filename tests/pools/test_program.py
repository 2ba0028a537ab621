"""Every service's program says in one line what its settings lack, and ends when it is told to."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import pathlib
import signal
import threading

import pytest

from pools.program import Program, told_to_stop
from pools.tls import CertificateFileError

SERVICES = ("pools.gateway.service", "pools.master.front", "pools.app.service")
BAD = {"none": None, "no JSON": "{", "another thing": "[]", "nothing": "{}", "unknown": '{"port": 1, "what": 2}'}


@pytest.mark.parametrize("module", SERVICES)
@pytest.mark.parametrize("kind", BAD)
def test_bad_settings_are_one_line_and_exit_2(
    module: str, kind: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    file, content = tmp_path / "settings.json", BAD[kind]
    if content is not None:
        file.write_text(content)
    kept = signal.getsignal(signal.SIGTERM)
    try:
        assert importlib.import_module(module).main(["--config", str(file)]) == 2
    finally:
        signal.signal(signal.SIGTERM, kept)
    said = (capsys.readouterr().out + caplog.text).strip()
    assert "bad settings" in said
    assert str(file) in said
    assert len(said.splitlines()) == 1, said


def test_no_file_is_the_parsers_own_complaint(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        importlib.import_module("pools.gateway.service").main([])
    assert "--config" in capsys.readouterr().err


def test_it_ends_when_it_is_told_to_and_says_what_it_can_not_serve(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "settings.json"
    file.write_text("{}")

    async def serve(_settings: str) -> None:
        stop = told_to_stop()
        threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGTERM)).start()
        await asyncio.wait_for(stop.wait(), 60)

    async def fails(_settings: str) -> None:
        raise CertificateFileError("no certificate")

    assert Program("m", None, pathlib.Path.read_text, serve).main(["--config", str(file)]) == 0
    assert Program("m", None, pathlib.Path.read_text, fails).main(["--config", str(file)]) == 1
    assert json.loads(capsys.readouterr().out) == {"level": "error", "event": "no certificate"}
