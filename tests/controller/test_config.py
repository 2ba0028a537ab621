from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

from controller.config import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, object]]:
    code = main([*arguments, "--json"])
    answer: dict[str, object] = json.loads(capsys.readouterr().out)
    return code, answer


def test_init_show_set_validate(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "bdc.yaml")
    assert run(capsys, "init", "--name", "demo", "--file", file) == (0, {"result": {"file": file}})
    code, answer = run(capsys, "init", "--name", "demo", "--file", file)
    assert (code, answer["error"]["code"]) == (2, "invalid_request")  # type: ignore[index]
    assert run(capsys, "set", file, "spec.pools.compute.replicas=2", "spec.ports.base=1000")[0] == 0
    assert run(capsys, "show", file, "spec.pools.compute.replicas") == (0, {"result": 2})
    assert run(capsys, "validate", file) == (0, {"result": {"valid": True, "name": "demo"}})
    before = pathlib.Path(file).read_text()
    code, answer = run(capsys, "set", file, "spec.ports.base=2000", "spec.pools.compute.replicas=0")
    assert (code, answer["error"]["problems"][0]["path"]) == (2, "spec.pools.compute.replicas")  # type: ignore[index]
    assert pathlib.Path(file).read_text() == before


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("init", "--profile", "../local"), "unknown_profile"),
        (("init", "--name", "Not_a_name"), "invalid_spec"),
        (("show", "/nonexistent/bdc.yaml"), "invalid_request"),
        (("set", "/dev/null", "spec.ports.base"), "invalid_request"),
    ],
)
def test_errors_are_json_too(arguments: tuple[str, ...], code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, *arguments)[1]["error"]["code"] == code  # type: ignore[index]


def test_as_a_program_with_standard_input() -> None:
    def program(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "controller.config", *arguments], input=text, capture_output=True, text=True, check=False
        )

    text = program("init", "--name", "demo").stdout
    edited = program("set", "-", "spec.pools.compute.replicas=3", text=text).stdout
    assert "replicas: 3" in edited
    assert "# null: the first free block of ports" in edited
    wrong = program("validate", "-", text=edited.replace("replicas: 3", "replicas: x"))
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "spec.pools.compute.replicas: a whole number is expected, not 'x'" in wrong.stderr


def test_schema_and_reference(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "schema")[1]["result"]["type"] == "object"  # type: ignore[index]
    assert "## `spec.pools.compute`" in str(run(capsys, "reference")[1]["result"])
    assert run(capsys, "profiles")[1] == {"result": ["kubernetes", "local"]}
