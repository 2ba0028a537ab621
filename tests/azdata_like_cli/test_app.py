"""``bdc app`` on this machine: templates, and a test that runs the app in a worker; and how a cluster's answers are shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from azdata_like_cli.appnames import resolved
from azdata_like_cli.groups.session import when
from bdc.errors import UserError
from tests.apps.folders import app, python
from tests.azdata_like_cli.conftest import Run
from tests.azdata_like_cli.standin_controller import StandinController
from tests.bdc.mlflow_registry import MLMODEL, serving


def test_the_templates(bdc: Run) -> None:
    assert [row["name"] for row in bdc("app", "template", "list", "-o", "json").json] == ["mlflow", "onnx", "python", "sql"]


@pytest.mark.parametrize(
    ("template", "inputs", "outputs"), [("python", "x=1,y=2.5", {"result": 3.5}), ("onnx", "x=2,y=3", {"prediction": 14.0})]
)
def test_what_init_writes_runs(
    bdc: Run, home: Path, monkeypatch: pytest.MonkeyPatch, template: str, inputs: str, outputs: dict[str, float]
) -> None:
    monkeypatch.chdir(home)
    made = bdc("app", "init", "--template", template, "--name", "mine", "-v", "v2")
    assert made.code == 0
    tested = bdc("app", "test", "--local", "mine", "--inputs", inputs, "--calls", "5", "-o", "json")
    assert tested.code == 0, tested.err
    assert (tested.json["outputParameters"], tested.json["version"]) == (outputs, "v2")
    assert tested.json["p50_ms"] > 0
    (home / "mine" / "sample.json").write_text(json.dumps(dict(zip(("x", "y"), (2, 3), strict=True))))
    tested = bdc("app", "test", "--local", "mine", "--calls", "1", "-o", "json").json
    assert tested["outputParameters"] == {"python": {"result": 5.0}, "onnx": {"prediction": 14.0}}[template]
    again = bdc("app", "init", "--name", "mine")
    assert (again.code, "is there already" in again.err) == (1, True)


def test_a_model_of_ones_own(bdc: Run, home: Path) -> None:
    (home / "my.onnx").write_bytes(b"model")
    assert bdc("app", "init", "-t", "onnx", "-d", str(home / "a"), "--model", str(home / "my.onnx")).code == 0
    assert (home / "a" / "model.onnx").read_bytes() == b"model"
    refused = bdc("app", "test", "--local", str(home / "a"))
    assert (refused.code, "is no model that onnxruntime can run" in refused.err) == (3, True)
    assert bdc("app", "init", "-t", "python", "-d", str(home / "b"), "--model", str(home / "my.onnx")).code == 1


def test_a_model_of_a_registry(bdc: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    wanted = ("--model", "models:/house@candidate")
    for name in ("MLFLOW_REGISTRY_URI", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    nobody = bdc("app", "init", "-t", "mlflow", *wanted)
    assert (nobody.code, "there is no MLflow server to ask" in nobody.err) == (1, True)
    with serving(files={"MLmodel": MLMODEL, "model.onnx": b"model"}) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", server.token)
        made = bdc("app", "init", "-t", "mlflow", "-n", "house", *wanted, "-o", "json").json
        assert made == {"folder": "house", "files": ["model/MLmodel", "model/model.onnx", "spec.yaml"], "model": "models:/house/3"}
        said = bdc("app", "init", "-t", "onnx", "-n", "file", *wanted)
        assert "file holds model.onnx, spec.yaml, of models:/house/3. Next:" in said.out + said.err
        assert (home / "file/model.onnx").read_bytes() == b"model"
        server.files["MLmodel"] = b"flavors: {python_function: {loader_module: mlflow.sklearn}}\n"
        for words, why in (
            (("-t", "onnx", "-n", "b", *wanted), "has not the flavor onnx"),
            (("-t", "python", "-n", "b", *wanted), "takes no model"),
            (("-t", "mlflow", "-n", "b", "--model", "models:/house"), "names no version of a model"),
            (("-t", "mlflow", "-n", "b", "--model", "models:/house@x"), "alias x not found"),
            (("-t", "mlflow", "-n", "b", "--model", str(home / "nowhere")), "there is no file or folder"),
        ):
            refused = bdc("app", "init", *words)
            assert refused.code == 1 and why in refused.err and "Traceback" not in refused.err, (words, refused)
        assert not (home / "b").exists()
        server.token = "another"
        assert bdc("app", "init", "-t", "mlflow", "-n", "b", *wanted).code == 4


def test_bad_input_is_one_clear_error(bdc: Run, home: Path) -> None:
    folder = str(app(home / "a"))
    for words, said in (
        (("init", "-t", "cobol"), "there is no template"),
        (("init", "-n", "My App"), "name must be lower-case letters"),
        (("test", folder, "-i", "x=1"), "y (int) is missing"),
        (("test", folder, "-i", "x=1,z=2"), "there is no input 'z'\n"),
        (("test", folder, "-i", "x=1,z=2"), "inputs are: x (int), y (int)"),
        (("test", folder, "-i", "x=1,2"), "'1,2' is no int"),
        (("test", folder, "-i", "x=1,x=2,y=1"), "x comes twice"),
        (("test", folder, "-i", "z=2"), "there is no input 'z'"),
        (("test", folder, "-i", "x=a,y=1"), "'a' is no int"),
        (("test", folder, "-i", f"@{folder}/spec.yaml"), "not valid JSON"),
        (("test", str(home)), "there is no spec.yaml"),
    ):
        found = bdc("app", *words)
        assert (found.code, said in found.err, found.out) == (1, True, ""), (words, found)
        assert "Traceback" not in found.err


@pytest.mark.parametrize(
    ("given", "default", "found"),
    [
        (("house@v1", None, None), None, ("house", "v1")),
        (("house", None, "v2"), None, ("house", "v2")),
        (("house", None, None), "live", ("house", "live")),
        ((None, "house", "v1"), None, ("house", "v1")),
        ((None, "house", None), "live", ("house", "live")),
        (("house", None, None), None, "which version of house?"),
        (("house@", None, None), "live", "which version of house?"),
        (("@v1", None, None), None, "which app?"),
        ((None, None, "v1"), None, "which app?"),
        (("house@v1", "house", None), None, "named twice"),
        (("house@v1", None, "v1"), None, "named twice"),
    ],
)
def test_which_version_is_meant(
    given: tuple[str | None, str | None, str | None], default: str | None, found: tuple[str, str] | str
) -> None:
    if isinstance(found, tuple):
        assert resolved(*given, default) == found
    else:
        with pytest.raises(UserError, match=found.replace("?", r"\?")):
            resolved(*given, default)


VERSION = {
    "name": "add", "version": "v1", "state": "Ready", "reason": "serves", "since": 1795396832.203, "created_at": 1795396800.5,
    "schedule": None, "next_run": None, "percent": 0,
}  # fmt: skip
SCHEDULE = {"cron": "* * * * *", "timezone": "UTC"}


def test_inputs_without_their_option(bdc: Run, home: Path) -> None:
    folder = str(app(home / "a"))
    for words in (("run", "add@v1", "x=1", "y=2"), ("test", folder, "x=1", "y=2")):
        refused = bdc("app", *words)
        assert (refused.code, refused.out) == (2, "")
        assert "unexpected extra arguments (x=1 y=2); inputs follow their option: --inputs x=1,y=2" in refused.err
        assert f"bdc app {words[0]} --help" in refused.err
    refused = bdc("app", "run", "add@v1", "more", "x=1")
    assert (refused.code, "(more x=1)\n" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "There are no apps yet; 'bdc app init' begins one."),
        (("-n", "house"), "There is no app house; 'bdc app list'"),
        (("-n", "house", "-v", "v9"), "There is no version v9 of house"),
        (("-v", "v9"), "There is no version v9 of any app"),
    ],
)
def test_an_empty_list_says_so(bdc: Run, logged_in: StandinController, words: tuple[str, ...], said: str) -> None:
    logged_in.given["/api/v1/apps"] = [] if not words else [{**VERSION, "runtime": "python"}]
    shown = bdc("app", "list", *words, "-o", "json")
    assert (shown.code, shown.json, said in shown.err) == (0, [], True), shown


def test_times_of_a_version_are_shown_as_people_read_them(bdc: Run, logged_in: StandinController) -> None:
    logged_in.given["/api/v1/apps/add/v1"] = VERSION
    shown = bdc("app", "describe", "add@v1", "-o", "json").json
    assert (shown["since"], shown["created_at"]) == (when(1795396832.203), when(1795396800.5))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "add@v1 has no schedule: it runs when it is called"),
        ({"schedule": SCHEDULE}, "add@v1 has a schedule that does not act: it is not add@live. bdc app promote add@v1"),
        (
            {"schedule": SCHEDULE, "next_run": "2026-11-23T02:27:00Z"},
            "not run by its schedule yet; the first time will be 2026-11-23T02:27:00Z",
        ),
    ],
)
def test_an_empty_history_says_why(bdc: Run, logged_in: StandinController, more: dict[str, object], said: str) -> None:
    logged_in.given |= {"/api/v1/apps/add/v1": VERSION | more, "/api/v1/apps/add/v1/history": {"runs": []}}
    shown = bdc("app", "history", "add@v1", "-o", "json")
    assert (shown.code, shown.json, said in shown.err) == (0, [], True), shown


def test_commas_in_values(bdc: Run, home: Path) -> None:
    code = """
        def run(words, many, flag):
            return {"said": f"{words}/{many}/{flag}"}
    """
    folder = str(python(home / "a", code, "{words: str, many: list, flag: bool}", "{said: str}"))
    tested = bdc("app", "test", "--local", folder, "-i", "words=a,b=c,many=[1,2],flag=true", "--calls", "1", "-o", "json")
    assert tested.json["outputParameters"] == {"said": "a,b=c/[1, 2]/True"}
    refused = bdc("app", "test", "--local", folder, "-i", "flag=true,many=[1,2],word=a")
    assert (refused.code, "is no list" in refused.err, "inputs are: words (str), many (list), flag (bool)" in refused.err) == (
        1,
        True,
        True,
    )
