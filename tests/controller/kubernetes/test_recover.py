"""An admin's password given from inside of the controller's pod."""

from __future__ import annotations

import io
import json

import pytest

from controller.auth.users import Users
from controller.kubernetes import recover
from controller.kubernetes.store import SecretStore
from tests.controller.kubernetes.conftest import Place


def run(place: Place, given: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(given)))
    arguments = ["--namespace", place.namespace, "--name", "demo", "--kubeconfig", str(place.plane.kubeconfig)]
    assert recover.main(arguments) == 0
    answer = json.loads(capsys.readouterr().out)
    assert isinstance(answer, dict)
    return answer


def test_an_admin_gets_a_new_password(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    given = {"username": "ann", "password": "Some-pass-1234"}
    assert run(place, given, monkeypatch, capsys) == {"name": "demo", "username": "ann"}
    user = Users(SecretStore(place.api, place.namespace, "demo")).verify("ann", "Some-pass-1234")
    assert user is not None and "admin" in user["roles"]
    refused = run(place, {"username": "ann", "password": "ann"}, monkeypatch, capsys)["error"]
    assert isinstance(refused, dict) and "password" in refused["message"]
    missing = run(place, [], monkeypatch, capsys)["error"]
    assert isinstance(missing, dict) and missing["code"] == "invalid_request"
