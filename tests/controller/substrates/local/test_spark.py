"""Which Spark is taken, what is said where there is none, and how idle connections are counted."""

from __future__ import annotations

import os
import socket
import stat
import sys
from pathlib import Path

import pytest

from controller.substrates.local.ports import connections
from controller.substrates.local.programs import ProgramMissingError
from controller.substrates.local.spark import spark, spark_program


def pretend(folder: Path, answer: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python that answers as if it had such a Spark."""
    python = folder / "python"
    python.write_text(f"#!/bin/sh\necho '{answer}'\n")
    python.chmod(stat.S_IRWXU)
    monkeypatch.setenv("BDC_SPARK_PYTHON", str(python))
    return python


def test_the_python_that_is_named_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = pretend(tmp_path, '{"home": "/opt/spark", "version": "4.3.0"}', monkeypatch)
    assert (spark_program("spark-home"), spark_program("spark-python")) == ("/opt/spark", str(python))


def test_without_pyspark_the_line_to_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BDC_SPARK_PYTHON", raising=False)  # the checkout's own environment has no Spark
    with pytest.raises(ProgramMissingError, match="has no package pyspark") as told:
        spark()
    assert f"{sys.executable} -m pip install 'openbdc-cluster[spark]'" in told.value.hint


def test_too_old_a_spark_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(tmp_path, '{"home": "/opt/spark", "version": "3.5.1"}', monkeypatch)
    with pytest.raises(ProgramMissingError, match=r"pyspark 3\.5\.1 .* is too old"):
        spark()


def test_a_python_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BDC_SPARK_PYTHON", os.devnull)
    with pytest.raises(ProgramMissingError, match="can't be asked for Spark"):
        spark()


def test_open_connections_to_a_port_are_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert connections({port}) == 0
        with socket.create_connection(("127.0.0.1", port)):
            assert connections({port, 1}) == 1
