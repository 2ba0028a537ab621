"""How `bdc login` finds out whether a controller on Kubernetes speaks TLS, which its spec may have changed."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from azdata_like_cli import meeting
from bdc import contexts
from bdc.contexts import Place, Session
from bdc.errors import UserError
from bdc.reach import Reach
from bdc.session import ControllerAddress
from tests.patience import PATIENCE

PLACE = Place("prod", "sales")
URL = "http://openbdc.sales.svc:30080"


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A server without TLS, to which every port-forward leads."""
    monkeypatch.setenv("BDC_CONFIG", str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setattr(Reach, "address", lambda *_: server.server_address)
        yield
        server.shutdown()
        thread.join(PATIENCE)


def remembered(controller: str) -> None:
    with contexts.editing() as box:
        box[0] = box[0].with_session(Session("sales", controller, "admin", kubernetes=PLACE))


def test_one_without_tls_is_asked_without(plain: None) -> None:
    remembered(URL)
    assert meeting.speaking(ControllerAddress(URL, PLACE)) == ControllerAddress(URL, PLACE)
    assert meeting.speaking("http://127.0.0.1:30080") == "http://127.0.0.1:30080", "an address that was given is left as it is"


def test_who_spoke_tls_and_does_not_any_more_is_not_asked(plain: None) -> None:
    remembered(URL.replace("http:", "https:"))
    with pytest.raises(UserError, match="does not any more") as failure:
        meeting.speaking(ControllerAddress(URL, PLACE))
    assert "bdc context delete sales" in str(failure.value.hint)
