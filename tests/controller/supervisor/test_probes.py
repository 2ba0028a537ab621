"""What a probe must not take for an answer."""

from __future__ import annotations

import asyncio
import functools

import pytest

from controller.supervisor import probes
from controller.supervisor.rendered import RenderedProbe
from tests.services.postgresql import free_port


@pytest.mark.parametrize("kind", ["tcp", "http"])
def test_a_connection_to_itself_is_no_answer(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """The kernel may give the probe the very port that it asks for; here it is asked to."""
    port = free_port()
    itself = functools.partial(asyncio.open_connection, local_addr=("127.0.0.1", port))
    monkeypatch.setattr(probes.asyncio, "open_connection", itself)  # type: ignore[attr-defined]
    said = asyncio.run(probes.probe(RenderedProbe(kind=kind, port=port, seconds=60), lambda _command: pytest.fail("no command")))
    assert said is not None and "does not accept connections (Connection refused)" in said
